"""How a command of ours describes itself: what it is for, its options with their defaults, and examples.

Only the standard library is imported here and in the `options.py` of every room, so that `--help` is immediate.
"""

import argparse
from collections.abc import Sequence
from typing import Any


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of the examples, and names a default where there is one to name."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default is False or action.default in ([], "")
        return action.help if nothing else super()._get_help_string(action)


def describe(description: str, examples: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments of an `ArgumentParser` that explain it."""
    lines = "\n".join(f"  {example}" for example in examples)
    title = "example" if len(examples) == 1 else "examples"
    return {
        "description": description,
        "epilog": f"{title}:\n{lines}",
        "formatter_class": _Help,
        "allow_abbrev": False,
    }


def command(prog: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """An empty parser of the command `prog`; every option added to it needs a `help`."""
    return argparse.ArgumentParser(prog=prog, **describe(description, examples))
