"""The checkpoint people get, and LeRobot's hook at the end of a training that pushes it.

A training's checkpoint holds the weights twice: as they are trained, and averaged (EMA). Inference uses the average, so
that the published file holds it alone, under the names of the weights: half the size, the same actions bit for bit. The
config stays as it was trained with: loading fills the average from the file, and fine-tuning goes on from the averaged
weights and starts averaging afresh. Left out are what only a resumed training needs, the state of its random numbers,
and the folders of the machine that trained.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from lerobot.policies import make_pre_post_processors
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import (
    CHECKPOINTS_DIR,
    LAST_CHECKPOINT_LINK,
    POLICY_POSTPROCESSOR_DEFAULT_NAME,
    POLICY_PREPROCESSOR_DEFAULT_NAME,
    PRETRAINED_MODEL_DIR,
)
from torch import Tensor

from lerobot_dp_plus.hub.card import write_card
from lerobot_dp_plus.hub.patience import Patience
from lerobot_dp_plus.hub.publication import Publication, read_json, size_of_dataset, training_step
from lerobot_dp_plus.hub.upload import Repository, Uploaded
from lerobot_dp_plus.policies.checkpoint import AVERAGE, AVERAGED_MODEL, MODEL, STREAM, read_weights, write_weights

if TYPE_CHECKING:
    from lerobot.configs.train import TrainPipelineConfig

TRAIN_CONFIG = "train_config.json"
#: A training must end, whatever the Hub does.
PATIENCE = Patience()
PIPELINES = (f"{POLICY_PREPROCESSOR_DEFAULT_NAME}.json", f"{POLICY_POSTPROCESSOR_DEFAULT_NAME}.json")


class PushFailed(SystemExit):
    """Ends a training that is complete and saved, but not on the Hub: one line on standard error, exit status 1.

    LeRobot calls the hook from its script, with nothing above that would word an exception; of all exceptions this one is
    printed without a trace by the interpreter itself.
    """


def published_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's weights as inference uses them: the average, or the weights of a policy that keeps none."""
    averaged = {
        key.removeprefix(AVERAGED_MODEL): value for key, value in state.items() if key.startswith(AVERAGED_MODEL)
    }
    kept = {key: value for key, value in state.items() if not key.startswith(AVERAGE) and key != STREAM}
    return kept | {MODEL + key: value for key, value in averaged.items()}


def stage_checkpoint(pretrained: Path, folder: Path) -> None:
    """Copies what people need of the checkpoint in `pretrained` into the empty `folder`.

    Raises:
        FileNotFoundError: a file is missing: the config, the weights, a pipeline or its statistics.
        ValueError: a file is damaged; by name.
    """
    names = [CONFIG_NAME, *PIPELINES]
    for pipeline in PIPELINES:
        steps = read_json(pretrained / pipeline).get("steps", [])
        names += [step["state_file"] for step in steps if "state_file" in step]
    names += [TRAIN_CONFIG] if (pretrained / TRAIN_CONFIG).is_file() else []
    missing = [name for name in names if not (pretrained / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{pretrained} holds no {', '.join(missing)}: it cannot be used by others")
    for name in names:
        if name in (CONFIG_NAME, TRAIN_CONFIG):
            public = without_folders(read_json(pretrained / name))
            (folder / name).write_text(json.dumps(public, indent=4) + "\n", encoding="utf-8")
        else:
            shutil.copyfile(pretrained / name, folder / name)
    weights = folder / SAFETENSORS_SINGLE_FILE
    write_weights(published_weights(read_weights(pretrained / SAFETENSORS_SINGLE_FILE)), weights)


def without_folders(value: Any, key: str = "") -> Any:
    """A config's JSON with every absolute path reduced to its last part, and without the place it was started from."""
    if isinstance(value, dict):
        return {name: without_folders(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [without_folders(entry) for entry in value]
    if not isinstance(value, str):
        return value
    path = PureWindowsPath(value)  # splits at / and \
    in_a_home = value.startswith("~") and len(path.parts) > 1
    if not (in_a_home or path.is_absolute() or PurePosixPath(value).is_absolute()):
        return value
    return None if key == "pretrained_path" else path.name


def dataset_size(pretrained: Path) -> dict[str, int]:
    """Episodes and frames of the data the checkpoint in `pretrained` was trained on, if they are on this disk."""
    return size_of_dataset(read_json(pretrained / TRAIN_CONFIG).get("dataset") or {})


def push_model_to_hub(
    policy: PreTrainedPolicy,
    cfg: "TrainPipelineConfig",
    peft_model: Any = None,
    state_dict: dict[str, Tensor] | None = None,
    dataset_meta: Any = None,
) -> Uploaded | None:
    """LeRobot's hook at the end of a training: weights, config, pipelines, train config and card as one commit.

    LeRobot then pushes the pipelines by itself; they are there already, so that no second commit comes of it.

    Raises:
        PushFailed: the Hub did not take it; the message says where the training is saved and how to push it later.
    """
    if peft_model is not None:
        # An adapter is no checkpoint of ours: LeRobot's own way.
        return PreTrainedPolicy.push_model_to_hub(policy, cfg, peft_model, state_dict, dataset_meta)
    checkpoint = _saved(policy, cfg, state_dict, dataset_meta)
    repo_id, private = str(policy.config.repo_id), policy.config.private
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            stage_checkpoint(checkpoint, folder)
            facts = {"step": training_step(checkpoint), "repo_id": repo_id, **dataset_size(checkpoint)}
            Publication.collect(folder, **facts).write(folder)
            write_card(folder)
            made = Repository(repo_id, patience=PATIENCE).upload(
                folder, private=private, title="Upload policy, processors and card"
            )
    except (OSError, ValueError) as error:  # the Hub's failures are both
        later = f"dp-plus publish {cfg.output_dir} --repo-id {repo_id}{' --private' if private else ''}"
        raise PushFailed(
            f"error: the training is complete and saved in {checkpoint}, but it was not pushed: {error}\n"
            f"push it later with: {later}"
        ) from error
    # LeRobot's remote jobs wait for exactly this line.
    logging.info("Model pushed to %s", made.url)
    return made


def _saved(
    policy: PreTrainedPolicy, cfg: "TrainPipelineConfig", state_dict: dict[str, Tensor] | None, dataset_meta: Any
) -> Path:
    """The folder of the finished training's checkpoint; without one (save_checkpoint=false) it is saved now."""
    assert cfg.output_dir is not None
    last = Path(cfg.output_dir) / CHECKPOINTS_DIR / LAST_CHECKPOINT_LINK / PRETRAINED_MODEL_DIR
    if cfg.save_checkpoint and last.is_dir():
        return last
    folder = Path(cfg.output_dir) / PRETRAINED_MODEL_DIR
    policy.save_pretrained(folder, state_dict=state_dict)
    cfg.save_pretrained(folder)
    stats = None if dataset_meta is None else dataset_meta.stats
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=stats):
        pipeline.save_pretrained(folder)
    return folder
