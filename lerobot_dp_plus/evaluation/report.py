"""`eval_info.json`, as LeRobot's `eval` writes it, read with its uncertainty.

On gym-pusht a step's reward is clip(coverage / 0.95, 0, 1), so an episode's largest reward is its *score* as the
papers count it, and success means coverage above 0.95 within the episode. Both are reported: policies of equal
score differ by tens of points in success.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.hub.card_results import PUSHT, pusht_score, read_episodes
from lerobot_dp_plus.hub.files import write_whole

#: Runs with an alarm that are printed one by one.
SHOWN = 8


@dataclass(frozen=True)
class Report:
    """What one evaluation says.

    Args:
        episodes: how many were run; seeds: first and last environment seed, when known.
        successes: how many succeeded; interval: 95 % Wilson interval of the rate, in percent.
        score: PushT's, mean over episodes of the largest reward, in [0, 1]; None elsewhere.
        extra_arguments: what LeRobot's eval was told beyond the checkpoint's own config.
        alarms: alarms in runs from the same seeds (`evaluation/alarms.py`); None if nobody asked.
        latency_ms: median milliseconds per chunk at batch 1; latency_p90_ms, …: percentiles.
        environment: LeRobot's `env.type`.
        kinds: how many episodes ended how (`evaluation/failures.py`).
    """

    episodes: int
    successes: int
    success_percent: float
    interval_percent: tuple[float, float]
    score: float | None
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
    alarms: dict[str, Any] | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    environment: str = PUSHT
    kinds: dict[str, int] | None = None


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
    episodes = read_episodes(eval_info)
    return Report(
        score=pusht_score(episodes.best_rewards) if {group for group, _ in episodes.tasks} == {PUSHT} else None,
        eval_seconds=episodes.seconds,
        videos=episodes.videos,
        **episodes.figures(first_seed),
        **extra,
    )


def print_report(report: Report, console: Console | None = None) -> None:
    """Prints `report` as a table."""
    console = console or Console()
    table = Table(title=f"Evaluation in {report.environment}", title_style="bold", show_header=False, min_width=60)
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
    if report.score is not None:
        table.add_row("score", f"{report.score:.3f}  (mean best coverage / 0.95, at most 1)")
    failed = {kind: count for kind, count in (report.kinds or {}).items() if kind != "success"}
    if failed:
        table.add_row("failed", ", ".join(f"{count} {IN_WORDS[kind]}" for kind, count in failed.items()))
    if report.latency_ms is not None and report.latency_p90_ms is not None:
        where = f", {report.device}" if report.device else ""
        rare = f", p99 {report.latency_p99_ms:.1f}" if report.latency_p99_ms is not None else ""
        table.add_row(
            "latency", f"{report.latency_ms:.1f} ms per chunk  (p90 {report.latency_p90_ms:.1f}{rare}{where}, batch 1)"
        )
    if report.alarms:
        table.add_row("alarms", _alarms(report.alarms))
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


def _alarms(told: dict[str, Any]) -> str:
    """How many runs alarmed, how many of them failed, and where the first alarms were."""
    episodes, (low, high) = told["episodes"], told["interval_percent"]
    alarmed = [each for each in episodes if each["alarms"]]
    failed = sum(not each["success"] for each in alarmed)
    lines = [
        f"{len(alarmed)} of {len(episodes)} runs (95 % interval {low:.1f} to {high:.1f} %), {failed} of them failed; "
        f"calibrated to at most {100 * told['alpha']:g} % of {told['per']}s"
    ]
    lines += [
        f"seed {each['seed']}: {each['alarms']} from step {each['first_step']} on, {' and '.join(each['signals'])}, "
        f"{'succeeded' if each['success'] else 'failed'}"
        for each in alarmed[:SHOWN]
    ]
    if len(alarmed) > SHOWN:
        lines.append(f"and {len(alarmed) - SHOWN} more in the report")
    return "\n".join(lines)


def write_report(report: Report, path: Path) -> None:
    """Writes `report` as JSON, complete or not at all."""
    write_whole(path, json.dumps(asdict(report), indent=2) + "\n")
