"""Real-time chunking: soft masks, guidance towards a plan, and prefixes that the network is shown, in closed form."""

import math

import pytest
import torch
from gaussian_truth import PATHS
from lerobot.configs import RTCAttentionSchedule
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from lerobot.policies.rtc.modeling_rtc import RTCProcessor
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import NoGuidance
from lerobot_dp_plus.heads import Given, Plan
from lerobot_dp_plus.heads.showing import Showing
from lerobot_dp_plus.notation import Network, Prediction
from lerobot_dp_plus.objectives import Diffusion, FlowMatching
from lerobot_dp_plus.paths import StraightPath
from lerobot_dp_plus.real_time import Automatic, Guided, Inpainting, NotContinued, RealTime, Trained, soft_mask
from lerobot_dp_plus.samplers import DDIM, DPMpp2M, Heun

B, H, A = 3, 6, 2


def test_there_is_a_test_for_every_member() -> None:
    assert set(RealTime.get_known_choices().values()) == {Automatic, NotContinued, Guided, Inpainting, Trained}


def test_automatic_is_what_the_policy_was_trained_for() -> None:
    assert Automatic().chosen(0) == Guided() and Automatic().chosen(4) == Trained()
    assert all(member.chosen(4) == member for member in (Guided(), Trained(), NotContinued(), Inpainting()))


def test_the_soft_mask_is_one_then_falls_then_is_nothing() -> None:
    """Arithmetic by hand, for a delay of 2 and an overlap of 3: c = 3/4, 2/4, 1/4."""
    share = [3 / 4, 2 / 4, 1 / 4]
    assert soft_mask("linear", 2, 3, 7) == pytest.approx([1, 1, *share, 0, 0])
    assert soft_mask("ones", 2, 3, 7) == pytest.approx([1, 1, 1, 1, 1, 0, 0])
    exponential = [c * (math.exp(c) - 1) / (math.e - 1) for c in share]
    assert soft_mask("exponential", 2, 3, 7) == pytest.approx([1, 1, *exponential, 0, 0])
    assert soft_mask("exponential", 0, 0, 2) == pytest.approx([0, 0])
    assert soft_mask("exponential", 4, 3, 2) == pytest.approx([1, 1]), "no longer than what is left"


def tanh_denoiser(path):
    """x₁ = tanh(x_t)/2, whose Jacobian is known."""

    def denoise(x_t: Tensor, t: Tensor) -> Prediction:
        return path.with_data(x_t.tanh() / 2, x_t, t)

    return denoise


def moved(path):
    return lambda said, x1, x_t, t: path.with_data(x1, x_t, t)


@pytest.fixture
def at() -> tuple[Tensor, Tensor, Tensor]:
    """x_t, the plan and weights."""
    torch.manual_seed(4)
    weights = torch.tensor(soft_mask("exponential", 2, 2, H), dtype=torch.float64).expand(B, H)
    return torch.randn(B, H, A, dtype=torch.float64), torch.randn(B, H, A, dtype=torch.float64), weights


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("t", [0.02, 0.3, 0.8])
def test_guidance_with_the_jacobian_is_the_formula(path, t, at) -> None:
    x_t, plan, weights = at
    time = torch.full((B,), t, dtype=torch.float64)
    alpha, sigma = path.alpha(time[:1]).item(), path.sigma(time[:1]).item()
    tau = alpha / (alpha + sigma)
    strength = min(5.0, ((1 - tau) ** 2 + tau**2) / (tau * (1 - tau)))
    x1, jacobian = x_t.tanh() / 2, (1 - x_t.tanh() ** 2) / 2
    expected = x1 + (1 - tau) * strength * (alpha + sigma) * jacobian * weights[..., None] * (plan - x1)
    found = Guided().wrap(tanh_denoiser(path), plan, weights, path, moved(path))(x_t, time)
    torch.testing.assert_close(found.x1, expected)
    back = path.alpha(time)[:, None, None] * found.x1 + path.sigma(time)[:, None, None] * found.x0
    torch.testing.assert_close(back, x_t, msg="both ends explain x_t")
    with torch.inference_mode():
        inside = Guided().wrap(tanh_denoiser(path), plan.clone(), weights.clone(), path, moved(path))(x_t.clone(), time)
    torch.testing.assert_close(inside.x1, expected)


@pytest.mark.parametrize("t", [0.2, 0.45, 0.7, 0.95])
def test_without_the_jacobian_it_is_lerobots_guidance_on_the_straight_path(t, at) -> None:
    """LeRobot's takes the Jacobian for the identity; where its factor is below 1 both are the same."""
    x_t, plan, weights = (each.float() for each in at)
    path, time = StraightPath(), torch.full((B,), t)
    settings = RTCConfig(max_guidance_weight=5.0, prefix_attention_schedule=RTCAttentionSchedule.EXP)

    class Masked(RTCProcessor):
        def get_prefix_weights(self, start, end, total):  # theirs ends one step earlier
            return weights[0]

    def velocity(x: Tensor) -> Tensor:  # theirs leads from data to noise, in a clock that runs to 0
        return (x - x.tanh() / 2) / (1 - t)

    theirs = Masked(settings).denoise_step(x_t, plan, 2, 1 - t, velocity, H)
    data = x_t - (1 - t) * theirs
    factor = (1 - t) * min(5.0, ((1 - t) ** 2 + t**2) / (t * (1 - t)))
    mine = Guided(jacobian=False).wrap(tanh_denoiser(path), plan, weights, path, moved(path))(x_t, time)
    if factor <= 1:
        torch.testing.assert_close(mine.x1, data, rtol=1e-4, atol=1e-5)
    else:  # theirs moves past the plan, ours up to it
        x1 = x_t.tanh() / 2
        torch.testing.assert_close(mine.x1, x1 + weights[..., None] * (plan - x1))
        assert ((data - x1).abs() >= (mine.x1 - x1).abs() - 1e-5).all()


@pytest.mark.parametrize("jacobian", [True, False])
def test_no_weight_changes_nothing(jacobian, at) -> None:
    x_t, plan, weights = at
    path, time = StraightPath(), torch.full((B,), 0.4, dtype=torch.float64)
    plain = tanh_denoiser(path)(x_t, time)
    for member, mask in ((Guided(weight=0, jacobian=jacobian), weights), (Guided(jacobian=jacobian), 0 * weights)):
        found = member.wrap(tanh_denoiser(path), plan, mask, path, moved(path))(x_t, time)
        assert torch.equal(found.x1, plain.x1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"weight": -1}, "real_time.weight = -1"),
        ({"overlap": -1}, "real_time.overlap = -1"),
        ({"schedule": "steep"}, "legal are exponential, linear, ones"),
    ],
)
def test_illegal_fields_are_refused_by_name(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        Guided(**fields)


class Spy(Network):
    """Keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def condition(self, observation):
        return None

    def forward(self, x_t, time, condition, end=None):
        self.seen.append((x_t, time))
        return torch.zeros_like(x_t)


def test_decided_steps_go_in_clean_with_the_time_of_data() -> None:
    spy, which = Spy(), torch.zeros(B, H, dtype=torch.bool)
    which[:, :2], which[2] = True, False
    chunks = torch.full((B, H, A), torch.nan)
    chunks[which] = 0.7
    x_t = torch.randn(2 * B, H, A)  # twice as many rows, as for guidance that contrasts
    Showing(spy, chunks, which, torch.tensor(-1.0))(x_t, torch.full((2 * B,), 30.0), None)
    shown, times = spy.seen[0]
    both = which.repeat(2, 1)
    assert (shown[both] == 0.7).all() and torch.equal(shown[~both], x_t[~both])
    assert (times[both] == -1).all() and (times[~both] == 30).all()


class Exact(Network):
    """E[x₁ | x_t] of chunks of one dimension, x₁ ~ N(0, S), where every step has a time of its own; straight path."""

    def __init__(self, covariance: Tensor):
        super().__init__()
        self.covariance = covariance

    def condition(self, observation):
        return None

    def forward(self, x_t, time, condition, end=None):
        t = time / 1000
        t = t[:, None].expand(x_t.shape[:2]) if t.dim() == 1 else t
        mixed = t[:, :, None] * self.covariance * t[:, None, :] + torch.diag_embed((1 - t).square() + 1e-9)
        gain = (self.covariance * t[:, None, :]) @ torch.linalg.inv(mixed)
        return gain @ x_t


STEP = torch.arange(H, dtype=torch.float64)
COVARIANCE = 0.09 * 0.9 ** (STEP[:, None] - STEP).abs()
PREFIX = torch.tensor([0.4, 0.5], dtype=torch.float64)


def drawn(how: RealTime, count: int = 3000) -> Tensor:
    """Chunks (count, H) that go on from `PREFIX`, drawn with the exact denoiser."""
    torch.manual_seed(1)
    objective, sampler = FlowMatching(prediction="x1", clip_range=None), Heun(24)
    noise = torch.randn(1, count, H, 1, dtype=torch.float64)
    plan = torch.zeros_like(noise)
    plan[..., :2, 0] = PREFIX
    fixed = torch.where(torch.arange(H)[:, None] < 2, plan, torch.nan)
    weights = torch.tensor(how.weights(2, 2) + (0.0,) * (H - 2), dtype=torch.float64).expand(1, count, H)
    given = Given(
        fixed=fixed if how.fixes else None,
        shown=~fixed.isnan()[..., 0] if how.shows else None,
        plan=Plan(how, plan, weights) if how.bends else None,
    )
    head = heads.make(Exact(COVARIANCE), objective, sampler, NoGuidance())
    return head.propose(None, noise, given).chunks[0, :, :, 0]


def conditional() -> tuple[Tensor, Tensor]:
    """Mean and covariance of the steps after the prefix, given it."""
    known, cross = COVARIANCE[:2, :2], COVARIANCE[2:, :2]
    gain = cross @ torch.linalg.inv(known)
    return gain @ PREFIX, COVARIANCE[2:, 2:] - gain @ cross.mT


def test_a_network_that_is_shown_the_prefix_draws_from_the_conditional_distribution() -> None:
    found, (mean, covariance) = drawn(Trained()), conditional()
    assert torch.equal(found[:, :2], PREFIX.expand(len(found), 2))
    torch.testing.assert_close(found[:, 2:].mean(0), mean, atol=0.015, rtol=0)
    torch.testing.assert_close(found[:, 2:].T.cov(), covariance, atol=0.004, rtol=0)


def missed(how: RealTime) -> float:
    """How much of the way from 0, the mean with nothing known, to the conditional mean is not gone."""
    mean = conditional()[0]
    return ((drawn(how)[:, 2:].mean(0) - mean).norm() / mean.norm()).item()


def test_how_well_the_others_go_on() -> None:
    """A network that knows what is noise and what is not goes the whole way; bent or fixed from outside, it goes a part."""
    assert missed(NotContinued()) == pytest.approx(1, abs=0.03)
    assert missed(Trained()) < 0.02
    guided = missed(Guided())
    assert guided < 0.62
    assert guided < missed(Inpainting()) < 0.75 and guided < missed(Guided(jacobian=False)) < 0.75


@pytest.mark.parametrize("sampler", [DDIM(5), DPMpp2M(5), Heun(4)], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("how", [Inpainting(), Trained()], ids=lambda each: type(each).__name__)
def test_the_prefix_is_kept_to_the_last_bit(sampler, how) -> None:
    torch.manual_seed(0)
    noise, fixed = torch.randn(2, 3, H, 1), torch.full((2, 3, H, 1), torch.nan)
    fixed[:, :, :3] = 0.25
    shown = ~fixed.isnan()[..., 0] if how.shows else None
    network = Exact(COVARIANCE.float())
    for objective in (FlowMatching(prediction="x1"), Diffusion()):
        found = heads.make(network, objective, sampler, NoGuidance()).propose(
            None, noise, Given(None, None, fixed, shown=shown)
        )
        assert (found.chunks[:, :, :3] == 0.25).all() and found.chunks.isfinite().all()
