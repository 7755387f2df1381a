"""Half of the candidates from the mirrored observation: the set is as symmetric as the observation, everywhere in the policy."""

import math
from pathlib import Path

import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from several import acting
from tiny import IMAGES, TWO_CAMERAS, policy
from torch import Tensor

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.augmentation.pusht_mirror import ACTION, ENVIRONMENT_STATE, STATE, mirror
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.selection import Densest

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
N, H, NOW = 8, 8, 1
SWITCHED = {"selection": {"num_candidates": N}, "symmetrise": True}


@pytest.fixture(scope="module")
def plain():
    return load_policy(CARD, device="cpu", selection={"num_candidates": N})


@pytest.fixture(scope="module")
def both():
    return load_policy(CARD, device="cpu", **SWITCHED)


def on_the_axis(made) -> dict[str, Tensor]:
    """Two observations that are their own mirror images, (2, 2, ...) normalised."""
    torch.manual_seed(3)
    somewhere = {STATE: 100 + 300 * torch.rand(2, 2, 2), ENVIRONMENT_STATE: 100 + 300 * torch.rand(2, 2, 16)}
    units = made.policy.model.units
    return {key: units.normalised(key, (v + mirror(key, v)) / 2) for key, v in somewhere.items()}


def anywhere(made) -> dict[str, Tensor]:
    torch.manual_seed(4)
    units = made.policy.model.units
    return {
        key: units.normalised(key, 100 + 300 * torch.rand(2, 2, dim))
        for key, dim in ((STATE, 2), (ENVIRONMENT_STATE, 16))
    }


def reflected(made, chunks: Tensor) -> Tensor:
    """Normalised chunks, mirrored."""
    units = made.policy.model.units
    return units.normalised(ACTION, mirror(ACTION, units.physical(ACTION, chunks)))


def mirrored(made, window: dict[str, Tensor]) -> dict[str, Tensor]:
    units = made.policy.model.units
    return {key: units.normalised(key, mirror(key, units.physical(key, value))) for key, value in window.items()}


def twice(noise: Tensor) -> Tensor:
    return torch.cat([noise, noise], 1)


def test_of_a_symmetric_observation_the_set_is_symmetric(both) -> None:
    noise = twice(torch.randn(2, N // 2, H, 2))
    chunks = both.policy.sample(on_the_axis(both), noise)
    torch.testing.assert_close(chunks[:, N // 2 :], reflected(both, chunks[:, : N // 2]), rtol=0, atol=1e-4)
    assert (chunks[:, N // 2 :] - chunks[:, : N // 2]).abs().max() > 0.05


def test_halves_are_the_policys_own_chunks_for_both_observations(plain, both) -> None:
    window, noise = anywhere(both), torch.randn(2, N, H, 2)
    chunks = both.policy.sample(window, noise)
    straight = plain.policy.sample(window, noise[:, : N // 2], N // 2)
    images = plain.policy.sample(mirrored(plain, window), noise[:, N // 2 :], N // 2)
    torch.testing.assert_close(chunks[:, : N // 2], straight, rtol=0, atol=1e-4)
    torch.testing.assert_close(chunks[:, N // 2 :], reflected(plain, images), rtol=0, atol=1e-4)
    assert torch.equal(both.policy.propose(window, noise).noise, noise)


def test_off_is_what_it_was_to_the_last_bit(plain) -> None:
    window, noise = anywhere(plain), torch.randn(2, N, H, 2)
    off = load_policy(CARD, device="cpu", selection={"num_candidates": N}, symmetrise=False)
    found, expected = (made.policy.propose(window, noise) for made in (off, plain))
    assert torch.equal(found.chunks, expected.chunks) and torch.equal(found.energies["end"], expected.energies["end"])


def test_energies_are_those_of_the_joined_chunks_under_the_true_observation(plain, both) -> None:
    window, noise = anywhere(both), torch.randn(2, N, H, 2)
    names = ("end", "imitation")
    found = both.policy.propose(window, noise, energies=names)
    # The same chunks, decided whole, of the policy as it is.
    for n in range(N):
        told = plain.policy.propose(window, candidates=1, energies=names, fixed=found.chunks[:, n])
        for name in names:
            torch.testing.assert_close(told.energies[name][:, 0], found.energies[name][:, n], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "switches",
    [
        {"sampler": {"type": "ancestral", "num_steps": 4}},
        {"sampler": {"type": "ancestral", "num_steps": 4}, "guidance": {"type": "diffuser", "strength": 0.05}},
        {"guidance": {"type": "gradient", "strength": 0.5}},
        {"guidance": {"type": "gradient", "strength": 0.01, "jacobian": True}},
    ],
    ids=["stochastic", "diffuser", "gradient", "jacobian"],
)
def test_equal_noise_means_equal_chunks(switches: dict) -> None:
    goal = {"energies": {"goal": {"weight": 0.01, "target": [100, 200]}}}
    made = load_policy(CARD, device="cpu", **SWITCHED, **goal, **switches)
    window, noise = anywhere(made), torch.randn(2, N, H, 2)
    first = made.policy.sample(window, noise)
    assert torch.equal(made.policy.sample(window, noise), first) and first.isfinite().all()


def test_guidance_follows_energies_where_chunks_are_executed(both) -> None:
    """A goal off the axis pulls both halves to itself, and not to its mirror image."""
    goal = {
        "energies": {"goal": {"weight": 1.0, "target": [100, 200]}},
        "guidance": {"type": "gradient", "strength": 1},
    }
    led = load_policy(CARD, device="cpu", **SWITCHED, **goal)
    window, noise = on_the_axis(led), twice(torch.randn(2, N // 2, H, 2))
    ends = led.policy.model.units.physical(ACTION, led.policy.sample(window, noise))[:, :, -1]
    torch.testing.assert_close(ends, torch.tensor([100.0, 200.0]).expand(2, N, 2), rtol=0, atol=0.05)


def test_rules_are_kept_where_chunks_are_executed(both) -> None:
    window, noise = anywhere(both), torch.randn(2, N, H, 2)
    way = both.policy.model.units.physical(ACTION, both.policy.sample(window, noise))[:, :, NOW:]
    circle = [*way.mean((0, 1, 2)).tolist(), 60.0]
    rule = {
        "energies": {"obstacles": {"weight": 1, "circles": [circle]}},
        "projection": {"type": "kaczmarz", "steps": 40},
    }
    kept = load_policy(CARD, device="cpu", **SWITCHED, **rule, forward={"type": "identity", "steps_between": 1})
    ahead = kept.policy.model.units.physical(ACTION, kept.policy.sample(window, noise))[:, :, NOW:]
    centre = torch.tensor(circle[:2])
    assert ((way - centre).norm(dim=-1) < 59).any() and ((ahead - centre).norm(dim=-1) > 60 - 0.05).all()


def test_what_is_fixed_stays_so_in_both_halves(plain, both) -> None:
    fixed = torch.full((2, H, 2), float("nan"))
    fixed[:, NOW, :], fixed[:, 4, 0] = 0.3, -0.2  # also a single coordinate, whose mirror image is the other one
    window, noise = anywhere(both), torch.randn(2, N, H, 2)
    chunks = both.policy.propose(window, noise, fixed=fixed).chunks
    assert chunks.isfinite().all()
    decided = ~fixed.isnan()[:, None].expand_as(chunks)
    assert torch.equal(chunks[decided], fixed[:, None].expand_as(chunks)[decided])
    # The network saw it in the mirror image, too.
    image = mirrored(plain, window)
    drawn = plain.policy.propose(image, noise[:, N // 2 :], N // 2, fixed=reflected(plain, fixed)).chunks
    torch.testing.assert_close(chunks[:, N // 2 :], reflected(plain, drawn), rtol=0, atol=1e-4)


def test_chunks_near_a_given_one_are_drawn_near_it_in_both_halves(plain, both) -> None:
    window, noise = anywhere(both), torch.randn(2, N, H, 2)
    start = plain.policy.sample(window, candidates=1)[:, 0]
    chunks = both.policy.propose(window, noise, start=start, start_time=0.7).chunks
    straight = plain.policy.propose(window, noise[:, : N // 2], N // 2, start=start, start_time=0.7).chunks
    back = reflected(plain, start[:, None])[:, 0]
    seen = mirrored(plain, window)
    images = plain.policy.propose(seen, noise[:, N // 2 :], N // 2, start=back, start_time=0.7).chunks
    torch.testing.assert_close(chunks[:, : N // 2], straight, rtol=0, atol=1e-4)
    torch.testing.assert_close(chunks[:, N // 2 :], reflected(plain, images), rtol=0, atol=1e-4)


def test_the_density_is_the_mean_of_both_and_symmetric(plain, both) -> None:
    window, chunks = anywhere(both), plain.policy.sample(anywhere(plain), torch.randn(2, 3, H, 2), 3)
    found = both.policy.log_prob(window, chunks)
    one, other = (
        plain.policy.log_prob(window, chunks),
        plain.policy.log_prob(mirrored(plain, window), reflected(plain, chunks)),
    )
    torch.testing.assert_close(found, torch.logaddexp(one, other) - math.log(2), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(found, one, atol=1e-2)
    image = both.policy.log_prob(mirrored(both, window), reflected(both, chunks))
    torch.testing.assert_close(image, found, rtol=1e-3, atol=1e-2)


def test_an_episode_draws_both_halves(both) -> None:
    both.policy.reset()
    both.policy.predict_action_chunk(on_the_axis(both), noise=twice(torch.randn(2, N // 2, H, 2)))
    chunks = both.policy.episode.replan.proposed.chunks
    torch.testing.assert_close(chunks[:, N // 2 :], reflected(both, chunks[:, : N // 2]), rtol=0, atol=1e-4)
    found = both.policy.candidates({key: value[:, -1] for key, value in on_the_axis(both).items()}, 6, log_prob=True)
    assert found.chunks.shape[:2] == found.log_prob.shape == (2, 6)


def test_what_has_no_mirror_or_no_half_is_refused_by_name(both) -> None:
    for switches, said in (
        ({"augmentation": {"type": "none"}}, r"augmentation\.type = none has no mirror; legal are \['pusht_mirror'\]"),
        (
            {"selection": {"num_candidates": 5}},
            r"num_candidates = 5: .*draw 6, as with .*lowest_energy .*num_candidates=6",
        ),
        ({"selection": {"type": "first"}}, r"= 1: .*draw 2, as with .*lowest_energy .*num_candidates=2"),
    ):
        with pytest.raises(ValueError, match=said):
            load_policy(CARD, device="cpu", **{**SWITCHED, **switches})
    frame = {key: value[:, -1] for key, value in anywhere(both).items()}
    for draw in (lambda: both.policy.candidates(frame, 7), lambda: both.policy.sample(anywhere(both), candidates=7)):
        with pytest.raises(ValueError, match="= 7: with symmetrise = true half of the candidates are mirrored; draw 8"):
            draw()


PLACE = {STATE: PolicyFeature(FeatureType.STATE, (2,))}
SEEING = {
    "augmentation": PushTMirror(),
    "symmetrise": True,
    "selection": Densest(num_candidates=4),
    "image_encoder": SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8, feature_dim=16),
}


#: Normalised, in an arena of 512 pixels.
ON_AXIS = torch.tensor([0.3, -0.3]).expand(1, 2, 2)


def in_the_arena(**fields):
    """A tiny policy whose normalised −1 … 1 are 0 … 512 pixels."""
    made = acting(**fields)
    for model in (made.model, made._averaged_model):
        model.units.learn(dict.fromkeys(model.units.keys, (256.0, 256.0)))
    return made


def picture() -> Tensor:
    """One that is its own mirror image, (1, 2, 3, 32, 32)."""
    some = 3 * torch.randn(1, 2, 3, 32, 32)
    return (some + mirror("observation.image", some)) / 2


def test_pictures_are_mirrored_too() -> None:
    made = in_the_arena(inputs={**PLACE, **IMAGES}, **SEEING)
    seen, noise = {STATE: ON_AXIS, "observation.image": picture()}, twice(torch.randn(1, 2, 8, 2))
    chunks = made.sample(seen, noise)
    torch.testing.assert_close(chunks[:, 2:], -chunks[:, :2].flip(-1), rtol=0, atol=1e-5)
    lopsided = made.sample({**seen, "observation.image": 3 * torch.randn(1, 2, 3, 32, 32)}, noise)
    assert not torch.allclose(lopsided[:, 2:], -lopsided[:, :2].flip(-1), rtol=0, atol=1e-4)
    with pytest.raises(
        ValueError, match=r"observation\.images\.top of shape \(3, 24, 32\) is no square image of PushT"
    ):
        policy(inputs={**PLACE, **TWO_CAMERAS}, **SEEING)


def test_states_that_are_read_off_pictures_are_mirrored_after_reading(monkeypatch) -> None:
    reading = Regression(samples=2, state=STATE)
    made = in_the_arena(inputs={**PLACE, **IMAGES}, state_estimation=reading, **SEEING)
    monkeypatch.setattr(type(made.model), "estimated", lambda model, window: {STATE: ON_AXIS})
    chunks = made.sample({"observation.image": torch.rand(1, 2, 3, 32, 32)}, twice(torch.randn(1, 2, 8, 2)))
    torch.testing.assert_close(chunks[:, 2:], -chunks[:, :2].flip(-1), rtol=0, atol=1e-5)
