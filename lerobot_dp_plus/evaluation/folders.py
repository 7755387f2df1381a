"""What lies in the folders LeRobot's training writes; reads files only, so that looking costs no imports."""

import hashlib
import json
from pathlib import Path

from lerobot_dp_plus.policies.folders import pretrained_folder

__all__ = ["pretrained_folder", "training_step", "weights_digest"]


def training_step(pretrained: Path) -> int | None:
    """The training step a `pretrained_model` folder was saved at, or None for a bare policy."""
    file = pretrained.resolve().parent / "training_state" / "training_step.json"
    return int(json.loads(file.read_text())["step"]) if file.is_file() else None


def weights_digest(folder: Path) -> str:
    """SHA-256 of the weights file in `folder`, which names an evaluation's subject for good.

    Raises:
        FileNotFoundError: no model.safetensors.
    """
    file = folder / "model.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no model.safetensors.")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
