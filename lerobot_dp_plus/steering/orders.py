"""What may be ordered, and what an order must be like."""

from collections.abc import Mapping
from typing import Any

from lerobot_dp_plus.evaluation.moment import NAMES

#: The orders, and the values that each has. `Session` has a method for each, which says what it does.
ORDERS: dict[str, tuple[str, ...]] = {
    "step": (),
    "choose": ("mode",),
    "block": ("x", "y", "radius"),
    "unblock": ("index",),
    "send": ("x", "y"),
    "recall": (),
    "bend": ("way",),
    "reset": ("seed",),
}

#: No number of an order is beyond this.
LARGEST = 1e9


class Refused(ValueError):
    """An order that cannot be carried out. The message says why, and what would do. Nothing has changed."""


def read(order: Any) -> tuple[str, dict[str, Any]]:
    """The name and the values of an order {"do": NAME, …values}; what else it holds is left out.

    Raises:
        Refused: there is no such order, or a value is missing.
    """
    name = order.get("do") if isinstance(order, Mapping) else None
    if not isinstance(name, str) or name not in ORDERS:
        raise Refused(f"do = {name!r}: legal are {', '.join(ORDERS)}")
    if missing := [each for each in ORDERS[name] if each not in order]:
        raise Refused(f"{name}: {', '.join(missing)} missing")
    return name, {each: order[each] for each in ORDERS[name]}


def number(name: str, value: Any) -> float:
    """A finite number; a `Refused` that names it if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise Refused(f"{name} = {str(value)[:40]}: must be a number")
    return float(value)


def whole(name: str, value: Any) -> int:
    """A whole number; a `Refused` that names it if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{name} = {str(value)[:40]!r}: must be a whole number")
    return value


def called(mode: int) -> str:
    """How a person calls a way: by its colour."""
    return NAMES[mode] if 0 <= mode < len(NAMES) else str(mode)
