"""Push the T, and keep clear of something that was not there in the demonstrations. `python examples/keep_clear.py`"""

import gym_pusht  # noqa: F401
import gymnasium
import numpy as np
import torch

from lerobot_dp_plus import load_policy

DISC, AGENT = (190.0, 335.0, 25.0), 15.0  # centre and radius of what is in the way; the agent's own radius, pixels


def run(seed: int, **switches: object) -> tuple[bool, float]:
    """One episode: whether the T got home, and how near agent and disc came, pixels between their edges."""
    torch.manual_seed(0)
    loaded = load_policy("hub_cards/pusht_state", **switches)
    env = gymnasium.make("gym_pusht/PushT-v0", obs_type="environment_state_agent_pos", max_episode_steps=300)
    seen, _ = env.reset(seed=seed)
    nearest, done, info = np.inf, False, {"is_success": False}
    while not done:
        seen, _, ended, late, info = env.step(loaded.act(seen))
        nearest = min(nearest, float(np.hypot(*(seen["agent_pos"] - DISC[:2]))) - DISC[2] - AGENT)
        done = ended or late
    return bool(info["is_success"]), nearest


def main(seed: int = 100000) -> None:
    clear = {
        "forward": {"type": "pusht"},  # where the agent will be at every sub-step
        "projection": {"type": "kaczmarz"},  # candidates are moved out before one is chosen
        "energies": {"obstacles": {"weight": 1.0, "circles": [list(DISC)], "clearance": AGENT + 3.0}},
    }
    for name, switches in (("as it is", {}), ("keeping clear", clear)):
        success, nearest = run(seed, **switches)
        print(f"{name}: success {success}, nearest {nearest:.1f} px")


if __name__ == "__main__":
    main()
