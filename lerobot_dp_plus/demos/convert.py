"""`dp-plus convert`: data of other projects as a LeRobotDataset, checked frame by frame before it appears."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from lerobot_dp_plus.demos.converters import aloha_hdf5, common, replay, robomimic
from lerobot_dp_plus.demos.converters.npz import open_npz
from lerobot_dp_plus.demos.converters.transfer import check_target, transfer
from lerobot_dp_plus.demos.converters.zarr import open_zarr
from lerobot_dp_plus.demos.options import convert_parser


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus convert`; returns the exit status.

    Raises:
        ValueError, FileNotFoundError, FileExistsError: with a complete message; nothing has been written then.
    """
    args = convert_parser().parse_args(argv)
    root = args.root.absolute()
    check_target(root, common.existing(args.source), args.overwrite)
    with _OPEN[args.format](args) as recording:
        print(
            f"{recording.source}: {len(recording.lengths)} episodes, {sum(recording.lengths):,} frames, {recording.fps} fps"
        )
        for feature, keys in recording.carried.items():
            shape = "×".join(map(str, recording.features[feature]["shape"]))
            print(f"  {feature} ({recording.features[feature]['dtype']} {shape}) from {', '.join(keys)}")
        if recording.left_out:
            print(f"  left out: {', '.join(recording.left_out)}")
        note = transfer(recording, root, repo_id=args.repo_id, overwrite=args.overwrite, min_psnr=args.min_psnr)
    worst = note["compared"]["least_psnr_db"]
    lossy = "".join(f"; {key} is video, every frame within {decibels:.1f} dB" for key, decibels in worst.items())
    exact = "everything else" if worst else "all"
    print(
        f"{root}: {note['episodes']} episodes, {note['frames']:,} frames compared with the source{lossy}; {exact} equal"
    )
    return 0


@contextmanager
def _zarr(args: argparse.Namespace) -> Iterator[common.Recording]:
    with open_zarr(args.source, args.allow_missing_chunks) as buffer:
        pusht = args.layout == "pusht" or (args.layout == "auto" and not args.map and replay.is_pusht(buffer))
        if pusht:
            if args.map:
                raise ValueError(f"--map {args.map[0]}: --layout pusht has its own names; legal with --layout plain")
            yield _pusht(buffer, args, images=args.images if args.images is not None else "img" in buffer.arrays)
            return
        mapping = _mapping(args.map) or [pair for pair in replay.PLAIN.items() if pair[0] in buffer.arrays]
        if args.images is not None or args.corners is not None:
            raise ValueError("--images and --corners are PushT's; --map chooses the keys of any other buffer")
        if not args.fps or not args.task:
            raise ValueError(f"--fps={args.fps} --task={args.task}: both are needed, the buffer says neither")
        yield replay.plain_recording(
            buffer, mapping=mapping, video=args.video, white=args.white, fps=args.fps, task=args.task
        )


@contextmanager
def _npz(args: argparse.Namespace) -> Iterator[common.Recording]:
    with open_npz(args.source) as buffer:
        yield _pusht(buffer, args, images=bool(args.images))


def _pusht(buffer: replay.Replay, args: argparse.Namespace, images: bool) -> common.Recording:
    corners = args.corners if args.corners is not None else not images
    return replay.pusht_recording(
        buffer, images=images, corners=corners, video=args.video, white=args.white, fps=args.fps, task=args.task
    )


def _aloha(args: argparse.Namespace):
    extras = tuple(name for name in aloha_hdf5.EXTRAS if getattr(args, name))
    return aloha_hdf5.open_aloha(
        args.source, task=args.task, fps=args.fps, video=args.video, extras=extras, jpeg_order=args.jpeg_order
    )


def _robomimic(args: argparse.Namespace):
    return robomimic.open_robomimic(
        args.source,
        task=args.task,
        fps=args.fps,
        video=args.video,
        filter_key=args.filter_key,
        state_keys=args.state_keys,
        environment_keys=args.environment_keys,
        image_keys=args.image_keys,
        action_key=args.action_key,
    )


_OPEN = {"zarr": _zarr, "pusht-npz": _npz, "aloha-hdf5": _aloha, "robomimic": _robomimic}


def _mapping(pairs: list[str]) -> list[tuple[str, str]]:
    found = []
    for pair in pairs:
        key, equals, feature = pair.partition("=")
        if not (key and equals and feature):
            raise ValueError(f"--map {pair}: legal is KEY=FEATURE, for example robot_eef_pose=observation.state")
        found.append((key, feature))
    return found
