"""Counter-examples: which energy has the least loss, and that long chunks need near ones."""

import math

import pytest
import torch
from baselines import conditions, head_over
from torch import Tensor

from lerobot_dp_plus.heads import DerivativeFree, Implicit, Near, Smooth, Uniform
from lerobot_dp_plus.heads.contrasting import cosines, smooth_noise
from lerobot_dp_plus.networks import TransformerConfig


@pytest.mark.parametrize("contrast", [Uniform(), Near(), Near(fine=0.5, coarse=0.5)])
def test_the_energy_of_least_loss_is_minus_the_log_density(contrast) -> None:
    """For a ~ N(0, s²) among energies c·a²/2s² that is c = 1, whatever the size of the noise."""
    torch.manual_seed(0)
    s = 0.4
    chunk = s * torch.randn(100_000, 1, 1)
    others = contrast.others(chunk, 8, bound=3.0)

    def loss(c: float) -> float:
        energies = (c * each.square().flatten(1) / (2 * s * s) for each in (chunk, others))
        return contrast.loss(next(energies)[:, 0], next(energies)).mean().item()

    losses = {c: loss(c) for c in (0.6, 0.9, 1.0, 1.1, 1.6)}
    assert min(losses, key=losses.__getitem__) == 1.0, losses


def test_noise_is_as_large_as_said_from_fine_to_coarse_and_smooth() -> None:
    torch.manual_seed(0)
    chunk = torch.randn(4000, 8, 2)
    off = (Near(fine=0.1, coarse=0.4).others(chunk, 6, bound=0.5) - chunk[:, None]).square().mean((2, 3)).sqrt()
    # log-uniform between 0.05 and 0.2 has its median at 0.1; the noise itself varies about its size.
    assert off.median() == pytest.approx(0.1, rel=0.12) and off.min() < 0.05 and off.max() > 0.2
    noise = smooth_noise(torch.zeros(50_000, 8, 1)).squeeze(-1)
    covariance = cosines(8) @ cosines(8).mT
    torch.testing.assert_close(noise.mT.cov(), covariance, atol=0.03, rtol=0)
    assert covariance.trace() / 8 == pytest.approx(1, abs=1e-5)
    rough = noise.diff(dim=1).square().mean()
    assert rough < 0.5 * torch.randn(50_000, 8).diff(dim=1).square().mean()


def test_bounds_are_refused_by_name() -> None:
    for fine, coarse in ((0, 1), (0.5, 0.1)):
        with pytest.raises(
            ValueError, match=r"objective\.contrast\.fine = .*must be positive, and fine at most coarse"
        ):
            Near(fine=fine, coarse=coarse)


STEPS = 8


def demonstrations(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """States, and a way of eight steps from the place that they name, by one side or the other; both sides, (2, B, H, 2)."""
    states = (torch.rand(count, 1, 5) * 1.2 - 0.6).expand(-1, 2, -1)
    along = torch.linspace(0, 1, STEPS)[None, :, None]
    middle = states[:, -1:, :2] + along * torch.tensor([0.0, 0.3])
    aside = 0.3 * (math.pi * along).sin() * torch.tensor([1.0, 0.0])
    ways = torch.stack([middle - aside, middle + aside])
    return states, ways[torch.randint(2, (count,)), torch.arange(count)], ways


def test_both_ways_of_a_long_chunk_are_learned_from_near_counter_examples_and_not_from_uniform_ones() -> None:
    off = {}
    for contrast, search in ((Near(), Smooth()), (Uniform(), DerivativeFree())):
        torch.manual_seed(0)
        small = TransformerConfig(dim=32, depth=1, num_heads=2, patch_size=STEPS)
        head = head_over(Implicit(counter_examples=6, contrast=contrast, search=search), small, horizon=STEPS)
        optimizer = torch.optim.Adam(head.network.parameters(), lr=4e-3)
        slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, UPDATES)
        for _ in range(UPDATES):
            states, done, _ = demonstrations(64)
            optimizer.zero_grad()
            head.loss(conditions(head, states), done, torch.ones(64, STEPS, dtype=torch.bool)).mean().backward()
            optimizer.step()
            slower.step()
        states, _, ways = demonstrations(60)
        with torch.no_grad():
            found = head.propose(conditions(head, states), torch.zeros(60, 12, STEPS, 2)).chunks
        away = (found[None] - ways[:, :, None]).square().mean((3, 4)).sqrt()  # (2, B, N)
        off[type(contrast)] = away.amin(0)[:, 0].mean().item()
        if contrast == Near():
            side = away.argmin(0).float().mean(1)
            both = ((side > 0) & (side < 1)).float().mean().item()
    print(off, both)
    assert off[Near] < 0.12 and off[Uniform] > 3 * off[Near], off
    assert both > 0.5


UPDATES = 400
