"""Tries the installed package as somebody would who has no clone of it: run in an empty folder, by its own Python.

Imports it, loads both policies that come along and lets one act, and trains, evaluates and reports `dp-plus demo` for a moment.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

import lerobot_dp_plus
from lerobot_dp_plus import DpPlusPolicy, load_policy

ROOM = Path(lerobot_dp_plus.__file__).parent


def main() -> int:
    """Raises an AssertionError, or what failed, at the first thing that does not work; 0 otherwise."""
    assert not any(Path.cwd().iterdir()), "run it in an empty folder, so that nothing is found by chance"
    assert "site-packages" in ROOM.parts, f"{ROOM} is not an installed package"
    assert (ROOM / "py.typed").is_file()
    for name, observation in (
        ("pusht_state", {"agent_pos": np.full(2, 200.0), "environment_state": np.linspace(100, 300, 16)}),
        ("pusht_pixels", {"agent_pos": np.full(2, 200.0), "pixels": np.zeros((96, 96, 3), np.uint8)}),
    ):
        loaded = load_policy(f"hub_cards/{name}")
        assert isinstance(loaded.policy, DpPlusPolicy)
        action = loaded.act(observation)
        assert action.shape == (2,) and np.isfinite(action).all(), action
    # Enough samples for the dynamics model to see an end of an episode.
    tiny = ["--steps=2", "--save_freq=2", "--batch_size=256", "--policy.network.dim=16", "--episodes=1"]
    demo = [str(Path(sys.executable).parent / "dp-plus"), "demo", *tiny]
    done = subprocess.run(demo, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (Path("outputs") / "demo" / "eval" / "report.json").is_file()
    return 0


if __name__ == "__main__":
    sys.exit(main())
