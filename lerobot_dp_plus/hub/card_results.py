"""Evaluations in an upload folder, as figures a card may state.

`report.json` (this package's report on an evaluation) and LeRobot's `eval_info.json` describe the same episodes;
`report_*.json` are further evaluations of the same weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lerobot_dp_plus.hub.files import read_json
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.hub.publication import Publication

REPORT, EVAL_INFO = "report.json", "eval_info.json"
PUSHT = "pusht"
#: How far a stored percentage may be from the one computed here: rounding, nothing more.
TOLERANCE = 0.051


@dataclass(frozen=True)
class Evaluation:
    """Figures of one evaluation.

    Args:
        file: where they are from.
        success_percent, interval_percent: the rate and its 95 % Wilson interval.
        score: PushT's, mean over episodes of the largest coverage ÷ 0.95, at most 1; None elsewhere.
        mean_best_reward: mean over episodes of the largest reward of a step, where no score is known.
        seeds: of the first and last episode.
        weights_sha256: of the weights that were evaluated.
    """

    file: str
    episodes: int
    successes: int
    success_percent: float
    interval_percent: tuple[float, float]
    score: float | None = None
    mean_best_reward: float | None = None
    seeds: tuple[int, int] | None = None
    latency_ms: float | None = None
    latency_p90_ms: float | None = None
    device: str | None = None
    step: int | None = None
    weights_sha256: str | None = None


@dataclass(frozen=True)
class Episodes:
    """What eval_info.json says, episode by episode, in the order of `tasks`.

    Args:
        tasks: (group, outcomes of its episodes) of every task.
        best_rewards: the largest reward of each episode.
        videos: paths of films, as LeRobot wrote them down; seconds: how long the evaluation took.
    """

    tasks: tuple[tuple[str, tuple[bool, ...]], ...]
    best_rewards: tuple[float, ...]
    videos: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def outcomes(self) -> tuple[bool, ...]:
        """Success of every episode of every task."""
        return tuple(success for _, successes in self.tasks for success in successes)

    def figures(self, first_seed: int | None) -> dict[str, Any]:
        """Number, successes, rate and interval in percent, and environment seeds if the first is known."""
        count, successes = len(self.outcomes), sum(self.outcomes)
        return {
            "episodes": count,
            "successes": successes,
            "success_percent": 100 * successes / count,
            "interval_percent": wilson_percent(successes, count),
            "seeds": None if first_seed is None else (first_seed, first_seed + count - 1),
        }


def read_episodes(file: Path) -> Episodes:
    """What LeRobot's eval wrote into `file`, an eval_info.json.

    Raises:
        ValueError: it is something else, or holds no episode or a reward that is no finite number.
    """
    info = read_json(file)
    try:
        entries = [(str(task["task_group"]), task["metrics"]) for task in info["per_task"]]
        tasks = tuple((group, tuple(map(bool, metrics["successes"]))) for group, metrics in entries)
        rewards = tuple(float(reward) for _, metrics in entries for reward in metrics["max_rewards"])
        videos = tuple(path for _, metrics in entries for path in metrics.get("video_paths", []))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is not an eval_info.json of LeRobot's eval: {error!r}") from error
    episodes = Episodes(tasks, rewards, videos, info.get("overall", {}).get("eval_s"))
    if not episodes.outcomes or len(episodes.outcomes) != len(rewards):
        raise ValueError(
            f"{file}: {len(episodes.outcomes)} successes and {len(rewards)} rewards; expected as many, and some"
        )
    bad = next((index for index, reward in enumerate(rewards) if not math.isfinite(reward)), None)
    if bad is not None:
        raise ValueError(f"{file}: max_rewards are not all finite numbers: that of episode {bad} is {rewards[bad]}")
    return episodes


def pusht_score(max_rewards: Sequence[float]) -> float:
    """Mean over episodes of max over steps of clip(coverage / 0.95, 0, 1), from each episode's largest reward."""
    return _mean([min(max(reward, 0.0), 1.0) for reward in max_rewards])


def read_evaluations(
    folder: Path, episodes: Episodes | None, environment: str | None, first_seed: int | None
) -> tuple[Evaluation, ...]:
    """All evaluations in `folder`, the main one first.

    Args:
        episodes: its eval_info.json; first_seed: of these.
        environment: LeRobot's `env.type`; only PushT's rewards make a score.

    Raises:
        ValueError: a file is not what its name says, or two of them contradict each other; both named.
    """
    found = []
    if (folder / REPORT).is_file():
        report = _read_report(folder / REPORT, environment)
        _check_same_episodes(folder, report, episodes)
        if episodes is not None and report.score is None:
            report = replace(report, mean_best_reward=_mean(episodes.best_rewards))
        found.append(report)
    elif episodes is not None:
        score = pusht_score(episodes.best_rewards) if environment == PUSHT else None
        mean = None if environment == PUSHT else _mean(episodes.best_rewards)
        figures = episodes.figures(first_seed)
        found.append(Evaluation(file=EVAL_INFO, score=score, mean_best_reward=mean, **figures))
    found += [_read_report(file, environment) for file in sorted(folder.glob("report_*.json"))]
    return tuple(found)


def check_same_weights(folder: Path, evaluations: Sequence[Evaluation], published: Publication) -> None:
    """Raise a ValueError if an evaluation names other weights or another step than what is published, or than another."""
    for field in ("weights_sha256", "step"):
        named = {entry.file: getattr(entry, field) for entry in evaluations}
        named["publication.json"] = getattr(published, field)
        known = {file: value for file, value in named.items() if value is not None}
        if len(set(known.values())) > 1:
            raise ValueError(f"{folder}: figures of different weights cannot share a card; {field} is {known}")


def _read_report(file: Path, environment: str | None) -> Evaluation:
    stored = read_json(file)
    try:
        evaluation = Evaluation(
            file=file.name,
            episodes=int(stored["episodes"]),
            successes=int(stored["successes"]),
            success_percent=float(stored["success_percent"]),
            interval_percent=_pair(stored["interval_percent"], float),
            score=_optional(stored.get("score"), float) if environment == PUSHT else None,
            seeds=None if stored.get("seeds") is None else _pair(stored["seeds"], int),
            latency_ms=_optional(stored.get("latency_ms"), float),
            latency_p90_ms=_optional(stored.get("latency_p90_ms"), float),
            device=_optional(stored.get("device"), str),
            step=_optional(stored.get("step"), int),
            weights_sha256=_optional(stored.get("weights_sha256"), str),
        )
        low_high = wilson_percent(evaluation.successes, evaluation.episodes)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is not a report of dp-plus evaluate or dp-plus report: {error!r}") from error
    computed = (100 * evaluation.successes / evaluation.episodes, *low_high)
    for value, expected in zip((evaluation.success_percent, *evaluation.interval_percent), computed, strict=True):
        if not abs(value - expected) <= TOLERANCE:
            raise ValueError(
                f"{file}: {evaluation.successes} of {evaluation.episodes} episodes give a rate and 95 % Wilson interval of "
                f"{computed} %, the file says {(evaluation.success_percent, *evaluation.interval_percent)}"
            )
    return evaluation


def _check_same_episodes(folder: Path, report: Evaluation, episodes: Episodes | None) -> None:
    if episodes is None:
        return
    counted = (sum(episodes.outcomes), len(episodes.outcomes))
    if counted != (report.successes, report.episodes):
        raise ValueError(
            f"{folder}: {REPORT} counts {report.successes} successes in {report.episodes} episodes, {EVAL_INFO} "
            f"{counted[0]} in {counted[1]}: they must be of the same run"
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _optional[T](value: Any, kind: type[T]) -> T | None:
    return None if value is None else kind(value)  # type: ignore[call-arg]


def _pair[T](value: Any, kind: type[T]) -> tuple[T, T]:
    low, high = value
    return kind(low), kind(high)  # type: ignore[call-arg]
