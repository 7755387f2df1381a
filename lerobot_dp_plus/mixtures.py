"""Several datasets in one training, as a user writes them: `--dataset.repo_id=[pusht=data/pusht:2,blocks=data/blocks]`.

It is the field of LeRobot's own parser, which takes a list there and keeps it as text. An entry is `NAME=WHERE:WEIGHT`.
WHERE is a folder or USER/NAME on the Hub. NAME is what the policy calls the robot; without it, the last part of WHERE.
WEIGHT is how often the dataset is drawn from, compared with the others; without it, 1.

This file knows text and numbers, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The furthest that shares may be from the weights, and the most repeats tried to get there.
TOLERANCE, MOST = 0.02, 50
FORM = "[NAME=FOLDER_OR_REPOSITORY:WEIGHT, …]"


@dataclass(frozen=True)
class Entry:
    """One dataset of several.

    Args:
        name: what the policy calls the robot that it was recorded with.
        where: its folder, or its name on the Hub.
        weight: how often it is drawn from, compared with the others.
    """

    name: str
    where: str
    weight: float = 1.0

    @property
    def is_folder(self) -> bool:
        """Whether it lies on this disk."""
        return Path(self.where).is_dir()


def entries(text: object) -> tuple[Entry, ...] | None:
    """The datasets that `dataset.repo_id` lists; None if it is the name of one.

    Raises:
        ValueError: the list is not closed, an entry is empty, or a weight is not a positive number; by name.
    """
    said = str(text).strip()
    if not said.startswith("["):
        return None
    if not said.endswith("]"):
        raise ValueError(f"dataset.repo_id = {said}: the list is not closed; legal is {FORM}")
    found = tuple(_entry(each.strip().strip("'\"").strip(), said) for each in said[1:-1].split(","))
    by_place: dict[str, Entry] = {}
    for each in found:
        if each.where in by_place:
            raise ValueError(f"dataset.repo_id = {said}: {each.where} is there twice; give it a weight, {each.where}:2")
        by_place[each.where] = each
    return found


def _entry(text: str, whole: str) -> Entry:
    name, equals, rest = text.partition("=")
    rest = rest if equals else name
    where, colon, weight = rest.rpartition(":")
    if not colon or "/" in weight:
        where, weight = rest, "1"
    name = name.strip() if equals else Path(where).name
    if not where or not name:
        raise ValueError(f"dataset.repo_id = {whole}: {text!r} names no dataset; legal is {FORM}")
    try:
        number = float(weight)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise ValueError(f"dataset.repo_id = {whole}: the weight {weight!r} of {name} must be a number greater than 0")
    return Entry(name, where, number)


def repeats(sizes: Sequence[int], weights: Sequence[float]) -> tuple[int, ...]:
    """How often each of several datasets, with so many frames, is gone through in one epoch of all.

    These are the smallest whole numbers with which the shares of the frames are the weights, to within `TOLERANCE`; or
    the nearest, where `MOST` times the least are not enough. So within a dataset no frame is drawn more often than another.
    """
    densities = [weight / size for weight, size in zip(weights, sizes, strict=True)]
    wanted = [weight / sum(weights) for weight in weights]
    best, least = (1,) * len(sizes), float("inf")
    for scale in range(1, MOST + 1):
        counts = tuple(max(1, round(scale * density / min(densities))) for density in densities)
        total = sum(count * size for count, size in zip(counts, sizes, strict=True))
        shares = [count * size / total for count, size in zip(counts, sizes, strict=True)]
        error = max(abs(share / want - 1) for share, want in zip(shares, wanted, strict=True))
        if error < least:
            best, least = counts, error
        if error <= TOLERANCE:
            break
    return best
