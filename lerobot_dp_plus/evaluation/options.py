"""The options of `dp-plus evaluate`, `demo` and `report`."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

FIRST_SEED = 100_000  # far from LeRobot's default 1000 and from the demonstrations' seeds
DEMO_CONFIG = Path("configs") / "demo_pusht.json"


def evaluate_parser() -> argparse.ArgumentParser:
    """`dp-plus evaluate --policy DIR [--episodes 50] [--seed 100000] [--output-dir DIR] [eval options]`."""
    parser = command(
        "dp-plus evaluate",
        "Evaluate a policy on PushT: LeRobot's eval, then interval, latency and a picture of the actions.\n"
        "Options of LeRobot's eval may follow.",
        [
            "dp-plus evaluate policy=outputs/demo/train",
            "dp-plus evaluate policy=outputs/demo/train --episodes=200 --policy.sampler.num_steps=5",
        ],
    )
    parser.add_argument("--policy", "--policy.path", type=Path, required=True, help="checkpoint or training folder")
    parser.add_argument("--output-dir", "--output_dir", type=Path, help="where to write; outputs/evaluate/NAME")
    parser.add_argument("--episodes", type=int, default=50, help="how many to play")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="environment seed of the first episode")
    parser.add_argument("--samples", type=int, default=64, help="chunks drawn per scene of the picture")
    return parser


def demo_parser() -> argparse.ArgumentParser:
    """`dp-plus demo [--output-dir DIR] [--episodes 50] [train options]`."""
    parser = command(
        "dp-plus demo",
        "From demonstrations to a measured policy: train on the packaged PushT demonstrations, evaluate, draw.\n"
        "What is finished is kept, what was interrupted goes on. Options of LeRobot's train may follow.",
        ["dp-plus demo", "dp-plus demo --output-dir=outputs/quick --episodes=10 --steps=500"],
    )
    parser.add_argument("--config-path", "--config_path", type=Path, help=f"training recipe; {DEMO_CONFIG}")
    parser.add_argument(
        "--dataset.root", dest="root", metavar="DIR", type=Path, help="demonstrations; those of the package"
    )
    parser.add_argument(
        "--output-dir", "--output_dir", type=Path, default=Path("outputs/demo"), help="folder of train/ and eval/"
    )
    parser.add_argument("--episodes", type=int, default=50, help="evaluation episodes")
    parser.add_argument(
        "--eval-seed", "--eval_seed", type=int, default=FIRST_SEED, help="environment seed of the first episode"
    )
    return parser


def report_parser() -> argparse.ArgumentParser:
    """`dp-plus report eval_info.json [--seed N] [--json report.json]`."""
    parser = command(
        "dp-plus report",
        "Read an eval_info.json of LeRobot's eval with its uncertainty.",
        ["dp-plus report outputs/eval/pusht", "dp-plus report outputs/eval/pusht --seed=100000 --json=report.json"],
    )
    parser.add_argument("eval_info", type=Path, help="the file, or the output_dir of LeRobot's eval")
    parser.add_argument("--seed", type=int, help="the --seed the evaluation was run with")
    parser.add_argument("--json", type=Path, help="also write the report to this file")
    return parser
