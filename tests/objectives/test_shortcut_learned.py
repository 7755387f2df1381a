"""Shortcut: what is learned jumps where the flow leads."""

import torch
from torch import Tensor, nn

from lerobot_dp_plus.networks.embeddings import SinusoidalEmbedding, embed_times
from lerobot_dp_plus.notation import Condition, Network
from lerobot_dp_plus.objectives import Shortcut
from lerobot_dp_plus.samplers import DDIM, Jump


class Small(Network):
    """An MLP over one action."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_time = nn.Sequential(SinusoidalEmbedding(32), nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64))
        self.embed_action = nn.Linear(1, 64)
        self.body = nn.Sequential(nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.head = nn.Linear(64, 1)

    def condition(self, observation: Tensor) -> Condition:
        return ()

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        hidden = self.embed_action(x_t) + embed_times(self.embed_time, time, end)[:, None]
        return self.head(self.body(hidden))


def test_one_learned_jump_finds_both_modes_where_one_step_of_ddim_finds_their_mean() -> None:
    """Two equally good actions, ±0.7: the flow sends negative noise to one and positive noise to the other."""
    network, objective = Small(), Shortcut(jump_share=0.4)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    valid, steps = torch.ones(128, 1, dtype=torch.bool), 800
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x1 = torch.randint(2, (128, 1, 1)) * 1.4 - 0.7 + 0.03 * torch.randn(128, 1, 1)
        optimizer.zero_grad()
        objective.loss(network, x1, (), valid).mean().backward()
        optimizer.step()
        schedule.step()
    noise = torch.randn(1000, 1, 1)
    flow_map = objective.denoiser(network, ())
    with torch.no_grad():
        jump, tangent, many = (
            sampler(flow_map, objective.path, noise) for sampler in (Jump(1), DDIM(1), DDIM(objective.finest))
        )
    assert tangent.abs().mean() < 0.15, "the mean of both"
    assert ((many.abs() - 0.7).abs() < 0.2).float().mean() > 0.85, "the flow itself is learned"
    assert ((jump.abs() - 0.7).abs() < 0.2).float().mean() > 0.75
    assert (jump.sign() == noise.sign()).float().mean() > 0.95
    assert (jump - many).square().mean() < 0.1 * (tangent - many).square().mean()
