"""What a patch of LeRobot is made of, and what is said when LeRobot has moved; the patches are in `patches.py`."""

import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

#: Types of policies that patches act on; everybody else's pass untouched.
OUR_TYPES = "dp_plus_"
#: The modules whose names may hold a function of LeRobot's, ours too: `python -m` runs one of its scripts as `__main__`.
HOLDERS = ("lerobot", "lerobot_dp_plus", "__main__")


class HostChanged(ValueError):
    """LeRobot no longer has what a hook holds on to; the message names both, what is lost and the way out."""

    def __init__(self, what: str, lost: str) -> None:
        versions = " and ".join(f"{name} {_version(name)}" for name in ("lerobot", "draccus"))
        super().__init__(
            f"{what}. This package does not fit the installed {versions}, and without this hook {lost}. Install the "
            "lerobot that lerobot_policy_dp_plus asks for, or a newer lerobot_policy_dp_plus"
        )


def demand(owner: Any, name: str, lost: str, *given: Any, **named: Any) -> Callable[..., Any]:
    """`owner.name`, if it can be called with arguments like `given` and `named`; their values do not matter.

    Raises:
        HostChanged: there is none, or it takes other arguments; `lost` completes "without this hook …".
    """
    found = getattr(owner, name, None)
    if not callable(found):
        raise HostChanged(f"{full_name(owner, name)} is gone", lost)
    try:
        inspect.signature(found).bind(*given, **named)
    except TypeError as error:
        raise HostChanged(f"{full_name(owner, name)} is called otherwise now ({error})", lost) from error
    return found


def arguments(function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What a call of `function` gives each of its parameters, by name; what it leaves out is absent.

    Raises:
        TypeError: `function` takes no such call.
    """
    signature = inspect.signature(function)
    found = dict(signature.bind(*given, **named).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= found.pop(parameter.name, {})
    return found


def rebind(original: Any, replacement: Any) -> None:
    """Put `replacement` wherever one of LeRobot's modules has a name for `original`: they import from each other by name."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in HOLDERS:
            for each, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    setattr(module, each, replacement)


def is_mentioned(module: Any, name: str) -> bool:
    """Whether any function of `module` uses the global `name`: a hook in its place is then asked."""
    own = (inspect.unwrap(value) for value in vars(module).values() if inspect.isfunction(value))
    return any(mentions(function, name) for function in own if function.__module__ == module.__name__)


def mentions(function: Callable[..., Any], name: str) -> bool:
    """Whether `function` uses a global or an attribute `name`."""
    return any(name in code.co_names for code in _codes(inspect.unwrap(function).__code__))


def is_ours(config: Any) -> bool:
    """Whether a policy's config is one of this package's types."""
    return str(getattr(config, "type", "")).startswith(OUR_TYPES)


def full_name(owner: Any, name: str) -> str:
    """`Class.method`, `module.function`: what a message calls it."""
    return f"{getattr(owner, '__name__', type(owner).__name__)}.{name}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(unknown version)"
