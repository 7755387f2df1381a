"""The head of denoising: what it proposes is what each candidate would be by itself."""

import re

import pytest
import torch
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build
from torch import Tensor

from lerobot_dp_plus import energies, heads
from lerobot_dp_plus.guidance import Gradient, Guidance, NoGuidance, Situation, Smoothness, World
from lerobot_dp_plus.heads import Denoising, Given, mean_error
from lerobot_dp_plus.networks import DiTConfig, NetworkConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import Network, Scene, Tokens, repeat_rows
from lerobot_dp_plus.objectives import DenoisingObjective, DiffusersPath, Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.paths import LinearBetaPath
from lerobot_dp_plus.samplers import (
    DDIM,
    Ancestral,
    AncestralLeading,
    DDIMLeading,
    DPMpp2M,
    Euler,
    Heun,
    Jump,
    Langevin,
    PredictorCorrector,
    Sampler,
)

B, N = 3, 4
NETWORKS = [
    TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=2),
    DiTConfig(dim=16, depth=1, num_heads=2),
    UNet1dConfig(down_dims=(8, 16), n_groups=4, time_embed_dim=16),
]
every_network = pytest.mark.parametrize("config", NETWORKS, ids=lambda c: type(c).__name__)
PAIRS = [
    (Diffusion(), DDIM(3)),
    (Diffusion(prediction="v"), DPMpp2M(4)),
    (Diffusion(prediction="epsilon", path=LinearBetaPath()), Heun(3)),
    (Diffusion(prediction="epsilon", path=DiffusersPath()), DDIMLeading(3)),
    (FlowMatching(), Euler(3)),
    (FlowMatching(prediction="v"), Heun(2)),
    (Shortcut(), Jump(2)),
    (Shortcut(), DDIM(3)),
]
every_pair = pytest.mark.parametrize(
    ("objective", "sampler"), PAIRS, ids=lambda part: f"{type(part).__name__}{getattr(part, 'prediction', '')}"
)


def shown(network: Network, seen: Tensor) -> object:
    return network.condition((Tokens(seen),))


def draw() -> tuple[Tensor, Tensor]:
    """Observations and noise."""
    return torch.randn(B, OBSERVATION_STEPS, WIDTH), torch.randn(B, N, HORIZON, ACTION_DIM)


def by_hand(
    network: Network, objective: DenoisingObjective, sampler: Sampler, guidance: Guidance, seen: Tensor, noise: Tensor
) -> Tensor:
    """Every candidate of every observation in a batch of its own."""
    path, keep = objective.sampling_path, "kept_noise" in sampler.needs
    chunks = torch.empty_like(noise)
    for b in range(B):
        for n in range(N):
            denoise = objective.denoiser(network, shown(network, seen[b : b + 1]), keep_noise=keep)
            around = Situation(path=path, bound=objective.data_bound, keep_noise=keep)
            bend = guidance.wrap_flow_map if "flow_map" in sampler.needs else guidance.wrap
            chunks[b, n] = sampler(bend(denoise, around), path, noise[b, n][None])[0]
    return chunks


@every_pair
@every_network
@torch.no_grad()
def test_candidates_are_those_sampled_one_by_one(
    config: NetworkConfig, objective: DenoisingObjective, sampler: Sampler
) -> None:
    network, (seen, noise) = awake(build(config), by=0.1), draw()
    head = heads.make(network, objective, sampler, NoGuidance())
    found = head.propose(shown(network, seen), noise)
    assert torch.equal(found.noise, noise) and found.energies == {}
    expected = by_hand(network, objective, sampler, NoGuidance(), seen, noise)
    torch.testing.assert_close(found.chunks, expected, rtol=1e-3, atol=1e-4)
    assert not torch.isclose(found.chunks[:, 0], found.chunks[:, 1], atol=1e-3).all()


@every_pair
@torch.no_grad()
def test_guidance_is_told_the_path_the_bound_and_whether_noise_is_kept(
    objective: DenoisingObjective, sampler: Sampler
) -> None:
    network, (seen, noise) = awake(build(NETWORKS[0]), by=0.1), draw()
    head = Denoising(network, objective, sampler, Smoothness(0.1))
    found = head.propose(shown(network, seen), noise).chunks
    expected = by_hand(network, objective, sampler, Smoothness(0.1), seen, noise)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    free = Denoising(network, objective, sampler, NoGuidance()).propose(shown(network, seen), noise).chunks
    assert (found - free).abs().max() > 1e-3


@torch.no_grad()
def test_guidance_follows_the_energy_of_the_situation_in_its_units() -> None:
    """A limit that is told in units is kept by chunks that would not keep it."""
    network, (seen, noise) = awake(build(NETWORKS[0]), by=0.1), draw()
    world = World(
        scene=Scene(),
        energy=energies.StayAbove(dimension=0, limit=100.0),
        physical=lambda chunks: 100 + 50 * chunks,
        normalised=lambda chunks: (chunks - 100) / 50,
    )
    least = [
        Denoising(network, Diffusion(), DDIM(5), guidance)
        .propose(shown(network, seen), noise, Given(world))
        .chunks[..., 0]
        for guidance in (NoGuidance(), Gradient(1.0))
    ]
    assert least[0].min() < -0.05 and least[1].min() > -1e-5
    torch.testing.assert_close(least[1].clamp_min(0), least[1], rtol=0, atol=1e-5)


class Watcher(Guidance):
    """Keeps the situation it is given."""

    def wrap(self, denoise, situation):  # type: ignore[no-untyped-def]
        object.__setattr__(self, "situation", situation)
        return denoise


@torch.no_grad()
def test_a_guidance_can_ask_the_network_under_another_condition() -> None:
    """As guidance by the difference of two conditions does."""
    network, (seen, noise) = awake(build(NETWORKS[0])), draw()
    objective, guidance = Diffusion(clip_range=None), Watcher()
    Denoising(network, objective, DDIM(2), guidance).propose(shown(network, seen), noise)
    around, start = guidance.situation, noise.flatten(0, 1)
    assert around.candidates == N and around.path == objective.sampling_path and around.world is None
    own = repeat_rows(shown(network, seen), N)
    for mine, theirs in zip(own[0], around.condition[0], strict=True):
        assert (mine is None and theirs is None) or torch.equal(mine, theirs)
    other, t = repeat_rows(shown(network, seen + 1), N), torch.full((B * N,), 0.3)
    for condition in (own, other):
        found, expected = around.denoiser(condition)(start, t), objective.denoiser(network, condition)(start, t)
        torch.testing.assert_close(found.x1, expected.x1)
    assert not torch.allclose(around.denoiser(own)(start, t).x1, around.denoiser(other)(start, t).x1, atol=1e-3)


@pytest.mark.parametrize(
    ("objective", "sampler"),
    [
        (Diffusion(), Ancestral(4)),
        (Diffusion(path=DiffusersPath()), AncestralLeading(4)),
        (FlowMatching(), Langevin(3, corrections=2)),
        (Diffusion(), PredictorCorrector(3)),
    ],
    ids=["ancestral", "leading", "langevin", "predictor_corrector"],
)
@torch.no_grad()
def test_a_stochastic_sampler_draws_from_the_generator_for_all_candidates(
    objective: DenoisingObjective, sampler: Sampler
) -> None:
    network, (seen, noise) = awake(build(NETWORKS[0]), by=0.1), draw()
    head = heads.make(network, objective, sampler, NoGuidance())

    def proposed(seed: int) -> Tensor:
        return head.propose(shown(network, seen), noise, Given(generator=torch.Generator().manual_seed(seed))).chunks

    denoise = objective.denoiser(network, repeat_rows(shown(network, seen), N))
    generator = torch.Generator().manual_seed(1)
    expected = sampler(denoise, objective.sampling_path, noise.flatten(0, 1), generator).unflatten(0, (B, N))
    torch.testing.assert_close(proposed(1), expected, rtol=1e-3, atol=1e-4)
    assert not torch.isclose(proposed(1), proposed(2), atol=1e-3).all()
    assert not Denoising.deterministic(sampler) and Denoising.deterministic(DDIM())


@every_pair
@torch.no_grad()
def test_the_network_is_called_as_often_as_the_sampler_says_and_digests_nothing(
    objective: DenoisingObjective, sampler: Sampler
) -> None:
    """All candidates go through it together."""
    network, (seen, noise) = awake(build(NETWORKS[0])), draw()
    condition, rows = shown(network, seen), []
    network.embed_actions.register_forward_hook(lambda module, args, out: rows.append(len(out)))
    network.embed_observation.register_forward_hook(lambda *_: pytest.fail("digested again"))
    heads.make(network, objective, sampler, NoGuidance()).propose(condition, noise)
    assert rows == [B * N] * sampler.num_calls


@every_pair
def test_the_loss_is_the_objectives_mean_over_actions_that_count(
    objective: DenoisingObjective, sampler: Sampler
) -> None:
    network, (seen, chunks) = awake(build(NETWORKS[0])), draw()
    head, condition = heads.make(network, objective, sampler, NoGuidance()), shown(network, seen)
    valid = torch.arange(HORIZON) < torch.tensor([HORIZON, 2, 0])[:, None]
    torch.manual_seed(1)
    error = head.error(condition, chunks[:, 0], valid)
    torch.manual_seed(1)
    assert torch.equal(error, objective.loss(network, chunks[:, 0], condition, valid))
    torch.manual_seed(1)
    expected = torch.stack([error[0].mean(), error[1, :2].mean(), torch.tensor(0.0)])
    torch.testing.assert_close(head.loss(condition, chunks[:, 0], valid), expected)
    torch.testing.assert_close(mean_error(error, valid), expected)


LEGAL = [
    (Diffusion(), DDIM(), 0.5),
    (Diffusion(), Ancestral(), 1.0),
    (Diffusion(prediction="epsilon"), DDIM(), 1.0),
    (Diffusion(prediction="epsilon", clip_range=None, path=DiffusersPath()), DDIMLeading(), 1.0),
    (Diffusion(prediction="v", clip_range=None), Heun(), 1.0),
    (Shortcut(), Jump(), 1.0),
]


@pytest.mark.parametrize(("objective", "sampler", "scale"), LEGAL)
def test_what_fits_is_legal(objective: DenoisingObjective, sampler: Sampler, scale: float) -> None:
    heads.head_of(objective).check(objective, sampler, NoGuidance(), scale)


@pytest.mark.parametrize(
    ("objective", "sampler", "scale", "message"),
    [
        (Diffusion(), Ancestral(), 0.5, "noise_scale = 0.5: must be 1 with the stochastic sampler.type = ancestral"),
        (Diffusion(), Jump(), 1.0, "sampler.type = jump needs a flow_map, which objective.type = diffusion"),
        (
            FlowMatching(),
            DDIMLeading(),
            1.0,
            "needs a diffusion_steps, kept_noise, which objective.type = flow_matching",
        ),
        (Diffusion(prediction="epsilon", clip_range=None), DDIM(), 1.0, "objective.clip_range = null: with objective."),
        (Diffusion(path=DiffusersPath()), DDIMLeading(101), 1.0, "sampler.num_steps = 101: legal are 1 to 100"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    objective: DenoisingObjective, sampler: Sampler, scale: float, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        heads.head_of(objective).check(objective, sampler, NoGuidance(), scale)


@pytest.mark.parametrize("objective", [Diffusion(), FlowMatching(), Shortcut()], ids=lambda o: type(o).__name__)
def test_a_refusal_names_only_samplers_that_are_legal(objective: DenoisingObjective) -> None:
    legal = {name: made for name, made in Sampler.get_known_choices().items() if made.needs <= objective.gives}
    wrong = [made for name, made in Sampler.get_known_choices().items() if name not in legal]
    assert legal and wrong
    for sampler in wrong:
        with pytest.raises(ValueError, match="does not give; legal are") as refused:
            Denoising.check(objective, sampler(), NoGuidance(), 1.0)
        assert set(re.findall(r"'(\w+)'", str(refused.value).rpartition("legal are")[2])) == set(legal)
