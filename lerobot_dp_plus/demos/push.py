"""`dp-plus demos push`: a finished dataset to the Hub, with its card, in one commit; unchanged data make none."""

import argparse
from pathlib import Path

from lerobot_dp_plus.demos.publication import add_card_arguments, push, repository_name


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status, 1 if the Hub did not take the data."""
    parser = argparse.ArgumentParser(prog="dp-plus demos push", description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the dataset")
    parser.add_argument("--repo-id", type=repository_name, required=True, metavar="USER/NAME")
    add_card_arguments(parser)
    options = parser.parse_args(argv)
    return push(options.root, options.repo_id, options.license, options.private)
