"""Whose episodes a folder holds: a run goes on only where it was begun with the same arguments."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lerobot_dp_plus

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PROVENANCE = "provenance.json"


def arguments(recipe: "DataclassInstance") -> dict[str, Any]:
    """What decides about the content of an episode; a change of version may change the expert."""
    return {"package_version": lerobot_dp_plus.__version__, **asdict(recipe)}


def same_or_refuse(root: Path, recipe: "DataclassInstance", episodes: int) -> dict[str, Any]:
    """The provenance of the complete dataset at `root`, if it is what would be written; FileExistsError otherwise."""
    wanted = {**arguments(recipe), "episodes": episodes}
    path = root / PROVENANCE
    found = json.loads(path.read_text()) if path.is_file() else {}
    differing = {key: found.get(key) for key in wanted if found.get(key) != wanted[key]}
    if differing:
        what = f"was written with {differing}" if found else f"exists and holds no {PROVENANCE}"
        raise FileExistsError(f"root={root} {what}; choose another folder or pass --overwrite")
    print(f"{root}: complete already, nothing to do")
    return found


def claim(folder: Path, recipe: "DataclassInstance", overwrite: bool) -> None:
    """Make the folder of kept episodes; FileExistsError if it holds episodes of another recipe."""
    note = folder / "recipe.json"
    wanted = arguments(recipe)
    found = json.loads(note.read_text()) if note.is_file() else None
    if found is not None and found != wanted:
        if not overwrite:
            raise FileExistsError(
                f"{folder} holds episodes of an unfinished run with {found}, not {wanted}; "
                "repeat its arguments, remove the folder, or pass --overwrite"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps(wanted))
    partial.rename(note)
