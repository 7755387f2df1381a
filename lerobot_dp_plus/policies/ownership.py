"""Whose a checkpoint is: of a policy of this package, of another one, or of nobody known.

Patches of LeRobot act on ours. They ask here before anything is fetched.
"""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.constants import CONFIG_NAME
from lerobot.configs import PreTrainedConfig

from lerobot_dp_plus.host_hooks import OUR_TYPES

TRAIN_CONFIG = "train_config.json"


def is_our_type(name: Any) -> bool:
    """Whether `name` is, or would be in another version, a policy type of this package."""
    return isinstance(name, str) and name.startswith(OUR_TYPES)


def is_another_type(name: Any) -> bool:
    """Whether `name` is a policy type that is known here and none of this package's."""
    return isinstance(name, str) and name in PreTrainedConfig.get_known_choices() and not is_our_type(name)


def stated_type(name: str | Path, cache_dir: str | Path | None = None) -> Any:
    """The policy type of checkpoint `name`, as its folder here or what the Hub's cache has of it says; None if nothing does."""
    if Path(name).is_dir():
        files = [file for each in (CONFIG_NAME, TRAIN_CONFIG) if (file := Path(name) / each).is_file()]
        return type_in(files[0]) if files else None
    cache = Path(cache_dir or constants.HF_HUB_CACHE)
    snapshots = cache / f"models--{str(name).replace('/', '--')}" / "snapshots"
    # Checkpoints that were pushed during a training lie below the top.
    files = [file for each in (CONFIG_NAME, TRAIN_CONFIG) for file in snapshots.glob(f"*/**/{each}")]
    return type_in(max(files, key=lambda file: file.lstat().st_mtime)) if files else None


def type_in(file: Path) -> Any:
    """The policy type that a checkpoint's or a training's config states; None if it states none or cannot be read."""
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # whoever reads it says what is wrong with it
    part = saved.get("policy") if file.name == TRAIN_CONFIG and isinstance(saved, dict) else saved
    return part.get("type") if isinstance(part, dict) else None
