"""The options of `dp-plus offline`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

#: With 19 candidates there are central intervals of exactly 50, 80 and 90 %.
CANDIDATES, MOMENTS = 19, 300


def offline_parser() -> argparse.ArgumentParser:
    """`dp-plus offline CHECKPOINT DATASET [--episodes 40-49] [--candidates 19] [--output DIR]`."""
    parser = command(
        "dp-plus offline",
        "How far a policy's actions are from the demonstrator's in episodes that it did not see, by step and by dimension, and "
        "whether its candidates are as different as they should be. No simulator is needed, and no robot.",
        [
            "dp-plus offline outputs/train/mine data/mine",
            "dp-plus offline outputs/train/mine data/mine --episodes 40-49 --candidates 39 --output outputs/held_out",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("dataset", help="folder of a LeRobotDataset, or USER/NAME on the Hub")
    parser.add_argument(
        "--episodes", help="which, as 40-49 or 3,7,40-49; those held out from the training, or all if there are none"
    )
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help="chunks drawn at every moment, at least 3")
    parser.add_argument(
        "--moments", type=int, default=MOMENTS, help="moments looked at, evenly spread over the episodes"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write; outputs/offline/NAME")
    return parser


def numbers(text: str) -> list[int]:
    """`3,7,40-49` as numbers, in order and each once.

    Raises:
        ValueError: it is no such list.
    """
    found: set[int] = set()
    for part in text.strip("[] ").split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdigit() or (dash and not high.isdigit()) or (dash and int(high) < int(low)):
            raise ValueError(f"episodes = {text!r}: expected numbers and ranges, such as 3,7,40-49")
        found |= set(range(int(low), int(high or low) + 1))
    return sorted(found)
