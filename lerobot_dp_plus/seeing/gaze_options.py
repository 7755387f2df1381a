"""The options of `dp-plus gaze`. Only the standard library is imported, so that `--help` is immediate."""

import argparse

from lerobot_dp_plus.options import command
from lerobot_dp_plus.seeing.options import add_copy_arguments


def gaze_parser() -> argparse.ArgumentParser:
    """`dp-plus gaze DATASET --root OUT`."""
    parser = command(
        "dp-plus gaze",
        "Write a copy of a recording that says where the target is in every frame, as observation.gaze: x, y and half side of a\n"
        "square, as shares of the picture. --policy.auxiliary.type=gaze_reconstruction learns from it. Either a detector of\n"
        "transformers finds the target (extra gaze), or a mask in the recording marks it. A frame without a target says 0, 0, 0,\n"
        "and has no weight in training.",
        [
            'dp-plus gaze data/mine --root data/gaze --detector IDEA-Research/grounding-dino-tiny --query "{task}"',
            "dp-plus gaze data/mine --root data/gaze --detector hustvl/yolos-tiny --label cup",
            "dp-plus gaze data/mine --root data/gaze --mask observation.images.mask",
        ],
    )
    add_copy_arguments(parser, seen="target")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--detector", metavar="MODEL", help="a detector of transformers: a folder, or USER/NAME on the Hub"
    )
    who.add_argument(
        "--mask", metavar="KEY", help="a picture or an array of the recording that marks the target's pixels"
    )
    parser.add_argument("--revision", help="of the detector's repository")
    parser.add_argument("--label", help="of a detector's classes, the target's")
    parser.add_argument("--query", help='words that say the target; "{task}" stands for the instruction of the episode')
    parser.add_argument(
        "--threshold", type=float, default=0.3, help="how sure the detector must be, 0 … 1 (default: 0.3)"
    )
    parser.add_argument("--value", type=int, help="of the target's pixels in the mask; bright ones if not given")
    parser.add_argument("--smallest", type=int, default=4, help="pixels of a mask that are a target (default: 4)")
    parser.add_argument(
        "--several",
        choices=("best", "none"),
        default="best",
        help="where a frame shows several targets: the surest or largest, or none (default: best)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is at root")
    return parser
