"""Chunks of which a part is decided: exact there, for every kind of sampler, and drawn elsewhere."""

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import Given
from lerobot_dp_plus.heads.base import decided
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import Tokens
from lerobot_dp_plus.objectives import DiffusersPath, Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.samplers import DDIM, DDIMLeading, DPMpp2M, Euler, Heun, Jump

B, N = 3, 4
PAIRS = [
    (Diffusion(), DDIM(3)),
    (Diffusion(prediction="v"), DPMpp2M(4)),
    (Diffusion(prediction="epsilon", path=DiffusersPath()), DDIMLeading(3)),
    (FlowMatching(), Euler(3)),
    (FlowMatching(prediction="v"), Heun(2)),
    (Shortcut(), Jump(2)),
]
every_pair = pytest.mark.parametrize(
    ("objective", "sampler"), PAIRS, ids=lambda part: f"{type(part).__name__}{getattr(part, 'prediction', '')}"
)


@pytest.fixture
def propose():
    torch.manual_seed(2)
    network = awake(build(TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2)))
    seen, noise = torch.randn(B, OBSERVATION_STEPS, WIDTH), torch.randn(B, N, HORIZON, ACTION_DIM)

    @torch.no_grad()
    def run(objective, sampler, fixed: Tensor | None) -> Tensor:
        head = heads.make(network, objective, sampler, NoGuidance())
        return head.propose(network.condition((Tokens(seen),)), noise, Given(fixed=fixed)).chunks

    return run


def nothing() -> Tensor:
    return torch.full((B, N, HORIZON, ACTION_DIM), float("nan"))


@every_pair
def test_what_is_decided_is_so_to_the_last_bit_and_the_rest_follows(propose, objective, sampler) -> None:
    fixed = nothing()
    fixed[:, :, :2] = 0.3  # a prefix
    fixed[1, :, :, 0] = torch.linspace(-0.5, 0.5, HORIZON)  # a dimension
    free, found = propose(objective, sampler, None), propose(objective, sampler, fixed)
    assert torch.equal(found[~fixed.isnan()], fixed[~fixed.isnan()])
    assert found.isfinite().all()
    assert not torch.allclose(found[fixed.isnan()], free[fixed.isnan()]), "the network sees what is decided"


@every_pair
def test_where_nothing_is_decided_nothing_changes(propose, objective, sampler) -> None:
    torch.testing.assert_close(propose(objective, sampler, nothing()), propose(objective, sampler, None))


@every_pair
def test_a_chunk_that_is_decided_whole_is_that_chunk(propose, objective, sampler) -> None:
    whole = torch.rand(B, N, HORIZON, ACTION_DIM) * 2 - 1
    assert torch.equal(propose(objective, sampler, whole), whole)


def test_one_call_carries_what_is_decided_along_its_line(propose) -> None:
    """Before the last step, x_t there is α(t) times the value and σ(t) times its noise."""
    seen: list[Tensor] = []
    objective = FlowMatching()
    path, value, noise = objective.sampling_path, torch.tensor(0.3), torch.tensor(-1.2)

    def denoise(x_t, t):
        seen.append(x_t)
        return path.with_data(torch.full_like(x_t, 9.0), x_t, t)

    fixing = heads.denoising.fixing(denoise, value.expand(1, 1, 1), path)
    Euler(4)(fixing, path, noise.expand(1, 1, 1))
    for k, x_t in enumerate(seen):
        t = torch.tensor([k / 4])
        torch.testing.assert_close(x_t.squeeze(), (path.alpha(t) * value + path.sigma(t) * noise).squeeze())


def test_decided_keeps_numbers_and_fills_what_is_not() -> None:
    fixed = torch.tensor([1.0, float("nan"), 0.0])
    assert decided(fixed, torch.tensor([5.0, 6.0, 7.0])).tolist() == [1.0, 6.0, 0.0]
