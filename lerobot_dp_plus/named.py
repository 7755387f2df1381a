"""Functions of a user, by "module:name"."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def function(path: str, field: str) -> Callable[..., Any]:
    """The function at "module:name", which `field` of the config names.

    Raises:
        ValueError: there is none; naming the field and what is missing.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f'{field} = {path!r}: must be "module:name"')
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{field} = {path!r}: {error}. The module must be in Python's path, as with PYTHONPATH=."
        ) from error
    if not callable(found):
        raise ValueError(f"{field} = {path!r} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def call(path: str, field: str, *arguments: Any) -> Any:
    """What the function at "module:name" gives.

    Raises:
        ValueError: as `function`; or it raised an error, which is named.
    """
    found = function(path, field)
    try:
        return found(*arguments)
    except Exception as error:
        raise ValueError(f"{field} = {path}: it raised {type(error).__name__}: {error}") from error
