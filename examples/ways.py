"""What might this policy do here? Candidates, the ways they fall into, and a picture. `python examples/ways.py`"""

from pathlib import Path

import gym_pusht  # noqa: F401
import gymnasium
import torch
from matplotlib.figure import Figure

from lerobot_dp_plus import load_policy

SEED = 100058  # a start from which there are two ways around the T


def main(picture: Path = Path("outputs") / "ways.png") -> None:
    torch.manual_seed(0)
    policy, preprocess, _ = load_policy("hub_cards/pusht_state")
    env = gymnasium.make("gym_pusht/PushT-v0", obs_type="environment_state_agent_pos")
    seen, _ = env.reset(seed=SEED)
    observation = {
        "observation.state": torch.tensor(seen["agent_pos"], dtype=torch.float32),
        "observation.environment_state": torch.tensor(seen["environment_state"], dtype=torch.float32),
    }
    found = policy.candidates(preprocess(observation), 64, log_prob=True)  # chunks (1, 64, steps, 2), in pixels
    ways = found.mode[0]
    print(f"ambiguity {found.ambiguity[0]:.2f}")
    for way, weight in enumerate(found.weights[0].tolist()):
        if weight:
            best = found.energies["end"][0, ways == way].min()
            print(
                f"way {way}: {100 * weight:.0f} % of the candidates; its best ends {best:.1f} from where demonstrations do"
            )

    figure = Figure((5, 5))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 512), ylim=(512, 0))
    corners = seen["environment_state"].reshape(-1, 2)
    axes.scatter(*corners.T, color="black")
    for chunk, way in zip(found.chunks[0], ways.tolist(), strict=True):
        axes.plot(*chunk.T, color=f"C{way}", alpha=0.4)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture)
    print(f"open {picture}")


if __name__ == "__main__":
    main()
