"""What a command line asks of a resumed training in vain.

LeRobot goes on with the optimizer and the statistics of the checkpoint, and says nothing of flags that ask for others.
"""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import draccus

from lerobot_dp_plus.policies.former_names import in_config

logger = logging.getLogger(__name__)

OUR_TYPES = "dp_plus_"
#: Of an optimizer, what its saved state overwrites: the field of the policy that is its preset, and that of torch.
OVERWRITTEN = {
    "lr": ("optimizer_lr", "initial_lr"),
    "betas": ("optimizer_betas", "betas"),
    "eps": ("optimizer_eps", "eps"),
    "weight_decay": ("optimizer_weight_decay", "weight_decay"),
}
#: Further fields of the policy that are read only when a training starts, and where the checkpoint keeps them.
READ_AT_START = {
    "optimizer_grad_clip_norm": ("optimizer", "grad_clip_norm"),
    "scheduler_warmup_steps": ("scheduler", "num_warmup_steps"),
}
DATASET = ("repo_id", "root", "episodes", "revision")


def say_what_is_left(config: Any) -> None:
    """One line for every field of a `TrainPipelineConfig` about to be resumed that is not what will be in force."""
    checkpoint = getattr(config, "checkpoint_path", None)
    if not config.resume or checkpoint is None or config.policy is None or not config.policy.type.startswith(OUR_TYPES):
        return
    folder = Path(checkpoint) / "pretrained_model"
    if int(os.environ.get("RANK", "0")) or not (folder / "train_config.json").is_file():
        return
    saved = in_config(json.loads((folder / "train_config.json").read_text(encoding="utf-8")))
    given = json.loads(json.dumps(draccus.encode(config), default=str))
    for flag, value, in_force in ignored(saved, given, _first_group(Path(checkpoint))):
        logger.warning(
            "%s=%s is ignored by LeRobot, because the training is resumed: %s goes on. For another start a new training "
            "from the checkpoint: --policy.path=%s %s=%s",
            flag,
            _spelled(value),
            _spelled(in_force),
            folder,
            flag if flag.startswith("--policy.") else f"--policy.optimizer_{flag.rpartition('.')[2]}",
            _spelled(value),
        )
    data = [name for name in DATASET if saved.get("dataset", {}).get(name) != given["dataset"].get(name)]
    if data:
        logger.warning(
            "%s: the training goes on with other data, normalised with the statistics of the checkpoint, those of %s. To "
            "normalise with its own start a new training from the checkpoint: --policy.path=%s --dataset.repo_id=%s",
            " ".join(f"--dataset.{name}={_spelled(given['dataset'].get(name))}" for name in data),
            " ".join(f"--dataset.{name}={_spelled(saved.get('dataset', {}).get(name))}" for name in data),
            folder,
            given["dataset"]["repo_id"],
        )


def ignored(saved: dict[str, Any], given: dict[str, Any], group: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(flag, value asked for, value in force) of every field of optimizer and scheduler that is not taken.

    Args:
        saved, given: the training's config, in the checkpoint and as now asked for.
        group: the optimizer's first group of parameters in the checkpoint.
    """
    optimizers = [config.get("optimizer") or {} for config in (saved, given)]
    policies = [config.get("policy") or {} for config in (saved, given)]
    for name, (preset, in_torch) in OVERWRITTEN.items():
        in_force = group.get(in_torch, group.get(name, optimizers[0].get(name)))
        for flag, before, now in (
            (f"--optimizer.{name}", optimizers[0].get(name), optimizers[1].get(name)),
            (f"--policy.{preset}", policies[0].get(preset), policies[1].get(preset)),
        ):
            if now != before and now != in_force:
                yield flag, now, in_force
    for preset, (part, name) in READ_AT_START.items():
        if policies[0].get(preset) != policies[1].get(preset):
            yield f"--policy.{preset}", policies[1].get(preset), (given.get(part) or {}).get(name)
    backbone = "optimizer_lr_backbone"
    if policies[0].get(backbone) != policies[1].get(backbone):
        yield f"--policy.{backbone}", policies[1].get(backbone), policies[0].get(backbone)


def _first_group(checkpoint: Path) -> dict[str, Any]:
    file = checkpoint / "training_state" / "optimizer_param_groups.json"
    groups = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return groups[0] if isinstance(groups, list) and groups else {}


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
