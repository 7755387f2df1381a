"""Recipes made tiny, and commands run in this process, without the seconds of imports."""

import json
from functools import partial
from pathlib import Path
from unittest.mock import patch

from benchmarks import paired
from benchmarks.common import ROOT
from lerobot_dp_plus import cli
from lerobot_dp_plus.evaluation import evaluate, latency

DEMOS = ROOT / "lerobot_dp_plus" / "assets" / "pusht_demos"
#: Episodes end early: what an untrained policy would do for 300 steps is of no interest.
SHORT = "--env.episode_length=20"


def shrunk(recipe: Path, place: Path) -> Path:
    """A copy at `place` with the smallest network and foresight."""
    config = json.loads(recipe.read_text())
    config["policy"]["dtype"] = "float32"  # accelerate refuses a second precision in one process
    config["policy"]["network"] |= {"dim": 16, "depth": 1, "num_heads": 2}
    config["policy"]["dynamics"] |= {"dim": 16, "depth": 1}
    place.write_text(json.dumps(config))
    return place


def in_this_process(command, log) -> float:
    """As `benchmarks.paired.run` with a command of `dp-plus`, whose arguments do not hear of `SHORT`.

    A latency is of few repeats: fifty of a made-up policy would take longer than its training.
    """
    stock = evaluate.eval_arguments

    def short(*arguments) -> list[str]:
        return [*stock(*arguments), SHORT]

    few = partial(latency.measure_latency, repeats=3, warm_up=1)
    with patch.object(evaluate, "eval_arguments", short), patch.object(latency, "measure_latency", few):
        assert cli.main(command[3:]) == 0
    return 1.0


def ours_for_real(command, log) -> float:
    """A process of its own for a command about our policy, as it is run; those about LeRobot's run here."""
    if any("diffusion" in argument for argument in command):
        return in_this_process(command, log)
    return paired.run([*command, SHORT] if command[3] == "evaluate" else command, log)
