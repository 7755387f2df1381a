"""The options of `dp-plus report`."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command


def report_parser() -> argparse.ArgumentParser:
    """`dp-plus report DIR [--output FILE] [--seed N] [--json report.json]`."""
    parser = command(
        "dp-plus report",
        "A training or an evaluation as one page that needs no other file: learning curves, success with its interval,\n"
        "failures as film strips, lengths, latency, films, config, versions, commands. Also reads an eval_info.json of\n"
        "LeRobot's eval.",
        [
            "dp-plus report outputs/demo/train",
            "dp-plus report outputs/evaluate/mine --output mine.html",
            "dp-plus report outputs/eval/pusht --seed=100000 --json=report.json",
        ],
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="of a training or an evaluation, or an eval_info.json")
    parser.add_argument("--output", type=Path, help="the page; report.html in the folder")
    parser.add_argument("--seed", type=int, help="the --seed an evaluation by LeRobot's eval was run with")
    parser.add_argument("--json", type=Path, help="also write the figures of the evaluation to this file")
    return parser
