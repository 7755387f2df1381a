"""`dp-plus demos push`: a finished dataset to the Hub, with its card, in one commit; unchanged data make none."""

from lerobot_dp_plus.demos.options import push_parser
from lerobot_dp_plus.demos.publication import push


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status, 1 if the Hub did not take the data."""
    options = push_parser().parse_args(argv)
    return push(options.root, options.repo_id, options.license, options.private)
