"""`eval_info.json`, as LeRobot's `eval` writes it, read with its uncertainty.

On gym-pusht a step's reward is clip(coverage / 0.95, 0, 1), so an episode's largest reward is its *score* as the
papers count it, and success means coverage above 0.95 within the episode. Both are reported: policies of equal
score differ by tens of points in success.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lerobot_dp_plus.evaluation.intervals import wilson_interval
from lerobot_dp_plus.evaluation.options import report_parser


@dataclass(frozen=True)
class Report:
    """What one evaluation says.

    Args:
        episodes: how many were run; seeds: first and last environment seed, when known.
        successes: how many succeeded; interval: 95 % Wilson interval of the rate, in percent.
        score: mean over episodes of the largest reward, in [0, 1].
        extra_arguments: what LeRobot's eval was told beyond the checkpoint's own config.
        latency_ms: median milliseconds per chunk at batch 1; latency_p90_ms: 90th percentile.
    """

    episodes: int
    successes: int
    success_percent: float
    interval_percent: tuple[float, float]
    score: float
    seeds: tuple[int, int] | None = None
    latency_ms: float | None = None
    latency_p90_ms: float | None = None
    device: str | None = None
    checkpoint: str | None = None
    step: int | None = None
    weights_sha256: str | None = None
    eval_seconds: float | None = None
    picture: str | None = None
    videos: tuple[str, ...] = ()
    extra_arguments: tuple[str, ...] = ()


def read_report(eval_info: Path, first_seed: int | None = None, **extra: Any) -> Report:
    """A `Report` of the episodes in `eval_info`; `extra` fills further fields.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not what LeRobot's eval writes, or holds no episodes or a NaN reward.
    """
    if not eval_info.is_file():
        raise FileNotFoundError(
            f"{eval_info} does not exist; LeRobot's eval writes eval_info.json into its output_dir."
        )
    try:
        info = json.loads(eval_info.read_text())
        metrics = [task["metrics"] for task in info["per_task"]]
        successes = [bool(success) for metric in metrics for success in metric["successes"]]
        rewards = [float(reward) for metric in metrics for reward in metric["max_rewards"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{eval_info} is not an eval_info.json of LeRobot's eval: {error!r}.") from error
    if not successes or len(successes) != len(rewards):
        raise ValueError(f"{eval_info}: {len(successes)} successes and {len(rewards)} rewards; expected equal and ≥ 1.")
    bad = [index for index, reward in enumerate(rewards) if not math.isfinite(reward)]
    if bad:
        raise ValueError(f"{eval_info}: max_rewards of episode {bad[0]} is {rewards[bad[0]]}; expected finite numbers.")
    low, high = wilson_interval(sum(successes), len(successes))
    return Report(
        episodes=len(successes),
        successes=sum(successes),
        success_percent=100 * sum(successes) / len(successes),
        interval_percent=(100 * low, 100 * high),
        score=pusht_score(rewards),
        seeds=None if first_seed is None else (first_seed, first_seed + len(successes) - 1),
        eval_seconds=info.get("overall", {}).get("eval_s"),
        videos=tuple(path for metric in metrics for path in metric.get("video_paths", [])),
        **extra,
    )


def pusht_score(max_rewards: Sequence[float]) -> float:
    """Mean over episodes of max over steps of clip(coverage / 0.95, 0, 1), from each episode's largest reward."""
    return sum(min(max(reward, 0.0), 1.0) for reward in max_rewards) / len(max_rewards)


def print_report(report: Report, console: Console | None = None) -> None:
    """Prints `report` as a table."""
    console = console or Console()
    table = Table(title="PushT evaluation", title_style="bold", show_header=False, min_width=60)
    table.add_column(style="cyan")
    table.add_column()
    seeds = f", seeds {report.seeds[0]} to {report.seeds[1]}" if report.seeds else ""
    table.add_row("episodes", f"{report.episodes}{seeds}")
    low, high = report.interval_percent
    table.add_row(
        "success",
        f"[bold]{report.success_percent:.1f} %[/bold]  ({report.successes} of {report.episodes}; "
        f"95 % interval {low:.1f} to {high:.1f} %)",
    )
    table.add_row("score", f"{report.score:.3f}  (mean best coverage / 0.95, at most 1)")
    if report.latency_ms is not None and report.latency_p90_ms is not None:
        where = f", {report.device}" if report.device else ""
        table.add_row(
            "latency", f"{report.latency_ms:.1f} ms per chunk  (p90 {report.latency_p90_ms:.1f}{where}, batch 1)"
        )
    if report.checkpoint:
        step = f"  (step {report.step})" if report.step is not None else ""
        table.add_row("checkpoint", f"{report.checkpoint}{step}")
    if report.extra_arguments:
        table.add_row("with", " ".join(report.extra_arguments))
    if report.videos:
        table.add_row("videos", f"{Path(report.videos[0]).parent}  ({len(report.videos)})")
    if report.picture:
        table.add_row("picture", report.picture)
    console.print(table)


def write_report(report: Report, path: Path) -> None:
    """Writes `report` as JSON, complete or not at all."""
    write_atomically(path, json.dumps(asdict(report), indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Writes `text` to a temporary name beside `path`, then renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def main(argv: Sequence[str]) -> int:
    """`dp-plus report eval_info.json [--seed N] [--json report.json]`."""
    options = report_parser().parse_args(argv)
    path = options.eval_info / "eval_info.json" if options.eval_info.is_dir() else options.eval_info
    report = read_report(path, first_seed=options.seed)
    print_report(report)
    if options.json:
        write_report(report, options.json)
    return 0
