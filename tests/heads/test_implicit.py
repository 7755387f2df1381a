"""The implicit head: its loss by hand, its searches on energies with known minima, and two ways where regression finds none."""

import math

import pytest
import torch
from baselines import conditions, head_over, states
from refusals import refusal
from small_networks import ACTION_DIM, HORIZON
from torch import Tensor, nn

from lerobot_dp_plus.heads import DerivativeFree, Given, Implicit, Langevin, Near, Regression, Smooth, Uniform
from lerobot_dp_plus.notation import Condition, Network

ALL = torch.ones(2, HORIZON, dtype=torch.bool)


class Bowl(Network):
    """Says for every number 10·(a − c)², so that E is 10 times the mean squared distance to c."""

    def __init__(self, centre: float):
        super().__init__()
        self.centre = nn.Parameter(torch.tensor(centre))

    def condition(self, observation: object) -> Condition:
        return observation

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        return 10 * (x_t - self.centre).square()


def bowl(objective: Implicit, centre: float = 0.4):
    head = head_over(objective)
    object.__setattr__(head, "network", Bowl(centre))
    return head


def test_its_loss_is_the_cross_entropy_of_the_demonstrated_among_the_others(monkeypatch) -> None:
    head, chunk = (
        bowl(Implicit(counter_examples=3, clip_range=0.5, contrast=Uniform())),
        torch.rand(2, HORIZON, ACTION_DIM) - 0.5,
    )
    uniform = torch.rand(2, 3, HORIZON, ACTION_DIM)
    monkeypatch.setattr(torch, "rand", lambda *args, **kwargs: uniform)
    others = uniform - 0.5  # in the bounds
    distances = torch.cat([chunk[:, None], others], 1).sub(0.4).square().mean((2, 3)) * 10
    expected = -torch.log(torch.exp(-distances[:, 0]) / torch.exp(-distances).sum(1))
    torch.testing.assert_close(head.loss(torch.zeros(2, 1), chunk, ALL), expected)
    # Of the first three steps alone; the others are those of the data in all chunks.
    distances = torch.cat([chunk[:, None], others], 1)[:, :, :3].sub(0.4).square().mean((2, 3)) * 10
    expected = -torch.log(torch.exp(-distances[:, 0]) / torch.exp(-distances).sum(1))
    three = ALL & (torch.arange(HORIZON) < 3)
    torch.testing.assert_close(head.loss(torch.zeros(2, 1), chunk, three), expected)
    torch.testing.assert_close(head.loss(torch.zeros(2, 1), chunk, ALL, ~three), expected)


def test_an_energy_that_knows_nothing_has_the_loss_of_chance() -> None:
    """One of eight with uniform counter-examples, one of two with near ones."""
    for contrast, of in ((Uniform(), 8.0), (Near(), 2.0)):
        head = head_over(Implicit(counter_examples=7, contrast=contrast))
        with torch.no_grad():
            head.network.head.weight.zero_()
        loss = head.loss(conditions(head, states()), torch.zeros(2, HORIZON, ACTION_DIM), ALL)
        torch.testing.assert_close(loss, torch.full((2,), math.log(of)))


@torch.no_grad()
def test_derivative_free_search_comes_near_the_minimum_and_nearer_with_more_steps() -> None:
    """One number, so that the search has a chance to be near."""

    def energy(chunks: Tensor, done: float = 1.0) -> Tensor:
        return 400 * (chunks - 0.4).square().flatten(2).sum(2)

    def off(iterations: int) -> float:
        torch.manual_seed(0)
        uniform = 2 * torch.rand(64, 128, 1, 1) - 1
        search = DerivativeFree(samples=128, iterations=iterations, std=0.1)
        found = search.improve(uniform, energy, lambda chunks: chunks.clamp(-1, 1), None)
        return (found[torch.arange(64), energy(found).argmin(1)] - 0.4).abs().mean().item()

    assert off(4) < off(1) / 2 and off(4) < 0.002


@torch.no_grad()
def test_langevin_without_noise_is_gradient_descent_in_closed_form() -> None:
    """x ← x − clip(λ_k/2·2c(x − 0.4)): each step keeps a share 1 − λ_k·c of the distance."""
    search = Langevin(samples=2, iterations=6, step=0.1, last_step=0.01, longest=0.05, noise_scale=0)
    start, c = torch.tensor([0.5, -0.9]).view(1, 2, 1, 1), 2.0
    found = search.improve(start, lambda x, done: c * (x - 0.4).square().flatten(2).sum(2), lambda x: x, None)
    expected = [0.5, -0.9]
    for k in range(6):
        size = 0.09 * (1 - k / 5) ** 2 + 0.01
        moves = [max(-0.05, min(0.05, size * 0.5 * 2 * c * (x - 0.4))) for x in expected]
        expected = [x - move for x, move in zip(expected, moves, strict=True)]
    torch.testing.assert_close(found.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("search", [DerivativeFree(samples=200, iterations=5), Smooth(), Langevin(samples=32)])
def test_the_first_candidate_is_the_best_that_was_found_and_others_are_drawn(search) -> None:
    head = bowl(Implicit(search=search), 0.9)
    with torch.inference_mode():
        found = head.propose(torch.zeros(2, 1), torch.zeros(2, 40, HORIZON, ACTION_DIM)).chunks
    energies = head.imitation(torch.zeros(2, 1), found)
    assert (energies[:, 0] == energies.amin(1)).all() and len(energies[0].unique()) > 3
    assert energies.mean() < 10 * (0.81 + 1 / 3) / 2, "half of what uniform chunks have"
    assert found.abs().max() <= 1


@torch.no_grad()
def test_what_is_decided_is_so_in_every_chunk_of_the_search() -> None:
    head, seen = bowl(Implicit(search=DerivativeFree(samples=20))), []
    forward = head.network.forward
    head.network.forward = lambda *args: (seen.append(args[0]), forward(*args))[1]  # type: ignore[method-assign]
    fixed = torch.full((2, 1, HORIZON, ACTION_DIM), float("nan"))
    fixed[:, :, :3] = -0.25
    head.propose(torch.zeros(2, 1), torch.zeros_like(fixed), Given(fixed=fixed))
    assert len(seen) == 3 and all((chunks[:, :3] == -0.25).all() for chunks in seen)


def test_regression_goes_through_the_middle_and_this_does_not() -> None:
    """Half of the demonstrators go to −0.6 and half to 0.6."""
    torch.manual_seed(0)
    search = DerivativeFree(samples=256, iterations=5, std=0.2)
    objective = Implicit(counter_examples=24, search=search, contrast=Uniform())
    energy, mean = head_over(objective, horizon=2), head_over(Regression(), horizon=2)
    seen, valid = states(1).expand(128, -1, -1), torch.ones(128, 2, dtype=torch.bool)
    way = torch.where(torch.arange(128) % 2 == 0, -0.6, 0.6)[:, None, None].expand(-1, 2, ACTION_DIM)
    for head in (energy, mean):
        optimizer = torch.optim.Adam(head.network.parameters(), lr=0.01)
        for _ in range(200):
            optimizer.zero_grad()
            done = way + 0.05 * torch.randn(128, 2, ACTION_DIM)
            head.loss(conditions(head, seen), done, valid).mean().backward()
            optimizer.step()
    noise = torch.randn(40, 1, 2, ACTION_DIM)
    with torch.no_grad():
        assert mean.propose(conditions(mean, seen[:40]), noise).chunks.abs().mean() < 0.1
        condition = conditions(energy, seen[:40])
        middle, ways = (energy.imitation(condition, at) for at in _places())
    for search in (objective.search, Langevin(samples=64, iterations=60)):
        object.__setattr__(energy, "objective", Implicit(search=search, contrast=Uniform()))
        with torch.no_grad():
            found = energy.propose(condition, noise).chunks.flatten(1)
        near = (found.abs() - 0.6).abs().amax(1) < 0.35
        together = (found.sign() == found.sign()[:, :1]).all(1)
        assert (near & together).float().mean() > 0.9, search
    assert (middle > ways + 2).all(), "the middle is known to be bad"


def _places() -> tuple[Tensor, Tensor]:
    """The middle, and one of the ways, as one chunk (40, 1, 2, A) each."""
    return torch.zeros(40, 1, 2, ACTION_DIM), torch.full((40, 1, 2, ACTION_DIM), 0.6)


def test_bad_fields_are_refused_by_name() -> None:
    assert "objective.search.samples = 0: must be at least 1" in refusal(DerivativeFree, samples=0)
    assert "objective.search.std = 0: must be positive" in refusal(DerivativeFree, std=0)
    assert "objective.search.iterations = 0: must be at least 1" in refusal(Langevin, iterations=0)
    assert "objective.search.step = -1: must be positive" in refusal(Langevin, step=-1)
    assert "objective.search.noise_scale = -1: must be at least 0" in refusal(Langevin, noise_scale=-1)
