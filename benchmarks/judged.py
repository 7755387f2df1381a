"""Trainings that are kept, and what the policies they end in are worth: success on given episodes, rates and ratios."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap

from benchmarks.common import write_json
from benchmarks.contenders import ROOT
from benchmarks.paired import dp_plus, run

RECIPE = ROOT / "configs" / "pusht_foresight.json"
RESULTS = Path(__file__).parent / "results"
#: Environment seeds from which recipes are chosen, and from which results are reported.
SELECTION_SEED, REPORTING_SEED = 90_000, 100_000
#: What is kept of an evaluation's report.
REPORTED = (
    *("successes", "episodes", "success_percent", "interval_percent", "score", "seeds"),
    *("weights_sha256", "latency_ms"),
)


def slug(name: str) -> str:
    """The name of a file or folder for this name."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def train_once(command: Sequence[str], folder: Path) -> float:
    """Run a training into `folder` unless one has ended there; the seconds it took."""
    done = folder / "seconds.json"
    if not done.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_json(done, {"seconds": run([*command, f"--output_dir={folder}"], folder.with_suffix(".log"))})
    return json.loads(done.read_text())["seconds"]


def evaluate(policy: Path, first: int, episodes: int, folder: Path, *flags: str) -> dict[str, Any]:
    """What `dp-plus evaluate` reports on the environment seeds from `first`, and the outcome of every episode."""
    judged = [f"--policy={policy}", f"--episodes={episodes}", f"--seed={first}", f"--output_dir={folder}"]
    run(dp_plus("evaluate", *judged, *flags), folder.with_suffix(".log"))
    report = json.loads((folder / "report.json").read_text())
    (task,) = json.loads((folder / "eval_info.json").read_text())["per_task"]
    of_episodes = {name: task["metrics"][name] for name in ("successes", "max_rewards")}
    return {key: report[key] for key in REPORTED} | {"of_episodes": of_episodes}


def published(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reports without the outcomes of single episodes."""
    return [{key: found for key, found in report.items() if key != "of_episodes"} for report in reports]


def together(reports: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Success in percent over all training seeds and the ends of its Wilson interval."""
    successes, episodes = sum(r["successes"] for r in reports), sum(r["episodes"] for r in reports)
    interval = binomtest(successes, episodes).proportion_ci(method="wilson")
    return 100 * successes / episodes, 100 * interval.low, 100 * interval.high


def of_an_episode(metric: str, reports: Sequence[dict[str, Any]]) -> np.ndarray:
    """Mean over training seeds of every episode's `successes` or `max_rewards`, (episodes,)."""
    return np.mean([report["of_episodes"][metric] for report in reports], axis=0, dtype=float)


def ratio(above: np.ndarray, below: np.ndarray) -> dict[str, float] | None:
    """Σ above ÷ Σ below with the 95 % interval of a paired bootstrap over episodes; None with fewer than 5 below."""
    if np.count_nonzero(below) < 5:
        return None
    with np.errstate(divide="ignore"):  # a draw may hold none of the few
        interval = bootstrap(
            (above, below),
            lambda a, b, axis: a.sum(axis) / b.sum(axis),
            paired=True,
            vectorized=True,
            method="percentile",
            rng=0,
        ).confidence_interval
    return {"ratio": float(above.sum() / below.sum()), "low": float(interval.low), "high": float(interval.high)}
