"""Counter-examples: which energy has the least loss, and that long chunks need near ones."""

import math

import pytest
import torch
from baselines import conditions, head_over, states

from lerobot_dp_plus.heads import DerivativeFree, Implicit, Near, Smooth, Uniform
from lerobot_dp_plus.heads.contrasting import cosines, smooth_noise
from lerobot_dp_plus.networks import TransformerConfig


@pytest.mark.parametrize(
    ("contrast", "blur"), [(Uniform(), 0.0), (Near(fine=0.1, coarse=0.1), 0.1), (Near(0.5, 0.5), 0.5)]
)
def test_the_energy_of_least_loss_is_minus_the_log_density(contrast, blur) -> None:
    """For a ~ N(0, s²), blurred with σ, among energies c·a²/2(s² + σ²) that is c = 1."""
    torch.manual_seed(0)
    s = 0.4
    pairs = contrast.pairs(s * torch.randn(100_000, 1, 1), 8, bound=3.0 if blur == 0 else 1.0)

    def loss(c: float) -> float:
        energies = (c * each.square().flatten(2).sum(2) / (2 * (s**2 + blur**2)) for each in pairs[:2])
        return contrast.loss(*energies).mean().item()

    losses = {c: loss(c) for c in (0.6, 0.9, 1.0, 1.1, 1.6)}
    assert min(losses, key=losses.__getitem__) == 1.0, losses


def test_noise_is_as_large_as_the_clock_says_and_smooth() -> None:
    torch.manual_seed(0)
    chunk = torch.randn(4000, 8, 2)
    pairs = Near(fine=0.1, coarse=0.4).pairs(chunk, 6, bound=0.5)
    size = 0.5 * 0.4 * 0.25 ** pairs.times[:, :6]
    assert torch.equal(pairs.times[:, :6], pairs.times[:, 6:]) and 0 <= pairs.times.min() < pairs.times.max() <= 1
    for off in (pairs.better - chunk[:, None], pairs.worse - pairs.better):
        assert (off / size[..., None, None]).square().mean() == pytest.approx(1, rel=0.02)
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


def test_both_ways_of_a_long_chunk_are_learned_from_near_counter_examples_and_not_from_uniform_ones() -> None:
    """Eight steps from one place to another, by one side or the other: sixteen numbers."""
    steps, off, both = 8, {}, {}
    along = torch.linspace(0, 1, steps)[:, None]
    aside = 0.35 * (math.pi * along).sin() * torch.tensor([1.0, 0.0])
    ways = torch.stack([-aside, aside]) + torch.tensor([0.3, -0.2]) + along * torch.tensor([0.0, 0.4])
    seen, valid = states(1).expand(32, -1, -1), torch.ones(32, steps, dtype=torch.bool)
    for contrast, search in ((Near(), Smooth()), (Uniform(), DerivativeFree())):
        torch.manual_seed(0)
        small = TransformerConfig(dim=32, depth=1, num_heads=2, patch_size=steps)
        head = head_over(Implicit(counter_examples=6, contrast=contrast, search=search), small, horizon=steps)
        optimizer = torch.optim.Adam(head.network.parameters(), lr=1e-2)
        slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, 200)
        for _ in range(200):
            optimizer.zero_grad()
            head.loss(conditions(head, seen), ways[torch.randint(2, (32,))], valid).mean().backward()
            optimizer.step()
            slower.step()
        with torch.no_grad():
            found = head.propose(conditions(head, seen[:20]), torch.zeros(20, 12, steps, 2)).chunks
        away = (found[..., None, :, :] - ways).square().mean((3, 4)).sqrt()  # (B, N, 2)
        off[type(contrast)], share = away.amin(2)[:, 0].mean().item(), away.argmin(2).float().mean().item()
        both[type(contrast)] = 0.1 < share < 0.9
    # The middle is 0.16 from either way.
    assert off[Near] < 0.14 and off[Uniform] > 3 * off[Near], off
    assert both[Near]
