"""`dp-plus average`: the late checkpoints of a training as one policy, whose weights are their mean.

A training that ends at a high learning rate goes on moving; the mean of its last checkpoints lies nearer to what it
moves around (Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization", eq. 2).
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

from huggingface_hub.constants import SAFETENSORS_SINGLE_FILE
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies import get_policy_class
from torch.optim.swa_utils import AveragedModel

from lerobot_dp_plus.hub.files import appearing, refuse_existing
from lerobot_dp_plus.policies.checkpoint import write_weights
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.publishing.options import average_parser

#: What was averaged, beside the weights.
REPORT = "average.json"


def late_checkpoints(training: Path, last: int) -> list[Path]:
    """The `pretrained_model` folders of the last checkpoints of the training in `training`, latest first.

    Raises:
        ValueError: fewer than two are asked for, or more than there are.
        FileNotFoundError: `training` is not the output_dir of a training.
    """
    if last < 2:
        raise ValueError(f"last = {last}: a mean needs at least 2 checkpoints")
    folder = training / "checkpoints"
    # By their steps, not by `last`, which is a link to one of them.
    found = {int(path.name): path / "pretrained_model" for path in folder.glob("*") if path.name.isdigit()}
    if not found:
        raise FileNotFoundError(f"no checkpoints in {folder}: expected the output_dir of a training")
    steps = sorted(found, reverse=True)
    if last > len(steps):
        more = f"legal: 2 to {len(steps)}" if len(steps) > 1 else "train with a smaller save_freq to have more"
        raise ValueError(f"last = {last}: {folder} holds {len(steps)} (steps {', '.join(map(str, steps))}); {more}")
    return [found[step] for step in steps[:last]]


def average(training: Path, output: Path, *, last: int = 3, overwrite: bool = False) -> list[int]:
    """Write the mean of the last checkpoints of `training` to the folder `output`; returns their steps.

    What is averaged is what samples: the moving average where the training kept one, its weights otherwise. Config and
    processors are those of the last checkpoint.

    Raises:
        FileExistsError: `output` exists.
        FileNotFoundError, ValueError: see `late_checkpoints`; or the checkpoints do not fit together.
    """
    folders = late_checkpoints(training, last)
    refuse_existing(output, overwrite)
    if training.resolve().is_relative_to(output.resolve()):
        raise ValueError(f"output = {output} holds the training itself; choose another folder")
    policy = _sampling(folders[0])
    mean = AveragedModel(policy.model)
    mean.update_parameters(policy.model)
    for folder in folders[1:]:
        mean.update_parameters(_sampling(folder, folders[0]).model)
    policy.model = mean.module  # type: ignore[assignment]
    steps = [int(folder.parent.name) for folder in folders]
    with appearing(output) as partial:
        write_weights(policy.state_dict(), partial / SAFETENSORS_SINGLE_FILE)
        for file in folders[0].iterdir():
            if file.name not in (SAFETENSORS_SINGLE_FILE, "README.md"):
                shutil.copyfile(file, partial / file.name)
        (partial / REPORT).write_text(json.dumps({"steps": steps}) + "\n")
    return steps


def _sampling(folder: Path, like: Path | None = None) -> DpPlusPolicy:
    """The policy in `folder`, by the config in `like`, whose `model` holds the weights that sample."""
    config = PreTrainedConfig.from_pretrained(like or folder)
    if not isinstance(config, DpPlusConfig):
        raise ValueError(f"policy type {config.type!r} in {folder}: legal here are the dp_plus_* types")
    config.ema = replace(config.ema, enabled=False)  # its average then becomes the weights themselves
    config.device = "cpu"
    policy = cast(DpPlusPolicy, get_policy_class(config.type).from_pretrained(folder, config=config))
    if policy.unlearned:
        raise ValueError(f"{folder} does not fit {like}: {policy.unlearned}")
    return policy


def main(argv: list[str]) -> int:
    """Command line of `dp-plus average`."""
    options = average_parser().parse_args(argv)
    steps = average(options.training, options.output, last=options.last, overwrite=options.overwrite)
    print(f"{options.output}: mean of the checkpoints at steps {', '.join(map(str, sorted(steps)))}")
    print(f"  lerobot eval --policy.path={options.output} --env.type=ENV")
    return 0
