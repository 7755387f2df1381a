"""The options of `dp-plus convert`."""

import argparse
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.options import ROOT
from lerobot_dp_plus.options import command, describe

ALOHA_FPS = 50  # of real and simulated recordings
#: dB that every frame of a video must keep.
MIN_PSNR = 20.0


def convert_parser() -> argparse.ArgumentParser:
    """`dp-plus convert FORMAT SOURCE --root DIR`."""
    parser = command(
        "dp-plus convert",
        "Data of other projects as a LeRobotDataset, checked frame by frame before it appears.\n"
        "`dp-plus convert FORMAT --help` lists a format's options.",
        ["dp-plus convert zarr pusht.zarr --root data/pusht", "dp-plus convert aloha-hdf5 --help"],
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="FORMAT", help="who wrote the data")

    zarr = _format(formats, "zarr", "a Diffusion Policy replay buffer: zarr in a folder or a zip", "pusht.zarr")
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

    npz = _format(formats, "pusht-npz", "PushT states, actions and episode_ends in one .npz", "pusht.npz")
    _pusht_options(npz)

    task = "Insert the peg into the socket."
    aloha = _format(
        formats, "aloha-hdf5", "a folder of ACT or ALOHA episode_*.hdf5", "episodes/", video=True, task=task
    )
    aloha.set_defaults(fps=ALOHA_FPS)
    extra: dict[str, Any] = {"action": "append_const", "dest": "extras", "default": []}
    aloha.add_argument("--qvel", const="qvel", help="also carry joint velocities, as observation.velocity", **extra)
    aloha.add_argument("--effort", const="effort", help="also carry joint efforts, as observation.effort", **extra)
    aloha.add_argument(
        "--jpeg-order",
        choices=("rgb", "bgr"),
        default="rgb",
        help="bgr if compressed pictures have red and blue swapped",
    )

    mimic = _format(formats, "robomimic", "a robomimic HDF5 file with observations", "lift.hdf5")
    mimic.add_argument("--filter-key", help="only the demonstrations listed under mask/FILTER_KEY")
    mimic.add_argument("--state-keys", nargs="+", help="observations of observation.state, in this order")
    mimic.add_argument(
        "--environment-keys", nargs="*", help="observations of observation.environment_state, in this order"
    )
    mimic.add_argument("--image-keys", nargs="*", help="cameras; all of them when not given")
    mimic.add_argument("--action-key", default="actions", help="for example actions_abs")
    return parser


def _format(
    formats: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    source: str,
    *,
    video: bool = False,
    task: str = "",
) -> argparse.ArgumentParser:
    """The options every format has; `task` is the example of an instruction where one must be given."""
    example = f"dp-plus convert {name} {source} --root data/{name}" + (f' --task "{task}"' if task else "")
    parser: argparse.ArgumentParser = formats.add_parser(name, help=summary, **describe(summary, [example]))
    parser.add_argument("source", type=Path, help="file or folder to read")
    parser.add_argument("--root", type=Path, required=True, help=ROOT)
    parser.add_argument("--repo-id", help="name stored with the dataset; local/FOLDER when not given")
    parser.add_argument("--task", required=bool(task), help="the instruction, one sentence")
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
