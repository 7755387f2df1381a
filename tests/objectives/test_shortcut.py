"""Shortcut: on Gaussian data the true jumps cost nothing and no others do."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from gaussian_truth import PATHS, ExactJumps, Gaussian
from scipy import stats
from small_networks import OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor, nn

from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import Condition, Network, Prediction
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.paths import Parametrisation, Path, SquaredCosinePath, StraightPath

CPU = torch.device("cpu")
TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
EVERY = [
    pytest.param(Shortcut(prediction=kind, path=path, clip_range=None), id=f"{name}-{kind}")
    for name, path in PATHS.items()
    for kind in ("x1", "v")
]
every_shortcut = pytest.mark.parametrize("objective", EVERY)


def grid(steps: int) -> tuple[Tensor, Tensor]:
    """Starts and ends of all jumps of a uniform grid, each (steps,)."""
    edges = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return edges[:-1], edges[1:]


def draw(count: int, horizon: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, data and validity."""
    x0 = torch.randn(count, horizon, 2, dtype=torch.float64)
    return x0, TRUTH.sample(count, horizon), torch.ones(count, horizon, dtype=torch.bool)


def jump_loss(objective: Shortcut, network: Network, t: Tensor, u: Tensor) -> Tensor:
    x0, x1, valid = draw(len(t))
    return objective.jump_loss_at(network, x0, x1, t, u, len(t), None, valid)


def exact(objective: Shortcut) -> ExactJumps:
    return ExactJumps(TRUTH, objective.path, objective.prediction)


class Distorted(ExactJumps):
    """The exact network shown another clock where it jumps."""

    def __init__(self, objective: Shortcut, distort: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]):
        super().__init__(TRUTH, objective.path, objective.prediction)
        self.distort = distort

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        if end is not None:
            t, u = self.distort(self.clock(time), self.clock(end))
            time, end = self.path.network_time(t), self.path.network_time(u)
        return super().forward(x_t, time, condition, end)


@every_shortcut
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_true_jumps_cost_nothing(objective: Shortcut, steps: int) -> None:
    assert jump_loss(objective, exact(objective), *grid(steps)).max() < 1e-12


@every_shortcut
@pytest.mark.parametrize(
    "distort",
    [
        lambda t, u: (t, t + 0.9 * (u - t)),
        lambda t, u: (t, (u + 0.05).clamp_max(1.0)),
        lambda t, u: (t, 1 - t),
        lambda t, u: (0.9 * t, u),
    ],
    ids=["short", "far", "mirrored", "late"],
)
def test_another_clock_is_noticed(objective: Shortcut, distort) -> None:
    t, u = grid(4)
    good, bad = (jump_loss(objective, n, t, u).mean() for n in (exact(objective), Distorted(objective, distort)))
    assert bad > 1e-6 > 1e6 * good


@every_shortcut
def test_the_shortest_jumps_learn_two_steps_of_ddim(objective: Shortcut) -> None:
    """There the target is first order, so the true jump pays the closed-form difference."""
    t, u = grid(objective.finest // 2)
    x0, x1, valid = draw(len(t))
    path, network = objective.path, exact(objective)
    found = objective.jump_loss_at(network, x0, x1, t, u, len(t), None, valid)
    x_t, middle = path.interpolate(x0, x1, t), (t + u) / 2
    arrival = path.interpolate(*TRUTH.ends(path, x_t, t), middle)
    arrival = path.interpolate(*TRUTH.ends(path, arrival, middle), u)
    error = arrival - TRUTH.flow(path, x_t, t, u)  # in x_u; the chord's data end moves it by α_u − α_t·σ_u/σ_t
    lever = (path.alpha(u) - path.alpha(t) * path.sigma(u) / path.sigma(t))[:, None, None]
    if objective.prediction == "v":
        a, b = (weight[:, None, None] for weight in path.velocity_weights(t))
        lever = lever / (a - b * (path.alpha(t) / path.sigma(t))[:, None, None])
    torch.testing.assert_close(found, (error / lever).square(), rtol=1e-3, atol=1e-10)
    assert found.max() > 1e-6


class Arbitrary(Network):
    """A function of x, t and u with no meaning: the rule of halves must hold for any network."""

    def condition(self, observation: Tensor) -> Condition:
        return None

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition, end: Tensor | None = None) -> Tensor:
        end = time if end is None else end
        return torch.sin(3 * x_t + (time / 50 - end / 90)[:, None, None])


@every_shortcut
@pytest.mark.parametrize("clip_range", [None, 0.5])
def test_two_halves_lead_where_two_jumps_lead(objective: Shortcut, clip_range: float | None) -> None:
    objective = dataclasses.replace(objective, clip_range=clip_range)
    path, flow_map = objective.path, objective.denoiser(Arbitrary(), None)
    t = torch.tensor([0.0, 0.1, 0.5, 0.9, 0.99], dtype=torch.float64)
    u = torch.tensor([1.0, 0.6, 1.0, 0.98, 0.9901], dtype=torch.float64)
    x_t = torch.randn(5, 4, 2, dtype=torch.float64)
    data = objective.two_halves(flow_map, x_t, t, u)
    middle = (t + u) / 2
    half_way = path.interpolate(*flow_map(x_t, t, middle), middle)
    arrival = path.interpolate(*flow_map(half_way, middle, u), u)
    torch.testing.assert_close(path.interpolate(*path.with_data(data, x_t, t), u), arrival)
    ends = torch.stack([flow_map(x_t, t, middle).x1, flow_map(half_way, middle, u).x1])
    assert (data >= ends.amin(0) - 1e-9).all() and (data <= ends.amax(0) + 1e-9).all()


@pytest.mark.parametrize(
    ("objective", "plain"),
    [
        (Shortcut(path=path, prediction=kind), Diffusion(path=path, prediction=kind))
        for path in (PATHS["squared_cosine"], PATHS["linear_beta"])
        for kind in ("x1", "v")
    ]
    + [(Shortcut(path=StraightPath(), prediction=kind), FlowMatching(prediction=kind)) for kind in ("x1", "v")],
)
def test_rows_that_do_not_jump_pay_the_plain_loss(objective: Shortcut, plain: Diffusion | FlowMatching) -> None:
    x0, x1, valid = draw(6)
    valid = torch.rand(6, 4) < 0.7
    t = torch.linspace(0.05, 0.95, 6, dtype=torch.float64)
    u = torch.where(torch.arange(6) < 2, (t + 0.25).clamp_max(1.0), t)
    network = exact(objective)
    found = objective.jump_loss_at(network, x0, x1, t, u, 2, None, valid)
    expected = plain.loss_at(network, x0, x1, t, None, valid)
    torch.testing.assert_close(found[2:], expected[2:], rtol=1e-6, atol=1e-9)
    assert (found[~valid] == 0).all() and (found[2:][valid[2:]] > 0).all()


def test_the_loss_draws_jumps_and_times_from_the_generator() -> None:
    objective, (_, x1, valid) = Shortcut(), draw(10)

    def loss(seed: int) -> Tensor:
        return objective.loss(Arbitrary(), x1, None, valid, torch.Generator().manual_seed(seed))

    assert torch.equal(loss(1), loss(1)) and not torch.equal(loss(1), loss(2))
    generator = torch.Generator().manual_seed(3)
    x0 = torch.randn(x1.shape, dtype=x1.dtype, generator=generator)
    jumps = int(5 + torch.rand((), generator=generator))
    start, end = objective.draw_jumps(jumps, CPU, generator)
    t = objective.times.draw(10 - jumps, CPU, generator)
    t, u = torch.cat([start, t]).double(), torch.cat([end, t]).double()
    assert torch.equal(loss(3), objective.jump_loss_at(Arbitrary(), x0, x1, t, u, jumps, None, valid))


@pytest.mark.parametrize("finest", [2, 16, 64])
@pytest.mark.parametrize("count", [1, 32])
def test_every_length_is_drawn_equally_often_and_everywhere(finest: int, count: int) -> None:
    objective = Shortcut(finest=finest)
    draws = [objective.draw_jumps(count, CPU) for _ in range(4096 // count)]
    t, u = (torch.cat(times) for times in zip(*draws, strict=True))
    steps = 1 / (u - t)
    levels = [2.0**k for k in range(finest.bit_length() - 1)]
    counts = [(steps == level).sum().item() for level in levels]
    assert sum(counts) == len(t), "a length that is not 1, 1/2, ... 2/finest"
    assert len(levels) == 1 or stats.chisquare(counts).pvalue > 1e-3
    for level in levels[1:]:
        place = (t * steps)[steps == level]
        assert torch.equal(place, place.round()) and u.max() == 1
        assert stats.chisquare([(place == k).sum().item() for k in range(int(level))]).pvalue > 1e-3


def test_small_batches_keep_the_share_on_average() -> None:
    asked: list[int] = []

    class Counting(Shortcut):
        def jump_loss_at(self, network, x0, x1, t, u, jumps, condition, valid):  # type: ignore[no-untyped-def]
            asked.append(jumps)
            assert torch.equal(t == u, torch.arange(len(t)) >= jumps)
            return torch.zeros_like(x1)

    for _ in range(1500):
        Counting(jump_share=0.3).loss(Arbitrary(), torch.zeros(1, 4, 2), None, torch.ones(1, 4, dtype=torch.bool))
    assert set(asked) == {0, 1} and stats.binomtest(sum(asked), 1500, 0.3).pvalue > 1e-3


def test_targets_are_constants_to_the_gradient() -> None:
    """The gradient is that of regression on what the network says now."""
    scale = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    class Scaled(Arbitrary):
        def forward(self, *arguments: Tensor, **named: Tensor) -> Tensor:
            return scale * super().forward(*arguments, **named)

    objective, (t, u) = Shortcut(clip_range=None), grid(4)
    x0, x1, valid = draw(4)
    objective.jump_loss_at(Scaled(), x0, x1, t, u, 4, None, valid).sum().backward()
    x_t = objective.path.interpolate(x0, x1, t)
    target = objective.two_halves(objective.denoiser(Scaled(), None), x_t, t, u).detach()
    time, end = objective.path.network_time(t), objective.path.network_time(u)
    base = Arbitrary()(x_t, time, None, end)
    expected = (2 * (scale.detach() * base - target) * base).sum()
    torch.testing.assert_close(scale.grad, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("path", [SquaredCosinePath(), StraightPath()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("prediction", ["x1", "v"])
def test_half_precision_gives_every_weight_its_gradient(path: Path, prediction: Parametrisation) -> None:
    network = awake(build(TransformerConfig(dim=32, depth=2, patch_size=8)), by=0.05)
    observation, x1 = torch.randn(16, OBSERVATION_STEPS, WIDTH), torch.rand(16, 8, 2) * 2 - 1
    objective, valid = Shortcut(path=path, prediction=prediction), torch.ones(16, 8, dtype=torch.bool)
    gradients = []
    for half in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            generator = torch.Generator().manual_seed(1)
            loss = objective.loss(network, x1, digest(network, observation), valid, generator)
        assert loss.dtype == torch.float32 and loss.isfinite().all()
        loss.mean().backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert len(gradients[1]) == len(list(network.parameters()))
    distance = sum((a - b).square().sum() for a, b in zip(*gradients, strict=True))
    assert distance < 0.05**2 * sum(a.square().sum() for a in gradients[0])


@every_shortcut
def test_without_an_end_it_is_the_plain_denoiser(objective: Shortcut) -> None:
    x_t, t = torch.randn(5, 4, 2, dtype=torch.float64), torch.linspace(0.05, 0.9, 5, dtype=torch.float64)
    flow_map = objective.denoiser(exact(objective), None)
    truth = TRUTH.ends(objective.path, x_t, t)
    short: Prediction = flow_map(x_t, t, t + 1 / objective.finest)
    for found in (flow_map(x_t, t), flow_map(x_t, t, t), short):
        torch.testing.assert_close(found.x1, truth.x1, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shortcut(prediction="epsilon"), "objective.prediction = 'epsilon': legal for shortcut are x1, v"),
        (lambda: Shortcut(jump_share=0.0), "objective.jump_share = 0.0: must be between 0 and 1"),
        (lambda: Shortcut(jump_share=1.0), "objective.jump_share = 1.0: must be between 0 and 1"),
        (lambda: Shortcut(finest=1), "objective.finest = 1: must be a power of two, 2 or more"),
        (lambda: Shortcut(finest=12), "objective.finest = 12: must be a power of two"),
        (lambda: Shortcut(clip_range=-1.0), "objective.clip_range = -1.0: must be positive"),
    ],
)
def test_illegal_values_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
