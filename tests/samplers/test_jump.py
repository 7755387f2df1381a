"""Jumps: exact in one call with the exact map, DDIM with a map that knows no more than a denoiser."""

import pytest
import torch
from gaussian_truth import PATHS, ExactJumps, Gaussian
from torch import Tensor

from lerobot_dp_plus.guidance import NoGuidance, Situation, Smoothness
from lerobot_dp_plus.notation import FlowMap, Prediction
from lerobot_dp_plus.objectives import Shortcut
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Euler, Heun, Jump, Sampler

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
NOISE = torch.linspace(-2, 2, 30, dtype=torch.float64).reshape(5, 3, 2)
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def exact(path: Path) -> FlowMap:
    """Through the objective, so that both clocks are those of training."""
    return Shortcut(prediction="v", path=path, clip_range=None).denoiser(ExactJumps(TRUTH, path, "v"), None)


@every_path
@pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 8])
def test_the_exact_map_is_exact_in_any_number_of_calls(path: Path, num_steps: int) -> None:
    torch.testing.assert_close(Jump(num_steps)(exact(path), path, NOISE), TRUTH.flow_map(path, NOISE))


@every_path
def test_one_jump_does_what_one_step_of_ddim_cannot(path: Path) -> None:
    tangent = DDIM(1)(exact(path), path, NOISE)
    assert (tangent - TRUTH.flow_map(path, NOISE)).abs().max() > 0.3


@every_path
@pytest.mark.parametrize("num_steps", [1, 3, 7])
def test_a_map_that_ignores_the_end_makes_it_ddim(path: Path, num_steps: int) -> None:
    flow_map = exact(path)

    def tangent(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        return flow_map(x_t, t)

    sampler = Jump(num_steps)
    clock = sampler.clock(path, NOISE)
    assert torch.equal(sampler(tangent, path, NOISE), DDIM(num_steps)(flow_map, path, NOISE, None, clock))


@every_path
def test_steps_of_the_finest_grid_are_ddim(path: Path) -> None:
    finest = Shortcut().finest
    flow_map = exact(path)
    for steps in (finest, finest // 2):
        clock = Jump(steps).clock(path, NOISE)
        jumped, stepped = Jump(steps)(flow_map, path, NOISE), DDIM(steps)(flow_map, path, NOISE, None, clock)
        assert torch.equal(jumped, stepped) == (steps == finest)


@every_path
@pytest.mark.parametrize("num_steps", [1, 2, 4, 8])
def test_jumps_are_those_that_are_learned(path: Path, num_steps: int) -> None:
    """From one point of a grid even in t to the next, whatever grid serves other samplers on that path."""
    even = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    assert torch.equal(Jump(num_steps).times(path, NOISE), even)


@every_path
@pytest.mark.parametrize("sampler", [DDIM, Euler, Heun, DPMpp2M])
def test_every_other_sampler_takes_the_map_for_a_denoiser(path: Path, sampler: type[Sampler]) -> None:
    chunks = sampler(num_steps=60)(exact(path), path, NOISE)
    tolerance = {1: 8e-2, 2: 2e-2}[sampler.order]
    torch.testing.assert_close(chunks, TRUTH.flow_map(path, NOISE), rtol=0, atol=tolerance)


@every_path
def test_ancestral_too(path: Path) -> None:
    noise = torch.randn(2000, 1, 2, dtype=torch.float64)
    chunks = Ancestral(num_steps=150)(exact(path), path, noise)[:, 0]
    torch.testing.assert_close(chunks.mean(0), TRUTH.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(chunks.std(0), TRUTH.std, rtol=0.15, atol=0)


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_calls_are_counted_and_go_from_noise_to_data_in_float32(num_steps: int) -> None:
    path, spans = PATHS["squared_cosine"], []
    flow_map = exact(path)

    def spy(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        assert u is not None and t.shape == u.shape == (x_t.shape[0],)
        spans.append((t[0].item(), u[0].item()))
        return Prediction(*(end.float() for end in flow_map(x_t.double(), t.double(), u.double())))

    noise = NOISE.float()
    chunks = Jump(num_steps)(spy, path, noise)
    expected = torch.tensor([(k / num_steps, (k + 1) / num_steps) for k in range(num_steps)])
    torch.testing.assert_close(torch.tensor(spans), expected)
    assert spans[-1][1] == 1.0
    assert len(spans) == Jump(num_steps).num_calls
    assert chunks.dtype == torch.float32
    torch.testing.assert_close(chunks, TRUTH.flow_map(path, NOISE).float(), rtol=0, atol=1e-4)


@every_path
def test_guidance_bends_a_chord_as_it_bends_a_tangent(path: Path) -> None:
    flow_map, (t, u) = exact(path), torch.tensor([[0.1] * 5, [0.6] * 5], dtype=torch.float64)
    guidance, at, x_t = Smoothness(strength=0.1), Situation(path=path), torch.randn(5, 6, 2, dtype=torch.float64)
    bent, free = guidance.wrap_flow_map(flow_map, at)(x_t, t, u), flow_map(x_t, t, u)
    torch.testing.assert_close(bent.x1, guidance.wrap(lambda x, time: free, at)(x_t, t).x1)
    torch.testing.assert_close(path.interpolate(*bent, t), x_t)
    assert (bent.x1 - free.x1).abs().max() > 0.01
    unbent = NoGuidance().wrap_flow_map(flow_map, at)(x_t, t, u)
    assert torch.equal(unbent.x1, free.x1) and torch.equal(unbent.x0, free.x0)
