"""Files and folders that are there whole or not at all, and what a few small ones say. Standard library only."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A temporary name beside `file` to write to, which becomes `file` if nothing is raised. Makes its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".tmp")
    yield temporary
    temporary.replace(file)


def write_whole(file: Path, text: str) -> Path:
    """Write `text` to `file`, all of it or nothing; returns `file`."""
    with whole(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return file


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Raises FileExistsError if `output` exists and may not be replaced."""
    if output.exists() and not overwrite:
        raise FileExistsError(f"output = {output} exists; choose another folder or pass --overwrite")


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its place if nothing is raised, and vanishes if something is."""
    folder = folder.absolute()
    partial, old = (folder.with_name(f".{folder.name}.{what}") for what in ("partial", "old"))
    if old.exists() and not folder.exists():  # killed between the two renamings
        old.rename(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        take_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def take_place(fresh: Path, folder: Path) -> None:
    """Rename `fresh` to `folder`; what is there is moved aside first, and removed only when the new one is in its place."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read_json(file: Path, name: str | None = None) -> dict[str, Any]:
    """The object in `file`, which messages call `name`; empty if there is no such file.

    Raises:
        ValueError: not JSON, or not an object.
    """
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{name or file} is truncated or no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{name or file} holds a {type(content).__name__}; expected an object")
    return content


def training_step(pretrained: Path) -> int | None:
    """The step LeRobot's training state beside a `pretrained_model` folder names, None if there is none."""
    step = read_json(pretrained.resolve().parent / "training_state" / "training_step.json").get("step")
    return step if isinstance(step, int) else None


def sha256(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def by_number(name: object) -> list[Any]:
    """A key that sorts names by the numbers in them: episode 9 before episode 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(name))]
