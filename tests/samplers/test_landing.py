"""Every path × prediction × sampler ends on the data, in however few steps."""

from itertools import product

import pytest
import torch
from gaussian_truth import ALL_PATHS, ExactJumps, ExactNetwork, Gaussian
from torch import Tensor

from lerobot_dp_plus.notation import Prediction
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Objective, Shortcut
from lerobot_dp_plus.paths import PARAMETRISATIONS, LinearBetaPath, Path
from lerobot_dp_plus.samplers import DDIM, DDIMLeading, Sampler, base

SAMPLERS = Sampler.get_known_choices()
NOISE = torch.linspace(-2.2, 2.2, 48, dtype=torch.float64).reshape(4, 3, 4)


def objectives() -> list[tuple[str, Objective]]:
    """Every path × prediction that an objective offers, without clipping."""
    made: list[Objective] = [FlowMatching(prediction="v"), FlowMatching(prediction="x1")]
    for name, path in ALL_PATHS.items():
        if name != "straight":
            made += [Diffusion(prediction=kind, path=path, clip_range=None) for kind in PARAMETRISATIONS]
        made += [Shortcut(prediction=kind, path=path, clip_range=None) for kind in ("x1", "v")]
    names = {path: name for name, path in ALL_PATHS.items()}
    return [(f"{type(one).__name__}-{names[one.sampling_path]}-{one.prediction}", one) for one in made]


def fits(sampler: type[Sampler], objective: Objective) -> bool:
    """Whether a config offers the two together; a shortcut's denoiser is that of the others, so only its jumps count."""
    return sampler.needs <= objective.gives and isinstance(objective, Shortcut) == ("flow_map" in sampler.needs)


CASES = [
    pytest.param(objective, sampler, id=f"{name}-{choice}")
    for (name, objective), (choice, sampler) in product(objectives(), SAMPLERS.items())
    if fits(sampler, objective)
]


def chunks(objective: Objective, sampler: Sampler, truth: Gaussian, noise: Tensor) -> Tensor:
    """What a perfect network makes of noise."""
    network = (ExactJumps if isinstance(objective, Shortcut) else ExactNetwork)(
        truth, objective.sampling_path, objective.prediction
    )
    kept = {"keep_noise": True} if "kept_noise" in sampler.needs else {}
    sampler.check(objective.sampling_path)
    return sampler(objective.denoiser(network, None, **kept), objective.sampling_path, noise)


@pytest.mark.parametrize(("objective", "sampler"), CASES)
def test_it_lands_on_the_manifold_of_the_data(objective: Objective, sampler: type[Sampler]) -> None:
    """A plane in four dimensions, off the origin: its first two coordinates are free, the others those of the plane."""
    scale = 0.7
    truth = Gaussian(
        scale * torch.tensor([0.2, -0.6, 1.0, -1.0], dtype=torch.float64),
        scale * torch.tensor([0.5, 0.3, 0.0, 0.0], dtype=torch.float64),
    )
    for num_steps in (1, 2, 5, 10, 50):
        found = chunks(objective, sampler(num_steps=num_steps), truth, NOISE)
        away = (found[..., 2:] - truth.mean[2:]).abs().max()
        assert away < 1e-3 * scale, f"{num_steps} steps: {away / scale:.1e} of its scale away"
        if (
            num_steps > 1 or "diffusion_steps" not in sampler.needs
        ):  # of one step diffusers' takes noise for nearly data
            inside = ((found - truth.mean) / truth.std)[..., :2].abs().max()
            assert inside < 5, f"{num_steps} steps: not among the data"


@pytest.mark.parametrize("name", ALL_PATHS)
@pytest.mark.parametrize("choice", SAMPLERS)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_the_last_step_is_the_data_as_predicted(name: str, choice: str, num_steps: int) -> None:
    """To the last bit, in float32, whatever the network says."""
    path, sampler = ALL_PATHS[name], SAMPLERS[choice](num_steps=num_steps)
    if "diffusion_steps" in sampler.needs and name == "straight":
        pytest.skip("no objective gives this path steps of diffusion")
    said: list[Prediction] = []

    def guess(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
        said.append(path.ends("x1", torch.tanh(3 * x_t + t[:, None, None]), x_t, t))
        return said[-1]

    found = sampler(guess, path, NOISE.float(), torch.Generator().manual_seed(2))
    assert len(said) == sampler.num_calls and torch.equal(found, said[-1].x1)


@pytest.mark.parametrize("name", ALL_PATHS)
@pytest.mark.parametrize("choice", [name for name, sampler in SAMPLERS.items() if sampler.needs == {"denoiser"}])
@pytest.mark.parametrize("num_steps", [10, 50])
def test_of_two_points_one_is_reached(name: str, choice: str, num_steps: int) -> None:
    """Data at ±0.8 only: tanh tells them apart; nothing is left between, up to noise that begins on the watershed."""
    path: Path = ALL_PATHS[name]

    def exact(x_t: Tensor, t: Tensor) -> Prediction:
        alpha, sigma = path.alpha(t)[:, None, None], path.sigma(t)[:, None, None]
        return path.with_data(0.8 * torch.tanh(0.8 * alpha * x_t / sigma**2), x_t, t)

    sampler = SAMPLERS[choice](num_steps=num_steps)
    noise = (
        NOISE.repeat(20, 1, 1) if sampler.order is None else NOISE
    )  # chance moves a share of 48 by 7 %, of 960 by 2 %
    found = sampler(exact, path, noise, torch.Generator().manual_seed(0))
    off = (found.abs() - 0.8).abs() > 1e-3 * 0.8
    assert off.double().mean() < 0.1 and 0.3 < (found > 0).double().mean() < 0.7


@pytest.mark.parametrize("name", ALL_PATHS)
@pytest.mark.parametrize("choice", [name for name, s in SAMPLERS.items() if s.order and s.needs == {"denoiser"}])
def test_less_noise_is_nearer_to_the_middle_and_none_of_it_is_left(name: str, choice: str) -> None:
    """What `noise_scale` says of itself: the spread falls with it, in proportion for a Gaussian, and at 0 there is none."""
    path, truth = ALL_PATHS[name], Gaussian(*torch.tensor([[0.4] * 4, [0.5] * 4], dtype=torch.float64))
    network, sampler = ExactNetwork(truth, path, "x1"), SAMPLERS[choice](num_steps=10)

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        return path.ends("x1", network(x_t, path.network_time(t), None), x_t, t)

    whole, part, none = (sampler(denoise, path, scale * NOISE) for scale in (1.0, 0.3, 0.0))
    middle = none[0, 0, 0]
    torch.testing.assert_close(none, middle.expand_as(none), rtol=0, atol=1e-12)
    assert (middle - truth.mean[0]).abs() < 0.02
    torch.testing.assert_close(part - middle, 0.3 * (whole - middle), rtol=1e-9, atol=1e-9)


def test_a_path_that_does_not_begin_in_noise_is_spoken_of_once(monkeypatch) -> None:
    """A linear schedule of 100 steps with the betas of 1000 keeps 0.6 of the data; a longer one or stronger betas do not."""
    said: list[str] = []
    monkeypatch.setattr(base.logger, "warning", lambda message, *values: said.append(message % values))
    short = LinearBetaPath(num_train_steps=100, beta_end=0.021)
    for _ in range(3):
        DDIM().check(short)
    assert len(said) == 1
    assert "at t = 0 it still has 0.5" in said[0] and "num_train_steps (1000" in said[0] and "beta_end" in said[0]
    for path in (*ALL_PATHS.values(), LinearBetaPath(num_train_steps=100, beta_end=0.2)):
        DDIM().check(path)
    DDIMLeading().check(LinearBetaPath(num_train_steps=100, beta_end=0.022))  # parity with diffusers is its purpose
    assert len(said) == 1
