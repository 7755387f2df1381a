"""How a file and the command line become one config: draccus, mended in three places for the policies of this package.

- Draccus merges file and command line field by field, and then refuses what the file says about the member of an axis
  that the command line has switched away from. `without_former_members` drops that before the merge: fields the new
  member has too keep the file's value, the others are gone. What the command line itself names is always checked.
- Draccus takes null for any number, and words what it refuses by its own insides; `check_spelling` looks first.
- Draccus drops the reason when a config refuses a value and says only that it couldn't make the class; `reasons` finds
  what the config said, and LeRobot prints it as its one line of error.

`install` puts them into draccus's parser, so that LeRobot's own commands have them; configs of others pass untouched.
"""

import argparse
import dataclasses
import functools
import traceback
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any
from unittest.mock import patch

import draccus
import mergedeep
from draccus import argparsing
from draccus.utils import DecodingError, ParsingError
from lerobot.configs import PreTrainedConfig

from lerobot_dp_plus.policies import spelling

PACKAGE = "lerobot_dp_plus"
TYPE = draccus.CHOICE_TYPE_KEY


def without_former_members(config: type, saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`saved`, the fields of a `config` as a file spells them, less those that `given` makes meaningless.

    Where `given` sets another `type` for an axis of this package, the fields the new member does not have are left out,
    and values that are none of its choices: of two members that share a field one may take fewer values, and says so in
    the field's metadata (the types must agree, because they share a flag).
    """
    kept = dict(saved)
    hints = typing.get_type_hints(config)
    for name in given.keys() & saved.keys() & hints.keys():
        if not isinstance(saved[name], Mapping) or not isinstance(given[name], Mapping):
            continue
        member = _class_of(hints[name], {**saved[name], **given[name]})
        if member is None:
            continue
        fields = dict(saved[name])
        if _class_of(hints[name], fields) is not member and _is_ours(hints[name]):
            own = {field.name: field for field in dataclasses.fields(member)}
            fields = {key: value for key, value in fields.items() if key in own and _takes(own[key], value)}
        kept[name] = without_former_members(member, fields, given[name])
    return kept


def check_spelling(config: type, values: Mapping[str, Any]) -> None:
    """Look at every value of a policy of this package, in a config of it or of a script that has it as `policy`.

    Raises:
        DecodingError: a value is not of its field's type: naming the first such field, the value and what is legal.
    """
    path: tuple[str, ...] = ()
    if not (isinstance(config, type) and issubclass(config, PreTrainedConfig)):
        values, path = values.get("policy") or {}, ("policy",)
        name = values.get(TYPE) if isinstance(values, Mapping) else None
        config = PreTrainedConfig.get_known_choices().get(name, type(None)) if isinstance(name, str) else type(None)
    if _is_ours(config):
        for fault in spelling.misspelled(config, values, path):
            raise DecodingError((), fault)


def _class_of(hint: Any, fields: Mapping[str, Any]) -> type | None:
    """The dataclass that draccus would make of `fields` where the annotation says `hint`; None if that is none."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [_class_of(each, fields) for each in typing.get_args(hint)]
        return next((each for each in found if each is not None), None)
    if isinstance(hint, type) and draccus.ChoiceRegistry in hint.__bases__:
        choices = hint.get_known_choices()  # type: ignore[attr-defined]
        return choices.get(fields.get(TYPE, hint.default_choice_name()))  # type: ignore[attr-defined]
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


def _takes(field: dataclasses.Field[Any], value: Any) -> bool:
    choices = field.metadata.get("choices")
    return choices is None or value in choices


def _is_ours(hint: Any) -> bool:
    return isinstance(hint, type) and hint.__module__.split(".")[0] == PACKAGE


def reasons(error: BaseException) -> list[BaseException]:
    """What a config's own check raised, before draccus reworded it as `error`; the last is the innermost.

    Draccus tries every type of a union and keeps the exceptions in a local variable while it words its own.
    """
    found: list[BaseException] = []
    for frame in frames(error.__traceback__):
        attempts = frame.get("exceptions")
        for attempt in attempts.values() if isinstance(attempts, dict) else []:
            if isinstance(attempt, BaseException) and attempt is not error:
                found += [attempt.__cause__] if attempt.__cause__ is not None else []
                found += reasons(attempt)
    if isinstance(error.__cause__, (ValueError, TypeError)) and not found:
        found.append(error.__cause__)
    return found


def frames(trace: TracebackType | None) -> Iterator[dict[str, Any]]:
    """The local variables of every frame of `trace`, outermost first."""
    return (frame.f_locals for frame, _ in traceback.walk_tb(trace))


def _said_by_us(reason: BaseException) -> bool:
    return any(PACKAGE in Path(frame.filename).parts for frame in traceback.extract_tb(reason.__traceback__))


def install() -> None:
    """Mend draccus's parser, once for this process."""
    original = argparsing.ArgumentParser._postprocessing
    if getattr(original, "mended_by", None) == PACKAGE:
        return

    @functools.wraps(original)
    def _postprocessing(self: argparsing.ArgumentParser, parsed_args: argparse.Namespace) -> Any:
        def merge(saved: dict[str, Any], given: dict[str, Any]) -> Any:
            merged = mergedeep.merge(without_former_members(self.config_class, saved, given), given)
            check_spelling(self.config_class, merged)
            return merged

        try:
            with patch.object(argparsing, "mergedeep", SimpleNamespace(merge=merge)):
                return original(self, parsed_args)
        except ParsingError as error:
            ours = [reason for reason in reasons(error) if _said_by_us(reason)]
            if not ours:
                raise
            raise DecodingError((), str(ours[-1])) from error

    _postprocessing.mended_by = PACKAGE  # type: ignore[attr-defined]
    argparsing.ArgumentParser._postprocessing = _postprocessing  # type: ignore[method-assign]
