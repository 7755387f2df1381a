"""`ancestral`, `ddim` and `dpmpp_2m` against diffusers' schedulers, state by state, driven by one network.

On diffusers' grid, which is `squared_cosine`'s own; `linear_beta`, which has another, is given it.
"""

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Network, Prediction
from lerobot_dp_plus.objectives import Diffusion
from lerobot_dp_plus.paths import LinearBetaPath, Parametrisation, SquaredCosinePath, VariancePreservingPath
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Sampler

SCHEDULES = {
    "squaredcos_cap_v2": SquaredCosinePath(100),
    "linear": LinearBetaPath(1000),
}
PREDICTION_TYPES: dict[Parametrisation, str] = {"epsilon": "epsilon", "x1": "sample", "v": "v_prediction"}

every_case = [
    pytest.mark.parametrize("schedule", SCHEDULES),
    pytest.mark.parametrize("kind", PREDICTION_TYPES),
    pytest.mark.parametrize("num_steps", [5, 10, 20]),
]


def in_all_cases(test):
    for mark in every_case:
        test = mark(test)
    return test


class SharedNetwork(Network):
    """A bounded nonlinear guess of the data, beyond ±1 for clipping to bite, in the reference's tables and signs."""

    def __init__(self, alphas_cumprod: Tensor, kind: Parametrisation):
        super().__init__()
        self.alphas_cumprod, self.kind = alphas_cumprod, kind

    def condition(self, observation: Tensor) -> Condition:
        return None

    def reference(self, x: Tensor, k: int) -> Tensor:
        """Output in diffusers' convention at integer step k."""
        data = 1.4 * torch.tanh(1.5 * x + 0.5 * torch.cos(torch.tensor(k / 7.0, dtype=torch.float64)))
        alpha, sigma = self.alphas_cumprod[k].sqrt(), (1 - self.alphas_cumprod[k]).sqrt()
        noise = (x - alpha * data) / sigma
        return {"epsilon": noise, "x1": data, "v": alpha * noise - sigma * data}[self.kind]

    def forward(self, x_t: Tensor, time: Tensor, condition: Condition) -> Tensor:
        k = round(time[0].item())
        torch.testing.assert_close(time, torch.full_like(time, k), rtol=0, atol=1e-6)  # the reference's integer grid
        return (-1 if self.kind == "v" else 1) * self.reference(x_t, k)


def make(scheduler: type, schedule: str, kind: Parametrisation, num_steps: int, **options: Any) -> Any:
    made = scheduler(
        num_train_timesteps=SCHEDULES[schedule].num_train_steps,
        beta_schedule=schedule,
        prediction_type=PREDICTION_TYPES[kind],
        timestep_spacing="trailing",
        **options,
    )
    # Its own β, multiplied up in float64: in float32 the noisiest step of the cosine schedule keeps three digits only.
    made.alphas_cumprod = (1 - made.betas.double()).cumprod(0)
    made.set_timesteps(num_steps)
    return made


def their_states(scheduler: Any, network: SharedNetwork, noise: Tensor, **step: Any) -> Tensor:
    states = [noise]
    for k in scheduler.timesteps.tolist():
        states.append(scheduler.step(network.reference(states[-1], k), k, states[-1], **step).prev_sample.double())
    return torch.stack(states)


def our_states(
    sampler: Sampler, path: VariancePreservingPath, network: SharedNetwork, noise: Tensor, clip_range: float | None,
    generator: torch.Generator | None = None,
) -> Tensor:  # fmt: skip
    denoise = Diffusion(prediction=network.kind, path=path, clip_range=clip_range).denoiser(network, None)
    states = []

    def recording(x_t: Tensor, t: Tensor) -> Prediction:
        states.append(x_t)
        return denoise(x_t, t)

    even = torch.linspace(0, 1, sampler.num_steps + 1, dtype=noise.dtype)[:, None].expand(-1, len(noise)).unbind()
    own = isinstance(path, SquaredCosinePath)
    end = sampler(recording, path, noise, generator, None if own else even)
    return torch.stack([*states, end])


def assert_same_states(ours: Tensor, theirs: Tensor) -> None:
    """Within 5e-5 of a state's size: what diffusers' float32 β leave."""
    assert ours.shape == theirs.shape
    assert (theirs.diff(dim=0).abs().amax(dim=(1, 2, 3)) > 1e-3).all(), "nothing moves"
    torch.testing.assert_close(ours, theirs, rtol=5e-5, atol=5e-5)


def some_noise() -> Tensor:
    return torch.randn(3, 4, 2, dtype=torch.float64)


@in_all_cases
@pytest.mark.parametrize("clip_range", [1.0, None])
def test_ancestral_is_ddpm(schedule: str, kind: Parametrisation, num_steps: int, clip_range: float | None) -> None:
    scheduler = make(
        DDPMScheduler, schedule, kind, num_steps, variance_type="fixed_small", clip_sample=clip_range is not None
    )
    network, noise = SharedNetwork(scheduler.alphas_cumprod, kind), some_noise()
    theirs = their_states(scheduler, network, noise, generator=torch.Generator().manual_seed(5))
    ours = our_states(
        Ancestral(num_steps), SCHEDULES[schedule], network, noise, clip_range, torch.Generator().manual_seed(5)
    )
    assert_same_states(ours, theirs)


@in_all_cases
@pytest.mark.parametrize("clip_range", [1.0, None])
def test_ddim_is_ddim(schedule: str, kind: Parametrisation, num_steps: int, clip_range: float | None) -> None:
    """`use_clipped_model_output`: the noise end is recomputed from the clipped data, as here."""
    scheduler = make(DDIMScheduler, schedule, kind, num_steps, clip_sample=clip_range is not None)
    network, noise = SharedNetwork(scheduler.alphas_cumprod, kind), some_noise()
    theirs = their_states(scheduler, network, noise, use_clipped_model_output=True)
    assert_same_states(our_states(DDIM(num_steps), SCHEDULES[schedule], network, noise, clip_range), theirs)


@in_all_cases
def test_dpmpp_2m_is_dpmsolver_multistep(schedule: str, kind: Parametrisation, num_steps: int) -> None:
    scheduler = make(
        DPMSolverMultistepScheduler,
        schedule,
        kind,
        num_steps,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=True,
        final_sigmas_type="zero",
    )
    network, noise = SharedNetwork(scheduler.alphas_cumprod, kind), some_noise()
    scheduler.sigmas = scheduler.sigmas.double()
    theirs = their_states(scheduler, network, noise)
    assert_same_states(our_states(DPMpp2M(num_steps), SCHEDULES[schedule], network, noise, None), theirs)


def test_ancestral_is_ddpm_at_every_step_of_the_schedule() -> None:
    scheduler = make(DDPMScheduler, "squaredcos_cap_v2", "epsilon", 100, variance_type="fixed_small", clip_sample=True)
    network, noise = SharedNetwork(scheduler.alphas_cumprod, "epsilon"), some_noise()
    theirs = their_states(scheduler, network, noise, generator=torch.Generator().manual_seed(5))
    path = SCHEDULES["squaredcos_cap_v2"]
    ours = our_states(Ancestral(100), path, network, noise, 1.0, torch.Generator().manual_seed(5))
    torch.testing.assert_close(ours, theirs, rtol=5e-5, atol=5e-5)
