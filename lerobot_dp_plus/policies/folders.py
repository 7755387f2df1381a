"""Which folder of a training holds the policy, and what a dataset's folder is called; looking costs no imports."""

import re
from pathlib import Path

#: What comes along with the package: `hub_cards/`, the released policies, and `configs/`.
ASSETS = Path(__file__).parents[1] / "assets"
COME_ALONG = ("hub_cards", "configs")


def at_hand(path: Path) -> Path:
    """`path`; or the package's own, where `path` begins with `hub_cards/` or `configs/` and is not there.

    So `hub_cards/pusht_state` names the same policy in a clone and after `pip install`.
    """
    own = ASSETS / path
    return own if path.parts[:1] and path.parts[0] in COME_ALONG and not path.exists() and own.exists() else path


def pretrained_folder(path: Path) -> Path:
    """The `pretrained_model` folder meant by `path`: itself, a checkpoint, a training's output_dir, or what comes along.

    Raises:
        FileNotFoundError: none of these holds a config.json.
    """
    path = at_hand(path)
    candidates = [path, path / "pretrained_model", path / "checkpoints" / "last" / "pretrained_model"]
    for candidate in candidates:
        if (candidate / "config.json").is_file():
            return candidate
    raise FileNotFoundError(f"no policy in {path}: expected config.json in one of {', '.join(map(str, candidates))}.")


def local_name(folder: str) -> str:
    """The repository name LeRobot wants with a dataset's folder, which is on no Hub."""
    return f"local/{re.sub(r'[^A-Za-z0-9._-]+', '-', Path(folder).resolve().name).strip('-.') or 'dataset'}"
