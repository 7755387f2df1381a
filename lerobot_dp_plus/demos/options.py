"""The options of every `dp-plus demos` command."""

import argparse
import re
from pathlib import Path

from lerobot_dp_plus.options import command

#: Shares of the PushT expert's episodes that are disturbed, and that start near the goal.
DISTURBED, NEAR = 0.6, 0.3
#: Share of the sentences that fit several things. With 15 % of them the modes were not learned.
AMBIGUOUS = 1 / 3
ALOHA_TASKS, ALOHA_CAMERAS, ALOHA_LOOKS = ("transfer_cube", "insertion"), ("top", "none"), ("lite", "stock")
#: Of data this package made; what the package itself has.
LICENSE = "apache-2.0"
ROOT = "folder of the dataset"


def demos_parser() -> argparse.ArgumentParser:
    """`dp-plus demos TASK …`, whose tasks have parsers of their own."""
    parser = command(
        "dp-plus demos",
        "Write demonstrations as a LeRobotDataset; `dp-plus demos TASK --help` lists a task's options.",
        [
            "dp-plus demos pusht --episodes 300 --root data/pusht",
            "dp-plus demos aloha --task insertion --root data/peg",
        ],
    )
    summaries = "; ".join(f"{name}: {summary}" for name, (_, summary) in DEMOS.items())
    parser.add_argument("task", metavar="TASK", choices=list(DEMOS), help=summaries)
    return parser


def pusht_parser() -> argparse.ArgumentParser:
    """`dp-plus demos pusht --root DIR`."""
    parser = _player(
        "dp-plus demos pusht",
        "Many episodes of the PushT expert on all cores, resumable, then one LeRobotDataset.",
        [
            "dp-plus demos pusht --episodes 300 --root data/pusht",
            "dp-plus demos pusht --episodes 300 --images --root data/pixels --push-to-hub alice/pusht_pixels",
        ],
        episodes=300,
    )
    parser.add_argument("--images", action="store_true", help="also write rendered 96×96 pixels")
    parser.add_argument("--disturbed", type=float, default=DISTURBED, help="share of disturbed executions")
    parser.add_argument("--near", type=float, default=NEAR, help="share of starts near the goal")
    _add_production_arguments(parser)
    return parser


def rollouts_parser() -> argparse.ArgumentParser:
    """`dp-plus demos pusht_rollouts --policy DIR --root DIR`."""
    parser = _player(
        "dp-plus demos pusht_rollouts",
        "Episodes of a trained policy whose candidate chunks are judged in the simulator, the best of N played.",
        ["dp-plus demos pusht_rollouts --policy outputs/demo/train/checkpoints/last/pretrained_model --root data/best"],
        episodes=300,
    )
    parser.add_argument("--policy", type=Path, required=True, help="checkpoint folder of a PushT keypoint policy")
    parser.add_argument("--seed", type=int, default=20_000, help="environment seed of the first start")
    parser.add_argument("--candidates", type=int, default=16, help="chunks judged at every decision")
    parser.add_argument("--disturbed", type=float, default=0.1, help="share of decisions that play a random candidate")
    return parser


def aloha_parser() -> argparse.ArgumentParser:
    """`dp-plus demos aloha --task TASK --root DIR`."""
    parser = _player(
        "dp-plus demos aloha",
        "Many episodes of the ALOHA expert on all cores, resumable, then one LeRobotDataset.",
        [
            "dp-plus demos aloha --task transfer_cube --episodes 50 --resolution 120x160 --root data/cube",
            "dp-plus demos aloha --task insertion --cameras none --root data/peg",
        ],
        episodes=50,
    )
    parser.add_argument("--task", choices=ALOHA_TASKS, required=True, help="what the two arms do")
    parser.add_argument(
        "--cameras", choices=ALOHA_CAMERAS, default="top", help="none: states and object poses instead of pictures"
    )
    parser.add_argument("--resolution", type=_size, default="480x640", help="HEIGHTxWIDTH of the video")
    parser.add_argument(
        "--look",
        choices=ALOHA_LOOKS,
        help="stock: as --env.type=aloha shows it; lite: as --env.type=aloha_lite does, many times cheaper; "
        "stock at 480x640 and lite at any other resolution when not given",
    )
    parser.add_argument("--environment-state", action="store_true", help="also record the objects' poses")
    _add_production_arguments(parser)
    return parser


def blocks_parser() -> argparse.ArgumentParser:
    """`dp-plus demos blocks --root DIR`."""
    parser = _player(
        "dp-plus demos blocks",
        "Three things on a table, and a sentence that says which one to bring, or fits several.",
        [
            "dp-plus demos blocks --episodes 1000 --root data/blocks",
            "dp-plus demos blocks --episodes 1000 --images --root data/blocks_pixels",
        ],
        episodes=1000,
    )
    parser.add_argument("--images", action="store_true", help="also record pictures")
    parser.add_argument("--size", type=int, default=64, help="height and width of the pictures")
    parser.add_argument("--ambiguous", type=float, default=AMBIGUOUS, help="share of sentences that fit several things")
    parser.add_argument("--disturbed", type=float, default=0.5, help="share of disturbed executions")
    _add_production_arguments(parser)
    return parser


def so101_parser() -> argparse.ArgumentParser:
    """`dp-plus demos so101 --root DIR`."""
    parser = _player(
        "dp-plus demos so101",
        "A made-up SO-101 with two cameras and two tasks, recorded as lerobot-record does: to try everything without a robot.",
        ["dp-plus demos so101 --episodes 50 --root data/arm"],
        episodes=50,
    )
    parser.add_argument("--resolution", type=_size, default="480x640", help="HEIGHTxWIDTH of both videos")
    _add_production_arguments(parser)
    return parser


def metaworld_parser() -> argparse.ArgumentParser:
    """`dp-plus demos metaworld --task TASK --root DIR`."""
    parser = _player(
        "dp-plus demos metaworld",
        "MetaWorld's experts on its tasks, or three pucks of which a sentence names one. Extra metaworld.",
        [
            "dp-plus demos metaworld --task three-pucks --episodes 400 --root data/pucks",
            "dp-plus demos metaworld --task mt10 --episodes 500 --images --root data/mt10",
        ],
        episodes=400,
    )
    parser.add_argument(
        "--task",
        required=True,
        help="three-pucks; a task of MetaWorld, several with commas, mt10, mt50, easy … very_hard",
    )
    parser.add_argument("--images", action="store_true", help="also record pictures")
    parser.add_argument("--size", type=int, default=96, help="height and width of the pictures")
    parser.add_argument("--camera", default="corner2", help="corner2 or near; three-pucks has its own")
    parser.add_argument("--ambiguous", type=float, default=AMBIGUOUS, help="share of sentences that fit all pucks")
    parser.add_argument("--disturbed", type=float, default=0.5, help="share of disturbed executions")
    _add_production_arguments(parser)
    return parser


def _player(prog: str, description: str, examples: list[str], episodes: int) -> argparse.ArgumentParser:
    """A command that plays `episodes` unless told otherwise: where to, how many, and whether to push them."""
    parser = command(prog, description, examples)
    parser.add_argument("--root", type=Path, required=True, help=ROOT)
    parser.add_argument("--episodes", type=int, default=episodes, help="successful episodes to write")
    add_push_arguments(parser)
    return parser


def _add_production_arguments(parser: argparse.ArgumentParser) -> None:
    """`--seed`, `--workers` and `--overwrite`, as `produce` takes them."""
    parser.add_argument("--seed", type=int, default=0, help="seed of the run")
    parser.add_argument("--workers", type=int, help="processes; all cores when not given")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at root")


def push_parser() -> argparse.ArgumentParser:
    """`dp-plus demos push DIR --repo-id USER/NAME`."""
    parser = command(
        "dp-plus demos push",
        "A finished dataset to the Hub, with its card, in one commit; unchanged data make none.",
        ["dp-plus demos push data/pusht --repo-id alice/pusht --private"],
    )
    parser.add_argument("root", type=Path, help=ROOT)
    parser.add_argument(
        "--repo-id", type=repository_name, required=True, metavar="USER/NAME", help="repository on the Hub"
    )
    add_card_arguments(parser)
    return parser


DEMOS = {
    "pusht": (pusht_parser, "the PushT expert"),
    "pusht_rollouts": (rollouts_parser, "a trained PushT policy, the best of its candidates"),
    "aloha": (aloha_parser, "the ALOHA expert"),
    "blocks": (blocks_parser, "things on a table, and sentences"),
    "so101": (so101_parser, "a made-up arm, two cameras and two tasks"),
    "metaworld": (metaworld_parser, "MetaWorld's experts, and three pucks"),
    "push": (push_parser, "a finished dataset to the Hub"),
}


def add_push_arguments(parser: argparse.ArgumentParser) -> None:
    """`--push-to-hub USER/NAME`, `--private` and `--license`, as `push_if_asked` reads them."""
    parser.add_argument(
        "--push-to-hub", type=repository_name, metavar="USER/NAME", help="then upload the dataset with its card"
    )
    add_card_arguments(parser)


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    """`--private` and `--license`."""
    parser.add_argument("--private", action="store_true", help="a repository made for it is private")
    parser.add_argument("--license", metavar="ID", help=f"of the data; {LICENSE} where this package made them")


def repository_name(text: str) -> str:
    """A repository's name, found illegal before hours of work and not after."""
    from lerobot_dp_plus.hub.upload import Repository

    try:
        return Repository(text).repo_id
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _size(text: str) -> tuple[int, int]:
    """`480x640` as (480, 640)."""
    if not re.fullmatch(r"\d+x\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected HEIGHTxWIDTH, such as 120x160")
    height, width = text.split("x")
    return int(height), int(width)
