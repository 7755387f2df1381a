"""`dp-plus export CHECKPOINT --output DIR`."""

import importlib
import math
from collections.abc import Sequence
from pathlib import Path

import torch

from lerobot_dp_plus.evaluation.evaluate import policy_switches
from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.exporting import refusing
from lerobot_dp_plus.exporting.comparing import Compared, compare
from lerobot_dp_plus.exporting.options import TOLERANCE, export_parser
from lerobot_dp_plus.exporting.step import Step
from lerobot_dp_plus.exporting.writing import ABOUT, MODEL, write
from lerobot_dp_plus.hub.files import appearing, refuse_existing
from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

#: What writing and reading the file takes beside torch: the extra `export`.
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def export(loaded: Loaded, output: Path, observations: int, overwrite: bool = False) -> Compared:
    """Write a policy on the CPU to the folder `output`, and how it compares.

    Raises:
        ImportError: a package of the extra `export` is not installed.
        ValueError: the policy cannot be a file, or the file gives other actions; nothing is written then.
        FileExistsError: `output` exists.
    """
    config = loaded.policy.config
    if not isinstance(config, DpPlusConfig):
        raise ValueError(f"policy type {config.type!r}: legal here are the dp_plus_* types")
    if observations < 1:
        raise ValueError(f"--observations={observations}: must be at least 1")
    refusing.check(config)
    refuse_existing(output, overwrite)
    for package in NEEDED:
        importlib.import_module(package)
    step = Step(loaded)
    with appearing(output) as partial:
        write(step, partial)
        found = compare(loaded, step, partial, observations)
        if not found.difference <= TOLERANCE or math.isnan(found.difference):
            raise ValueError(
                f"the file gives other actions than the policy: normalised they differ by {found.difference:.1e}, and "
                f"{TOLERANCE:g} is allowed; nothing was written"
            )
    return found


def main(argv: Sequence[str], run: object = None) -> int:
    """`dp-plus export CHECKPOINT --output DIR [--observations 8] [--overwrite] [--policy.…]`."""
    options, extra = export_parser().parse_known_args(argv)
    if strange := [flag for flag in extra if flag.startswith("--") and not flag.startswith("--policy.")]:
        raise ValueError(f"{' '.join(strange)}: no option of dp-plus export; --policy.… are those of the policy")
    switches = [*policy_switches(extra), "--device=cpu", "--compile_sampler=false"]
    loaded = load_switched(pretrained_folder(options.checkpoint), switches)
    found = export(loaded, options.output, options.observations, options.overwrite)
    size = (options.output / MODEL).stat().st_size / 1e6
    print(f"{options.output / MODEL}: {size:.1f} MB; {options.output / ABOUT} says what goes in and out")
    print(f"  {options.observations} random observations: normalised actions differ by at most {found.difference:.1e}")
    print(
        f"  a chunk on {torch.get_num_threads()} threads: {found.file_ms:.1f} ms by onnxruntime, {found.ours_ms:.1f} ms by torch"
    )
    return 0
