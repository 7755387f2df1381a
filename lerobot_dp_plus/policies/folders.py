"""Which folder of a training holds the policy, and what a dataset's folder is called; looking costs no imports."""

import re
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


def local_name(folder: str) -> str:
    """The repository name LeRobot wants with a dataset's folder, which is on no Hub."""
    return f"local/{re.sub(r'[^A-Za-z0-9._-]+', '-', Path(folder).resolve().name).strip('-.') or 'dataset'}"
