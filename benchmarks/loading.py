"""Samples per second of LeRobot's loader and of ours, side by side: `python -m benchmarks.loading`.

Ours holds everything in memory, or maps a camera's decoded frames from disk: warm, with the file in the operating
system's memory, and cold, dropped from it before every repeat. All feed the same torch DataLoader: EpisodeAwareSampler, no
workers, two observation steps and an action horizon of 16; images are timed as the training loop sees them, divided to
float. They take turns, so that a busy machine slows all, and every ratio is between neighbours in time. Before any timing
the batches are compared bit for bit. The limit is one gather of as many bytes a sample from memory.

Without `--root` the dataset is made up, of PushT's columns: no camera by default, `--camera=image` or `--camera=video` with
`--size` adds one.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.datasets import EpisodeAwareSampler, LeRobotDataset, LeRobotDatasetMetadata
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks import figures
from benchmarks.common import RESULTS, picture_of, positive, print_table, provenance, summary, write_figure, write_json
from lerobot_dp_plus.loading import FrameCache, MemoryDataset
from lerobot_dp_plus.loading.disk import MappedFrames
from lerobot_dp_plus.loading.memory import identical

OBSERVATION_STEPS, HORIZON = 2, 16
WIDTHS = {"observation.state": 2, "observation.environment_state": 16, "action": 2}
CAMERA = "observation.image"
TITLES = {
    "host": "LeRobot's loader",
    "memory": "our loader, in memory",
    "disk": "our loader, mapped from disk",
    "disk_cold": "the same, file not in memory",
    "limit": "the bytes alone",
}


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    torch.set_num_threads(1)
    begun = provenance(args.json)
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        root = args.root or _made_up(Path(scratch) / "made_up", args)
        host = _read(root, args.video_backend)
        ours, build_seconds = _build(host, Path(scratch) / "cache")
        compared = {name: _compare(dataset, host, args.batch_size) for name, dataset in ours.items()}
        runs = []
        for seed in tqdm(range(args.repeats), desc="measuring", unit="repeat"):
            run = {"host": _samples_per_second(host, args.batch_size, args.host_batches, seed)}
            for name, dataset in ours.items():
                if name == "disk_cold":
                    _drop_from_memory(dataset)
                warm_up = name != "disk_cold"  # a first batch would warm the file
                run[name] = _samples_per_second(dataset, args.batch_size, args.memory_batches, seed, warm_up)
            run["limit"] = _limit(ours["memory"], args.batch_size, args.memory_batches)
            runs.append(run)
    features = host.meta.features
    result = {
        "samples_per_s": {name: summary([run[name] for run in runs]) for name in runs[0]},
        "ratio": {name: summary([run[name] / run["host"] for run in runs]) for name in ours},
        "share_of_limit": {name: summary([run[name] / run["limit"] for run in runs]) for name in ("host", *ours)},
        "dataset": {
            "made_up": args.root is None,
            "frames": len(host),
            "episodes": host.num_episodes,
            "cameras": {key: [features[key]["dtype"], *features[key]["shape"]] for key in host.meta.camera_keys},
        },
        "loader": {"batch_size": args.batch_size, "num_workers": 0, "delta_timestamps": host.delta_timestamps},
        "build_s": build_seconds,
        "bytes": {name: dataset.nbytes + dataset.mapped_bytes for name, dataset in ours.items()},
        "samples_compared_bit_for_bit": compared,
        **begun,
    }
    _print(result)
    write_json(args.json, result)
    write_figure(figures.loading(result, TITLES), picture_of(args.json))
    print(f"written to {args.json}")


def _build(host: LeRobotDataset, cache: Path) -> tuple[dict[str, MemoryDataset], dict[str, float]]:
    """Our datasets by name, and the seconds until each can give a batch: decoding, or finding what was decoded."""
    datasets, seconds = {}, {}
    names = ["memory", *(["disk_first", "disk"] if host.meta.camera_keys else [])]
    for name in names:
        started = time.perf_counter()
        datasets[name] = MemoryDataset(host, cache=None if name == "memory" else FrameCache(cache), as_bytes=True)
        seconds[name] = time.perf_counter() - started
    if datasets.pop("disk_first", None) is not None:
        datasets["disk_cold"] = datasets["disk"]  # one mapping: a second would keep the file in memory
    return datasets, seconds


def _drop_from_memory(dataset: MemoryDataset) -> None:
    """Unmap the frames, have the operating system forget their files, and map them anew."""
    for key in dataset.meta.camera_keys:
        frames = dataset.frames.pop(key)
        assert isinstance(frames, MappedFrames)
        path, shape = frames.path, frames.shape
        del frames
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        dataset.frames[key] = MappedFrames(path, shape)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a LeRobotDataset on disk; without it one is made up")
    parser.add_argument("--episodes", type=positive, default=60, help="episodes of the made-up dataset")
    parser.add_argument("--frames", type=positive, default=125, help="frames of each made-up episode")
    parser.add_argument("--camera", choices=("none", "image", "video"), default="none", help="of the made-up dataset")
    parser.add_argument("--size", type=positive, nargs=2, default=(96, 96), help="height and width of its pictures")
    parser.add_argument("--scratch", type=Path, help="folder for temporary files; the system's when not given")
    parser.add_argument("--batch-size", type=positive, default=256)
    parser.add_argument("--repeats", type=positive, default=7)
    parser.add_argument("--host-batches", type=positive, default=2, help="batches of LeRobot's loader in each repeat")
    parser.add_argument("--memory-batches", type=positive, default=200, help="batches from memory in each repeat")
    parser.add_argument("--video-backend", choices=("pyav", "torchcodec"), default="pyav")
    parser.add_argument("--json", type=Path, default=RESULTS / "loading.json", help="and a picture beside it")
    return parser.parse_args(arguments)


def _made_up(root: Path, args: argparse.Namespace) -> Path:
    """A dataset with PushT's low-dimensional columns, filled with random numbers, and a camera if asked for."""
    features: dict[str, dict[str, Any]] = {
        key: {"dtype": "float32", "shape": (width,), "names": None} for key, width in WIDTHS.items()
    }
    features |= {"next.reward": {"dtype": "float32", "shape": (1,), "names": None}}
    features |= {"next.done": {"dtype": "bool", "shape": (1,), "names": None}}
    if args.camera != "none":
        names = ["height", "width", "channel"]
        features |= {CAMERA: {"dtype": args.camera, "shape": (*args.size, 3), "names": names}}
    videos = args.camera == "video"
    dataset = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=videos)
    rng = np.random.default_rng(0)
    for _ in tqdm(range(args.episodes), desc="making up", unit="episode"):
        for step in range(args.frames):
            frame: dict[str, Any] = {key: rng.random(width, dtype=np.float32) for key, width in WIDTHS.items()}
            frame |= {"next.reward": rng.random(1, dtype=np.float32), "next.done": rng.random(1) < 0.5}
            if args.camera != "none":
                frame[CAMERA] = _picture(args.size[0], args.size[1], step)
            dataset.add_frame(frame | {"task": "push the T"})
        dataset.save_episode()
    dataset.finalize()
    return root


def _picture(height: int, width: int, step: int) -> np.ndarray:
    """Flat ground and a few shapes, one of them moving: about as hard to decode as a simulator's picture."""
    picture = np.full((height, width, 3), 235, np.uint8)
    picture[height // 3 : height // 2, width // 4 : 3 * width // 4] = (120, 136, 150)
    picture[height // 2 :, 4 * width // 9 : 5 * width // 9] = (144, 238, 144)
    left = step * width // 100 % (width - width // 8)
    picture[height // 8 : height // 4, left : left + width // 8] = (65, 105, 225)
    return picture


def _read(root: Path, video_backend: str) -> LeRobotDataset:
    """The dataset with the windows a policy of two observation steps and 16 actions asks for."""
    meta = LeRobotDatasetMetadata("measured/dataset", root=root)
    start = 1 - OBSERVATION_STEPS
    deltas = {
        key: [step / meta.fps for step in range(start, 1 if key.startswith("observation.") else start + HORIZON)]
        for key in meta.features
        if key.startswith("observation.") or key == "action"
    }
    # Bytes for video, as LeRobot's training asks for.
    options: dict[str, Any] = {"video_backend": video_backend, "return_uint8": True}
    return LeRobotDataset("measured/dataset", root=root, delta_timestamps=deltas, **options)


def _loader(dataset: Any, batch_size: int, seed: int) -> DataLoader:
    bounds = [dataset.meta.episodes[key] for key in ("dataset_from_index", "dataset_to_index")]
    sampler = EpisodeAwareSampler(*bounds, drop_n_last_frames=7, shuffle=True, seed=seed)
    return DataLoader(dataset, batch_size=batch_size, sampler=sampler, num_workers=0)


def _compare(ours: MemoryDataset, host: LeRobotDataset, batch_size: int) -> int:
    """Number of samples whose batches agree bit for bit; ends the run if one does not."""
    one, two = (_as_trained_on(next(iter(_loader(dataset, batch_size, 0))), host) for dataset in (ours, host))
    if list(one) != list(two) or not all(identical(one[key], two[key]) for key in two):
        raise SystemExit("the two loaders' batches differ: no speed is worth measuring")
    return len(one["index"])


def _as_trained_on(batch: dict[str, Any], dataset: Any) -> dict[str, Any]:
    """What LeRobot's training loop does with a batch before the policy's own processing."""
    for key in dataset.meta.camera_keys:
        if batch[key].dtype == torch.uint8:
            batch[key] = batch[key].to(dtype=torch.float32) / 255.0
    return batch


def _samples_per_second(dataset: Any, batch_size: int, num_batches: int, seed: int, warm_up: bool = True) -> float:
    """Wall-clock rate over whole batches, passing over the data again as often as needed."""
    loader = _loader(dataset, batch_size, seed)
    if warm_up:
        next(iter(loader))
    batches = samples = 0
    started = time.perf_counter()
    while batches < num_batches:
        for batch in loader:
            samples += len(_as_trained_on(batch, dataset)["index"])
            batches += 1
            if batches == num_batches:
                break
    return samples / (time.perf_counter() - started)


def _limit(dataset: MemoryDataset, batch_size: int, num_batches: int) -> float:
    """Samples/s if a batch were one gather of its bytes."""
    batch = next(iter(_loader(dataset, batch_size, 0)))
    size = sum(value.nbytes for value in batch.values() if isinstance(value, torch.Tensor)) // batch_size
    rows = torch.zeros(min(len(dataset), 2**30 // size), size, dtype=torch.uint8)
    picks = torch.randint(len(rows), (num_batches, batch_size))
    rows[picks[0]]
    started = time.perf_counter()
    for pick in picks:
        rows[pick]
    return picks.numel() / (time.perf_counter() - started)


def _print(result: dict[str, Any]) -> None:
    cells = []
    for name, title in TITLES.items():
        if name in result["samples_per_s"]:
            rates, ratio = result["samples_per_s"][name], result["ratio"].get(name)
            share = result["share_of_limit"].get(name)
            cells.append(
                (
                    title,
                    *(f"{rates[column]:,.0f}" for column in ("median", "min", "max")),
                    f"{ratio['median']:,.1f}" if ratio else "",
                    f"{100 * share['median']:.1f}" if share else "",
                )
            )
    columns = ("median", "least", "most", "× LeRobot's", "% of the limit")
    print_table("samples/s, one core, no workers", columns, cells)
    builds = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result["build_s"].items())
    print(f"until the first batch: {builds}; {max(result['bytes'].values()) / 2**20:,.1f} MiB decoded")


if __name__ == "__main__":
    main()
