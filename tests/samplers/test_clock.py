"""A sampler that announces its times, and a path that looks them up, give the same chunks."""

import pytest
import torch

from lerobot_dp_plus.heads.tabulated import tabulated
from lerobot_dp_plus.notation import Prediction
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, FlowMatching, Objective
from lerobot_dp_plus.paths import LinearBetaPath, SquaredCosinePath, StraightPath
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Euler, Heun, Langevin, PredictorCorrector

PATHS = [StraightPath(), SquaredCosinePath(), LinearBetaPath(num_train_steps=50)]
QUANTITIES = ("alpha", "sigma", "velocity_weights", "network_time")


def times(*values: float) -> list[torch.Tensor]:
    return [torch.full((3,), value, dtype=torch.float64) for value in values]


@pytest.mark.parametrize("path", PATHS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_looked_up_values_are_the_computed_ones(path, quantity):
    known, other = times(0.1, 0.5, 0.9), torch.tensor([0.2, 0.3, 0.4], dtype=torch.float64)
    computed = [getattr(path, quantity)(t) for t in (*known, other)]
    table = tabulated(path, known)
    for t, expected in zip((*known, other), computed, strict=True):
        torch.testing.assert_close(getattr(table, quantity)(t), expected, rtol=1e-12, atol=0)
    assert isinstance(table, type(path)) and table == path, "still that path, for those who ask"


def test_a_quantity_is_computed_once_for_all_times():
    calls = []

    class Counted(StraightPath):
        def alpha(self, t):
            calls.append(tuple(t.shape))
            return t

    known = times(0.0, 0.5, 1.0)
    table = tabulated(Counted(), known)
    for t in (*known, *known):
        assert torch.equal(table.alpha(t), t)
    assert calls == [(3,)]
    table.alpha(known[0].clone())
    assert len(calls) == 2, "an equal time that was not announced is computed"


@pytest.mark.parametrize(
    "sampler",
    [DDIM(5), Euler(5), Heun(4), DPMpp2M(5), Ancestral(4), Langevin(3), PredictorCorrector(3)],
    ids=lambda s: type(s).__name__,
)
@pytest.mark.parametrize(
    "objective",
    [Diffusion(prediction="x1"), FlowMatching(), FlowMatching(prediction="x1")],
    ids=lambda o: type(o).__name__,
)
def test_chunks_are_the_same_with_a_table(sampler, objective: Objective):
    asked = []

    def network(x_t, time, condition):
        asked.append(time)
        return 0.3 * x_t + time[:, None, None] / 1000

    noise, path = torch.randn(3, 4, 2, dtype=torch.float64), objective.sampling_path
    draw = lambda: torch.Generator().manual_seed(1)  # noqa: E731
    plain = sampler(objective.denoiser(network, None), path, noise, draw())
    asked.clear()
    clock = sampler.clock(path, noise)
    table = tabulated(path, clock)
    denoise = objective.denoiser(network, None, path=table)
    torch.testing.assert_close(sampler(denoise, table, noise, draw(), clock), plain, rtol=1e-10, atol=1e-10)
    assert len(asked) == sampler.num_calls
    announced = {id(table.network_time(t)) for t in clock}
    assert all(id(time) in announced for time in asked), "no other time is asked about than those announced"


@pytest.mark.parametrize(
    ("sampler", "path"),
    [
        (Heun(3), SquaredCosinePath()),
        (DPMpp2M(3), LinearBetaPath()),
        (DDIM(3), DiffusersPath(schedule="linear_beta")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_grid_and_steps_are_one_graph(sampler, path):
    """Traced whole, as `compile_sampler` has it; what a path remembers is there from the first, uncompiled, chunk."""

    def chunk(noise):
        clock = sampler.clock(path, noise)
        table = tabulated(path, clock)
        denoise = lambda x, t: table.ends("x1", 0.3 * x + table.network_time(t)[:, None, None] / 1000, x, t)  # noqa: E731
        return sampler(denoise, table, noise, None, clock)

    noise = torch.randn(2, 3, 1)
    expected = chunk(noise)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(chunk, backend="eager", fullgraph=True)(noise), expected)


def test_the_clock_runs_from_noise_to_data():
    clock = DDIM(4).clock(StraightPath(), torch.zeros(2, 3, 1))
    assert [t.tolist() for t in clock] == [[value] * 2 for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    seen = []
    DDIM(4)(lambda x, t: seen.append(t) or Prediction(x, x), StraightPath(), torch.zeros(2, 3, 1), None, clock)
    assert all(a is b for a, b in zip(seen, clock, strict=False))
