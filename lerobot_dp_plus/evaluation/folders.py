"""What lies in the folders LeRobot's training writes; reads files only, so that looking costs no imports."""

import hashlib
import json
from pathlib import Path


def pretrained_folder(path: Path) -> Path:
    """The `pretrained_model` folder meant by `path`: itself, a checkpoint, or a training's output_dir.

    Raises:
        FileNotFoundError: none of these holds a config.json.
    """
    candidates = [path, path / "pretrained_model", path / "checkpoints" / "last" / "pretrained_model"]
    for candidate in candidates:
        if (candidate / "config.json").is_file():
            return candidate
    raise FileNotFoundError(f"no policy in {path}: expected config.json in one of {', '.join(map(str, candidates))}.")


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
