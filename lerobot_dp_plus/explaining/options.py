"""The options of `dp-plus explain`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

FIRST_SEED = 100_000
#: Tables with things that a sentence may fit.
TABLES = ("blocks", "three_pucks")
ENVIRONMENTS = ("pusht", "aloha_lite", *TABLES)


def explain_parser() -> argparse.ArgumentParser:
    """`dp-plus explain CHECKPOINT [--env pusht] [--seed N] [--steps K] [--output DIR]`."""
    parser = command(
        "dp-plus explain",
        "What a policy might do, how that comes about, and what it does: pictures, a film and one page that holds them all.",
        [
            "dp-plus explain hub_cards/pusht_state",
            "dp-plus explain outputs/train/mine --env aloha_lite --seed 7 --steps 20 --output outputs/explained",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("--env", choices=ENVIRONMENTS, default="pusht", help="where to look")
    parser.add_argument("--task", default="transfer_cube", help="of aloha_lite: transfer_cube or insertion")
    parser.add_argument(
        "--instruction", default="ambiguous", help="of blocks and three_pucks: which kind of sentence is said"
    )
    parser.add_argument(
        "--readings",
        action="store_true",
        help="of blocks and three_pucks: an equal share of the plans for each thing that the sentence fits",
    )
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="environment seed of the run")
    parser.add_argument(
        "--steps", type=int, help="control steps before the moment that is shown; the most ambiguous of the first 30"
    )
    parser.add_argument("--candidates", type=int, default=64, help="chunks drawn, at least 16")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to write; outputs/explain/NAME")
    return parser
