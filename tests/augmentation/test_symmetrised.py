"""Symmetrised proposals are as symmetric as the task, with any policy and in any units."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.fork_modes import window_of
from benchmarks.forks import around
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.augmentation import NoAugmentation, PushTMirror, Symmetrised, Symmetry
from lerobot_dp_plus.augmentation.pusht_mirror import ACTION, ENVIRONMENT_STATE, STATE, mirror
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.units import Units

IMAGE, WORDS = "observation.image", "words"
CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"


def units() -> Units:
    """Every coordinate has an offset and a scale of its own, as with mean and standard deviation."""
    made = Units({STATE: 2, ENVIRONMENT_STATE: 16, ACTION: 2})
    made.learn(
        {
            key: (200 + 100 * torch.rand(dim), 50 + 100 * torch.rand(dim))
            for key, dim in zip(made.keys, (2, 16, 2), strict=True)
        }
    )
    return made


def symmetrised(known: Units) -> Symmetrised:
    return Symmetrised(PushTMirror(), known.physical, known.normalised, frozenset(known.keys))


def window(batch: int = 3) -> dict[str, Tensor]:
    return {
        STATE: torch.randn(batch, 2, 2),
        ENVIRONMENT_STATE: torch.randn(batch, 2, 16),
        IMAGE: torch.randn(batch, 2, 3, 6, 6),
        WORDS: torch.randn(batch, 5),
    }


def test_normalised_values_are_mirrored_in_the_units_of_the_dataset() -> None:
    known, seen = units(), window()
    image = symmetrised(known).mirrored(seen)
    for key in (STATE, ENVIRONMENT_STATE):
        torch.testing.assert_close(known.physical(key, image[key]), mirror(key, known.physical(key, seen[key])))
        assert (image[key] - seen[key]).abs().max() > 0.5
    assert torch.equal(image[IMAGE], mirror(IMAGE, seen[IMAGE])) and torch.equal(image[WORDS], seen[WORDS])


def test_twice_is_not_at_all() -> None:
    symmetry, seen, chunks = symmetrised(units()), window(), torch.randn(3, 4, 8, 2)
    twice = symmetry.mirrored(symmetry.mirrored(seen))
    for key, value in seen.items():
        torch.testing.assert_close(twice[key], value, rtol=0, atol=1e-5)
    torch.testing.assert_close(symmetry.mirrored_back(symmetry.mirrored_back(chunks)), chunks, rtol=0, atol=1e-5)
    assert symmetry.mirrored_back(chunks).dtype == chunks.dtype


def test_without_conversions_units_are_the_datasets() -> None:
    chunks = 512 * torch.rand(2, 3, 8, 2)
    assert torch.equal(Symmetrised(PushTMirror()).mirrored_back(chunks), 512 - chunks.flip(-1))


def test_halves_are_told_apart() -> None:
    symmetry, seen = symmetrised(units()), window(3)
    both = symmetry.both(seen)
    assert all(len(value) == 6 and torch.equal(value[:3], seen[key]) for key, value in both.items())
    assert all(torch.equal(value[3:], symmetry.mirrored(seen)[key]) for key, value in both.items())
    chunks = torch.randn(6, 4, 8, 2)
    together = symmetry.together(chunks)
    assert together.shape == (3, 8, 8, 2) and torch.equal(together[:, :4], chunks[:3])
    assert torch.equal(together[:, 4:], symmetry.mirrored_back(chunks[3:]))
    with pytest.raises(ValueError, match="chunks of 3 observations; must be an even number"):
        symmetry.together(chunks[:3])


def test_an_augmentation_without_a_mirror_is_no_symmetry() -> None:
    assert isinstance(PushTMirror(), Symmetry) and not isinstance(NoAugmentation(), Symmetry)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_policy(CARD, device="cpu")


def proposed(loaded: Loaded, seen: dict[str, Tensor], noise: Tensor) -> Tensor:
    """Chunks (B, N, H, 2) of the policy, symmetrised, in pixels; both halves start from noise (B, N/2, H, 2)."""
    known = loaded.policy.model.units
    symmetry = symmetrised(known)
    chunks = loaded.policy.sample(symmetry.both(seen), torch.cat([noise, noise]), noise.shape[1])
    return known.physical(ACTION, symmetry.together(chunks))


def test_at_a_fork_the_halves_are_mirror_images(loaded: Loaded) -> None:
    """Of an observation that is its own mirror image, with equal noise for both halves."""
    for seed in (90_000, 90_001, 90_002):
        noise = torch.randn(1, 16, 8, 2)
        chunks = proposed(loaded, window_of(loaded, around(seed)), noise)
        torch.testing.assert_close(chunks[:, 16:], 512 - chunks[:, :16].flip(-1), rtol=0, atol=1e-2)
        assert (chunks[:, 16:] - chunks[:, :16]).abs().max() > 10


def test_proposals_for_the_mirror_image_are_mirror_images_of_the_proposals(loaded: Loaded) -> None:
    """Anywhere. The policy alone is not symmetric, although it was trained with mirror images."""
    known = loaded.policy.model.units
    seen = {
        key: known.normalised(key, 100 + 300 * torch.rand(1, 2, dim))
        for key, dim in ((STATE, 2), (ENVIRONMENT_STATE, 16))
    }
    image, noise = symmetrised(known).mirrored(seen), torch.randn(1, 16, 8, 2)
    straight, mirrored = (proposed(loaded, one, noise) for one in (seen, image))
    reflected = 512 - mirrored.flip(-1)
    torch.testing.assert_close(straight, torch.cat([reflected[:, 16:], reflected[:, :16]], dim=1), rtol=0, atol=1e-2)
    alone = [known.physical(ACTION, loaded.policy.sample(one, noise, 16)).mean(1) for one in (seen, image)]
    assert (alone[0] - (512 - alone[1].flip(-1))).abs().max() > 1
