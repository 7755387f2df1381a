"""`dp-plus convert`: data of other projects as a LeRobotDataset, checked frame by frame before it appears."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lerobot_dp_plus.demos.converters import aloha_hdf5, common, replay, robomimic
from lerobot_dp_plus.demos.converters.npz import open_npz
from lerobot_dp_plus.demos.converters.transfer import check_target, transfer
from lerobot_dp_plus.demos.converters.zarr import open_zarr

MIN_PSNR = 20.0


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus convert`; returns the exit status.

    Raises:
        ValueError, FileNotFoundError, FileExistsError: with a complete message; nothing has been written then.
    """
    args = _parser().parse_args(argv)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dp-plus convert", description=__doc__)
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT")

    zarr = _format(formats, "zarr", "a Diffusion Policy replay buffer: zarr in a folder or a zip", video=False)
    zarr.add_argument("--layout", choices=("auto", "pusht", "plain"), default="auto", help="auto knows PushT's columns")
    zarr.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="KEY=FEATURE",
        help="repeatable; a feature's keys are concatenated",
    )
    zarr.add_argument("--allow-missing-chunks", action="store_true", help="the writer left out constant chunks")
    _pusht_options(zarr)

    npz = _format(formats, "pusht-npz", "PushT states, actions and episode_ends in one .npz", video=False)
    _pusht_options(npz)

    aloha = _format(formats, "aloha-hdf5", "a folder of ACT or ALOHA episode_*.hdf5", video=True, task=True)
    aloha.set_defaults(fps=aloha_hdf5.FPS)
    aloha.add_argument("--qvel", action="store_true", help="also carry joint velocities, as observation.velocity")
    aloha.add_argument("--effort", action="store_true", help="also carry joint efforts, as observation.effort")
    aloha.add_argument(
        "--jpeg-order",
        choices=("rgb", "bgr"),
        default="rgb",
        help="bgr if compressed pictures have red and blue swapped",
    )

    mimic = _format(formats, "robomimic", "a robomimic HDF5 file with observations", video=False)
    mimic.add_argument("--filter-key", help="only the demonstrations listed under mask/FILTER_KEY")
    mimic.add_argument("--state-keys", nargs="+", help="observations of observation.state, in this order")
    mimic.add_argument(
        "--environment-keys", nargs="*", help="observations of observation.environment_state, in this order"
    )
    mimic.add_argument("--image-keys", nargs="*", help="cameras; all of them when not given")
    mimic.add_argument("--action-key", default="actions", help="for example actions_abs")
    return parser


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Names a default where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, [], False) else super()._get_help_string(action)


def _format(formats, name: str, summary: str, *, video: bool, task: bool = False) -> argparse.ArgumentParser:
    parser = formats.add_parser(name, help=summary, description=summary, formatter_class=_Defaults)
    parser.add_argument("source", type=Path, help="file or folder to read")
    parser.add_argument("--root", type=Path, required=True, help="folder of the dataset")
    parser.add_argument("--repo-id", help="name stored with the dataset; local/FOLDER when not given")
    parser.add_argument("--task", required=task, help="the instruction, one sentence")
    parser.add_argument("--fps", type=int, default=0, help="frames per second; 0 takes the source's")
    parser.add_argument(
        "--video", action=argparse.BooleanOptionalAction, default=video, help="video, or PNG (lossless)"
    )
    parser.add_argument("--min-psnr", type=float, default=MIN_PSNR, help="dB every video frame must keep")
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset at root")
    return parser


def _pusht_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        action=argparse.BooleanOptionalAction,
        help="PushT: observation.image, drawn by gym-pusht where the source has none; as the source has when not given",
    )
    parser.add_argument(
        "--corners",
        action=argparse.BooleanOptionalAction,
        help="PushT: the T's eight corners as observation.environment_state; without pictures when not given, because "
        "gym-pusht shows a policy one or the other",
    )
    parser.add_argument(
        "--white", type=float, help="white in pictures of floating point; 1 or 255, as the first suggest"
    )
