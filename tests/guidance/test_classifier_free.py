"""Guidance by the difference of two conditions, on a mixture whose modes are labelled: the label is the observation."""

import pytest
import torch
from gaussian_truth import PATHS, Gaussian
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from benchmarks.mixture import Mixture
from lerobot_dp_plus import heads
from lerobot_dp_plus.guidance import ClassifierFree, NoGuidance, Situation
from lerobot_dp_plus.heads import Given
from lerobot_dp_plus.networks import DiTConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import Denoiser, Prediction, join_rows, map_rows
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.paths import Path
from lerobot_dp_plus.samplers import DDIM, DPMpp2M, Jump, Langevin

#: Label 0 means the left mode, 1 the right one, and -1 that it was dropped.
MODES = Mixture(weights=(0.6, 0.4), means=(-0.3, 0.4), widths=(0.3, 0.2))
LABELLED = {
    label: Gaussian(torch.tensor([mean], dtype=torch.float64), torch.tensor([width], dtype=torch.float64))
    for label, (mean, width) in enumerate(zip(MODES.means, MODES.widths, strict=True))
} | {-1: MODES}
every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def situation(path: Path, labels: Tensor, **more) -> tuple[Situation, list[int]]:
    """What the exact network says of labelled data; and how many rows it was asked for, call by call."""
    rows: list[int] = []

    def denoiser(known: Tensor) -> Denoiser:
        def denoise(x_t: Tensor, t: Tensor) -> Prediction:
            assert len(known) == len(x_t) == len(t)
            rows.append(len(x_t))
            said = {label: truth.ends(path, x_t, t) for label, truth in LABELLED.items()}
            pick = lambda end: torch.stack([getattr(said[label.item()], end)[i] for i, label in enumerate(known)])  # noqa: E731
            return Prediction(pick("x0"), pick("x1"))

        return denoise

    return Situation(path, condition=labels, denoiser=denoiser, absent=torch.full((len(labels),), -1), **more), rows


def points(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """x_t, t and labels."""
    x_t = torch.linspace(-1.5, 1.5, 12, dtype=torch.float64).reshape(6, 2, 1)
    return x_t, torch.linspace(0.1, 0.9, 6, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 0, 1])


@every_path
@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0, 3.5])
def test_it_is_the_formula_in_one_batch(path: Path, weight: float) -> None:
    x_t, t, labels = points(path)
    around, rows = situation(path, labels)
    found = ClassifierFree(weight).wrap(around.denoiser(labels), around)(x_t, t)
    assert rows == [12], "both conditions together, and nothing else"
    seen = torch.stack([LABELLED[label.item()].ends(path, x_t, t).x1[i] for i, label in enumerate(labels)])
    unseen = MODES.ends(path, x_t, t).x1
    torch.testing.assert_close(found.x1, unseen + weight * (seen - unseen))
    torch.testing.assert_close(path.interpolate(*found, t), x_t, rtol=0, atol=1e-12)


@every_path
def test_weight_one_is_the_policy_itself(path: Path) -> None:
    x_t, t, labels = points(path)
    around, rows = situation(path, labels)
    denoise = around.denoiser(labels)
    assert (
        ClassifierFree().wrap(denoise, around) is denoise
        and ClassifierFree(1.0).wrap_flow_map(denoise, around) is denoise
    )
    bare = Situation(path)  # nothing was dropped in training, and nothing needs to have been
    found = ClassifierFree(1.0).wrap(denoise, bare)(x_t, t)
    assert rows == [6] and torch.equal(found.x1, denoise(x_t, t).x1)


@every_path
def test_the_score_is_that_of_the_product_of_densities(path: Path) -> None:
    """∇log p(x|o)^w·p(x)^(1−w) at every t, Ho & Salimans §3.2: by differences of the marginals' closed forms."""
    x_t, t, labels = points(path)
    around, _ = situation(path, labels)
    x0 = ClassifierFree(2.5).wrap(around.denoiser(labels), around)(x_t, t).x0
    alpha, sigma = path.alpha(t)[:, None, None], path.sigma(t)[:, None, None]

    def log_density(x: Tensor, weights: Tensor) -> Tensor:
        means, widths = (torch.tensor(v, dtype=torch.float64) for v in (MODES.means, MODES.widths))
        variance = ((alpha * widths) ** 2 + sigma**2)[:, :, None]
        each = weights.log() - 0.5 * (x[..., None] - (alpha * means)[:, :, None]) ** 2 / variance - 0.5 * variance.log()
        return each.logsumexp(-1)

    prior = torch.tensor(MODES.weights, dtype=torch.float64)
    own = torch.nn.functional.one_hot(labels, 2).double()[:, None, None]
    x = x_t.clone().requires_grad_()
    total = (2.5 * log_density(x, own) - 1.5 * log_density(x, prior)).sum()
    torch.testing.assert_close(x0, -sigma * torch.autograd.grad(total, x)[0], rtol=1e-9, atol=1e-9)


@every_path
def test_more_weight_leads_away_from_other_labels_and_narrows(path: Path) -> None:
    """Whole samples: the mean of the right mode's moves right and its spread falls; with weight 0 both modes appear."""
    count = 600
    noise = torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count).reshape(count, 1, 1)
    labels, found = torch.ones(count, dtype=torch.int64), {}
    for weight in (0.0, 1.0, 3.0):
        around, _ = situation(path, labels)
        denoise = ClassifierFree(weight).wrap(around.denoiser(labels), around)
        found[weight] = DPMpp2M(20)(denoise, path, noise).flatten()
    assert found[1.0].mean() == pytest.approx(0.4, abs=0.02)
    assert found[3.0].mean() > 0.45 and found[3.0].std() < 0.9 * found[1.0].std()
    assert MODES.judge(found[0.0]).weights == pytest.approx(MODES.weights, abs=0.12)
    assert (found[0.0] < 0).double().mean() > 0.4 > 0.1 > (found[1.0] < 0).double().mean()


@every_path
def test_what_is_stressed_stays_within_the_bound_and_keeps_the_noise_where_asked(path: Path) -> None:
    x_t, t, labels = points(path)
    far, _ = situation(path, labels)
    assert ClassifierFree(9.0).wrap(far.denoiser(labels), far)(x_t, t).x1.abs().max() > 1.2
    around, _ = situation(path, labels, bound=1.0, keep_noise=True)
    found = ClassifierFree(9.0).wrap(around.denoiser(labels), around)(x_t, t)
    assert found.x1.abs().max() <= 1
    assert torch.equal(found.x0, around.denoiser(labels)(x_t, t).x0)


def test_a_policy_that_never_dropped_observations_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"guidance\.weight = 2\.0: must be 1 with this policy, because it was not"):
        ClassifierFree(2.0).wrap(lambda x_t, t: Prediction(x_t, x_t), Situation(PATHS["straight"]))
    with pytest.raises(ValueError, match=r"guidance\.weight = -0\.1: must be at least 0"):
        ClassifierFree(-0.1)


NETWORKS = [
    TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2),
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize(
    ("objective", "sampler"),
    [(Diffusion(), DPMpp2M(3)), (FlowMatching(), Langevin(2, corrections=2)), (Shortcut(), Jump(2))],
    ids=lambda part: type(part).__name__,
)
@torch.no_grad()
def test_a_head_contrasts_the_network_with_itself(config, objective, sampler) -> None:
    """Weight 0 is the network without the observation and weight 1 with it; the absent one has one row, or each its own."""
    network, seen, nothing = (
        awake(build(config), by=0.1),
        torch.randn(3, OBSERVATION_STEPS, WIDTH),
        torch.zeros(1, 2, 5),
    )
    noise, rows = torch.randn(3, 2, HORIZON, ACTION_DIM), []
    condition, absent = digest(network, seen), digest(network, nothing)

    def proposed(guidance, known=condition, dropped=absent) -> Tensor:
        head, rng = heads.make(network, objective, sampler, guidance), torch.Generator().manual_seed(1)
        return head.propose(known, noise, Given(generator=rng, absent=dropped)).chunks

    blind = proposed(NoGuidance(), digest(network, nothing.expand(3, -1, -1)))
    torch.testing.assert_close(proposed(ClassifierFree(0.0)), blind, rtol=1e-3, atol=1e-4)
    assert torch.equal(proposed(ClassifierFree(1.0)), proposed(NoGuidance()))
    first = network.embed_actions if hasattr(network, "embed_actions") else network.down_modules[0][0].conv1
    first.register_forward_hook(lambda module, args, out: rows.append(len(out)))
    twice = proposed(ClassifierFree(2.0))
    assert rows == [12] * sampler.num_calls
    each = map_rows(absent, lambda one: one.expand(3, *one.shape[1:]))
    torch.testing.assert_close(proposed(ClassifierFree(2.0), dropped=each), twice)
    assert (twice - proposed(NoGuidance())).abs().max() > 1e-3 and (blind - twice).abs().max() > 1e-3


@pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)
@torch.no_grad()
def test_joined_conditions_are_those_of_joined_observations(config) -> None:
    network, one, other = awake(build(config)), *torch.randn(2, 2, OBSERVATION_STEPS, WIDTH)
    x, t = torch.randn(4, HORIZON, ACTION_DIM), torch.full((4,), 20.0)
    joined = join_rows(digest(network, one), digest(network, other))
    torch.testing.assert_close(network(x, t, joined), network(x, t, digest(network, torch.cat([one, other]))))


def test_ddim_of_the_contrast_is_ddim_of_the_formula() -> None:
    """One step further than the denoiser: nothing else is kept between calls."""
    path = PATHS["straight"]
    x_t, _, labels = points(path)
    around, _ = situation(path, labels)
    seen, unseen = around.denoiser(labels), around.denoiser(around.absent)

    def by_hand(x: Tensor, t: Tensor) -> Prediction:
        return path.with_data(unseen(x, t).x1 + 1.7 * (seen(x, t).x1 - unseen(x, t).x1), x, t)

    found = DDIM(5)(ClassifierFree(1.7).wrap(seen, around), path, x_t)
    torch.testing.assert_close(found, DDIM(5)(by_hand, path, x_t))
