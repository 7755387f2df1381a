"""Recipes made tiny, and commands run in this process, without the seconds of imports."""

import json
from pathlib import Path

from benchmarks.common import ROOT
from lerobot_dp_plus import cli

DEMOS = ROOT / "lerobot_dp_plus" / "assets" / "pusht_demos"


def shrunk(recipe: Path, place: Path) -> Path:
    """A copy at `place` with the smallest network and foresight."""
    config = json.loads(recipe.read_text())
    config["policy"]["dtype"] = "float32"  # accelerate refuses a second precision in one process
    config["policy"]["network"] |= {"dim": 16, "depth": 1, "num_heads": 2}
    config["policy"]["dynamics"] |= {"dim": 16, "depth": 1}
    place.write_text(json.dumps(config))
    return place


def in_this_process(command, log) -> float:
    """As `benchmarks.paired.run` with a command of `dp-plus`."""
    assert cli.main(command[3:]) == 0
    return 1.0
