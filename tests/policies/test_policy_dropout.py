"""Training with dropped observations, and guidance by the contrast with them, in a whole policy."""

import pytest
import torch
from policies.tiny import said, trained
from torch import Tensor

from lerobot_dp_plus.encoders import HashedWords, WordNgrams
from lerobot_dp_plus.guidance import ClassifierFree
from lerobot_dp_plus.notation import UNSEEN, Tokens, unseen
from lerobot_dp_plus.policies.batch_loss import batch_loss, split_batch
from lerobot_dp_plus.samplers import DDIM


def one_step(weight: float, **more):
    torch.manual_seed(3)
    return trained(
        "dp_plus_transformer",
        sampler=DDIM(num_steps=1),
        condition_dropout=0.5,
        guidance=ClassifierFree(weight=weight),
        **more,
    )


def window_of(policy, batch: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(4)
    config = policy.config
    return {key: torch.rand(batch, config.n_obs_steps, *shape) for key, shape in config.observed_features.items()}


def test_only_the_rows_that_are_named_are_hidden() -> None:
    span = Tokens(torch.rand(3, 2, 4), torch.ones(3, 2, dtype=torch.bool))
    (found,) = unseen([span], torch.tensor([False, True, False]))
    assert (found.values[1] == UNSEEN).all() and torch.equal(found.values[[0, 2]], span.values[[0, 2]])
    assert found.valid is span.valid
    assert (unseen([span])[0].values == UNSEEN).all()


def test_a_weight_goes_beyond_what_the_observation_says() -> None:
    """One network call: the chunk is x̂₁(∅) + w·(x̂₁(o) − x̂₁(∅)), within the bound."""
    made = {weight: one_step(weight) for weight in (0.0, 1.0, 1.5)}
    for policy in made.values():
        policy.load_state_dict(made[1.0].state_dict())
    window = window_of(made[1.0])
    noise = torch.randn(3, 1, made[1.0].config.horizon, 2)
    nothing, seen, more = (made[weight].sample(window, noise) for weight in (0.0, 1.0, 1.5))
    bound = made[1.0].config.objective.data_bound
    torch.testing.assert_close(more, (nothing + 1.5 * (seen - nothing)).clamp(-bound, bound), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(nothing, seen, atol=1e-3)
    # Without an observation all observations are the same.
    same = made[0.0].sample(window, noise[:1].expand_as(noise))
    torch.testing.assert_close(same, same[:1].expand_as(same))


def test_in_training_a_share_of_the_observations_is_hidden(monkeypatch) -> None:
    policy = one_step(1.0)
    config = policy.config
    count = 400
    batch = {
        key: torch.rand(count, len(config.windows.observations), *shape)
        for key, shape in config.training_features.items()
    }
    batch["action"] = torch.rand(count, config.horizon, 2)
    shown: list[Tensor] = []
    condition = type(policy.model.network).condition
    monkeypatch.setattr(
        type(policy.model.network),
        "condition",
        lambda network, tokens: shown.append(tokens[0].values) or condition(network, tokens),
    )
    policy.train()
    policy(batch)
    hidden = (shown[0] == UNSEEN).flatten(1).all(1)
    assert 0.4 < hidden.float().mean() < 0.6
    policy.eval()
    with torch.no_grad():
        split, said = split_batch(policy.model, config, batch)
        batch_loss(policy.model, config, split, said, every=True)
    assert not (shown[1] == UNSEEN).any(), "a held-out loss sees everything"


def test_a_policy_that_never_did_without_is_not_asked_to() -> None:
    with pytest.raises(
        ValueError, match=r"guidance\.weight = 2\.0: must be 1 with this policy.*condition_dropout=0\.1"
    ):
        trained("dp_plus_transformer", guidance=ClassifierFree(weight=2.0))
    trained("dp_plus_transformer", guidance=ClassifierFree(weight=1.0))
    for value in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"condition_dropout = .*: must be at least 0 and less than 1"):
            trained("dp_plus_transformer", condition_dropout=value)


def test_guidance_of_the_words_contrasts_with_silence() -> None:
    """One network call: the chunk is x̂₁(∅) + w·(x̂₁(said) − x̂₁(∅)), ∅ the same observation without a word."""
    torch.manual_seed(3)
    words = WordNgrams(buckets=64, dim=8, max_words=4, dropped=0.1)
    stressed = {"sampler": DDIM(num_steps=1), "words": words, "guidance": ClassifierFree(1.5, of="words")}
    more = trained("dp_plus_transformer", **stressed)
    plain = trained("dp_plus_transformer", sampler=DDIM(num_steps=1), words=words)
    plain.load_state_dict(more.state_dict())
    window, noise = window_of(more), torch.randn(3, 1, more.config.horizon, 2)
    told, silence = (said(more.config, [task] * 3) for task in ("go left", ""))
    heard, nothing = (plain.sample({**window, **words}, noise) for words in (told, silence))
    bound = more.config.objective.data_bound
    expected = (nothing + 1.5 * (heard - nothing)).clamp(-bound, bound)
    torch.testing.assert_close(more.sample({**window, **told}, noise), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(heard, nothing, atol=1e-4)


def test_guidance_of_the_words_needs_sentences_that_were_hidden() -> None:
    with pytest.raises(
        ValueError, match=r"words\.dropped = 0: it was not .*train one with --policy\.words\.dropped=0\.1"
    ):
        trained(words=HashedWords(), guidance=ClassifierFree(2.0, of="words"))
    with pytest.raises(ValueError, match=r"guidance\.of = 'smell': legal are observation, words"):
        ClassifierFree(of="smell")
