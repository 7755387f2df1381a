"""MetaWorld, which comes with an extra; nothing of it is imported before it is wanted."""

import importlib
from types import ModuleType

from lerobot_dp_plus.environments.aloha_physics import MissingExtra, require

INSTALL = 'pip install "lerobot_policy_dp_plus[metaworld]"'


def require_metaworld(name: str) -> ModuleType:
    """Import a module of the metaworld extra.

    Raises:
        MissingExtra: it is not installed; the message says how to.
    """
    try:
        require("mujoco")  # which sets up rendering first
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("mujoco", "metaworld"):
            raise
        raise MissingExtra(
            f"MetaWorld needs {error.name}, which is not installed: {INSTALL}", name=error.name
        ) from error
