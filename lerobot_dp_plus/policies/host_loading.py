"""LeRobot's own doors to a checkpoint, with the answers of `loading` and `fetching`.

`lerobot-eval --policy.path=USER/NAME` reads a config before it knows whose policy it is, and a resumed training downloads
before it reads anything. Stock, all faults there are one ("config.json not found on the HuggingFace Hub"), a dead
network costs half a minute, and `--policy.pretrained_revision` pins the weights but not the config they belong to. What
is loaded and returned is LeRobot's, for every policy type.
"""

import functools
import inspect
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import CONFIG_NAME
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.utils import validate_repo_id
from lerobot.configs import PreTrainedConfig
from lerobot.processor import DataProcessorPipeline

from lerobot_dp_plus.policies import devices, resuming
from lerobot_dp_plus.policies.fetching import Checkpoint, commit_of
from lerobot_dp_plus.policies.loading import HUB_OPTIONS, load_config
from lerobot_dp_plus.policies.loading_errors import Asked, CheckpointUnavailable, worded, worded_faults

REVISION = "--pretrained_revision="


def install(format_version: int) -> None:
    """Put the answers into LeRobot, once for this process.

    Reading configs and processors always; the doors of a training where that part of LeRobot is loaded, as its script does first.
    """
    _wrap(PreTrainedConfig, "from_pretrained", functools.partial(_config_door, format_version))
    _wrap(DataProcessorPipeline, "from_pretrained", _pipeline_door)
    training = sys.modules.get("lerobot.configs.train")
    if training is not None:
        _wrap(training.TrainPipelineConfig, "from_pretrained", _train_config_door)
        _wrap(training.TrainPipelineConfig, "validate", _validate_door)
    checkpoints = sys.modules.get("lerobot.common.train_utils")
    if checkpoints is not None:
        _wrap(checkpoints, "resolve_resume_checkpoint", _resume_door)


def _wrap(owner: Any, name: str, door: Any) -> None:
    bound = getattr(owner, name)
    original = getattr(bound, "__func__", bound)  # of a class method
    if hasattr(original, "stock"):
        return

    parameters = inspect.signature(original).parameters.values()
    leading = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]

    @functools.wraps(original)
    def wrapped(*args: Any, **options: Any) -> Any:
        named = [options.pop(name) for name in leading[len(args) :] if name in options]
        return door(original, *args, *named, **options)

    wrapped.stock = original  # type: ignore[attr-defined]
    setattr(owner, name, classmethod(wrapped) if inspect.ismethod(bound) else wrapped)


def pinned_revision(overrides: Sequence[str]) -> str | None:
    """The revision named by `--pretrained_revision=…` or `--pretrained_revision …`."""
    for index, word in enumerate(overrides):
        if word.startswith(REVISION):
            return word.removeprefix(REVISION)
        if word == REVISION[:-1] and index + 1 < len(overrides):
            return overrides[index + 1]
    return None


def _config_door(
    format_version: int, stock: Any, cls: type[PreTrainedConfig], name: str | Path, **options: Any
) -> PreTrainedConfig:
    overrides = options.get("cli_overrides") or []
    hub = {key: options.pop(key) for key in HUB_OPTIONS if key in options}
    if hub.get("revision") is None:
        hub["revision"] = pinned_revision(overrides)
    return load_config(Checkpoint(name, **hub), format_version, cls, **options)


def _pipeline_door(stock: Any, cls: type, name: str | Path, config_filename: str, **options: Any) -> Any:
    if Path(name).exists():
        options["overrides"] = devices.present(Path(name), config_filename, options.get("overrides"))
        return stock(cls, name, config_filename, **options)
    checkpoint = Checkpoint(name, **{key: options[key] for key in HUB_OPTIONS if key in options})
    try:
        file = checkpoint.fetch(config_filename)
    except CheckpointUnavailable as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            # LeRobot tells those of its first year how to be migrated.
            return stock(cls, name, config_filename, **options)
        raise
    for step in json.loads(file.read_text(encoding="utf-8")).get("steps", []):
        if "state_file" in step:
            checkpoint.fetch(step["state_file"])
    if devices.absent(file) is not None:
        with suppress(CheckpointUnavailable):  # it says whose pipeline this is, if it is a policy's
            checkpoint.fetch(CONFIG_NAME)
    for key in HUB_OPTIONS:
        options.pop(key, None)
    options["overrides"] = devices.present(file.parent, config_filename, options.get("overrides"))
    return stock(cls, file.parent, config_filename, **options)


def _validate_door(stock: Any, config: Any) -> None:
    stock(config)
    if config.resume and config.policy is not None:
        config.policy._resumes = True  # its statistics are the checkpoint's, whatever the dataset is
    resuming.say_what_is_left(config)


def _train_config_door(stock: Any, cls: type, name: str | Path, **options: Any) -> Any:
    if Path(name).exists():
        return stock(cls, name, **options)
    asked = Asked(str(name), options.get("revision"), options.get("token"), options.get("cache_dir"))
    with worded_faults(asked):
        validate_repo_id(asked.repo_id)
        if not options.get("local_files_only"):
            _, silent = commit_of(asked, "train_config.json")
            cached = try_to_load_from_cache(
                asked.repo_id, "train_config.json", revision=asked.revision, cache_dir=asked.cache_dir
            )
            if silent is not None and not isinstance(cached, str):
                raise worded(silent, asked) from silent
        return stock(cls, name, **options)


def _resume_door(stock: Any, repo_id: str, output_dir: Path) -> Path:
    asked = Asked(repo_id)
    _, silent = commit_of(asked, "train_config.json")
    if silent is not None:
        raise worded(silent, asked) from silent
    with worded_faults(asked):
        return stock(repo_id, output_dir)
