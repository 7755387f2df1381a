"""What rendering costs: control steps per second of aloha_lite and of gym_aloha, side by side in one process.

`python -m lerobot_dp_plus.environments.aloha_speed` takes turns between the contenders, so that whatever else runs on
the machine meets all of them, and counts processor time besides the clock: on a busy machine only that is comparable.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.aloha_lite import AlohaLite
from lerobot_dp_plus.environments.aloha_physics import TASKS, require

type Step = Callable[[], None]


def contenders(task: str) -> dict[str, Step]:
    """Name -> a function that makes one control step as an evaluation does, its observation included."""
    stock = require("gym_aloha.env").AlohaEnv(task, obs_type="pixels_agent_pos")
    size: dict[str, Any] = {"observation_height": 480, "observation_width": 640}
    made = {
        "aloha_lite, object poses, no rendering": AlohaLite(task, obs_type="environment_state_agent_pos"),
        "aloha_lite, top camera 120×160": AlohaLite(task),
        "aloha_lite, top camera 480×640": AlohaLite(task, **size),
        "aloha_lite look=stock, top camera 480×640": AlohaLite(task, **size, look="stock"),
        "gym_aloha as LeRobot makes it, three cameras 480×640": stock,
    }
    return {name: _stepper(env) for name, env in made.items()}


def _stepper(env: object) -> Step:
    """Steps through an arm movement, the same for every environment."""
    observation, _ = env.reset(seed=0)  # type: ignore[attr-defined]
    start = np.asarray(observation["agent_pos"], dtype=np.float32)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        env.step(start + np.float32(0.2 * np.sin(count / 10)))  # type: ignore[attr-defined]

    step()  # the first picture pays for the upload of the meshes
    return step


def measure(task: str, seconds: float, rounds: int) -> dict[str, tuple[float, float]]:
    """Name -> steps per second by the clock and per second of processor time, over `rounds` turns of `seconds` each."""
    steppers = contenders(task)
    steps = dict.fromkeys(steppers, 0)
    clock, busy = dict.fromkeys(steppers, 0.0), dict.fromkeys(steppers, 0.0)
    for _ in range(rounds):
        for name, step in steppers.items():
            wall, cpu = time.perf_counter(), time.process_time()
            while time.perf_counter() - wall < seconds / rounds:
                step()
                steps[name] += 1
            clock[name] += time.perf_counter() - wall
            busy[name] += time.process_time() - cpu
    return {name: (steps[name] / clock[name], steps[name] / busy[name]) for name in steppers}


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m lerobot_dp_plus.environments.aloha_speed", description=__doc__)
    parser.add_argument("--task", choices=TASKS, default="transfer_cube")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each contender (10)")
    parser.add_argument("--rounds", type=int, default=5, help="turns each contender gets (5)")
    options = parser.parse_args(argv)
    figures = measure(options.task, options.seconds, options.rounds)
    print(f"{'':54}  steps/s  steps per second of processor time")
    for name, (wall, cpu) in figures.items():
        print(f"{name:54}  {wall:7.1f}  {cpu:7.1f}")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # MuJoCo's and dm_control's OpenGL contexts complain about each other when a process ends
