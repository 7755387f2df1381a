"""What is wrong with a field, in one line: its name, the value, and what is legal.

Draccus knows all three, but says them in sentences of its own, drops the name where it tries every type of a union, and
the reason where a config's own check refuses a value.
"""

import enum
import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from draccus.utils import DecodingError, ParsingError

LEGAL = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_PLAIN = re.compile(r"Couldn't parse '(?P<value>.*)' into an? (?P<kind>\w+)(: .*)?", re.DOTALL)
_LITERAL = re.compile(r"Cannot convert '(?P<value>.*)' \(<class .*\) into one of: (?P<legal>.*)", re.DOTALL)
_LIST = re.compile(r".*\n    (?P<kind>list\S*): The given value='(?P<value>.*)' is not of a valid input.*", re.DOTALL)
_OTHER = re.compile(
    r"Failed when parsing value='(?P<value>.*)' into field \".*\" of type (?P<kind>.*)\.\n\tUnderlying", re.DOTALL
)


def reasons(error: BaseException) -> list[BaseException]:
    """What is behind `error`, which draccus raised; the last is the innermost.

    Either what a config's own check raised, before draccus reworded it, or draccus's word about one named field.
    Draccus tries every type of a union and keeps the exceptions in a local variable while it words its own.
    """
    found: list[BaseException] = []
    for attempt in attempts(error):
        if names_a_field(attempt):
            found.append(attempt)
        elif attempt.__cause__ is not None:
            found.append(attempt.__cause__)
    if not found and names_a_field(error):
        found.append(error)
    elif not found and isinstance(error.__cause__, (ValueError, TypeError)):
        found.append(error.__cause__)
    return found


def attempts(error: BaseException) -> Iterator[BaseException]:
    """What each type of a union said before `error` was worded, the outer ones first."""
    for frame in frames(error.__traceback__):
        made = frame.get("exceptions")
        for attempt in made.values() if isinstance(made, dict) else []:
            if isinstance(attempt, BaseException) and attempt is not error:
                yield attempt
                yield from attempts(attempt)


def names_a_field(error: BaseException) -> bool:
    """Whether draccus says of one field that its value is none."""
    return _choice(error) is not None or (
        isinstance(error, DecodingError) and len(error.key_path) > 0 and _match(error) is not None
    )


def frames(trace: TracebackType | None) -> Iterator[dict[str, Any]]:
    """The local variables of every frame of `trace`, outermost first."""
    return (frame.f_locals for frame, _ in traceback.walk_tb(trace))


def worded(reason: BaseException) -> str:
    """`policy.horizon='abc': expected a whole number`, say; any other exception's own words."""
    choice = _choice(reason)
    if choice is not None:
        return choice
    match = _match(reason)
    if match is None or not isinstance(reason, DecodingError):
        return str(reason)
    value = match["value"]
    if "legal" in match.groupdict():
        legal = f"one of {match['legal']}"
    else:
        legal = _members(reason) or LEGAL.get(match["kind"], _type_name(match["kind"]))
    shown = value if value[:1] in "[{" else repr(value)
    return (
        f"{'.'.join(map(str, reason.key_path))}={shown}: expected {legal}{' or null' if _may_be_null(reason) else ''}"
    )


def _type_name(kind: str) -> str:
    """`<class 'tuple'>` as `tuple`, `collections.abc.Mapping` as `Mapping`."""
    return re.sub(r"\b\w+\.(?=\w)", "", re.sub(r"<class '([^']*)'>", r"\1", kind))


def _choice(error: BaseException) -> str | None:
    """What to say of `policy.network=dit`, an axis that was given a word: draccus names neither field nor flag."""
    if not isinstance(error, ParsingError) or "for a choice class" not in str(error):
        return None
    frame = next((each for each in reversed(list(frames(error.__traceback__))) if "raw_value" in each), None)
    if frame is None or not frame.get("path"):
        return None
    field, value = ".".join(map(str, frame["path"])), frame["raw_value"]
    legal = ", ".join(sorted(frame["cls"].get_known_choices()))
    return f"{field}={value!r}: a choice of several fields; give {field}.type={value}, legal are {legal}"


def _match(error: BaseException) -> re.Match[str] | None:
    message = getattr(error, "message", "")
    if not isinstance(message, str):
        return None
    forms = (_PLAIN.fullmatch(message), _LITERAL.fullmatch(message), _LIST.fullmatch(message), _OTHER.match(message))
    return next((form for form in forms if form is not None), None)


def _members(error: DecodingError) -> str | None:
    """The names of the enumeration whose value was wanted, if it was one."""
    for frame in frames(error.__cause__.__traceback__ if error.__cause__ else None):
        wanted = frame.get("cls")
        if isinstance(wanted, type) and issubclass(wanted, enum.Enum) and "raw_value" in frame:
            return f"one of {', '.join(member.name for member in wanted)}, not {frame['raw_value']!r}"
    return None


def _may_be_null(error: DecodingError) -> bool:
    """Whether the field named takes null too: it was tried as one of a union's types, and null is another."""
    tried = (frame for frame in frames(error.__traceback__) if frame.get("is_optional"))
    return any(tuple(frame.get("path", ())) == tuple(error.key_path) for frame in tried)
