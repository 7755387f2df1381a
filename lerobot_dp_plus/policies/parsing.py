"""How a file and the command line become one config: draccus, mended in four places for the policies of this package.

- A field may be given by its former name (`former_names`), in a file or as a flag.
- A file of an older format means by what it leaves out what it meant when it was written (`formats`).
- Draccus merges file and command line field by field, and then refuses what the file says about the member of an axis
  that the command line has switched away from. `without_former_members` drops that before the merge: fields the new
  member has too keep the file's value, the others are gone. What the command line itself names is always checked.
- Draccus takes null for any number, and words what it refuses by its own insides; `check_spelling` looks first. It also
  drops the reason when a config refuses a value and says only that it couldn't make the class, and the field's name when
  a value has the wrong type; `parsing_words` finds both, and LeRobot prints them as its one line of error.

`parse_known_args` answers for draccus's own (`lerobot_dp_plus/patches.py` puts it there), so that LeRobot's commands have
all this. Before it parses it asks whose config it is, and leaves those of others to draccus.
"""

import argparse
import dataclasses
import functools
import itertools
import logging
import sys
import traceback
import types
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import draccus
import mergedeep
import yaml
from draccus import cfgparsing
from draccus.argparsing import ArgumentParser
from draccus.utils import CONFIG_ARG, DecodingError, ParsingError, deflatten
from lerobot.configs import PreTrainedConfig
from lerobot.configs import parser as host_parser

from lerobot_dp_plus.policies import formats, former_names, spelling
from lerobot_dp_plus.policies.ownership import is_our_type, stated_type
from lerobot_dp_plus.policies.parsing_words import attempts, frames, names_a_field, reasons, worded

logger = logging.getLogger(__name__)

PACKAGE = "lerobot_dp_plus"
TYPE = draccus.CHOICE_TYPE_KEY


def parse_known_args(stock: Any, parser: ArgumentParser, *, args: Sequence[str] | None = None, **others: Any) -> Any:
    """Draccus's `ArgumentParser.parse_known_args`, which reads a config of ours as this module says.

    Raises:
        DecodingError: a value cannot be used: naming the field, the value and what is legal.
    """
    given = list(sys.argv[1:] if args is None else args)
    prefix = place_of_ours(parser.config_class, parser.config_path, given)
    if prefix is None:
        try:
            return stock(parser, args=args, **others)
        except ParsingError as error:
            told = _our_reason(error, path_is_ours(parser.config_class))
            if told is None:
                raise
            raise DecodingError((), told) from error
    # Of this one parser; the class keeps draccus's.
    parser._postprocessing = functools.partial(_read, parser)  # type: ignore[method-assign]
    return stock(parser, args=former_names.in_flags(given, prefix), **others)


def place_of_ours(config: type, file: Path | str | None, given: Sequence[str]) -> str | None:
    """Where flags have the fields of a policy of ours: "" for its own config, "policy." for a script's; None if of no one.

    Args:
        config: what is parsed.
        file: the config file, unless `given` names another.
        given: the command line.
    """
    if _is_ours(config):
        return ""
    if not _has_policy(config):
        return None
    whole = _value_of(given, "policy")
    parts = (
        {TYPE: _value_of(given, f"policy.{TYPE}")},
        _mapping(lambda: _parsed(whole)) if whole is not None else {},
        _mapping(lambda: _content(_value_of(given, CONFIG_ARG) or file)).get("policy"),
    )
    named = (part[TYPE] for part in parts if isinstance(part, Mapping) and part.get(TYPE) is not None)
    return "policy." if is_our_type(next(named, None)) else None


def path_is_ours(config: type) -> bool:
    """Whether a script with such a config is run with the checkpoint of a policy of ours, by `--policy.path`.

    LeRobot takes that flag off the command line before it parses, and reads the checkpoint by itself.
    """
    path = host_parser.get_path_arg("policy") if _has_policy(config) else None
    return path is not None and is_our_type(stated_type(path))


def _read(parser: ArgumentParser, parsed_args: argparse.Namespace) -> Any:
    """Draccus's `_postprocessing`: the config that its file and the command line make together."""
    given = {name: _parsed(value) for name, value in vars(parsed_args).items()}
    saved = _content(given.pop(CONFIG_ARG, parser.config_path))
    flags = deflatten(given, sep=".")
    config = parser.config_class
    try:
        kept = without_former_members(config, as_written(config, saved), flags)
        merged = mergedeep.merge(kept, flags)
        check_spelling(config, merged)
        return draccus.decode(config, merged)
    except ParsingError as error:
        told = _our_reason(error, concerns_us=True)
        if told is None:
            raise
        raise DecodingError((), told) from error


def _our_reason(error: ParsingError, concerns_us: bool) -> str | None:
    """What is behind `error` in one line, where draccus was making a config of ours or one of ours was refused.

    Of a script that is run for another policy only what this package itself has raised, such as of its checkpoint.
    """
    if concerns_us:
        about_us = _about_us(error)
        ours = [each for each in reasons(error) if _passed_us(each) or (about_us and names_a_field(each))]
    else:
        ours = [each for each in reasons(error) if each is not error and _raised_by_us(each)]
    return worded(ours[-1]) if ours else None


def _parsed(text: str) -> Any:
    """What a flag's text means, as draccus reads it; `include FILE` is the content of that file."""
    value = cfgparsing.parse_string(text)
    if isinstance(value, str) and value.startswith("include"):
        with open(value.removeprefix("include "), encoding="utf-8") as file:
            return cfgparsing.load_config(file)
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        with suppress(yaml.YAMLError):  # [red,blue], which is no JSON, as draccus reads flags beside a checkpoint
            return yaml.safe_load(value)
    return value


def _content(path: Path | str | None) -> dict[str, Any]:
    if path is None:
        return {}
    with open(path, encoding="utf-8") as file:
        return cfgparsing.load_config(file, file=path)


def _mapping(read: Any) -> Mapping[str, Any]:
    """What `read` finds, if that can be read and is a mapping; else draccus says what is wrong with it."""
    try:
        found = read()
    except Exception:
        return {}
    return found if isinstance(found, Mapping) else {}


def _value_of(given: Sequence[str], name: str) -> str | None:
    """The last value of `--name=value` or `--name value`."""
    found = None
    for flag, following in itertools.pairwise([*given, "--"]):
        if flag.startswith(f"--{name}="):
            found = flag.removeprefix(f"--{name}=")
        elif flag == f"--{name}" and not following.startswith("--"):
            found = following
    return found


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


def _has_policy(config: type) -> bool:
    return dataclasses.is_dataclass(config) and "policy" in (field.name for field in dataclasses.fields(config))


def _passed_us(reason: BaseException) -> bool:
    return any(PACKAGE in Path(frame.filename).parts for frame in traceback.extract_tb(reason.__traceback__))


def _raised_by_us(reason: BaseException) -> bool:
    trace = traceback.extract_tb(reason.__traceback__)
    return bool(trace) and PACKAGE in Path(trace[-1].filename).parts


def _about_us(error: BaseException) -> bool:
    """Whether draccus was making a config of this package when it raised `error`."""
    tried = (frame.get("cls") for each in [error, *attempts(error)] for frame in frames(each.__traceback__))
    return any(_is_ours(cls) for cls in tried)
