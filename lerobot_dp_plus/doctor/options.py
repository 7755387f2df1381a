"""The options of `dp-plus doctor`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command


def doctor_parser() -> argparse.ArgumentParser:
    """`dp-plus doctor DATASET [--output DIR] [--no-pictures] [--no-measure] [--overfit] [train options]`."""
    parser = command(
        "dp-plus doctor",
        "What is wrong with a recording and what to set: findings with numbers and places, a page with pictures, a config for\n"
        "`lerobot train`, and how fast it trains here. With --overfit also: can the policy learn one episode?\n"
        "Options of LeRobot's train may follow, such as --policy.type=dp_plus_unet; they change the suggested training.",
        [
            "dp-plus doctor data/mine",
            "dp-plus doctor data/mine --no-pictures --no-measure --output outputs/looked",
            "dp-plus doctor data/mine --overfit --episode 3 --updates 2000 --policy.type=dp_plus_flow",
        ],
    )
    parser.add_argument("dataset", help="folder of a LeRobotDataset, or USER/NAME on the Hub")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write; outputs/doctor/NAME")
    parser.add_argument("--no-pictures", action="store_true", help="decode no pictures")
    parser.add_argument("--no-measure", action="store_true", help="do not time updates of the suggested training")
    parser.add_argument("--overfit", action="store_true", help="train on one episode, and say whether it is learned")
    parser.add_argument("--episode", type=int, help="of --overfit; the one of the middle length")
    parser.add_argument("--updates", type=int, default=600, help="of --overfit, at most")
    parser.add_argument("--minutes", type=float, default=5.0, help="of --overfit, at most about so many")
    return parser
