"""A selection of your own: go on as smoothly as possible. `python examples/own_selection.py` chooses with it."""

from dataclasses import dataclass

import torch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.selection import Selection


@Selection.register_subclass("steady")
@dataclass(frozen=True)
class Steady(Selection):
    """argmin_n ‖a_0⁽ⁿ⁾ − tail_0‖: the candidate that begins nearest to what was planned for this step before."""

    num_candidates: int = 16

    @property
    def candidates(self):
        return self.num_candidates

    def choose(self, candidates, tail):
        if tail is None:  # the first chunk of an episode
            return torch.zeros(len(candidates.chunks), dtype=torch.int64)
        return (candidates.chunks[:, :, 0] - tail[:, None, 0]).norm(dim=-1).argmin(1)


if __name__ == "__main__":
    policy = load_policy("hub_cards/pusht_state", selection={"type": "steady"}, n_action_steps=3).policy
    torch.manual_seed(0)
    seen = {"observation.state": torch.zeros(1, 2), "observation.environment_state": torch.zeros(1, 16)}
    for step in range(6):
        print(f"step {step}: {policy.select_action(seen)[0]}")
