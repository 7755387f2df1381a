"""A pipeline saved with a device that is not here."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.constants import CONFIG_NAME
from lerobot.utils.device_utils import auto_select_torch_device, is_torch_device_available

logger = logging.getLogger(__name__)

STEP = "device_processor"
OUR_TYPES = "dp_plus_"


def present(place: Path, config_filename: str, overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """`overrides` of LeRobot's pipeline loader, with a device that is here in place of one that is not.

    LeRobot's config of a policy falls back by itself, its pipelines refuse to load. Only those of this package's
    policies are looked at, and only where the caller names no device. One line says what was done.
    """
    overrides = dict(overrides or {})
    folder, file = (place.parent, place) if place.is_file() else (place, place / config_filename)
    saved = absent(file)
    if STEP in overrides or saved is None or not _is_ours(folder / CONFIG_NAME):
        return overrides
    here = auto_select_torch_device().type
    logger.warning("%s was saved for the device %r, which is not here: it runs on %r", file.name, saved, here)
    return overrides | {STEP: {"device": here}}


def absent(pipeline: Path) -> str | None:
    """The device that a saved pipeline moves to, if it is not here; what cannot be read is left to LeRobot's loader."""
    try:
        saved = json.loads(pipeline.read_text(encoding="utf-8"))
        for step in saved.get("steps", []):
            device = step.get("config", {}).get("device")
            if step.get("registry_name") == STEP and device is not None and not is_torch_device_available(device):
                return str(device)
    except (OSError, ValueError, AttributeError):
        pass
    return None


def _is_ours(config: Path) -> bool:
    if not config.is_file():
        return False
    saved = json.loads(config.read_text(encoding="utf-8"))
    return isinstance(saved, dict) and str(saved.get("type")).startswith(OUR_TYPES)
