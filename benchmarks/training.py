"""Samples per second through `lerobot train`, ours and the host's: `python -m benchmarks.training`.

Three loaders (from memory, LeRobot's without workers, LeRobot's with 4, its default) × two policies (ours, LeRobot's `diffusion`
of our number of parameters), at state and pixel size, each a short run of LeRobot's own training script in this process. Any
policy can be fed by any loader, so the ratios tell apart what the loader gives, what the policy gives, and both. The runs take
turns and every ratio is between runs of one round. A step's wait for data is what LeRobot calls `data_s`: fetching the batch and
normalising it. The limit is that of the products a step consists of, forward and backward, at the most operations a second this
machine does.
"""

import argparse
import copy
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import LeRobotDataset, LeRobotDatasetMetadata
from lerobot.scripts import lerobot_train
from tqdm import tqdm

from benchmarks import common, figures
from benchmarks.common import RESULTS
from benchmarks.contenders import equal_dims, features, fresh, host_config, our_config, parameters
from benchmarks.floor import operations, peak
from benchmarks.pace import LOADERS, pace, quiet, stopwatch
from lerobot_dp_plus.encoders import ResNet18Config
from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies import precision

PACKAGED = Path(__file__).parent.parent / "lerobot_dp_plus" / "assets" / "pusht_demos"
PIXELS = 96
POLICIES = ("ours", "host")
#: Of our loader at state size, where a step takes milliseconds.
MANY = 60


@dataclass(frozen=True)
class Size:
    """One kind of dataset and how long its runs are."""

    root: Path
    pixels: int | None
    batch_size: int
    steps: dict[str, tuple[int, int]]  # warm-up and what counts, by loader


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    torch.set_num_threads(args.threads)
    begun = common.provenance(args.json)
    if args.dtype is None:
        args.dtype = "float32" if precision.emulated("bfloat16", args.device) else "bfloat16"
    if args.dtype != "float32":  # what use_amp means, on a GPU else float16
        torch.set_autocast_dtype(torch.device(args.device).type, getattr(torch, args.dtype))
    result: dict[str, Any] = {"quick": args.quick, "dtype": args.dtype, "images": args.images, "sizes": {}}
    result["device"] = args.device
    with tempfile.TemporaryDirectory() as scratch:
        for name, size in _sizes(Path(scratch), args).items():
            result["sizes"][name] = _measure(name, size, args, Path(scratch))
    result |= begun
    _print(result)
    common.write_json(args.json, result)
    common.write_figure(figures.training(result), common.picture_of(args.json))
    print(f"written to {args.json} and {common.picture_of(args.json)}")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=common.positive, default=3)
    common.add_device(parser)
    parser.add_argument("--threads", type=common.positive, default=2)
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        help="of both, the host's by LeRobot's use_amp; without it whichever this processor is faster in",
    )
    parser.add_argument("--images", choices=("video", "image"), default="video", help="how the pixels lie on disk")
    parser.add_argument("--sizes", nargs="+", choices=("state", "pixels"), default=["state", "pixels"])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny networks, forked workers: does it run? No figure of it means anything",
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "training.json")
    return parser.parse_args(arguments)


def _sizes(scratch: Path, args: argparse.Namespace) -> dict[str, Size]:
    quick = args.quick
    found = {}
    usual = {name: (1, 1) if quick else (loader.warm_up, loader.updates) for name, loader in LOADERS.items()}
    if "state" in args.sizes:
        many = usual["memory"] if quick else (LOADERS["memory"].warm_up, MANY)
        found["state"] = Size(PACKAGED, None, 4 if quick else 128, usual | {"memory": many})
    if "pixels" in args.sizes:
        pixels = 40 if quick else PIXELS
        root = _made_up(scratch / "pixels", pixels, args.images == "video", *((2, 20) if quick else (6, 80)))
        few = usual if quick else {"memory": (3, 6), "host": (3, 6), "host4": (8, 12)}
        found["pixels"] = Size(root, pixels, 2 if quick else 16, few)
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
    pairs = [(policy, loader) for policy in POLICIES for loader in LOADERS]
    found: dict[str, list[dict[str, float]]] = {" + ".join(pair): [] for pair in pairs}
    order = [pair for _ in range(1 if args.quick else args.rounds) for pair in pairs]
    for number, (policy, loader) in enumerate(tqdm(order, desc=f"training at {name} size", unit="run", leave=False)):
        run = _train(ours if policy == "ours" else host, size, loader, scratch / f"{name}_{number}", args.quick)
        found[f"{policy} + {loader}"].append(run)
    rates = {variant: [run["samples_per_s"] for run in runs] for variant, runs in found.items()}
    variants: dict[str, Any] = {
        variant: {
            "samples_per_s": common.summary(rates[variant]),
            "share_waiting": common.summary([run["share_waiting"] for run in runs]),
        }
        for variant, runs in found.items()
    }
    fastest = peak(2 if args.quick else 7, device=args.device)
    limits: dict[str, dict[str, Any]] = {}
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
        "ratios": {
            title: {f"{a} ÷ {b}": common.ratios(rates[a], rates[b]) for a, b in of_them}
            for title, of_them in compared().items()
        },
    }


def compared() -> dict[str, list[tuple[str, str]]]:
    """The pairs of variants that tell something, the faster one first, by what they tell."""
    theirs = [loader for loader in LOADERS if loader != "memory"]
    return {
        "the loader alone": [(f"{p} + memory", f"{p} + {loader}") for p in POLICIES for loader in theirs],
        "the policy alone": [(f"ours + {loader}", f"host + {loader}") for loader in LOADERS],
        "both": [("ours + memory", f"host + {loader}") for loader in theirs],
    }


def _tiny() -> dict[str, Any]:
    from lerobot_dp_plus.networks import TransformerConfig

    return {"network": TransformerConfig(dim=128, depth=2, patch_size=16)}


def _train(policy: Any, size: Size, loader: str, output: Path, quick: bool = False) -> dict[str, float]:
    """One short training by LeRobot's script; rates are those of the steps after the warm-up."""
    warm_up, steps = size.steps[loader]
    with stopwatch() as seen, fast_loading(LOADERS[loader].memory):
        _run(policy, size, warm_up + steps, output, LOADERS[loader].workers, "fork" if quick else "spawn")
    found = pace(seen, warm_up)
    return {"samples_per_s": size.batch_size / found["seconds"], "share_waiting": found["share_waiting"]}


def _run(policy: Any, size: Size, steps: int, output: Path, workers: int = 0, context: str = "spawn") -> None:
    config = TrainPipelineConfig(
        dataset=DatasetConfig("made/up", root=str(size.root), video_backend="pyav"),
        policy=copy.deepcopy(policy),  # the script writes into it
        output_dir=output,
        num_workers=workers,
        dataloader_multiprocessing_context=context,
        batch_size=size.batch_size,
        steps=steps,
        log_freq=steps + 1,
        env_eval_freq=0,
        save_checkpoint=False,
        seed=1,
    )
    with quiet():
        lerobot_train.train(config)


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
        for told, ratios in size["ratios"].items():
            lines = [(pair, common.spread(values, 1)) for pair, values in ratios.items()]
            common.print_table(f"{name}, samples/s, ratios: {told}", (common.SPREAD,), lines)
    print("ours, host: the policy. " + ", ".join(f"{name}: {loader.title}" for name, loader in LOADERS.items()))


if __name__ == "__main__":
    main()
