"""Fields of a policy's config that were called otherwise: the old names go on working, in files and as flags.

`FORMER_NAMES` is the table. `formats` asks for the fields of files, `parsing` for flags. Members and fields of an axis are
not in it, only the fields of the config itself. Cards, whose room imports none of ours, have a copy of the table.

One field was not only renamed: `energy` held one energy, and `energies` holds all, each with a weight. What the former
one says becomes a weight of 1.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from draccus.utils import DecodingError

logger = logging.getLogger(__name__)

#: What a field was called, and what it is called now.
FORMER_NAMES: dict[str, str] = {"foresight": "dynamics", "perception": "state_estimation"}
#: The former field of one energy, and today's of all.
ENERGY, ENERGIES, TYPE = "energy", "energies", "type"
#: Former names that this process has been told of.
_told: set[str] = set()


def in_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields`, a config of ours as a file spells it, under today's names, in the same order.

    Raises:
        DecodingError: it has a former name and today's; naming both and the way out.
    """
    for former, name in FORMER_NAMES.items():
        if former in fields:
            _refuse_both(former, name, name in fields, "the config file")
            _tell(former, name)
    return _with_energies({FORMER_NAMES.get(key, key): value for key, value in fields.items()})


def in_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's config of ours, or that of a training with it as `policy`, under today's names.

    Raises:
        DecodingError: as `in_fields`.
    """
    policy = config.get("policy")
    return {**config, "policy": in_fields(policy)} if isinstance(policy, Mapping) else in_fields(config)


def in_flags(flags: Sequence[str], prefix: str = "") -> list[str]:
    """A command line with today's names in the flags that set a field of ours, `--foresight.type=none`, say.

    Args:
        flags: the command line. A value that follows its flag stays as it is.
        prefix: what stands before a field's name: "policy." on a script's command line.

    Raises:
        DecodingError: a former name and today's are both set; naming both and the way out.
    """
    renamed = list(flags)
    for former, name in FORMER_NAMES.items():
        at = [index for index, flag in enumerate(flags) if _sets(flag, prefix + former)]
        if at:
            _refuse_both(former, name, any(_sets(flag, prefix + name) for flag in flags), "the command line")
            _tell(former, name)
        for index in at:
            renamed[index] = f"--{prefix}{name}{flags[index].removeprefix(f'--{prefix}{former}')}"
    return _flags_of_energies(renamed, prefix)


def _with_energies(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with what `energy` says as a weight of `energies`."""
    if ENERGY not in fields:
        return fields
    former = fields.pop(ENERGY)
    member = former.get(TYPE) if isinstance(former, Mapping) else None
    if member and member != "none":
        _refuse_both(ENERGY, ENERGIES, ENERGIES in fields, "the config file")
        _tell(ENERGY, f"{ENERGIES}.{member}")
        fields[ENERGIES] = {member: {"weight": 1.0} | {key: value for key, value in former.items() if key != TYPE}}
    return fields


def _flags_of_energies(flags: list[str], prefix: str) -> list[str]:
    """A command line in which `--energy.type=smoothness`, say, is `--energies.smoothness.weight=1`."""
    former = [flag for flag in flags if _sets(flag, prefix + ENERGY)]
    if not former:
        return flags
    start = f"--{prefix}{ENERGY}."
    member = next((flag.partition("=")[2] for flag in former if flag.startswith(f"{start}{TYPE}=")), "none")
    _refuse_both(ENERGY, ENERGIES, any(_sets(flag, prefix + ENERGIES) for flag in flags), "the command line")
    if member == "none":
        return [flag for flag in flags if flag not in former]
    _tell(ENERGY, f"{ENERGIES}.{member}")
    place = f"--{prefix}{ENERGIES}.{member}."
    return [
        f"{place}weight=1" if flag.startswith(f"{start}{TYPE}=") else flag.replace(start, place, 1) for flag in flags
    ]


def _sets(flag: str, field: str) -> bool:
    """Whether `flag` sets `field` or one below it."""
    return flag.startswith(f"--{field}") and flag[len(field) + 2 :][:1] in ("", "=", ".")


def _refuse_both(former: str, name: str, both: bool, where: str) -> None:
    if both:
        raise DecodingError(
            (),
            f"policy.{former} and policy.{name}: {where} gives both, and they are one field, which was renamed. Legal is "
            f"one of them. Give policy.{name} alone",
        )


def _tell(former: str, name: str) -> None:
    if former not in _told:
        _told.add(former)
        logger.warning("policy.%s is called policy.%s now; the old name still works", former, name)
