"""The options of `dp-plus publish`, `average` and `import-lerobot`."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

#: Options of `publish` that are fields of `Publication`, with their help.
FACTS = {
    "name": "title of the card; NAME",
    "note": "a paragraph of Markdown in your own words",
    "license": "of the weights, the Hub's identifier, such as apache-2.0",
    "base_model": "repository it was fine-tuned from",
    "install": "what to give pip install to get this package",
    "dataset_license": "of the training data",
    "dataset_url": "page of the training data",
    "selection_rule": "how this checkpoint was chosen among those of its training, a sentence",
    "training_hardware": "where it was trained",
    "latency_hardware": "where the latency in report.json was measured",
}
#: Largest difference of normalised actions that counts as the same.
TOLERANCE = 1e-5


def publish_parser() -> argparse.ArgumentParser:
    """`dp-plus publish CHECKPOINT --repo-id USER/NAME [--eval-dir DIR] [--private] [--dry-run] [--output DIR] …`."""
    parser = command(
        "dp-plus publish",
        "Check a checkpoint, render its card and upload both in one commit.",
        [
            "dp-plus publish outputs/demo/train --repo-id alice/pusht --dry-run",
            "dp-plus publish outputs/demo/train --repo-id alice/pusht --license apache-2.0 --private",
        ],
    )
    parser.add_argument(
        "checkpoint", type=Path, help="a pretrained_model folder, a checkpoint, or a training's output_dir (the last)"
    )
    parser.add_argument("--repo-id", required=True, metavar="USER/NAME", help="repository on the Hub")
    parser.add_argument(
        "--eval-dir",
        type=Path,
        help="output of dp-plus evaluate or LeRobot's eval, for the card; one of the same weights that lies beside them",
    )
    parser.add_argument("--no-eval", action="store_true", help="publish without an evaluation, even if one is found")
    parser.add_argument("--eval-seed", type=int, help="the --seed of that evaluation, where it has no report.json")
    parser.add_argument("--private", action="store_true", default=None, help="make the repository private")
    parser.add_argument("--dry-run", action="store_true", help="write the folder, show the card, send nothing")
    parser.add_argument("--output", type=Path, help="keep the upload folder here; with --dry-run publish/NAME")
    parser.add_argument("--tag", "--revision", help="name of this version; stepSTEP-HASH of its contents")
    parser.add_argument("--token", help="of the Hub; HF_TOKEN, or the one of `hf auth login`")
    for name, text in FACTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", help=text)
    return parser


def average_parser() -> argparse.ArgumentParser:
    """`dp-plus average TRAINING --output DIR [--last 3] [--overwrite]`."""
    parser = command(
        "dp-plus average",
        "The last checkpoints of a training as one policy, whose weights are their mean.",
        ["dp-plus average outputs/demo/train --last 5 --output outputs/demo/mean"],
    )
    parser.add_argument("training", type=Path, help="output_dir of a training")
    parser.add_argument("--last", type=int, default=3, help="how many checkpoints; save_freq says how far apart")
    parser.add_argument("--output", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at output")
    return parser


def import_parser() -> argparse.ArgumentParser:
    """`dp-plus import-lerobot CHECKPOINT --output DIR [--revision …] [--overwrite] [--tolerance 1e-5]`."""
    parser = command(
        "dp-plus import-lerobot",
        "A diffusion checkpoint of LeRobot as dp_plus_unet, with the same actions on the same noise.",
        ["dp-plus import-lerobot lerobot/diffusion_pusht --output outputs/imported"],
    )
    parser.add_argument("checkpoint", help="folder, or USER/NAME on the Hub")
    parser.add_argument("--output", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument("--revision", help="branch, tag or commit, if it comes from the Hub")
    parser.add_argument("--overwrite", action="store_true", help="replace what is at output")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help="largest difference of normalised actions that is accepted"
    )
    return parser
