"""The autoencoder of crops: what it keeps, that it is learned once, and that nobody else notices."""

import copy
from dataclasses import replace

import pytest
import torch
from refusals import refusal
from torch import Tensor

from lerobot_dp_plus.tokenizers import Autoencoder, Pca

SMALL = Autoencoder(channels=4, size=8, width=8, crops=64, updates=120)


def crops(count: int, seed: int = 1) -> Tensor:
    """Soft discs, each of its own place, size and colour: three numbers of place and size, three of colour."""
    generator = torch.Generator().manual_seed(seed)
    place, size = (
        8 * torch.rand(count, 2, 1, 1, generator=generator),
        4 + 8 * torch.rand(count, 1, 1, generator=generator),
    )
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    far = (rows - place[:, 0]) ** 2 + (columns - place[:, 1]) ** 2
    return 5 + torch.exp(-far / size)[:, None] * torch.randn(count, 3, 1, 1, generator=generator)


@pytest.fixture(scope="module")
def learned():
    made = SMALL.build()
    made.learn(crops(64))
    assert made.ready
    return made


def test_what_is_decoded_is_nearer_than_the_mean_also_of_crops_it_never_met(learned) -> None:
    for seen in (crops(64), crops(64, seed=2)):
        decoded = learned.decode(learned.encode(seen))
        assert decoded.shape == seen.shape
        assert (decoded - seen).square().mean() < 0.65 * seen.var()


def test_latents_have_unit_variance(learned) -> None:
    latents = learned.encode(crops(64))
    assert latents.shape == (64, SMALL.latents) == (64, 16)
    torch.testing.assert_close(latents.mean(0), torch.zeros(16), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(16), atol=1e-3, rtol=0)


def test_it_learns_from_its_crops_alone_and_leaves_the_trainings_numbers() -> None:
    short, made = replace(SMALL, updates=3), []
    for parts in (64, 40):
        torch.manual_seed(parts)
        made.append(short.build())
        before = torch.get_rng_state()
        for some in crops(64).split(parts):
            assert not made[-1].ready
            made[-1].learn(some)
        made[-1].learn(100 * crops(64))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*(each.encode(crops(9)) for each in made))


def test_it_is_saved_and_copied_and_never_trained(learned) -> None:
    assert not list(learned.parameters())
    loaded = SMALL.build()
    loaded.load_state_dict(learned.state_dict())
    for each in (loaded, copy.deepcopy(learned), copy.deepcopy(learned).half()):
        assert torch.equal(each.encode(crops(5)), learned.encode(crops(5)))


def test_fields_that_are_not_legal_are_named() -> None:
    assert "tokenizer.size = 10: must be a multiple of 4" in refusal(Autoencoder, size=10)
    assert "tokenizer.channels = 0" in refusal(Autoencoder, channels=0)
    assert "tokenizer.crops = 1: must be at least 2" in refusal(Autoencoder, crops=1)


def test_as_it_comes_it_makes_as_many_numbers_as_the_other_one() -> None:
    assert Autoencoder().latents == Pca().latents and Autoencoder().size == Pca().size
