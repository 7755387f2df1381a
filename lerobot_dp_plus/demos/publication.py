"""Demonstrations on the Hub: what happens at the end of every `dp-plus demos` command."""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.options import LICENSE
from lerobot_dp_plus.hub.dataset_card import read_note
from lerobot_dp_plus.hub.datasets import push_dataset
from lerobot_dp_plus.hub.patience import HubFailure, Patience

#: Generators in provenance.json: their command, and those of its options that decide about the data.
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lerobot_dp_plus.demos.pusht": ("pusht", ("episodes", "seed", "disturbed", "near", "images")),
    "lerobot_dp_plus.demos.pusht_rollouts": (
        "pusht_rollouts",
        ("policy", "episodes", "seed", "candidates", "disturbed"),
    ),
    "lerobot_dp_plus.demos.blocks": ("blocks", ("episodes", "seed", "images", "size", "ambiguous", "disturbed")),
    "lerobot_dp_plus.demos.metaworld": (
        "metaworld",
        ("task", "episodes", "seed", "images", "size", "camera", "ambiguous", "disturbed"),
    ),
    "lerobot_dp_plus.demos.aloha": (
        "aloha",
        ("task", "episodes", "seed", "cameras", "resolution", "look", "environment-state"),
    ),
}


def exit_status(parser: argparse.ArgumentParser, argv: list[str] | None, write: Callable[..., object]) -> int:
    """Call `write` with the command line's options, then push if asked; 2 for what is illegal, 1 if the Hub failed."""
    options = parser.parse_args(argv)
    of_the_push = ("push_to_hub", "private", "license")
    try:
        write(**{name: value for name, value in vars(options).items() if name not in of_the_push})
    except (ValueError, FileExistsError, RuntimeError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    return push_if_asked(options, options.root)


def push_if_asked(options: argparse.Namespace, root: Path, patience: Patience | None = None) -> int:
    """Push the finished dataset in `root` if `--push-to-hub` was given; returns the exit status.

    The data stay in `root`, whatever the Hub does. 1 means that it did not take them; a message says how to push them later.
    """
    if options.push_to_hub is None:
        return 0
    return push(root, options.push_to_hub, options.license, options.private, patience)


def push(
    root: Path, repo_id: str, license: str | None = None, private: bool = False, patience: Patience | None = None
) -> int:
    """Push the dataset in `root` and say what happened; 0, or 1 if the Hub did not take it.

    Raises:
        FileNotFoundError, ValueError: no complete dataset is in `root`.
    """
    provenance = read_note(root)
    try:
        made = push_dataset(
            root,
            repo_id,
            license=license or (LICENSE if provenance.get("generator") in COMMANDS else None),
            command=command_of(provenance),
            private=private or None,
            patience=patience,
        )
    except HubFailure as error:
        again = ["dp-plus demos push", shlex.quote(str(root)), f"--repo-id {repo_id}"]
        again += [f"--license {license}"] * bool(license) + ["--private"] * private
        print(f"error: {error}\nThe dataset is complete in {root}; push it later: {' '.join(again)}", file=sys.stderr)
        return 1
    done = f"commit {made.commit[:8]}" if made.changed else f"is there already, commit {made.commit[:8]}"
    print(f"{made.url}: {done}, {len(made.files)} files")
    return 0


def command_of(provenance: dict[str, Any]) -> str | None:
    """The command that made the data, every option that decides about them spelled out; None for other data."""
    known = COMMANDS.get(str(provenance.get("generator")))
    if known is None:
        return None
    command, options = known
    # Two options of the aloha command are noted under other names.
    values = {"cameras": provenance.get("camera"), **provenance}
    if "height" in values:
        values["resolution"] = f"{values['height']}x{values['width']}"
    words = [f"dp-plus demos {command} --root DIR"]
    for option in options:
        value = values.get(option.replace("-", "_"))
        if value is not None and value is not False:
            words.append(f"--{option}" if value is True else f"--{option} {shlex.quote(str(value))}")
    return " ".join(words)
