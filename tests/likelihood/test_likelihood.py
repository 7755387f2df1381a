"""log p against closed forms: normal data, mixtures, correlated data, on every path; exact and with random signs."""

import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from gaussian_truth import ALL_PATHS, Gaussian, exact_denoiser
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from benchmarks.mixture import Mixture
from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import Regression
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.likelihood.trace import value_and_trace
from lerobot_dp_plus.networks import DiTConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import Denoiser, Prediction, per_sample
from lerobot_dp_plus.objectives import DenoisingObjective, Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.paths import PARAMETRISATIONS, LinearBetaPath, Path
from lerobot_dp_plus.samplers import DDIM

EXACT = Likelihood(s_min=0.05, steps=64, trace="exact")
NORMAL = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
MODES = Mixture(weights=(0.5, 0.2, 0.3), means=(-0.7, 0.1, 0.75), widths=(0.1, 0.14, 0.09))
CHUNKS = torch.linspace(-0.9, 0.9, 48, dtype=torch.float64).reshape(8, 3, 2)
PAIRS = [
    pytest.param(path, kind, id=f"{name}-{kind}")
    for name, path in ALL_PATHS.items()
    for kind in PARAMETRISATIONS
    if (name, kind) != ("straight", "epsilon")
]
NETWORKS = [
    TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2),
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
]
every_network = pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)


def normal_log_prob(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * ((x - mean) ** 2 / variance + torch.log(2 * math.pi * variance))


def mixture_log_prob(x: Tensor, truth: Mixture, s_min: float) -> Tensor:
    """Of each chunk (M, H, A) of independent numbers, with noise of deviation s_min on top; (M,)."""
    weights, means, widths = (torch.tensor(v, dtype=torch.float64) for v in (truth.weights, truth.means, truth.widths))
    each = weights.log() + normal_log_prob(x[..., None], means, widths**2 + s_min**2)
    return each.logsumexp(-1).sum((1, 2))


@dataclass(frozen=True)
class Correlated:
    """Chunks x₁ ~ N(mean, C), C a full matrix over all H·A numbers."""

    mean: Tensor
    covariance: Tensor

    def denoiser(self, path: Path) -> Denoiser:
        def denoise(x_t: Tensor, t: Tensor) -> Prediction:
            alpha, sigma = path.alpha(t[:1]), path.sigma(t[:1])
            noise = (sigma / alpha) ** 2 * torch.eye(len(self.mean), dtype=torch.float64)
            away = (x_t / per_sample(alpha, x_t)).flatten(1) - self.mean
            x1 = self.mean + away @ torch.linalg.solve(self.covariance + noise, self.covariance)
            return path.with_data(x1.reshape(x_t.shape), x_t, t)

        return denoise

    def log_prob(self, x: Tensor, s_min: float) -> Tensor:
        noisy = self.covariance + s_min**2 * torch.eye(len(self.mean), dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.mean, noisy).log_prob(x.flatten(1))


def correlated() -> Correlated:
    root = 0.3 * torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    return Correlated(torch.linspace(-0.3, 0.4, 6, dtype=torch.float64), root @ root.T)


@pytest.mark.parametrize(("path", "kind"), PAIRS)
def test_it_is_the_density_of_normal_data_with_noise_of_s_min(path: Path, kind: str) -> None:
    found = EXACT.log_prob(exact_denoiser(NORMAL, path, kind), path, CHUNKS)
    variance = NORMAL.std**2 + EXACT.s_min**2
    expected = normal_log_prob(CHUNKS, NORMAL.mean, variance).sum((1, 2))
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0.03)
    # The noise of s_min belongs to the statement: without it the narrow dimension would be a tenth of a nat off each row.
    bare = normal_log_prob(CHUNKS, NORMAL.mean, NORMAL.std**2).sum((1, 2))
    assert (found - expected).abs().max() < 0.2 * (bare - expected).abs().max()


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
@pytest.mark.parametrize("s_min", [0.02, 0.1])
def test_it_is_the_density_of_a_mixture(path: Path, s_min: float) -> None:
    found = replace(EXACT, s_min=s_min, steps=128).log_prob(lambda x, t: MODES.ends(path, x, t), path, CHUNKS)
    torch.testing.assert_close(found, mixture_log_prob(CHUNKS, MODES, s_min), rtol=0, atol=0.04)
    assert found.max() - found.min() > 5, "chunks on and between modes"


@pytest.mark.parametrize("path", ALL_PATHS.values(), ids=ALL_PATHS)
def test_it_is_the_density_of_correlated_data(path: Path) -> None:
    truth = correlated()
    found = EXACT.log_prob(truth.denoiser(path), path, CHUNKS)
    torch.testing.assert_close(found, truth.log_prob(CHUNKS, EXACT.s_min), rtol=2e-3, atol=0.04)


def test_the_figure_does_not_depend_on_the_path() -> None:
    """In x/α over σ/α every path is the same flow, so what is left of the error is the same, too."""
    few = Likelihood(s_min=0.1, steps=5, trace="exact")
    first, *others = (few.log_prob(lambda x, t, p=p: MODES.ends(p, x, t), p, CHUNKS) for p in ALL_PATHS.values())
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=2e-2)
    assert (first - mixture_log_prob(CHUNKS, MODES, few.s_min)).abs().max() > 0.5, "five steps are not enough"


def test_the_error_is_of_second_order() -> None:
    path, truth = ALL_PATHS["straight"], mixture_log_prob(CHUNKS, MODES, 0.1)
    error = [
        (
            Likelihood(s_min=0.1, steps=n, trace="exact").log_prob(lambda x, t: MODES.ends(path, x, t), path, CHUNKS)
            - truth
        )
        .abs()
        .mean()
        for n in (16, 32, 64, 128, 256)
    ]
    assert error[0] < 0.16 and all(3.2 < coarse / fine < 4.8 for coarse, fine in pairwise(error[1:])), error


@pytest.mark.parametrize("name", ["straight", "squared_cosine"])
def test_where_the_noise_hides_the_data_does_not_matter(name: str) -> None:
    """Off-centre data of two very different variances, neither of them the one that is assumed at s_max."""
    path = ALL_PATHS[name]
    for truth in (NORMAL, Gaussian(NORMAL.mean + 0.5, 0.01 * NORMAL.std)):
        chunks, variance = truth.mean + 0.3 * CHUNKS, truth.std**2 + 0.1**2
        found = Likelihood(s_min=0.1, s_max=30.0, steps=300, trace="exact").log_prob(
            exact_denoiser(truth, path, "x1"), path, chunks
        )
        expected = normal_log_prob(chunks, truth.mean, variance).sum((1, 2))
        torch.testing.assert_close(found, expected, rtol=0, atol=0.01)


def test_signs_estimate_without_bias() -> None:
    """The mean over seeds is the exact figure; more probes are nearer to it."""
    truth, path = correlated(), ALL_PATHS["straight"]
    denoise, exact = truth.denoiser(path), replace(EXACT, steps=16)
    expected = exact.log_prob(denoise, path, CHUNKS)
    spreads = []
    for count in (1, 4):
        found = torch.stack(
            [
                replace(exact, trace="hutchinson", probes=count, seed=seed).log_prob(denoise, path, CHUNKS)
                for seed in range(400 // count)
            ]
        )
        deviation = found.std(0)
        assert ((found.mean(0) - expected).abs() < 4 * deviation / len(found) ** 0.5).all()
        spreads.append(deviation.mean())
    assert 0.4 < spreads[1] / spreads[0] < 0.6 and spreads[0] > 0.1


def test_a_chunk_has_its_figure_in_every_call_and_chance_is_left_alone() -> None:
    truth, path = correlated(), ALL_PATHS["squared_cosine"]
    state, estimate = torch.get_rng_state(), Likelihood()
    together = estimate.log_prob(truth.denoiser(path), path, CHUNKS)
    alone = estimate.log_prob(truth.denoiser(path), path, CHUNKS[5:6])
    torch.testing.assert_close(alone, together[5:6], rtol=1e-10, atol=1e-10)
    assert torch.equal(torch.get_rng_state(), state)
    other = replace(estimate, seed=1).log_prob(truth.denoiser(path), path, CHUNKS)
    assert (other - together).abs().max() > 1e-3


def test_it_works_in_inference_mode() -> None:
    """Where LeRobot evaluates, and where autograd would silently say that nothing depends on anything."""
    truth, path = correlated(), ALL_PATHS["squared_cosine"]
    expected = Likelihood().log_prob(truth.denoiser(path), path, CHUNKS)
    with torch.inference_mode():
        found = Likelihood().log_prob(truth.denoiser(path), path, CHUNKS.clone())
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


@every_network
def test_the_trace_is_that_of_the_jacobian(config: NetworkConfig) -> None:
    network = awake(build(config)).double()
    condition = digest(network, torch.randn(3, OBSERVATION_STEPS, WIDTH, dtype=torch.float64))
    x, t = torch.randn(3, HORIZON, ACTION_DIM, dtype=torch.float64), torch.tensor([30.0, 30.0, 30.0])
    field = lambda x: network(x, t, condition)  # noqa: E731
    value, trace = value_and_trace(field, x, None)
    jacobian = torch.autograd.functional.jacobian(field, x)  # (3, H, A, 3, H, A)
    own = torch.stack([jacobian[b, :, :, b].reshape(HORIZON * ACTION_DIM, -1) for b in range(3)])
    expected = own.diagonal(dim1=1, dim2=2).sum(1)
    torch.testing.assert_close(trace, expected)
    torch.testing.assert_close(value, field(x).detach())
    assert not trace.requires_grad and expected.abs().min() > 1e-3
    vectors = torch.randn(2, HORIZON, ACTION_DIM, dtype=torch.float64)
    products = torch.einsum("ki,bij,kj->kb", vectors.flatten(1), own, vectors.flatten(1))
    torch.testing.assert_close(value_and_trace(field, x, vectors)[1], products.mean(0))


def test_what_does_not_depend_on_the_chunk_has_no_trace() -> None:
    value, trace = value_and_trace(torch.ones_like, CHUNKS, None)
    assert torch.equal(value, torch.ones_like(CHUNKS)) and not trace.any()


OBJECTIVES = [Diffusion(clip_range=0.1), Diffusion(prediction="epsilon"), FlowMatching(prediction="v"), Shortcut()]


@every_network
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}-{o.prediction}")
@pytest.mark.parametrize("trace", ["exact", "hutchinson"])
def test_a_head_tells_it_of_every_candidate_also_in_inference_mode(
    config: NetworkConfig, objective: DenoisingObjective, trace: str
) -> None:
    """As by hand, without clipping, of the observation that the candidate is for."""
    network, how = awake(build(config), by=0.05), Likelihood(steps=3, trace=trace)
    seen, chunks = torch.randn(2, OBSERVATION_STEPS, WIDTH), 0.5 * torch.randn(2, 3, HORIZON, ACTION_DIM)
    head = heads.make(network, objective, DDIM(3), NoGuidance())
    with torch.inference_mode():
        found = head.log_prob(digest(network, seen), chunks.clone(), how)
    assert found.shape == (2, 3) and all(weight.grad is None for weight in network.parameters())
    free, path = replace(objective, clip_range=None), objective.sampling_path
    for b in range(2):
        denoise = free.denoiser(network, digest(network, seen[b : b + 1].repeat(3, 1, 1)))
        torch.testing.assert_close(found[b], how.log_prob(denoise, path, chunks[b]), rtol=1e-4, atol=1e-3)


def test_a_head_without_a_density_says_none() -> None:
    network = build(NETWORKS[0])
    head = heads.make(network, Regression(), DDIM(), NoGuidance())
    condition = digest(network, torch.randn(2, OBSERVATION_STEPS, WIDTH))
    assert head.log_prob(condition, torch.randn(2, 3, HORIZON, ACTION_DIM), Likelihood()) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"s_min": 0.0}, "likelihood.s_min = 0.0, likelihood.s_max = 50.0: must be 0 < s_min < s_max"),
        ({"s_min": 60.0}, "must be 0 < s_min < s_max"),
        ({"s_max": math.inf}, "and finite"),
        ({"steps": 0}, "likelihood.steps = 0: must be at least 1"),
        ({"trace": "guess"}, "likelihood.trace = 'guess': legal are hutchinson, exact"),
        ({"probes": 0}, "likelihood.probes = 0: must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Likelihood(**fields)


def test_a_path_that_does_not_reach_the_noise_is_refused() -> None:
    short = LinearBetaPath(num_train_steps=100)
    with pytest.raises(ValueError, match=r"likelihood\.s_max = 50\.0: the path's largest σ/α is 1\.3"):
        Likelihood().log_prob(exact_denoiser(NORMAL, short, "x1"), short, CHUNKS)
    for path in ALL_PATHS.values():
        Likelihood().check(path)
