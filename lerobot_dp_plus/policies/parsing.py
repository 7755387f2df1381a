"""How a file and the command line become one config: draccus, mended in three places for the policies of this package.

- A file of an older format means by what it leaves out what it meant when it was written (`formats`).
- Draccus merges file and command line field by field, and then refuses what the file says about the member of an axis
  that the command line has switched away from. `without_former_members` drops that before the merge: fields the new
  member has too keep the file's value, the others are gone. What the command line itself names is always checked.
- Draccus takes null for any number, and words what it refuses by its own insides; `check_spelling` looks first.
- Draccus drops the reason when a config refuses a value and says only that it couldn't make the class, and the field's
  name when a value has the wrong type; `parsing_words` finds both, and LeRobot prints them as its one line of error.
- Draccus takes the comment above a field for its help, `#:` included, and a per cent sign for a format; both are mended.

`install` puts them into draccus's parser, so that LeRobot's own commands have them; configs of others pass untouched.
"""

import argparse
import dataclasses
import functools
import inspect
import logging
import re
import traceback
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import draccus
import mergedeep
from draccus import argparsing
from draccus.utils import DecodingError, ParsingError
from draccus.wrappers import docstring
from lerobot.configs import PreTrainedConfig

from lerobot_dp_plus.policies import formats, spelling
from lerobot_dp_plus.policies.host_hooks import HostChanged, demand
from lerobot_dp_plus.policies.parsing_words import attempts, frames, names_a_field, reasons, worded

logger = logging.getLogger(__name__)

PACKAGE = "lerobot_dp_plus"
TYPE = draccus.CHOICE_TYPE_KEY


def as_written(config: type, saved: Mapping[str, Any]) -> dict[str, Any]:
    """`saved`, the fields of a `config` as a file spells them, with what an older format meant by what it leaves out.

    A policy's own file is a checkpoint's and states its format, or is of the first. In a training config the policy's part
    may state none; it is read as one of today, and the log says what that decides.
    """
    full, policy = dict(saved), saved.get("policy")
    if not saved:  # there is no file
        return full
    if issubclass(config, PreTrainedConfig):
        known = PreTrainedConfig.get_known_choices()
        name = saved.get(TYPE) or next((name for name, member in known.items() if member is config), "")
        return formats.complete(name, saved, unversioned=1)
    if isinstance(policy, Mapping) and TYPE in policy:
        full["policy"] = formats.complete(str(policy[TYPE]), policy)
        if left := formats.left_open(str(policy[TYPE]), policy):
            logger.info(
                "the config file states no policy.format_version: what it leaves out (%s) is as today's %s has it; "
                '"format_version": %d in it says so, 1 means what it was before',
                ", ".join(left),
                policy[TYPE],
                formats.FORMAT_VERSION,
            )
    return full


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


def _said_by_us(reason: BaseException) -> bool:
    return any(PACKAGE in Path(frame.filename).parts for frame in traceback.extract_tb(reason.__traceback__))


def _about_us(error: BaseException) -> bool:
    """Whether draccus was making a config of this package when it raised `error`."""
    tried = (frame.get("cls") for each in [error, *attempts(error)] for frame in frames(each.__traceback__))
    return any(_is_ours(cls) for cls in tried)


def _as_help(docs: Any) -> Any:
    """A field's comments, less the colon of `#:`, and with per cent signs that argparse takes for no format."""
    texts = {each.name: getattr(docs, each.name) for each in dataclasses.fields(docs)}
    return dataclasses.replace(
        docs, **{name: re.sub(r"(?m)^: ?", "", text).replace("%", "%%") for name, text in texts.items()}
    )


def install() -> None:
    """Mend draccus's parser, once for this process.

    Raises:
        HostChanged: it merges file and command line in another place now.
    """
    lost = "a flag could not choose another member of an axis than the file has"
    original = demand(argparsing.ArgumentParser, "_postprocessing", lost, None, parsed_args=None)
    demand(getattr(argparsing, "mergedeep", None), "merge", lost, {}, {})
    if "mergedeep" not in inspect.unwrap(original).__code__.co_names:
        raise HostChanged("draccus's ArgumentParser._postprocessing does not call mergedeep any more", lost)
    if getattr(original, "mended_by", None) == PACKAGE:
        return

    @functools.wraps(original)
    def _postprocessing(self: argparsing.ArgumentParser, parsed_args: argparse.Namespace) -> Any:
        def merge(saved: dict[str, Any], given: dict[str, Any]) -> Any:
            written = as_written(self.config_class, saved)
            merged = mergedeep.merge(without_former_members(self.config_class, written, given), given)
            check_spelling(self.config_class, merged)
            return merged

        try:
            with patch.object(argparsing, "mergedeep", SimpleNamespace(merge=merge)):
                return original(self, parsed_args)
        except ParsingError as error:
            about_us = _about_us(error)
            ours = [each for each in reasons(error) if _said_by_us(each) or (about_us and names_a_field(each))]
            if not ours:
                raise
            raise DecodingError((), worded(ours[-1])) from error

    read_comments = docstring.get_attribute_docstring

    @functools.wraps(read_comments)
    def get_attribute_docstring(some_dataclass: type, field_name: str) -> Any:
        found = read_comments(some_dataclass, field_name)
        return _as_help(found) if _is_ours(some_dataclass) else found

    docstring.get_attribute_docstring = get_attribute_docstring
    _postprocessing.mended_by = PACKAGE  # type: ignore[attr-defined]
    argparsing.ArgumentParser._postprocessing = _postprocessing  # type: ignore[method-assign]
