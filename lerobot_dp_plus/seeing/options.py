"""The options of `dp-plus see`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

MIRRORS = ("pusht", "none")
#: Which coordinates of PushT's states lie at the picture's left, right, top and bottom.
VIEW = (0.0, 512.0, 0.0, 512.0)


def add_copy_arguments(parser: argparse.ArgumentParser, seen: str) -> None:
    """`DATASET`, `--root OUT` and `--camera`, of a command that looks for what is `seen` and writes a copy."""
    parser.add_argument("dataset", help="folder of a LeRobotDataset, or USER/NAME on the Hub")
    parser.add_argument("--root", type=Path, required=True, metavar="OUT", help="folder of the copy")
    parser.add_argument("--camera", metavar="KEY", help=f"the camera that sees the {seen}; needed if there are several")


def see_parser() -> argparse.ArgumentParser:
    """`dp-plus see DATASET --root OUT`."""
    parser = command(
        "dp-plus see",
        "Learn from a recording's pictures where the one thing that moves is, without labels, and write a copy of the recording\n"
        "with it as observation.environment_state. configs/pusht_pixels.json trains on that copy as it is. Assumed: one rigid\n"
        "thing that turns in the picture's plane, a camera that stands still, and what --view and --mirror say. Where an\n"
        "assumption does not hold nothing is written, and a page of pictures shows why.",
        [
            "dp-plus see data/pixels --root data/seen",
            "lerobot train --config_path=configs/pusht_pixels.json --dataset.root=data/seen",
            "dp-plus see data/table --root data/seen --mirror none --view -0.3 0.3 0.2 -0.2",
            "dp-plus see data/blocks --root data/seen --things 3 --view 0 1 0 1",
        ],
    )
    add_copy_arguments(parser, seen="thing")
    parser.add_argument(
        "--view",
        type=float,
        nargs=4,
        default=VIEW,
        metavar=("LEFT", "RIGHT", "TOP", "BOTTOM"),
        help="which coordinates of the robot's place, the first two of observation.state, lie at the picture's edges",
    )
    parser.add_argument(
        "--no-robot", action="store_true", help="the robot is not in sight, or states do not say where it is"
    )
    parser.add_argument(
        "--mirror",
        choices=MIRRORS,
        default=MIRRORS[0],
        help="the task's mirror image, which fixes the thing's frame and checks the poses; pusht: about the anti-diagonal",
    )
    parser.add_argument(
        "--things",
        type=int,
        default=1,
        metavar="K",
        help="how many rigid things move beside the robot; of several each has a centre and, unless it looks alike from several "
        "sides, a point ahead of it, and no mirror is asked",
    )
    parser.add_argument("--seed", type=int, default=0, help="in which order pictures are learned from")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the page is written; outputs/see/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at root")
    return parser
