"""Is every value of a config file of its field's type, null included? Asked before draccus reads it.

Draccus takes null for any number or truth value, and words what it refuses by its own insides.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import draccus

TYPE = draccus.CHOICE_TYPE_KEY
NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}


def misspelled(config: type, values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """For every value of a dataclass `config` that its field cannot take: field, value, what is legal, and the way out.

    Fields that there are not, and types of an axis that there are not, are left to draccus, which names them.
    """
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        if field.name not in values:
            continue
        value, hint, place = values[field.name], hints[field.name], (*path, field.name)
        if not _fits(value, hint):
            yield f"{'.'.join(place)} = {json.dumps(value, default=str)}: must be {_words(hint)}{_way_out(field, value, place)}"
        elif isinstance(value, Mapping):
            for name, member, inside in _inside(hint, value):
                yield from misspelled(member, inside, (*place, *name))


def _fits(value: Any, hint: Any) -> bool:
    """Whether draccus makes of `value` what the annotation says; of dataclasses, whether it is a mapping."""
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if hint is type(None):
        return value is None
    if value is None:
        return hint is Any
    if kind is typing.Literal:
        return value in inner
    if kind is dict:
        return isinstance(value, Mapping) and all(_fits(each, inner[1]) for each in value.values())
    if kind is list:
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)
    if kind is tuple:
        repeated = len(inner) == 2 and inner[1] is Ellipsis
        return isinstance(value, list | tuple) and (
            all(_fits(each, inner[0]) for each in value)
            if repeated
            else len(value) == len(inner) and all(map(_fits, value, inner))
        )
    if not isinstance(hint, type):
        return True
    if dataclasses.is_dataclass(hint) or draccus.ChoiceRegistry in hint.__bases__:
        return isinstance(value, Mapping)
    if issubclass(hint, Enum):
        return value in [name for member in hint for name in (member.name, member.value)]
    if hint is bool:
        return value in (True, False, "true", "false")
    if hint in (int, float):
        return _is_number(value, hint)
    return not isinstance(value, Mapping | list)


def _is_number(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        return False
    try:
        kind(value)
    except (TypeError, ValueError):
        return False
    return True


def _inside(hint: Any, value: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], type, Mapping[str, Any]]]:
    """The dataclasses that `value` holds where the annotation says `hint`: where in it, which, and their values."""
    member = _class_of(hint, value)
    if member is not None:
        yield (), member, value
    for each in (hint, *typing.get_args(hint)):
        if typing.get_origin(each) is dict and dataclasses.is_dataclass(typing.get_args(each)[1]):
            yield from (((key,), typing.get_args(each)[1], inside) for key, inside in value.items())


def _class_of(hint: Any, value: Mapping[str, Any]) -> type | None:
    """The dataclass that `value` is made into where the annotation says `hint`; None if that is none or unknown."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next((found for each in typing.get_args(hint) if (found := _class_of(each, value))), None)
    if isinstance(hint, type) and draccus.ChoiceRegistry in hint.__bases__:
        name = value.get(TYPE, hint.default_choice_name())  # type: ignore[attr-defined]
        return hint.get_known_choices().get(name) if isinstance(name, str) else None  # type: ignore[attr-defined]
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


def _words(hint: Any) -> str:
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (typing.Union, types.UnionType):
        return " or ".join("null" if each is type(None) else _words(each) for each in inner)
    if kind is typing.Literal:
        return f"one of {', '.join(map(json.dumps, inner))}"
    if kind is dict:
        return f"a mapping of names, each to {_words(inner[1])}"
    if kind in (list, tuple):
        some = kind is list or (len(inner) == 2 and inner[1] is Ellipsis)
        return f"a list, each {_words(inner[0])}" if some else f"a list of {len(inner)}, each {_words(inner[0])}"
    if isinstance(hint, type) and draccus.ChoiceRegistry in hint.__bases__:
        names = ", ".join(json.dumps(name) for name in sorted(hint.get_known_choices()))  # type: ignore[attr-defined]
        return f'a mapping with a "{TYPE}", one of {names}'
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return f"a mapping with any of {', '.join(json.dumps(field.name) for field in dataclasses.fields(hint))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(json.dumps(member.name) for member in hint)}"
    return NAMES.get(hint, str(hint))


def _way_out(field: dataclasses.Field[Any], value: Any, place: tuple[str, ...]) -> str:
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if isinstance(value, str) and isinstance(default, draccus.ChoiceRegistry):
        return f"; give {'.'.join(place)}.{TYPE}={value}"
    if value is not None:
        return ""
    if default is dataclasses.MISSING:
        return "; null is not legal here"
    shown = draccus.encode(default) if dataclasses.is_dataclass(default) else default
    if isinstance(default, draccus.ChoiceRegistry):
        shown = {TYPE: default.get_choice_name(type(default)), **shown}
    return f"; null is not legal here. Leave the field out for its default, {json.dumps(shown, default=str)}"
