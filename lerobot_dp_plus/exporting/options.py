"""The options of `dp-plus export`. Only the standard library is imported, so that `--help` is immediate."""

import argparse
from pathlib import Path

from lerobot_dp_plus.options import command

#: Most that normalised actions of file and policy may differ.
TOLERANCE = 1e-4


def export_parser() -> argparse.ArgumentParser:
    """`dp-plus export CHECKPOINT --output DIR [--observations 8] [--overwrite] [--policy.…]`."""
    parser = command(
        "dp-plus export",
        "A policy as one ONNX file: from raw observations and noise to a chunk of actions in the data's units. It counts as\n"
        "written when onnxruntime gives the same chunks. Switches of the policy may follow.",
        [
            "dp-plus export outputs/mine --output outputs/mine_onnx",
            "dp-plus export hub_cards/pusht_state --output outputs/onnx --policy.sampler.num_steps=4",
        ],
    )
    parser.add_argument("checkpoint", type=Path, help="checkpoint or training folder")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--observations", type=int, default=8, help="random ones on which file and policy are compared")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the folder")
    return parser
