"""Samples per second through `lerobot train`, ours and the host's: `python -m benchmarks.training`.

Two loaders (from memory, LeRobot's) × two policies (ours, LeRobot's `diffusion` of our number of parameters), at state and
pixel size, each a short run of LeRobot's own training script in this process. The runs take turns and every ratio is
between runs of one round. A step's wait for data is what LeRobot calls `data_s`: fetching the batch and normalising it. The
limit is that of the products a step consists of, forward and backward, at the most operations a second this machine does.
"""

import argparse
import contextlib
import copy
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import LeRobotDataset, LeRobotDatasetMetadata
from lerobot.scripts import lerobot_train
from tqdm import tqdm

from benchmarks import common, figures
from benchmarks.contenders import equal_dims, features, fresh, host_config, our_config, parameters
from benchmarks.floor import operations, peak
from lerobot_dp_plus.encoders import ResNet18Config
from lerobot_dp_plus.loading import fast_loading

RESULTS = Path(__file__).parent / "results"
PACKAGED = Path(__file__).parent.parent / "lerobot_dp_plus" / "assets" / "pusht_demos"
PIXELS = 96
#: (policy, loader): ours first, the host's last; what is claimed is the ratio of these two.
VARIANTS = (("ours", "memory"), ("ours", "host"), ("host", "memory"), ("host", "host"))
WARM_UP = 3


@dataclass(frozen=True)
class Size:
    """One kind of dataset and how long its runs are."""

    root: Path
    pixels: int | None
    batch_size: int
    steps: dict[str, int]  # after the warm-up, by loader


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    if args.dtype != "float32":  # what use_amp means, on a GPU else float16
        torch.set_autocast_dtype(torch.device(args.device).type, getattr(torch, args.dtype))
    result: dict[str, Any] = {"quick": args.quick, "dtype": args.dtype, "images": args.images, "sizes": {}}
    result["device"] = args.device
    with tempfile.TemporaryDirectory() as scratch:
        for name, size in _sizes(Path(scratch), args).items():
            result["sizes"][name] = _measure(name, size, args, Path(scratch))
    result |= common.provenance()
    _print(result)
    common.write_json(args.json, result)
    common.write_figure(figures.training(result), args.json.with_suffix(".png"))
    print(f"written to {args.json} and {args.json.with_suffix('.png')}")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=common.positive, default=3)
    common.add_device(parser)
    parser.add_argument("--threads", type=common.positive, default=2)
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of both; the host's by LeRobot's use_amp"
    )
    parser.add_argument("--images", choices=("video", "image"), default="video", help="how the pixels lie on disk")
    parser.add_argument("--sizes", nargs="+", choices=("state", "pixels"), default=["state", "pixels"])
    parser.add_argument(
        "--quick", action="store_true", help="tiny networks: does it run? No figure of it means anything"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "training.json")
    return parser.parse_args(arguments)


def _sizes(scratch: Path, args: argparse.Namespace) -> dict[str, Size]:
    quick = args.quick
    found = {}
    if "state" in args.sizes:
        steps = {"memory": 2, "host": 1} if quick else {"memory": 60, "host": 8}
        found["state"] = Size(PACKAGED, None, 4 if quick else 128, steps)
    if "pixels" in args.sizes:
        pixels = 40 if quick else PIXELS
        root = _made_up(scratch / "pixels", pixels, args.images == "video", *((2, 20) if quick else (6, 80)))
        steps = {"memory": 1, "host": 1} if quick else {"memory": 6, "host": 6}
        found["pixels"] = Size(root, pixels, 2 if quick else 16, steps)
    return found


def _made_up(root: Path, pixels: int, video: bool, episodes: int, frames: int) -> Path:
    """A bright square that moves over a shaded ground, the agent in its place: images that compress as real ones do."""
    shapes: dict[str, dict[str, Any]] = {
        "observation.state": {"dtype": "float32", "shape": (2,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        "observation.image": {
            "dtype": "video" if video else "image",
            "shape": (pixels, pixels, 3),
            "names": ["height", "width", "channels"],
        },
    }
    dataset = LeRobotDataset.create("made/up", fps=10, features=shapes, root=root, use_videos=video)
    ground = np.linspace(40, 200, pixels, dtype=np.uint8)[:, None, None].repeat(pixels, 1).repeat(3, 2)
    side = pixels // 8
    for episode in tqdm(range(episodes), desc="making images", unit="episode", leave=False):
        for frame in range(frames):
            place = np.abs(np.array([frame * 3 + 7 * episode, frame * 2]) % (2 * (pixels - side)) - (pixels - side))
            image = ground.copy()
            image[place[0] : place[0] + side, place[1] : place[1] + side] = 255
            where = (place * 512 / pixels).astype(np.float32)
            dataset.add_frame(
                {"observation.state": where, "action": where, "observation.image": image, "task": "follow"}
            )
        dataset.save_episode()
    dataset.finalize()
    return root


def _measure(name: str, size: Size, args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    shapes: dict[str, Any] = dict(features(size.pixels))
    shapes |= {"device": args.device}
    ours = our_config(dtype=args.dtype, image_encoder=ResNet18Config(), **shapes, **(_tiny() if args.quick else {}))
    count = parameters(fresh(ours).policy)
    dims = equal_dims(count, horizon=16, n_action_steps=8, **shapes)
    host = host_config(down_dims=dims, horizon=16, n_action_steps=8, use_amp=args.dtype != "float32", **shapes)
    pairs = (VARIANTS[0], VARIANTS[-1]) if args.quick else VARIANTS
    found: dict[str, list[dict[str, float]]] = {" + ".join(pair): [] for pair in pairs}
    order = [pair for _ in range(1 if args.quick else args.rounds) for pair in pairs]
    for number, (policy, loader) in enumerate(tqdm(order, desc=f"training at {name} size", unit="run", leave=False)):
        run = _train(ours if policy == "ours" else host, size, loader, scratch / f"{name}_{number}")
        found[f"{policy} + {loader}"].append(run)
    rates = {variant: [run["samples_per_s"] for run in runs] for variant, runs in found.items()}
    first, *_, last = found
    variants: dict[str, Any] = {
        variant: {
            "samples_per_s": common.summary(rates[variant]),
            "share_waiting": common.summary([run["share_waiting"] for run in runs]),
        }
        for variant, runs in found.items()
    }
    fastest = peak(2 if args.quick else 7, device=args.device)
    limits = {}
    for policy, config in (("ours", ours), ("host", host)):
        work = operations(partial(_run, config, size, 1, scratch / f"{name}_{policy}"))
        limits[policy] = {
            "operations_a_step": work,
            "samples_per_s": common.summary([size.batch_size * rate / work for rate in fastest]),
        }
    for (policy, _), variant in zip(pairs, variants.values(), strict=True):
        variant["share_of_limit"] = variant["samples_per_s"]["median"] / limits[policy]["samples_per_s"]["median"]
    return {
        "frames": LeRobotDatasetMetadata("made/up", root=size.root).total_frames,
        "pixels": size.pixels,
        "batch_size": size.batch_size,
        "parameters": {"ours": count, "host": parameters(fresh(host).policy)},
        "down_dims": dims,
        "variants": variants,
        "limits": limits,
        "ratios": {f"{variant} ÷ {last}": common.ratios(rates[variant], rates[last]) for variant in list(found)[:-1]},
        "claimed": f"{first} ÷ {last}",
    }


def _tiny() -> dict[str, Any]:
    from lerobot_dp_plus.networks import TransformerConfig

    return {"network": TransformerConfig(dim=128, depth=2, patch_size=16)}


def _train(policy: Any, size: Size, loader: str, output: Path) -> dict[str, float]:
    """One short training by LeRobot's script; rates are those of the steps after the warm-up."""
    with _stopwatch() as step_times, fast_loading(loader == "memory"):
        _run(policy, size, WARM_UP + size.steps[loader], output)
    walls = np.diff([finished for finished, _ in step_times])[WARM_UP - 1 :]
    waits = np.array([waited for _, waited in step_times])[WARM_UP:]
    return {
        "samples_per_s": float(size.batch_size / np.median(walls)),
        "share_waiting": float(waits.sum() / walls.sum()),
    }


def _run(policy: Any, size: Size, steps: int, output: Path) -> None:
    config = TrainPipelineConfig(
        dataset=DatasetConfig("made/up", root=str(size.root), video_backend="pyav"),
        policy=copy.deepcopy(policy),  # the script writes into it
        output_dir=output,
        num_workers=0,
        batch_size=size.batch_size,
        steps=steps,
        log_freq=steps + 1,
        env_eval_freq=0,
        save_checkpoint=False,
        seed=1,
    )
    with _quiet():
        lerobot_train.train(config)


@contextlib.contextmanager
def _stopwatch() -> Iterator[list[tuple[float, float]]]:
    """(when it ended, seconds it waited for data) of every training step while open."""
    seen: list[tuple[float, float]] = []

    class Stopwatch(lerobot_train.MetricsTracker):  # type: ignore[name-defined, misc]
        def step(self) -> None:
            super().step()
            seen.append((time.perf_counter(), self.dataloading_s.val))

    with patch.object(lerobot_train, "MetricsTracker", Stopwatch):
        yield seen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what the training says; shows it if the training fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    except BaseException:
        print(said.getvalue())
        raise


def _print(result: dict[str, Any]) -> None:
    for name, size in result["sizes"].items():
        rows = [
            (
                variant,
                common.spread(found["samples_per_s"], 0),
                f"{100 * found['share_waiting']['median']:.1f} %",
                f"{100 * found['share_of_limit']:.0f} %",
            )
            for variant, found in size["variants"].items()
        ]
        title = f"{name}, batch {size['batch_size']}: policy + loader"
        columns = (f"samples/s, {common.SPREAD}", "of the step waiting for data", "of the limit")
        common.print_table(title, columns, rows)
        ratios = [(name, common.spread(values, 1)) for name, values in size["ratios"].items()]
        common.print_table("ratios", (common.SPREAD,), ratios)


if __name__ == "__main__":
    main()
