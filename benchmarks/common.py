"""What the measurements share: taking turns, medians with their spread, where and with what it was measured."""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

ROOT = Path(__file__).parent.parent
#: What is measured here is committed; so is the code that it was measured with.
RESULTS = ROOT / "benchmarks" / "results"
#: Files that decide what is measured.
MEASURED = (
    *("lerobot_dp_plus", "lerobot_policy_dp_plus.py", "benchmarks", "configs"),
    *("pyproject.toml", "constraints.txt"),
)
#: Number formats of a training.
DTYPES = ("float32", "bfloat16", "float16")
#: Rounds from which percentiles say more than extremes.
ENOUGH = 7
#: What `spread` prints, for titles.
SPREAD = f"median (p10–p90; of fewer than {ENOUGH} rounds min–max)"
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}


def summary(values: list[float]) -> dict[str, Any]:
    """Median, 10th and 90th percentile, extremes and the values themselves."""
    low, middle, high = np.percentile(values, [10, 50, 90]).tolist()
    return {"median": middle, "p10": low, "p90": high, "min": min(values), "max": max(values), "values": values}


def ratios(slow: list[float], fast: list[float]) -> dict[str, Any]:
    """Summary of slow ÷ fast, each pair measured in the same round; rounds that one of them sat out do not count."""
    return summary([a / b for a, b in zip(slow, fast, strict=False)])


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: Mapping[str, int] | None = None,
    rounds_of: Mapping[str, int] | None = None,
    seconds: float = 0.3,
    label: str = "measuring",
    clock: str = "wall",
) -> dict[str, list[float]]:
    """Milliseconds a call, one figure per contender and round: the median of that round's calls.

    In every round all contenders follow each other, so that a busy machine slows all of them and ratios are between
    neighbours in time. A contender is called `calls[name]` times a round, or, after a call to warm up, as often as fits
    into `seconds`, and takes part in the first `rounds_of[name]` rounds, or in all. The clock "cpu" counts this thread's
    processor time alone: what a call costs on a machine that others hold up.
    """
    counts: dict[str, int] = dict(calls or {})
    for name, call in contenders.items():
        if name not in counts:
            call()
            counts[name] = max(1, min(200, int(seconds / max(_time(call, clock), 1e-6))))
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in tqdm(range(rounds), desc=label, unit="round", leave=False):
        for name, call in contenders.items():
            if number < (rounds_of or {}).get(name, rounds):
                times = [_time(call, clock) for _ in range(counts[name])]
                measured[name].append(1000 * float(np.median(times)))
    return measured


def _time(call: Callable[[], object], clock: str) -> float:
    now = CLOCKS[clock]
    started = now()
    call()
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return now() - started


def uncommitted() -> list[str]:
    """What git says of files that decide what is measured, and are not as they were committed."""
    git = ["git", "-C", str(ROOT), "status", "--porcelain", "--", *MEASURED, ":!benchmarks/results", ":!*.md"]
    return subprocess.run(git, capture_output=True, text=True).stdout.splitlines()


def moment() -> dict[str, str]:
    """Commit and date of now, for what is measured now; of a changed tree the commit ends with -dirty."""
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return {
        "commit": (commit + ("-dirty" if commit and uncommitted() else "")) or "unknown",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def provenance(path: Path, **more: Any) -> dict[str, Any]:
    """Commit, date, machine and versions, for the JSON that will be written to `path`; asked for before anything is measured.

    Raises:
        ValueError: `path` is among the results that are committed, and nobody could tell from which code they are.
    """
    now = moment()
    check_committed(path, now)
    machine: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads_used": torch.get_num_threads(),
        "load": os.getloadavg(),
    }
    if torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return {
        **now,
        "machine": machine,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("lerobot", "torch")},
        **more,
    }


def not_committed(result: Any, name: str = "") -> list[str]:
    """`key: value` of every commit in a result that names no committed code."""
    if isinstance(result, Mapping):
        return [found for key, value in result.items() for found in not_committed(value, key)]
    if isinstance(result, list | tuple):
        return [found for value in result for found in not_committed(value, name)]
    unknown = isinstance(result, str) and name.endswith("commit") and (result == "unknown" or result.endswith("-dirty"))
    return [f"{name}: {result}"] if unknown else []


def check_committed(path: Path, result: Mapping[str, Any]) -> None:
    """Results that are committed are those of committed code.

    Raises:
        ValueError: `path` lies in `RESULTS` and the result, or a part of it, was measured with code that was not committed.
    """
    if path.resolve().is_relative_to(RESULTS) and (found := not_committed(result)):
        changed = f" (changed: {', '.join(line[3:] for line in uncommitted()[:5])})" if uncommitted() else ""
        raise ValueError(
            f"{path} would hold figures of code that nobody can look up, {', '.join(sorted(set(found)))}{changed}. "
            "Commit first, or give --json FILE outside benchmarks/results"
        )


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()


def device(text: str) -> str:
    """An argparse type: a device that is here; LeRobot would take another one and only warn."""
    kind = text.split(":")[0]
    here = ["cpu", *(name for name in ("cuda", "xpu", "mps") if getattr(torch, name).is_available())]
    if kind not in here:
        raise argparse.ArgumentTypeError(f"{text} is not here; legal are {', '.join(here)}")
    return text


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option that says where both sides run."""
    parser.add_argument("--device", type=device, default="cpu", help="of both sides: cpu, or a GPU's, such as cuda")


def positive(text: str) -> int:
    """An argparse type: a count of one or more."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a count; give 1 or more")
    return number


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """One table on the terminal, at any width."""
    table = Table("", *columns, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def ends(values: Mapping[str, Any]) -> tuple[float, float]:
    """10th and 90th percentile; of fewer than `ENOUGH` rounds the least and the most, as percentiles lie inside those."""
    low, high = ("p10", "p90") if len(values["values"]) >= ENOUGH else ("min", "max")
    return values[low], values[high]


def spread(values: Mapping[str, Any], digits: int = 2) -> str:
    """`median (low–high)`, see `SPREAD`."""
    low, high = ends(values)
    return f"{values['median']:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """The whole file or what was there before.

    Raises:
        ValueError: see `check_committed`.
    """
    check_committed(path, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.write_text(json.dumps(result, indent=2) + "\n")
    temporary.replace(path)


def picture_of(result: Path) -> Path:
    """Where the picture of a result is: among the pages that show it, or beside a result that is not to be kept."""
    if result.parent.resolve() == RESULTS.resolve():
        return ROOT / "docs" / "pictures" / f"{result.stem}.png"
    return result.with_suffix(".png")


def write_figure(figure: Any, path: Path) -> None:
    """A PNG of at most 150 kB, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=110, bbox_inches="tight")
    temporary.replace(path)
