"""LeRobot's own doors to a checkpoint, answered by `loading` and `fetching`; `lerobot_dp_plus/patches.py` puts them in.

`lerobot-eval --policy.path=USER/NAME` reads a config before it knows whose policy it is, and a resumed training downloads
before it reads anything. Stock, all faults there are one ("config.json not found on the HuggingFace Hub"), a dead
network costs half a minute, and `--policy.pretrained_revision` pins the weights but not the config they belong to. What
is loaded and returned is LeRobot's.

A checkpoint of another policy type goes LeRobot's way, faults included: where its config or the cache says whose it is,
where another policy's class is asked, and where a pipeline is nobody's. What remains is a name for which nothing is
there to say whose it is, given where any policy may be meant; its message is ours.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import CONFIG_NAME
from huggingface_hub.utils import validate_repo_id
from lerobot.configs import PreTrainedConfig

from lerobot_dp_plus.policies import devices, saved_pipelines
from lerobot_dp_plus.policies.fetching import Checkpoint, commit_of
from lerobot_dp_plus.policies.formats import FORMAT_VERSION
from lerobot_dp_plus.policies.loading import HUB_OPTIONS, load_config
from lerobot_dp_plus.policies.loading_errors import Asked, CheckpointUnavailable, worded, worded_faults
from lerobot_dp_plus.policies.ownership import TRAIN_CONFIG, is_another_type, is_our_type, stated_type, type_in

REVISION = "--pretrained_revision="


def pinned_revision(overrides: Sequence[str]) -> str | None:
    """The revision named by `--pretrained_revision=…` or `--pretrained_revision …`."""
    for index, word in enumerate(overrides):
        if word.startswith(REVISION):
            return word.removeprefix(REVISION)
        if word == REVISION[:-1] and index + 1 < len(overrides):
            return overrides[index + 1]
    return None


def config_door(stock: Any, cls: type, name: str | Path, **options: Any) -> Any:
    """`PreTrainedConfig.from_pretrained`: a checkpoint's config, or the one message that says why there is none.

    Raises:
        CheckpointUnavailable: it cannot be had, for a reason it names. CheckpointUnreadable: it cannot be used.
    """
    hub = {key: options[key] for key in HUB_OPTIONS if key in options}
    if hub.get("revision") is None:
        hub["revision"] = pinned_revision(options.get("cli_overrides") or [])
    if (
        not (cls is PreTrainedConfig or _is_ours(cls))
        or _asked_by_another_policy()
        or is_another_type(stated_type(name, hub.get("cache_dir")))
    ):
        return stock(cls, name, **options)
    checkpoint = Checkpoint(name, **hub)
    if is_another_type(type_in(checkpoint.fetch(CONFIG_NAME))):
        return stock(cls, name, **options)
    others = {key: value for key, value in options.items() if key not in HUB_OPTIONS}
    return load_config(checkpoint, FORMAT_VERSION, cls, **others)


def pipeline_door(stock: Any, cls: type, name: str | Path, config_filename: str, **options: Any) -> Any:
    """`DataProcessorPipeline.from_pretrained`: a pipeline as this version would have made it, of a checkpoint of ours.

    Raises:
        CheckpointUnavailable: one of its files cannot be had, for a reason it names.
        ValueError: its statistics cannot be used, by name.
    """
    if Path(name).exists():
        if saved_pipelines.is_ours(Path(name) if Path(name).is_dir() else Path(name).parent):
            options["overrides"] = devices.present(Path(name), config_filename, options.get("overrides"))
            return saved_pipelines.load(stock, cls, name, config_filename, options)
        return stock(cls, name, config_filename, **options)
    hub = {key: options[key] for key in HUB_OPTIONS if key in options}
    try:
        checkpoint = Checkpoint(name, **hub)
        if is_another_type(stated_type(name, hub.get("cache_dir"))) or not is_our_type(
            type_in(checkpoint.fetch(CONFIG_NAME))
        ):
            return stock(cls, name, config_filename, **options)
    except (CheckpointUnavailable, ValueError):  # nothing says that it is of ours
        return stock(cls, name, config_filename, **options)
    file = checkpoint.fetch(config_filename)
    for step in json.loads(file.read_text(encoding="utf-8")).get("steps", []):
        if "state_file" in step:
            checkpoint.fetch(step["state_file"])
    for key in HUB_OPTIONS:
        options.pop(key, None)
    options["overrides"] = devices.present(file.parent, config_filename, options.get("overrides"))
    return saved_pipelines.load(stock, cls, file.parent, config_filename, options)


def train_config_door(stock: Any, cls: type, name: str | Path, **options: Any) -> Any:
    """`TrainPipelineConfig.from_pretrained`: of a repository, quickly or with the one message.

    Raises:
        CheckpointUnavailable: it cannot be had, for a reason it names.
    """
    hub = {key: options[key] for key in HUB_OPTIONS if key in options}
    if Path(name).exists() or is_another_type(stated_type(name, hub.get("cache_dir"))):
        return stock(cls, name, **options)
    asked = Asked(str(name), options.get("revision"), options.get("token"), options.get("cache_dir"))
    with worded_faults(asked):
        validate_repo_id(asked.repo_id)
        if not options.get("local_files_only"):
            _, silent = commit_of(asked, TRAIN_CONFIG)
            cached = try_to_load_from_cache(
                asked.repo_id, TRAIN_CONFIG, revision=asked.revision, cache_dir=asked.cache_dir
            )
            if silent is not None and not isinstance(cached, str):
                raise worded(silent, asked) from silent
        return stock(cls, name, **options)


def resume_door(stock: Any, repo_id: str, output_dir: Path, **options: Any) -> Path:
    """`resolve_resume_checkpoint`: the checkpoint of a repository, quickly or with the one message.

    Raises:
        CheckpointUnavailable: it cannot be had, for a reason it names.
    """
    if is_another_type(stated_type(repo_id)):
        return stock(repo_id, output_dir, **options)
    asked = Asked(repo_id)
    with worded_faults(asked):
        _, silent = commit_of(asked, TRAIN_CONFIG)
        if silent is not None:
            raise worded(silent, asked) from silent
        return stock(repo_id, output_dir, **options)


def _is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "lerobot_dp_plus"


def _asked_by_another_policy() -> bool:
    """Whether the class of another policy is being loaded: LeRobot's `from_pretrained` of it asks for the base's config."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in (__name__, "lerobot_dp_plus.patches"):
        frame = frame.f_back
    asks = None if frame is None else frame.f_locals.get("cls")
    return isinstance(asks, type) and hasattr(asks, "config_class") and not _is_ours(asks)
