"""Samples per second of LeRobot's loader and of the one in memory, side by side: `python -m benchmarks.loading`.

Both feed the same torch DataLoader: EpisodeAwareSampler, no workers, two observation steps and an action horizon of 16.
They take turns, so that a busy machine slows both, and every ratio is between neighbours in time. Before any timing the
two loaders' batches are compared bit for bit. Without `--root` the dataset is made up, of PushT's size and columns.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.datasets import EpisodeAwareSampler, LeRobotDataset, LeRobotDatasetMetadata
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader
from tqdm import tqdm

from lerobot_dp_plus.loading.memory import MemoryDataset, identical

OBSERVATION_STEPS, HORIZON = 2, 16
WIDTHS = {"observation.state": 2, "observation.environment_state": 16, "action": 2}


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        root = args.root or _made_up(Path(scratch) / "made_up", args.episodes, args.frames)
        host = _read(root, args.video_backend)
        started = time.perf_counter()
        memory = MemoryDataset(host)
        build_seconds = time.perf_counter() - started
        compared = _compare(memory, host, args.batch_size)
        runs = [
            {
                "host": _samples_per_second(host, args.batch_size, args.host_batches, seed),
                "memory": _samples_per_second(memory, args.batch_size, args.memory_batches, seed),
            }
            for seed in tqdm(range(args.repeats), desc="measuring", unit="repeat")
        ]
    result = {
        "samples_per_s": {name: _summary([run[name] for run in runs]) for name in ("host", "memory")},
        "ratio": _summary([run["memory"] / run["host"] for run in runs]),
        "dataset": {"made_up": args.root is None, "frames": len(host), "episodes": host.num_episodes},
        "loader": {"batch_size": args.batch_size, "num_workers": 0, "delta_timestamps": host.delta_timestamps},
        "memory": {"bytes": memory.nbytes, "build_s": build_seconds, "samples_compared_bit_for_bit": compared},
        **_provenance(),
    }
    _print(result)
    _write(args.out, result)
    print(f"written to {args.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a LeRobotDataset on disk; without it one is made up")
    parser.add_argument("--episodes", type=_positive, default=60, help="episodes of the made-up dataset")
    parser.add_argument("--frames", type=_positive, default=125, help="frames of each made-up episode")
    parser.add_argument("--batch-size", type=_positive, default=256)
    parser.add_argument("--repeats", type=_positive, default=7)
    parser.add_argument("--host-batches", type=_positive, default=2, help="batches of LeRobot's loader in each repeat")
    parser.add_argument("--memory-batches", type=_positive, default=200, help="batches from memory in each repeat")
    parser.add_argument("--video-backend", choices=("pyav", "torchcodec"), default="pyav")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmarks/loading.json"))
    return parser.parse_args()


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a count; give 1 or more")
    return number


def _made_up(root: Path, episodes: int, frames: int) -> Path:
    """A dataset with PushT's low-dimensional columns, filled with random numbers."""
    features = {key: {"dtype": "float32", "shape": (width,), "names": None} for key, width in WIDTHS.items()}
    features |= {"next.reward": {"dtype": "float32", "shape": (1,), "names": None}}
    features |= {"next.done": {"dtype": "bool", "shape": (1,), "names": None}}
    dataset = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for _ in tqdm(range(episodes), desc="making up", unit="episode"):
        for _ in range(frames):
            frame: dict[str, Any] = {key: rng.random(width, dtype=np.float32) for key, width in WIDTHS.items()}
            frame |= {"next.reward": rng.random(1, dtype=np.float32), "next.done": rng.random(1) < 0.5}
            dataset.add_frame(frame | {"task": "push the T"})
        dataset.save_episode()
    dataset.finalize()
    return root


def _read(root: Path, video_backend: str) -> LeRobotDataset:
    """The dataset with the windows a policy of two observation steps and 16 actions asks for."""
    meta = LeRobotDatasetMetadata("measured/dataset", root=root)
    start = 1 - OBSERVATION_STEPS
    deltas = {
        key: [step / meta.fps for step in range(start, 1 if key.startswith("observation.") else start + HORIZON)]
        for key in meta.features
        if key.startswith("observation.") or key == "action"
    }
    return LeRobotDataset("measured/dataset", root=root, delta_timestamps=deltas, video_backend=video_backend)


def _loader(dataset: Any, batch_size: int, seed: int) -> DataLoader:
    bounds = [dataset.meta.episodes[key] for key in ("dataset_from_index", "dataset_to_index")]
    sampler = EpisodeAwareSampler(*bounds, drop_n_last_frames=7, shuffle=True, seed=seed)
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, num_workers=0)


def _compare(memory: MemoryDataset, host: LeRobotDataset, batch_size: int) -> int:
    """Number of samples whose batches agree bit for bit; ends the run if one does not."""
    ours, theirs = (next(iter(_loader(dataset, batch_size, 0))) for dataset in (memory, host))
    if list(ours) != list(theirs) or not all(identical(ours[key], theirs[key]) for key in theirs):
        raise SystemExit("the two loaders' batches differ: no speed is worth measuring")
    return len(ours["index"])


def _samples_per_second(dataset: Any, batch_size: int, num_batches: int, seed: int) -> float:
    """Wall-clock rate over whole batches, passing over the data again as often as needed; the first batch warms up."""
    loader = _loader(dataset, batch_size, seed)
    next(iter(loader))
    batches = samples = 0
    started = time.perf_counter()
    while batches < num_batches:
        for batch in loader:
            samples += len(batch["index"])
            batches += 1
            if batches == num_batches:
                break
    return samples / (time.perf_counter() - started)


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


def _provenance() -> dict[str, Any]:
    git = ["git", "-C", str(Path(__file__).parent)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True).stdout.strip()
    return {
        "commit": (commit + ("-dirty" if changed else "")) or "unknown",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "load": os.getloadavg(), "threads_used": 1},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("lerobot", "torch")},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()


def _print(result: dict[str, Any]) -> None:
    table = Table("", "median", "least", "most", title="samples/s, one core, no workers")
    rows = {
        "LeRobot's loader": result["samples_per_s"]["host"],
        "in memory": result["samples_per_s"]["memory"],
        "ratio": result["ratio"],
    }
    for name, summary in rows.items():
        table.add_row(name, *(f"{summary[key]:,.0f}" for key in ("median", "min", "max")))
    Console().print(table)


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.write_text(json.dumps(result, indent=2) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    main()
