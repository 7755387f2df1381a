"""The checkpoint people get, and the ways it is pushed: by LeRobot at the end of a training, and by anybody from Python.

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

import torch
import torch.distributed as dist
from huggingface_hub import HfApi
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
from lerobot_dp_plus.policies import former_names, sharding
from lerobot_dp_plus.policies.checkpoint import (
    AVERAGE,
    AVERAGED_MODEL,
    MODEL,
    STREAM,
    plain_names,
    read_weights,
    write_weights,
)

if TYPE_CHECKING:
    from lerobot.configs.train import TrainPipelineConfig

TRAIN_CONFIG, CALIBRATION = "train_config.json", "surprise.json"
#: A training must end, whatever the Hub does.
PATIENCE = Patience()
#: Where LeRobot keeps the average of its own (`--ema.enable`), beside the weights as trained.
HOSTS_AVERAGE_DIR = f"{PRETRAINED_MODEL_DIR}_ema"
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


def stage_checkpoint(pretrained: Path, folder: Path, with_pipelines: bool = True) -> None:
    """Copies what people need of the checkpoint in `pretrained` into the empty `folder`.

    Raises:
        FileNotFoundError: a file is missing: the config, the weights, a pipeline or its statistics.
        ValueError: a file is damaged; by name.
    """
    pipelines = PIPELINES if with_pipelines else ()
    names = [CONFIG_NAME, *pipelines]
    for pipeline in pipelines:
        steps = read_json(pretrained / pipeline).get("steps", [])
        names += [step["state_file"] for step in steps if "state_file" in step]
    names += [name for name in (TRAIN_CONFIG, CALIBRATION) if (pretrained / name).is_file()]
    missing = [name for name in names if not (pretrained / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{pretrained} holds no {', '.join(missing)}: it cannot be used by others")
    for name in names:
        if name in (CONFIG_NAME, TRAIN_CONFIG):
            public = without_folders(former_names.in_config(read_json(pretrained / name)))
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
    """The hook of LeRobot 0.6.1 at the end of a training: weights, config, pipelines, train config and card as one commit.

    LeRobot then pushes the pipelines by itself; they are there already, so that no second commit comes of it.

    Raises:
        PushFailed: the Hub did not take it; the message says where the training is saved and how to push it later.
    """
    if peft_model is not None:
        # An adapter is no checkpoint of ours: LeRobot's own way.
        return PreTrainedPolicy.push_model_to_hub(policy, cfg, peft_model, state_dict, dataset_meta)
    weights = sharding.whole_state(policy.state_dict() if state_dict is None else state_dict)
    if weights is None:
        return None
    return _push_training(policy, cfg, _saved(policy, cfg, weights, dataset_meta))


def publish_training(
    policy: PreTrainedPolicy, cfg: "TrainPipelineConfig", dataset_meta: Any, pipelines: tuple[Any, Any]
) -> Uploaded | None:
    """What newer ones do there, in every process: the same commit, made by the first process; None in the others.

    Raises:
        PushFailed: as `push_model_to_hub`.
    """
    weights = sharding.whole_state(policy.state_dict())
    try:
        if weights is None:
            return None
        return _push_training(policy, cfg, _saved(policy, cfg, weights, dataset_meta, pipelines))
    finally:
        if dist.is_available() and dist.is_initialized():
            dist.barrier()  # the others wait here, so that none ends the group while the first still sends


def push_to_hub(
    policy: PreTrainedPolicy,
    repo_id: str,
    *,
    commit_message: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    card_kwargs: Mapping[str, Any] | None = None,
    preprocessor: Any = None,
    postprocessor: Any = None,
    branch: str | None = None,
    **upload: Any,
) -> str | None:
    """Push a policy as people get it, averaged weights, config and card, in one commit; returns the commit's page.

    A repository serves others only with the pipelines that go with the policy. Give both and they are in the commit; else
    they go with `preprocessor.push_to_hub(repo_id)` as LeRobot has it, and a warning says so as long as they are not there.

    Args:
        card_kwargs: fields of `Publication`, for the card.
        upload: `create_pr`, `allow_patterns`, `ignore_patterns` and `delete_patterns` of the Hub's `upload_folder`.

    Raises:
        ValueError: one pipeline without the other; a field of the card that is none.
        HfHubHTTPError, …: what the Hub's client raises; nothing was changed then.
    """
    if (preprocessor is None) != (postprocessor is None):
        raise ValueError("preprocessor and postprocessor: give both, or neither to push them by themselves")
    weights = sharding.whole_state(policy.state_dict())
    if weights is None:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        saved, folder = Path(temporary) / "saved", Path(temporary) / "upload"
        folder.mkdir()
        _save(policy, saved, weights, () if preprocessor is None else (preprocessor, postprocessor))
        stage_checkpoint(saved, folder, with_pipelines=preprocessor is not None)
        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
        Publication.collect(folder, **{**(card_kwargs or {}), "repo_id": repo_id}).write(folder)
        write_card(folder)
        made = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=commit_message or "Upload policy and card",
            revision=branch,
            **upload,
        )
    if preprocessor is None and not upload.get("create_pr"):
        there = api.list_repo_files(repo_id, revision=branch)
        lacking = [pipeline for pipeline in PIPELINES if pipeline not in there]
        if lacking:
            logging.warning(
                "%s holds no %s: nobody can use the policy without. Push them with preprocessor.push_to_hub(%r) and "
                "postprocessor.push_to_hub(%r), or give both to policy.push_to_hub",
                *(repo_id, " and no ".join(lacking), repo_id, repo_id),
            )
    return made


def _push_training(policy: PreTrainedPolicy, cfg: "TrainPipelineConfig", checkpoint: Path) -> Uploaded:
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
        found = cfg.output_dir if checkpoint.name == PRETRAINED_MODEL_DIR else checkpoint
        later = f"dp-plus publish {found} --repo-id {repo_id}{' --private' if private else ''}"
        raise PushFailed(
            f"error: the training is complete and saved in {checkpoint}, but it was not pushed: {error}\n"
            f"push it later with: {later}"
        ) from error
    # LeRobot's remote jobs wait for exactly this line.
    logging.info("Model pushed to %s", made.url)
    return made


def _saved(
    policy: PreTrainedPolicy,
    cfg: "TrainPipelineConfig",
    weights: Mapping[str, Tensor],
    dataset_meta: Any,
    pipelines: tuple[Any, ...] = (),
) -> Path:
    """The folder of the last checkpoint that holds `weights`; if none does they are saved now.

    None does without checkpoints (save_checkpoint=false) and where they are shards. LeRobot's own average comes a second
    time, to another repository, and lies beside the weights as trained.
    """
    assert cfg.output_dir is not None
    output = Path(cfg.output_dir)
    names = [PRETRAINED_MODEL_DIR]
    if getattr(getattr(cfg, "ema", None), "enable", False):
        names.append(HOSTS_AVERAGE_DIR)
    for name in names if cfg.save_checkpoint else ():
        folder = output / CHECKPOINTS_DIR / LAST_CHECKPOINT_LINK / name
        if _holds(folder, weights):
            return folder
    for name in names:
        folder = output / name
        if not (folder / SAFETENSORS_SINGLE_FILE).is_file() or _holds(folder, weights):
            break  # else it holds the weights as trained, or the file of an earlier run
    else:
        folder = output / PRETRAINED_MODEL_DIR
    if not pipelines:
        stats = None if dataset_meta is None else dataset_meta.stats
        pipelines = make_pre_post_processors(policy.config, dataset_stats=stats)
    _save(policy, folder, weights, pipelines)
    cfg.save_pretrained(folder)
    return folder


def _holds(folder: Path, weights: Mapping[str, Tensor]) -> bool:
    """Whether the file in `folder` holds what would be published of `weights`, bit for bit."""
    file = folder / SAFETENSORS_SINGLE_FILE
    if not file.is_file():
        return False
    saved, current = (published_weights(state) for state in (read_weights(file), plain_names(weights)))
    return saved.keys() == current.keys() and all(torch.equal(saved[key], current[key].cpu()) for key in saved)


def _save(policy: PreTrainedPolicy, folder: Path, weights: Mapping[str, Tensor], pipelines: tuple[Any, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Not `save_pretrained`, whose hosts gather by themselves, which takes every process.
    write_weights(weights, folder / SAFETENSORS_SINGLE_FILE)
    policy.config._save_pretrained(folder)
    for pipeline in pipelines:
        pipeline.save_pretrained(folder)
