"""Which episodes a checkpoint was trained on, and which of a dataset were held out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerobot_dp_plus.hub.files import read_json
from lerobot_dp_plus.policies.dataset_remarks import spans

CONFIG = "train_config.json"


@dataclass(frozen=True)
class Chosen:
    """The episodes that are looked at.

    Args:
        episodes: their numbers.
        seen: how many of them the checkpoint was trained on; None where nobody knows.
        said: a sentence about that.
    """

    episodes: list[int]
    seen: int | None
    said: str


def choose(folder: Path, source: str, meta: Any, asked: Sequence[int] | None = None) -> Chosen:
    """The episodes of the dataset `source` to try the checkpoint in `folder` on: `asked`, the held-out ones, or all.

    Raises:
        ValueError: an asked episode does not exist.
    """
    count = int(meta.total_episodes)
    if asked is not None and (beyond := [each for each in asked if each >= count]):
        raise ValueError(f"episodes = {beyond[:5]}: {source} has episodes 0 to {count - 1}")
    trained = trained_on(folder, source, meta)
    every = list(range(count))
    if trained is None:
        named = read_json(folder / CONFIG).get("dataset") or {}
        of = f"on {named.get('repo_id') or named.get('root')}" if named else "on data that its folder does not name"
        return Chosen(
            list(asked or every),
            None,
            f"The checkpoint was trained {of}, so whether it saw these episodes is not known.",
        )
    held_out = sorted(set(every) - set(trained))
    episodes = list(asked) if asked is not None else held_out or every
    seen = len(set(episodes) & set(trained))
    if not seen:
        return Chosen(episodes, 0, f"Held out from the training: {spans(episodes)}.")
    said = (
        f"{'All' if seen == len(episodes) else seen} of these {len(episodes)} episodes were trained on, so the errors are smaller "
        "than with new ones. "
    )
    said += (
        f"Held out were {spans(held_out)}."
        if held_out
        else "None was held out: train with --dataset.eval_split=0.1, or with --dataset.episodes=[…]."
    )
    return Chosen(episodes, seen, said)


def trained_on(folder: Path, source: str, meta: Any) -> list[int] | None:
    """The episodes of `source` that the checkpoint was trained on; None if it was trained on other data.

    LeRobot's `eval_split` holds out the last episodes of every task.
    """
    named = read_json(folder / CONFIG).get("dataset") or {}
    if not named or not same_data(named, source, str(meta.repo_id)):
        return None
    episodes = named.get("episodes")
    used = list(range(int(meta.total_episodes))) if episodes is None else sorted(episodes)
    split = float(named.get("eval_split") or 0.0)
    if not split:
        return used
    by_task: dict[str, list[int]] = {}
    tasks = meta.episodes["tasks"]
    for number in used:
        by_task.setdefault(tasks[number][0] if tasks[number] else "", []).append(number)
    return sorted(each for own in by_task.values() for each in own[: len(own) - math.ceil(len(own) * split)])


def same_data(named: dict[str, Any], source: str, repo_id: str) -> bool:
    """Whether a training's config names the dataset `source`: by its folder, by its name, or by the name of its folder."""
    root, name = named.get("root"), str(named.get("repo_id"))
    if root is not None and Path(source).is_dir() and Path(root).resolve() == Path(source).resolve():
        return True
    own = Path(source).resolve().name if Path(source).is_dir() else source
    return name in (source, repo_id) or (Path(source).is_dir() and own in (name.split("/")[-1], Path(str(root)).name))
