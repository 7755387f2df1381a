"""All episodes of an evaluation in figures: LeRobot's `eval_info.json`, and `summary.json` with the uncertainty of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.evaluation.statistics import mean_interval
from lerobot_dp_plus.hub.intervals import wilson_percent

Episode = Mapping[str, Any]
#: Means that are given, and over which episodes.
MEANS = ("best", "final", "sum_reward", "max_reward", "steps", "steps_to_success", "path_length", "jerk", "collisions")
PERCENTILES = (50, 95, 99)


def rate(successes: int, episodes: int) -> dict[str, Any]:
    """How many of how many, in percent, and Wilson's 95 % interval."""
    interval = list(wilson_percent(successes, episodes))
    return {
        "count": successes,
        "of": episodes,
        "percent": 100 * successes / episodes,
        "interval_percent": interval,
    }


def summary(episodes: Sequence[Episode], seconds: Sequence[np.ndarray]) -> dict[str, Any]:
    """Figures over all episodes.

    Args:
        seconds: of each batch, the time of each decision (T,).
    """
    means: dict[str, Any] = {}
    for name in MEANS:
        values = [each[name] for each in episodes if each[name] is not None]
        if values:
            mean, low, high = mean_interval(values)
            means[name] = {"mean": mean, "interval": None if low is None else [low, high], "of": len(values)}
    counts = Counter(each["kind"] for each in episodes)
    tasks = dict.fromkeys(each["task"] for each in episodes)
    return {
        "success": rate(sum(each["success"] for each in episodes), len(episodes)),
        "tasks": {
            task: rate(
                sum(e["success"] for e in episodes if e["task"] == task), sum(e["task"] == task for e in episodes)
            )
            for task in tasks
        },
        "kinds": {kind: rate(counts[kind], len(episodes)) for kind in IN_WORDS if counts[kind]},
        "means": means,
        "decision_ms": percentiles(np.concatenate(seconds)) if len(seconds) else {},
    }


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """{"p50": …, "p95": …, "p99": …}, milliseconds."""
    return {f"p{each}": float(np.percentile(1000 * seconds, each)) for each in PERCENTILES}


def eval_info(episodes: Sequence[Episode], films: Mapping[str, Sequence[str]], seconds: float) -> dict[str, Any]:
    """What LeRobot's `eval` writes of the same episodes.

    Args:
        films: of each task.
        seconds: how long the evaluation took.
    """
    tasks = list(dict.fromkeys(each["task"] for each in episodes))
    metrics = {
        task: {
            "sum_rewards": [each["sum_reward"] for each in episodes if each["task"] == task],
            "max_rewards": [each["max_reward"] for each in episodes if each["task"] == task],
            "successes": [each["success"] for each in episodes if each["task"] == task],
            "video_paths": list(films.get(task, ())),
            "predicted_video_paths": [],
        }
        for task in tasks
    }
    groups = list(dict.fromkeys(_group(task)[0] for task in tasks))
    return {
        "per_task": [
            {"task_group": _group(task)[0], "task_id": _group(task)[1], "metrics": metrics[task]} for task in tasks
        ],
        "per_group": {group: _together([metrics[t] for t in tasks if _group(t)[0] == group]) for group in groups},
        "overall": {
            **_together(list(metrics.values())),
            "eval_s": seconds,
            "eval_ep_s": seconds / len(episodes),
        },
    }


def _group(task: str) -> tuple[str, int]:
    group, _, number = task.rpartition("_")
    return group, int(number)


def _together(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    joined = {key: [value for each in metrics for value in each[key]] for key in metrics[0]}
    return {
        "avg_sum_reward": float(np.mean(joined["sum_rewards"])),
        "avg_max_reward": float(np.mean(joined["max_rewards"])),
        "pc_success": 100 * float(np.mean(joined["successes"])),
        "n_episodes": len(joined["successes"]),
        "video_paths": joined["video_paths"],
        "predicted_video_paths": joined["predicted_video_paths"],
    }
