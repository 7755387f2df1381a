"""Principal components against the closed form: white latents, the smallest error there is, learned once."""

import re

import torch
from refusals import refusal
from torch import Tensor

from lerobot_dp_plus.tokenizers import Pca, TokenizerConfig

SMALL = Pca(components=5, size=3, crops=40)


def crops(count: int = 40, rank: int = 12) -> Tensor:
    """Crops that vary in `rank` directions, more in some than in others."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(rank, 27, generator=generator) * torch.linspace(3, 0.5, rank)[:, None]
    return (2 + torch.randn(count, rank, generator=generator) @ directions).unflatten(1, (3, 3, 3))


def learned(config: Pca = SMALL, seen: Tensor | None = None):
    made = config.build()
    made.learn(crops() if seen is None else seen)
    assert made.ready
    return made


def test_latents_are_white_and_what_is_left_is_the_least_possible() -> None:
    made, seen = learned(), crops()
    latents = made.encode(seen)
    torch.testing.assert_close(latents.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(latents.T), torch.eye(5), atol=1e-3, rtol=0)
    flat = seen.flatten(1).double()
    variances = torch.linalg.eigvalsh(torch.cov(flat.T)).flip(0)
    error = (made.decode(latents).flatten(1) - flat).square().sum(1).sum() / 39
    torch.testing.assert_close(error, variances[5:].sum(), rtol=1e-4, atol=1e-4)


def test_it_is_learned_from_the_first_crops_and_then_stays() -> None:
    whole, parts = learned(), SMALL.build()
    for some in crops().split(17):
        assert not parts.ready
        parts.learn(some)
    parts.learn(100 * crops())
    assert parts.ready and torch.equal(parts.encode(crops()), whole.encode(crops()))
    more = learned(seen=torch.cat([crops(), 100 * torch.ones(9, 3, 3, 3)]))
    assert torch.equal(more.encode(crops()), whole.encode(crops()))


def test_an_interrupted_one_goes_on() -> None:
    first, second = crops().split(25)
    made, resumed = SMALL.build(), SMALL.build()
    made.learn(first)
    resumed.load_state_dict(made.state_dict())
    for each in (made, resumed):
        each.learn(second)
    assert resumed.ready and torch.equal(made.encode(crops()), resumed.encode(crops()))


def test_pictures_that_hardly_vary_give_no_noise() -> None:
    made = learned(seen=crops(rank=2))
    latents = made.encode(crops(rank=2))
    assert latents[:, :2].std() > 0.9 and not latents[:, 2:].any()
    assert not learned(seen=torch.ones(40, 3, 3, 3)).encode(torch.zeros(2, 3, 3, 3)).any()


def test_what_does_not_fit_is_named() -> None:
    few = refusal(Pca, crops=20)
    assert "tokenizer.size = 0: must be at least 1" in refusal(Pca, size=0)
    assert "tokenizer.components = 0: must be at least 1 and at most 255" in refusal(Pca, components=0)
    assert "tokenizer.components = 48: must be at least 1 and at most 19" in few and "tokenizer.crops = 20" in few
    assert re.search(r"at most 12, as there are .* crops of 3·2² numbers", refusal(Pca, size=2))


def test_it_is_the_one_that_is_meant_without_a_type() -> None:
    assert TokenizerConfig.get_choice_class(TokenizerConfig.default_choice_name()) is Pca
