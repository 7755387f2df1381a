"""The options of `dp-plus compare`."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

FIRST_SEED = 100_000  # of `dp-plus evaluate`


def compare_parser() -> argparse.ArgumentParser:
    """`dp-plus compare A B [--episodes 200] [--until-decided] [--smallest 3] [--output-dir DIR] [eval options]`."""
    parser = command(
        "dp-plus compare",
        "Is A better than B? Both on the same episodes: an exact test, the difference with its interval, a plain sentence.\n"
        "A and B are evaluations of dp-plus evaluate, or checkpoints, which are evaluated. Several trainings of one policy\n"
        "are joined by commas. Options of LeRobot's eval may follow.",
        [
            "dp-plus compare outputs/evaluate/a outputs/evaluate/b",
            "dp-plus compare outputs/a/train outputs/b/train --episodes=500",
            "dp-plus compare outputs/a1,outputs/a2,outputs/a3 outputs/b1,outputs/b2,outputs/b3",
            "dp-plus compare outputs/a outputs/b --until-decided --episodes=1000",
        ],
    )
    parser.add_argument("a", metavar="A", help="folder of an evaluation or checkpoint, or several joined by commas")
    parser.add_argument("b", metavar="B", help="the other")
    parser.add_argument("--episodes", type=int, default=200, help="to play with checkpoints; at most, if until decided")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="environment seed of the first episode")
    parser.add_argument(
        "--until-decided",
        "--until_decided",
        action="store_true",
        help="play both in turn and stop when a difference is shown; keeps its error rate of 5 %% however often it looks",
    )
    parser.add_argument("--smallest", type=float, default=3.0, help="the smallest difference that matters, points")
    parser.add_argument("--workers", type=int, help="processes that play batches; one on each core")
    parser.add_argument(
        "--output-dir",
        "--output_dir",
        type=Path,
        default=Path("outputs/compare"),
        help="of evaluations and compare.json",
    )
    return parser
