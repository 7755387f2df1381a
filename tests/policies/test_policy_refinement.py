"""A refinement in a policy: of the chosen chunk or of all candidates, in the dataset's units, in every mode of torch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.units import ACTION

FOLDER = Path(__file__).parent.parent / "checkpoints" / "format_3" / "dp_plus_transformer"
CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
NOW, H, N = 1, 8, 4
TARGET, WEIGHT, STEPS, STEP = [0.3, 0.4], 2.0, 3, 0.1
GOAL = {"energies": {"goal": {"weight": WEIGHT, "target": TARGET}}}
RANKED = {"selection": {"type": "lowest_energy", "energy": "goal", "num_candidates": N}}


def steps(**more) -> dict:
    return {"refinement": {"type": "gradient", "steps": STEPS, "step": STEP, **more}}


def window(made, batch: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(5)
    return {key: torch.rand(batch, 2, *shape) * 2 - 1 for key, shape in made.policy.config.observed_features.items()}


def physical(made, chunks: Tensor) -> Tensor:
    return made.policy.model.units.physical(ACTION, chunks)


@pytest.fixture(scope="module")
def plain():
    return load_policy(FOLDER, **GOAL, **RANKED)


def by_hand(chunks: Tensor) -> Tensor:
    """The energy knows the last action alone, so that goes to the target geometrically."""
    target = torch.tensor(TARGET)
    moved = chunks.clone()
    moved[..., -1, :] = target + (1 - STEP * WEIGHT) ** STEPS * (chunks[..., -1, :] - target)
    return moved


def test_the_chosen_chunk_is_refined_and_tells_its_energy(plain) -> None:
    made, noise = load_policy(FOLDER, **GOAL, **RANKED, **steps()), torch.randn(3, N, H, 2)
    for each in (plain, made):
        each.policy.reset()
    before = plain.policy.predict_action_chunk(window(plain), noise=noise)
    after = made.policy.predict_action_chunk(window(made), noise=noise)
    torch.testing.assert_close(physical(made, after), by_hand(physical(plain, before)), rtol=1e-4, atol=1e-5)
    told = made.policy.chosen.energies["goal"][:, 0]
    away = physical(made, after)[:, -1] - torch.tensor(TARGET)
    torch.testing.assert_close(told, away.square().sum(-1) / 2, rtol=1e-4, atol=1e-6)
    proposed = made.policy.propose(window(made), noise)
    assert torch.equal(proposed.chunks, plain.policy.propose(window(made), noise).chunks), "candidates are as drawn"


def test_all_candidates_are_refined_before_the_choice(plain) -> None:
    made, noise = load_policy(FOLDER, **GOAL, **RANKED, **steps(of="candidates")), torch.randn(3, N, H, 2)
    before, after = (each.policy.propose(window(plain), noise) for each in (plain, made))
    expected = by_hand(physical(plain, before.chunks))
    torch.testing.assert_close(physical(made, after.chunks), expected, rtol=1e-4, atol=1e-5)
    factor = (1 - STEP * WEIGHT) ** (2 * STEPS)
    torch.testing.assert_close(after.energies["goal"], factor * before.energies["goal"], rtol=1e-3, atol=1e-6)
    with torch.inference_mode():
        torch.testing.assert_close(made.policy.propose(window(made), noise).chunks, after.chunks)


def test_what_is_fixed_stays_and_rules_are_kept_afterwards() -> None:
    rule = {"bounds": {"weight": 1e-6, "low": [-9, -9], "high": [0.35, 0.35]}, **GOAL["energies"]}
    projected = {"projection": {"type": "kaczmarz", "steps": 60}, "forward": {"type": "identity", "steps_between": 1}}
    made = load_policy(FOLDER, energies=rule, **projected, **steps(of="candidates", steps=20))
    fixed = torch.full((3, H, 2), float("nan"))
    fixed[:, 3, 1] = -0.9
    found = made.policy.propose(window(made), candidates=N, fixed=fixed)
    assert torch.equal(found.chunks[:, :, 3, 1], fixed[:, None, 3, 1].expand(3, N))
    free = fixed.isnan()[:, None].expand_as(found.chunks)[:, :, NOW:]
    assert (physical(made, found.chunks)[:, :, NOW:][free] <= 0.35 + 1e-3).all()


@pytest.mark.parametrize("place", ["chosen", "candidates"])
def test_a_learned_energy_falls_also_under_inference_mode(place: str) -> None:
    learned = {"energies": {"end": {"weight": 1}}, "selection": {"num_candidates": N}}
    plain = load_policy(CARD, device="cpu", **learned)
    made = load_policy(
        CARD,
        device="cpu",
        **learned,
        refinement={"type": "gradient", "steps": 5, "step": 200, "reach": 20, "of": place},
    )
    seen, noise = window(made, 4), torch.randn(4, N, H, 2)
    energies, chunks = [], []
    for each in (plain, made):
        each.policy.reset()
        with torch.inference_mode():
            chunks.append(each.policy.predict_action_chunk(seen, noise=noise))
        energies.append(each.policy.chosen.energies["end"])
    assert (energies[1] <= energies[0] + 1e-5).all() and (energies[1] < energies[0] - 1e-4).any()
    assert not torch.equal(*chunks)
    if place == "chosen":
        assert (physical(made, chunks[1]) - physical(made, chunks[0])).abs().max() <= 20 + 1e-2


def test_none_is_as_it_was_to_the_last_bit(plain) -> None:
    noise = torch.randn(3, N, H, 2)
    for switches in ({"refinement": {"type": "none"}}, steps(steps=0), steps(step=0.0)):
        made = load_policy(FOLDER, **GOAL, **RANKED, **switches)
        assert torch.equal(
            made.policy.propose(window(made), noise).chunks, plain.policy.propose(window(made), noise).chunks
        )


def test_without_an_energy_it_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"refinement\.type = gradient follows the energies, and none has a weight"):
        load_policy(FOLDER, refinement={"type": "gradient"})
