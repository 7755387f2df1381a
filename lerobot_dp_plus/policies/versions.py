"""Which version of this package wrote a checkpoint, and whether the installed one is older."""

from pathlib import Path

from packaging.version import InvalidVersion, Version
from safetensors import SafetensorError, safe_open

import lerobot_dp_plus

#: The package's name, and under it the header of a weights file tells the version that wrote it.
DISTRIBUTION = "lerobot_policy_dp_plus"


def written_by(path: Path) -> str | None:
    """Version of this package that wrote a weights file; None if the file does not say, or is none."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get(DISTRIBUTION)
    except (OSError, SafetensorError):
        return None


def is_newer(version: str | None) -> bool:
    """Whether `version` of this package is newer than the installed one."""
    try:
        return version is not None and Version(version) > Version(lerobot_dp_plus.__version__)
    except InvalidVersion:
        return False


def upgrade_hint(version: str | None) -> str:
    """The end of a message about a checkpoint that `version` wrote: what to do if that is newer, else nothing."""
    if not is_newer(version):
        return ""
    return f". {DISTRIBUTION} {version} wrote it and {lerobot_dp_plus.__version__} is installed: upgrade"
