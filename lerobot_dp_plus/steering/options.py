"""The options of `dp-plus steer`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lerobot_dp_plus.options import command

FIRST_SEED = 100_000
PORT = 8765
WAYS = ("ranking", "biased_start", "guided", "stochastic", "projection")


class Replay(argparse.Action):
    """`--replay FILE` names its checkpoint itself, so none need be given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        for action in parser._actions:
            if action.dest == "checkpoint":
                action.required = False


def steer_parser() -> argparse.ArgumentParser:
    """`dp-plus steer CHECKPOINT [--env pusht] [--seed N] [--port P] [--record FILE]`, or `dp-plus steer --replay FILE`."""
    parser = command(
        "dp-plus steer",
        "A page on this machine that shows what the policy might do. Click a way, draw an obstacle, set a goal; the policy\n"
        "goes on with it. Nobody else can reach the page.",
        [
            "dp-plus steer hub_cards/pusht_state",
            "dp-plus steer hub_cards/pusht_state --seed 100003 --way guided --record outputs/steered.jsonl",
            "dp-plus steer --replay outputs/steered.jsonl",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("--env", choices=["pusht"], default="pusht", help="where to run")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="environment seed of the run")
    parser.add_argument("--candidates", type=int, default=64, help="chunks drawn at every step, at least 2")
    parser.add_argument("--way", choices=WAYS, default="projection", help="how wishes bend the policy at first")
    parser.add_argument("--port", type=int, default=PORT, help="of the page; 0 takes a free one")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write orders and actions there, as lines of JSON")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", action=Replay, help="do what was recorded again, and compare the actions"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in a browser")
    return parser
