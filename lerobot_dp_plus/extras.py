"""Packages that come with an extra, imported when something needs them."""

import importlib
from typing import Any


def imported(module: str, extra: str, by: str) -> Any:
    """The module, which `by`, a switch as a user writes it, needs.

    Raises:
        ModuleNotFoundError: the extra is not installed; the message says how to.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        install = f'pip install "lerobot_policy_dp_plus[{extra}]"'
        raise ModuleNotFoundError(f"{by} needs the {extra} extra: {install}", name=error.name) from error
