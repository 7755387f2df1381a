"""Two cameras of 480×640: updates a second, waiting, memory and a chunk's time: `python -m benchmarks.pictures`.

A dataset of a robot with six joints and two cameras is made up and written as video. Three things are measured on it. How large
a held frame is and how long it takes to decode and shrink all of them. Updates a second of LeRobot's own training script in
this process, at the size that each encoder asks for by itself, and of LeRobot's `diffusion`, whose `resize_shape` makes its
pictures as large, with a U-Net that gives it our number of parameters, or its smallest. It is fed by its own loader without
workers and with 4, and by ours, which holds whole frames for it. Trainings take turns, and every ratio is between runs of one round. Last,
milliseconds from two pictures of 480×640 to an action, 10 network calls, one thread, beside the same without shrinking.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import make_policy_config
from lerobot.scripts import lerobot_train
from tqdm import tqdm

from benchmarks import common
from benchmarks.common import RESULTS
from benchmarks.contenders import SMALLEST, equal_dims, fresh, host_config, parameters
from benchmarks.pace import LOADERS, Loader, pace, quiet, stopwatch
from lerobot_dp_plus.encoders import ImageEncoderConfig, ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.loading import MemoryDataset, fast_loading
from lerobot_dp_plus.policies import precision
from lerobot_dp_plus.policies.acting import Loaded

FPS, JOINTS = 30, 6
CAMERAS = ("observation.images.front", "observation.images.wrist")
#: Frames of fifty episodes that take 41 GB whole.
FIFTY_EPISODES = 22_250
#: Who trains: our policy, and LeRobot's through either loader.
OURS, HOST_MEMORY = "ours", "LeRobot's diffusion, our loader"
HOST, HOST_WORKERS = "LeRobot's diffusion, its loader", "LeRobot's diffusion, its loader, 4 workers"


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    size: tuple[int, int] = (480, 640)
    episodes: int = 4
    frames: int = 75
    batch_size: int = 8
    rounds: int = 3
    updates: Mapping[str, tuple[int, int]] | None = None  # warm-up and what counts, by encoder
    encoders: Mapping[str, ImageEncoderConfig] | None = None
    seconds: float = 1.0
    workers: bool = True  # whether LeRobot's loader runs with its four workers, too, which take half a minute to start


USUAL = Scale(
    updates={"resnet18": (2, 4), "small_cnn": (3, 20)},
    encoders={"resnet18": ResNet18Config(), "small_cnn": SmallCnnConfig()},
)
QUICK = Scale(
    size=(96, 128),
    episodes=2,
    frames=30,
    batch_size=2,
    rounds=1,
    updates={"small_cnn": (1, 1)},
    encoders={"small_cnn": SmallCnnConfig(resize=64, width=16)},
    seconds=0.02,
    workers=False,
)


def main(arguments: list[str] | None = None) -> None:
    args = _arguments(arguments)
    scale = QUICK if args.quick else replace(USUAL, rounds=args.rounds)
    torch.set_num_threads(args.threads)
    begun = common.provenance(args.json)
    dtype = args.dtype or ("float32" if precision.emulated("bfloat16", "cpu") else "bfloat16")
    if dtype != "float32":  # what use_amp means
        torch.set_autocast_dtype("cpu", getattr(torch, dtype))
    result: dict[str, Any] = {"quick": args.quick, "dtype": dtype, "size": scale.size, "batch_size": scale.batch_size}
    with tempfile.TemporaryDirectory() as scratch:
        data = _made_up(Path(scratch) / "arm", scale)
        for name, encoder in (scale.encoders or {}).items():
            held = _held(data, encoder)
            trained = {} if args.no_training else _trained(data, name, encoder, scale, dtype, Path(scratch))
            result[name] = {"held": held, **trained}
    torch.set_num_threads(1)
    result["chunk"] = _chunks(scale)
    result |= begun
    _print(result, scale)
    common.write_json(args.json, result)
    print(f"written to {args.json}")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=common.positive, default=USUAL.rounds)
    parser.add_argument("--threads", type=common.positive, default=2, help="of the trainings; a chunk takes one")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of both; otherwise the faster one here")
    parser.add_argument("--no-training", action="store_true", help="only what frames take, and a chunk")
    parser.add_argument(
        "--quick", action="store_true", help="tiny pictures: does it run? No figure of it means anything"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "pictures.json")
    return parser.parse_args(arguments)


def _made_up(root: Path, scale: Scale) -> Path:
    """An arm whose gripper, a disc, goes round over a cluttered table; the second camera sees it from nearer."""
    height, width = scale.size
    pictures = {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]}
    joints = {"dtype": "float32", "shape": (JOINTS,), "names": None}
    features = {"observation.state": joints, "action": joints, **dict.fromkeys(CAMERAS, pictures)}
    dataset = LeRobotDataset.create("made/up", fps=FPS, features=features, root=root, use_videos=True)
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    tables = {
        key: np.kron(rng.integers(40, 200, (12, 16, 3)), np.ones((-(-height // 12), -(-width // 16), 1)))
        for key in CAMERAS
    }
    for episode in tqdm(range(scale.episodes), desc="making videos", unit="episode", leave=False):
        for frame in range(scale.frames):
            turned = 2 * np.pi * (frame / scale.frames + episode / scale.episodes)
            seen = {}
            for near, key in enumerate(CAMERAS, 1):
                at = height * (0.5 + 0.3 * np.sin(turned)), width * (0.5 + 0.3 * np.cos(near * turned))
                picture = tables[key][:height, :width].astype(np.uint8)
                picture[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < (near * height / 16) ** 2] = (230, 60, 20)
                seen[key] = picture
            moved = np.sin(turned * np.arange(1, JOINTS + 1)).astype(np.float32)
            dataset.add_frame({"observation.state": moved, "action": moved, **seen, "task": "go round"})
        dataset.save_episode()
    dataset.finalize()
    return root


def _features(size: tuple[int, int]) -> dict[str, Any]:
    joints, cameras = (JOINTS,), {key: PolicyFeature(FeatureType.VISUAL, (3, *size)) for key in CAMERAS}
    return {
        "input_features": {"observation.state": PolicyFeature(FeatureType.STATE, joints), **cameras},
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, joints)},
        "device": "cpu",
        "push_to_hub": False,
    }


def _held(data: Path, encoder: ImageEncoderConfig) -> dict[str, Any]:
    """Bytes of a frame of both cameras as it is held and whole, seconds to make the cache, and what fifty episodes take."""
    host = LeRobotDataset("made/up", root=data, video_backend="pyav", return_uint8=True)
    whole = {key: (3, *host.meta.features[key]["shape"][:2]) for key in CAMERAS}
    sizes = {key: shape[1:] for key, shape in encoder.seen(whole).items()}
    began = time.perf_counter()
    with quiet():
        held = MemoryDataset(host, sizes=sizes)  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    bytes_ = sum(frames.nbytes for frames in held.frames.values()) / len(held)  # type: ignore[union-attr]
    return {
        "sizes": {key: list(size) for key, size in sizes.items()},
        "bytes_a_frame": bytes_,
        "bytes_a_whole_frame": sum(int(np.prod(shape)) for shape in whole.values()),
        "frames": len(held),
        "seconds": seconds,
        "fifty_episodes_gib": bytes_ * FIFTY_EPISODES / 2**30,
        "fifty_episodes_minutes": seconds / len(held) * FIFTY_EPISODES / 60,
    }


def _trained(
    data: Path, name: str, encoder: ImageEncoderConfig, scale: Scale, dtype: str, scratch: Path
) -> dict[str, Any]:
    shapes = _features(scale.size)
    ours = make_policy_config("dp_plus_transformer", image_encoder=encoder, dtype=dtype, fps=FPS, **shapes)
    size = next(iter(ours.camera_features.values()))[1:]
    alike = {"horizon": 48, "n_action_steps": 24, "resize_shape": size, "crop_ratio": encoder.crop_ratio, **shapes}
    count = parameters(fresh(ours).policy)
    try:
        dims = equal_dims(count, **alike)
    except ValueError:  # its image encoder alone has more
        dims = SMALLEST
    theirs = host_config(down_dims=dims, use_amp=dtype != "float32", **alike)
    who = {OURS: (ours, LOADERS["memory"]), HOST_MEMORY: (theirs, LOADERS["memory"]), HOST: (theirs, LOADERS["host"])}
    if scale.workers:
        who[HOST_WORKERS] = theirs, LOADERS["host4"]
    runs: dict[str, list[dict[str, float]]] = {title: [] for title in who}
    order = [title for _ in range(scale.rounds) for title in who]
    for number, title in enumerate(tqdm(order, desc=f"training at {name}'s size", unit="run", leave=False)):
        policy, loader = who[title]
        runs[title].append(_train(policy, loader, data, name, scale, scratch / f"{name}_{number}"))
    rates = {title: [1 / run["seconds"] for run in found] for title, found in runs.items()}
    return {
        "parameters": {OURS: count, HOST: parameters(fresh(theirs).policy)},
        "updates_per_s": {title: common.summary(found) for title, found in rates.items()},
        "share_waiting": {t: common.summary([run["share_waiting"] for run in found]) for t, found in runs.items()},
        "ratios": {f"{OURS} ÷ {other}": common.ratios(rates[OURS], rates[other]) for other in who if other != OURS},
    }


def _train(policy: Any, loader: Loader, data: Path, name: str, scale: Scale, output: Path) -> dict[str, float]:
    """One short training by LeRobot's script; the pace is that after the warm-up."""
    warm_up, steps = (scale.updates or {})[name]
    if loader.workers:  # which begin with batches of their own each, and give them in bursts
        warm_up, steps = loader.warm_up, loader.updates
    config = TrainPipelineConfig(
        dataset=DatasetConfig("made/up", root=str(data), video_backend="pyav"),
        policy=copy.deepcopy(policy),  # the script writes into it
        output_dir=output,
        num_workers=loader.workers,
        batch_size=scale.batch_size,
        steps=warm_up + steps,
        log_freq=warm_up + steps + 1,
        env_eval_freq=0,
        save_checkpoint=False,
        seed=1,
    )
    with stopwatch() as seen, fast_loading(loader.memory), quiet():
        lerobot_train.train(config)
    return pace(seen, warm_up)


def _chunks(scale: Scale) -> dict[str, Any]:
    """Milliseconds from pictures, bytes as a camera gives them, to an action right after a reset: one chunk."""
    rng, calls = np.random.default_rng(0), {}
    observation: dict[str, np.ndarray] = {
        key: rng.integers(0, 256, (*scale.size, 3), dtype=np.uint8) for key in CAMERAS
    }
    observation["observation.state"] = rng.normal(size=JOINTS).astype(np.float32)
    for name, encoder in (scale.encoders or {}).items():
        for title, resize in ((name, encoder.resize), (f"{name}, not shrunk", None)):
            config = make_policy_config(
                "dp_plus_transformer",
                image_encoder=replace(encoder, resize=resize),
                fps=FPS,
                **_features(scale.size),
            )
            made = fresh(config)
            loaded = Loaded(made.policy, made.preprocessor, made.postprocessor)

            def chunk(loaded: Loaded = loaded) -> None:
                loaded.policy.reset()
                loaded.act(observation)

            calls[title] = chunk
    times = common.take_turns(calls, 2 * scale.rounds + 1, seconds=scale.seconds, label="chunks")
    return {"calls": config.sampler.num_calls, "ms": {title: common.summary(found) for title, found in times.items()}}


def _print(result: Mapping[str, Any], scale: Scale) -> None:
    names = list(scale.encoders or {})
    rows = []
    for name in names:
        held = result[name]["held"]
        size = "×".join(map(str, next(iter(held["sizes"].values()))))
        rows.append(
            (
                f"{name}, {size}",
                f"{held['bytes_a_frame']:,.0f} of {held['bytes_a_whole_frame']:,}",
                f"{1000 * held['seconds'] / held['frames']:.1f}",
                f"{held['fifty_episodes_gib']:.2f}",
                f"{held['fifty_episodes_minutes']:.1f}",
            )
        )
    columns = ("bytes a frame, both cameras", "ms to decode and shrink", "GiB of 50 episodes", "minutes")
    common.print_table(f"what is held of {'×'.join(map(str, scale.size))}", columns, rows)
    for name in names:
        if rates := result[name].get("updates_per_s"):
            waits = result[name]["share_waiting"]
            lines = [(t, common.spread(rates[t]), f"{100 * waits[t]['median']:.1f} %") for t in rates]
            title = f"{name}, batch {result['batch_size']}, {result['dtype']}"
            common.print_table(title, (f"updates/s, {common.SPREAD}", "waiting for data"), lines)
            told = [(pair, common.spread(values, 1)) for pair, values in result[name]["ratios"].items()]
            common.print_table(f"{name}, ratios of updates/s", (common.SPREAD,), told)
    chunk = result["chunk"]
    lines = [(title, common.spread(values, 1)) for title, values in chunk["ms"].items()]
    common.print_table(f"picture in, chunk out, {chunk['calls']} calls", (f"ms, {common.SPREAD}",), lines)


if __name__ == "__main__":
    main()
