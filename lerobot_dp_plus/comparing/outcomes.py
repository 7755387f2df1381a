"""What an evaluation says of each of its episodes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lerobot_dp_plus.hub.card_results import EVAL_INFO, REPORT, read_episodes
from lerobot_dp_plus.hub.files import read_json

EPISODES = "episodes.jsonl"
#: (task, environment seed).
Key = tuple[str, int]


class Outcome(NamedTuple):
    """Success, and the largest reward of a step."""

    success: bool
    score: float


def is_evaluation(folder: Path) -> bool:
    """Whether a folder is an evaluation's, and no checkpoint with an evaluation in it."""
    return not (folder / "config.json").is_file() and any((folder / name).is_file() for name in (EPISODES, EVAL_INFO))


def read_outcomes(folder: Path) -> dict[Key, Outcome]:
    """The outcomes of an evaluation, of this package or, with a report that names its seeds, of LeRobot's `eval`.

    Raises:
        FileNotFoundError: no evaluation in `folder`.
        ValueError: it does not say which seeds it played.
    """
    file = folder / EPISODES
    if file.is_file():
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        return {(row["task"], row["seed"]): Outcome(row["success"], row["max_reward"]) for row in rows}
    if not (folder / EVAL_INFO).is_file():
        raise FileNotFoundError(f"{folder} holds neither {EPISODES} nor {EVAL_INFO}: not the output of an evaluation")
    seeds = read_json(folder / REPORT).get("seeds")
    if seeds is None:
        raise ValueError(
            f"{folder}: no {REPORT} says which seeds were played; write one with dp-plus report {folder} --seed=N "
            f"--json={folder / REPORT}"
        )
    found, episodes = {}, read_episodes(folder / EVAL_INFO)
    rewards = iter(episodes.best_rewards)
    for index, (group, successes) in enumerate(episodes.tasks):
        for number, success in enumerate(successes):
            task = f"{group}_{sum(other == group for other, _ in episodes.tasks[:index])}"
            found[task, seeds[0] + number] = Outcome(success, next(rewards))
    return found


def common(evaluations: Sequence[Mapping[Key, Outcome]]) -> tuple[list[Key], np.ndarray, np.ndarray]:
    """The episodes that all have, in order; success and score of each evaluation on them, both (K, N).

    Raises:
        ValueError: there is none.
    """
    keys = sorted(set.intersection(*(set(each) for each in evaluations)))
    if not keys:
        ranges = ", ".join(f"{min(each)} to {max(each)}" if each else "none" for each in evaluations)
        raise ValueError(f"no episode is common to all: (task, seed) {ranges}; evaluate them on the same seeds")
    rows = [[each[key] for key in keys] for each in evaluations]
    return (
        keys,
        np.array([[outcome.success for outcome in row] for row in rows], dtype=float),
        np.array([[outcome.score for outcome in row] for row in rows], dtype=float),
    )
