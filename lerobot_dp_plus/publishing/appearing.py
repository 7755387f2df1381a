"""Folders that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def refuse_existing(output: Path, overwrite: bool) -> None:
    """Raises FileExistsError if `output` exists and may not be replaced."""
    if output.exists() and not overwrite:
        raise FileExistsError(f"output = {output} exists; choose another folder or pass --overwrite")


@contextmanager
def appearing(output: Path) -> Iterator[Path]:
    """An empty folder beside `output` that takes its place if nothing is raised, and vanishes if something is."""
    output = output.absolute()
    partial, old = (output.with_name(f".{output.name}.{what}") for what in ("partial", "old"))
    if old.exists() and not output.exists():  # killed between the two renamings
        old.rename(output)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if output.exists():
            shutil.rmtree(old, ignore_errors=True)
            output.rename(old)
        partial.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
