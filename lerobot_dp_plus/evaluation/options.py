"""The options of `dp-plus evaluate`, `calibrate`, `budget`, `demo` and `report`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from lerobot_dp_plus.options import command, describe

FIRST_SEED = 100_000  # far from LeRobot's default 1000 and from the demonstrations' seeds
SELECTION_SEED = 90_000  # of what is chosen or calibrated; what is reported never sees these
DEMO_CONFIG = Path("configs") / "demo_pusht.json"


class _OfCheckpoints(argparse.ArgumentParser):
    """`--policy DIR`, as LeRobot's eval has it, is a checkpoint like those named by position."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:  # type: ignore[override]
        rest, named = [], []
        given = iter(sys.argv[1:] if args is None else args)
        for each in given:
            flag, equals, value = each.partition("=")
            if flag in ("--policy", "--policy.path"):
                named.append(value if equals else next(given, ""))
            else:
                rest.append(each)
        return super().parse_known_args([*named, *rest], namespace)


def evaluate_parser() -> argparse.ArgumentParser:
    """`dp-plus evaluate CHECKPOINT [CHECKPOINT …] [--episodes 50] [--seed 100000] [--output-dir DIR] [eval options]`."""
    told = describe(
        "Play episodes as LeRobot's eval does, in the environment of the training: success with its interval, how episodes\n"
        "fail, how smoothly and how fast, films of failures. A second call goes on where a first was stopped.\n"
        "Options of LeRobot's eval may follow.",
        [
            "dp-plus evaluate outputs/demo/train --episodes=200",
            "dp-plus evaluate outputs/a outputs/b --episodes=200 --policy.sampler.num_steps=5",
            "dp-plus evaluate outputs/mine env=aloha_lite --env.task=AlohaInsertion-v0 --workers=4",
            "dp-plus evaluate outputs/demo/train --perturb delay=0,1,2,4 --perturb action_noise=0,0.05,0.1",
            "dp-plus evaluate outputs/blocks_words --swap-task --episodes=200",
            "dp-plus evaluate outputs/demo/train --alarms=outputs/demo/train/checkpoints/last/pretrained_model",
        ],
    )
    parser = _OfCheckpoints(prog="dp-plus evaluate", **told)
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CHECKPOINT",
        help="checkpoint or training folder; policy=DIR is the same",
    )
    parser.add_argument("--output-dir", "--output_dir", type=Path, help="where to write; outputs/evaluate/NAME")
    parser.add_argument("--episodes", type=int, default=50, help="how many to play of each task")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="environment seed of the first episode")
    parser.add_argument("--samples", type=int, default=64, help="chunks drawn per scene of PushT's picture")
    parser.add_argument("--workers", type=int, help="processes that play batches; one on each core")
    parser.add_argument(
        "--one-stream",
        "--one_stream",
        action="store_true",
        help="random numbers go on from batch to batch, as in one call of LeRobot's eval; one process",
    )
    parser.add_argument(
        "--films",
        type=int,
        nargs=2,
        metavar=("FIRST", "FAILURES"),
        help="films of so many first episodes and so many failures; 10 12, or 3 3 where drawing is slow",
    )
    parser.add_argument(
        "--perturb",
        action="append",
        default=[],
        metavar="NAME=LEVEL,…",
        help="success under each level of observation_noise, action_noise, delay, dropped_frames, brightness, push, turn, "
        "n_action_steps or network_calls; may be given again",
    )
    parser.add_argument(
        "--alarms", type=Path, metavar="DIR", help="count alarms, too: folder of a surprise.json of dp-plus calibrate"
    )
    parser.add_argument(
        "--swap-task", action="store_true", help="does it do what it is told? The same scenes with other sentences"
    )
    parser.add_argument(
        "--ambiguity",
        type=int,
        nargs="?",
        const=48,
        metavar="N",
        help="how many things N candidates go to, and the sentence fits",
    )
    parser.add_argument(
        "--readings",
        action="store_true",
        help="of --ambiguity and --swap-task: an equal share of the candidates for each thing that the sentence fits",
    )
    parser.add_argument("--env", help="where to play; where the training evaluated")
    parser.add_argument(
        "--kinds", nargs="+", default=["named", "swapped", "paraphrase", "none", "ambiguous"], metavar="KIND",
        help="sentences of --swap-task; also synonym, typo, chinese, german",
    )  # fmt: skip
    return parser


def budget_parser() -> argparse.ArgumentParser:
    """`dp-plus budget CHECKPOINT [--hz 30] [--ms 100] [--calls 1 2 5 10] [--candidates 1 4 16] [--policy.…]`."""
    parser = command(
        "dp-plus budget",
        "How late a policy is on this machine at a control rate, and which network calls, candidates and n_action_steps fit.\n"
        "Switches of the policy may follow.",
        [
            "dp-plus budget outputs/mine --hz 30",
            "dp-plus budget outputs/mine --hz 50 --ms 60 --calls 2 4 8 --policy.compile_sampler=true",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("--hz", type=float, default=30.0, help="control steps a second")
    parser.add_argument("--ms", type=float, help="most milliseconds for a chunk; as long as half of a chunk lasts")
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 2, 5, 10], help="sampler.num_steps to try")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 4, 16], help="selection.num_candidates to try")
    parser.add_argument("--repeats", type=int, default=20, help="chunks of each setting")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    return parser


def calibrate_parser() -> argparse.ArgumentParser:
    """`dp-plus calibrate CHECKPOINT [--env pusht] [--episodes 100] [--alpha 0.05] … [--policy.…]`."""
    parser = command(
        "dp-plus calibrate",
        "Thresholds for surprise and strangeness from undisturbed runs, written as surprise.json beside the checkpoint.\n"
        "Switches of the policy may follow; thresholds hold for the settings they were calibrated with.",
        [
            "dp-plus calibrate outputs/demo/train --env pusht --episodes 100",
            "dp-plus calibrate outputs/demo/train --alpha 0.1 --policy.n_action_steps=2",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("--env", choices=["pusht"], default="pusht", help="where to run")
    parser.add_argument("--episodes", type=int, default=100, help="runs that thresholds are read off")
    parser.add_argument("--fit-episodes", type=int, default=20, help="runs before those that say what is usual")
    parser.add_argument("--seed", type=int, default=SELECTION_SEED, help="environment seed of the first run")
    parser.add_argument("--alpha", type=float, default=0.05, help="share of runs, or steps, with a false alarm")
    parser.add_argument("--per", choices=["run", "step"], default="run", help="what alpha counts")
    parser.add_argument(
        "--scorer", help="surprise: next_state, expectation or distance; the first if there is a dynamics model"
    )
    parser.add_argument(
        "--candidates", type=int, default=16, help="drawn for distance if the policy itself draws fewer"
    )
    parser.add_argument("--output", type=Path, help="folder of surprise.json; the checkpoint's")
    parser.add_argument("--check-episodes", type=int, default=0, help="fresh runs in which to count alarms afterwards")
    parser.add_argument("--check-seed", type=int, default=FIRST_SEED, help="environment seed of the first of those")
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
