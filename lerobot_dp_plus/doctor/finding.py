"""What an examination says: one sentence with its numbers, how grave it is, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Gravity(IntEnum):
    """How much a finding matters; the higher, the sooner it is told."""

    FINE = 0
    NOTE = 1
    GRAVE = 2

    @property
    def said(self) -> str:
        """In words."""
        return ("fine", "worth knowing", "grave")[self]


@dataclass(frozen=True)
class Finding:
    """One thing about a recording.

    Args:
        name: what was looked at, in a word or two.
        gravity: how much it matters.
        said: one plain sentence with the numbers, and where: episode, frames, dimension by its name.
        do: what to do about it, with the flag or the command; empty where nothing is to be done.
        facts: the numbers by name, for programs.
    """

    name: str
    gravity: Gravity
    said: str
    do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def gravest(findings: list[Finding]) -> list[Finding]:
    """The gravest first; equals keep their order."""
    return sorted(findings, key=lambda each: -each.gravity)
