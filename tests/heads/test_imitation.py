"""The imitation energy: in closed form for normal data, the same in every call, differentiable, of the actions that count."""

import pytest
import torch
from gaussian_truth import PATHS, ExactNetwork, Gaussian
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import Denoising, ElementwiseHead, Head, Regression
from lerobot_dp_plus.heads.imitation import imitation_energy
from lerobot_dp_plus.networks import DiTConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Objective, Shortcut
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import DDIM

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.1], dtype=torch.float64))
NETWORKS = [
    TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2),
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
]
every_network = pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)
OBJECTIVES = [Diffusion(), Diffusion(prediction="epsilon"), FlowMatching(prediction="v"), Shortcut(), Regression()]
every_objective = pytest.mark.parametrize(
    "objective", OBJECTIVES, ids=lambda o: f"{type(o).__name__}-{getattr(o, 'prediction', '')}"
)


def head_over(network, objective: Objective) -> Head:
    return heads.make(network, objective, DDIM(3), NoGuidance())


def shown(batch: int = 2, count: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, OBSERVATION_STEPS, WIDTH), 0.5 * torch.randn(batch, count, HORIZON, ACTION_DIM)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("end", ["x0", "x1"])
def test_it_is_the_expected_error_at_those_times(path: Path, end: str) -> None:
    """x̂₀ − x₀ = (σα·(x₁ − μ) − α²s²·x₀)/Var x_t, and x̂₁ − x₁ is −σ/α of it."""
    away = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)[:, None, None]
    rows = 4000  # of independent noise, over which the energy is a mean
    chunks = (TRUTH.mean + away * TRUTH.std).expand(3, rows, 2)[None]
    times = [torch.full((3,), value, dtype=torch.float64) for value in (0.1, 0.35, 0.6, 0.85)]
    network = ExactNetwork(TRUTH, path, "x1")
    denoise = lambda x_t, t: path.ends("x1", network(x_t, path.network_time(t), None), x_t, t)  # noqa: E731
    found = imitation_energy(denoise, path, times, chunks, torch.ones(1, rows, dtype=torch.bool), end)
    expected = torch.zeros(3, 2, dtype=torch.float64)
    for time in times:
        alpha, sigma = path.alpha(time[:1]), path.sigma(time[:1])
        variance = (alpha * TRUTH.std) ** 2 + sigma**2
        error = ((sigma * alpha * away[:, 0] * TRUTH.std) ** 2 + (alpha * TRUTH.std) ** 4) / variance**2
        expected += error if end == "x0" else error * (sigma / alpha) ** 2
    torch.testing.assert_close(found[0], expected.mean(1) / len(times), rtol=0.06, atol=0)
    assert (found[0].diff() > 0).all(), "farther from the mean is worse"


@pytest.mark.parametrize(
    "objective", [o for o in OBJECTIVES if not isinstance(o, Regression)], ids=lambda o: type(o).__name__
)
@torch.no_grad()
def test_over_many_draws_it_is_the_loss_of_what_is_predicted(objective) -> None:
    """The times are spread as those of training."""
    network, (seen, chunks) = awake(build(NETWORKS[0]), by=0.1), shown(1, 1)
    end = "x1" if objective.prediction == "x1" else "x0"
    condition, head = digest(network, seen), head_over(network, objective)
    assert isinstance(head, Denoising)
    if objective.prediction == "v":
        pytest.skip("its loss is of neither end")
    found = head.imitation(condition, chunks, draws=2000, end=end)
    many = digest(network, seen.expand(20000, -1, -1))
    loss = (
        type(objective)
        .__mro__[1]
        .loss(objective, network, chunks[0].expand(20000, -1, -1), many, torch.ones(20000, HORIZON, dtype=torch.bool))
    )
    torch.testing.assert_close(found[0, 0], loss.mean(), rtol=0.03, atol=0)


@every_network
@every_objective
@torch.no_grad()
def test_a_candidate_has_its_energy_in_every_call_and_chance_is_left_alone(
    config: NetworkConfig, objective: Objective
) -> None:
    network, (seen, chunks) = awake(build(config), by=0.1), shown()
    head, state = head_over(network, objective), torch.get_rng_state()
    together = head.imitation(digest(network, seen), chunks)
    assert together.shape == (2, 3) and (together > 0).all()
    for b in range(2):
        alone = head.imitation(digest(network, seen[b : b + 1]), chunks[b : b + 1, 1:2])
        torch.testing.assert_close(alone[0], together[b, 1:2], rtol=1e-4, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.inference_mode():
        again = head.imitation(digest(network, seen), chunks)
    torch.testing.assert_close(again, together)


@every_objective
def test_only_actions_that_count_do(objective: Objective) -> None:
    """And where none does, the energy is 0."""
    network, (seen, chunks) = awake(build(NETWORKS[1])).double(), shown()
    chunks = chunks.double().requires_grad_()
    valid = torch.arange(HORIZON) < torch.tensor([3, 0])[:, None]
    head, condition = head_over(network, objective), digest(network, seen.double())
    found = head.imitation(condition, chunks, valid=valid)
    assert (found[1] == 0).all()
    parts = [
        head.imitation(condition, chunks, valid=(torch.arange(HORIZON) == row).expand(2, -1))[0] for row in range(3)
    ]
    torch.testing.assert_close(found[0], torch.stack(parts).mean(0))
    torch.testing.assert_close(
        head.imitation(condition, chunks), head.imitation(condition, chunks, valid=torch.ones_like(valid))
    )


@every_objective
def test_its_gradient_is_that_of_differences(objective: Objective) -> None:
    network, (seen, chunks) = awake(build(NETWORKS[1]), by=0.1).double(), shown(1, 2)
    head, condition = head_over(network, objective), digest(network, seen.double())
    chunks, direction = chunks.double().requires_grad_(), torch.randn(1, 2, HORIZON, ACTION_DIM, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(head.imitation(condition, chunks, draws=3).sum(), chunks)
    with torch.no_grad():
        ahead, behind = (head.imitation(condition, chunks + h * direction, draws=3).sum() for h in (1e-5, -1e-5))
    torch.testing.assert_close((gradient * direction).sum(), (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-9)
    assert gradient.abs().max() > 1e-3


@torch.no_grad()
def test_what_is_clipped_while_sampling_is_not_here() -> None:
    network, (seen, chunks) = awake(build(NETWORKS[0])), shown()
    free, bound = (
        head_over(network, Diffusion(clip_range=clip)).imitation(digest(network, seen), chunks) for clip in (None, 0.01)
    )
    assert torch.equal(free, bound)


@torch.no_grad()
def test_of_a_regression_it_is_the_distance_to_its_chunk() -> None:
    network, (seen, chunks) = awake(build(NETWORKS[0])), shown()
    head, calls = head_over(network, Regression()), []
    condition = digest(network, seen)
    said = head.propose(condition, chunks).chunks
    network.register_forward_hook(lambda module, args, out: calls.append(len(out)))
    torch.testing.assert_close(head.imitation(condition, chunks), (said - chunks).square().mean((2, 3)))
    assert calls == [2], "once for each observation"


@torch.no_grad()
def test_of_another_head_it_is_the_loss_of_each_chunk() -> None:
    network, (seen, chunks) = awake(build(NETWORKS[0])), shown()
    head, condition = head_over(network, Regression()), digest(network, seen)
    valid = torch.arange(HORIZON) < torch.tensor([HORIZON, 2])[:, None]
    assert ElementwiseHead.imitation is Head.imitation
    torch.testing.assert_close(Head.imitation(head, condition, chunks), head.imitation(condition, chunks))
    found = Head.imitation(head, condition, chunks, valid=valid)
    torch.testing.assert_close(found, head.imitation(condition, chunks, valid=valid))
    torch.testing.assert_close(found[:, 2], head.loss(condition, chunks[:, 2], valid))


def test_it_is_one_graph_once_it_has_run() -> None:
    """Traced whole, as `compile_sampler` has it."""
    network, (seen, chunks) = awake(build(NETWORKS[0])), shown()
    head = head_over(network, Diffusion())

    def energy(seen: Tensor, chunks: Tensor) -> Tensor:
        return head.imitation(digest(network, seen), chunks, draws=3)

    with torch.no_grad():
        expected = energy(seen, chunks)
        torch._dynamo.reset()
        found = torch.compile(energy, backend="eager", fullgraph=True)(seen, chunks)
    torch.testing.assert_close(found, expected)
