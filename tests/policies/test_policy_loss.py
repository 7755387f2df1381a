"""The masked loss: its denominators, its parts, what is drawn for it."""

import pytest
import torch
from tiny import policy, step, trained, training_batch
from torch.utils._pytree import tree_leaves

from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.objectives import Diffusion
from lerobot_dp_plus.policies.randomness import drawing_from


@pytest.fixture
def made():
    return trained().train()


def element_errors(made, batch):
    """Squared errors (B, H, A) of batch 7's draw, nothing masked."""
    stream = torch.tensor([1, 7])
    observation = {"observation.state": batch["observation.state"]}
    everything = torch.ones_like(batch["action_is_pad"])
    with drawing_from(stream, stream.device):
        condition = made.model.network.condition(made.model.encoder(observation))
        return made.config.objective.loss(made.model.network, batch["action"], condition, everything)


def loss(made, batch, **kwargs):
    made.stream.copy_(torch.tensor([1, 7]))
    torch.manual_seed(7)  # for what is not training
    return made(batch, **kwargs)


def test_denominators(made):
    batch = training_batch(made.config)
    batch["action_is_pad"][:] = False
    batch["action_is_pad"][0, 5:] = True
    batch["action_is_pad"][1, 1:] = True
    error = element_errors(made, batch)
    kept = torch.cat([error[0, :5].flatten(), error[1, :1].flatten(), error[2].flatten()])
    mean, parts = loss(made, batch)
    torch.testing.assert_close(mean, kept.mean())
    none, _ = loss(made, batch, reduction="none")
    torch.testing.assert_close(none, torch.stack([error[0, :5].mean(), error[1, :1].mean(), error[2].mean()]))
    # Executed are steps 1, 2 and 3 of the horizon; of sample 1 none of them is valid.
    executed = torch.cat([error[0, 1:4].flatten(), error[2, 1:4].flatten()])
    assert parts["loss_executed"] == pytest.approx(executed.mean().item(), rel=1e-5)


def test_padding_counts_when_asked_to(made):
    made.config.mask_padded_actions = False
    batch = training_batch(made.config)
    torch.testing.assert_close(loss(made, batch)[0], element_errors(made, batch).mean())


def test_without_a_mask_everything_counts(made):
    batch = training_batch(made.config)
    del batch["action_is_pad"]
    batch_with = {**batch, "action_is_pad": torch.zeros(3, made.config.horizon, dtype=torch.bool)}
    assert torch.equal(loss(made, batch)[0], loss(made, batch_with)[0])


def test_fully_padded_is_zero_and_has_a_gradient(made):
    batch = training_batch(made.config)
    batch["action_is_pad"][1] = True
    none, _ = loss(made, batch, reduction="none")
    assert none[1] == 0 and (none[[0, 2]] > 0).all()
    batch["action_is_pad"][:] = True
    mean, parts = loss(made, batch)
    mean.backward()
    assert mean == 0 and parts["loss_executed"] == 0
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in made.model.parameters())


def test_padded_actions_do_not_matter():
    made = trained(network=TransformerConfig(dim=16, depth=1, num_heads=2, patch_size=1)).train()
    batch = training_batch(made.config)
    other = {**batch, "action": batch["action"].clone()}
    other["action"][0, -2:] = 0.123
    # A causal network with a token for every action: later steps cannot reach earlier ones.
    torch.testing.assert_close(loss(made, batch)[0], loss(made, other)[0])


def test_held_out_loss_is_that_of_the_averaged_weights(made):
    batch = training_batch(made.config)
    made.eval()
    with torch.no_grad():
        held_out = loss(made, batch)[0]
    raw = loss(made, batch)[0]  # with gradients: somebody trains
    assert raw.requires_grad and not torch.equal(raw, held_out)
    made.model.load_state_dict(made.ema.module.state_dict())
    torch.testing.assert_close(loss(made, batch)[0].detach(), held_out)


def test_every_training_batch_draws_anew_and_leaves_the_global_stream_alone(made):
    batch = training_batch(made.config)
    before = torch.get_rng_state()
    losses = {made(batch)[0].item() for _ in range(5)}
    assert len(losses) == 5 and torch.equal(torch.get_rng_state(), before)


def test_the_seed_decides_what_is_drawn():
    losses = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        made = policy()
        losses.append(made(training_batch(made.config))[0])
    assert torch.equal(losses[0], losses[1]) and not torch.equal(losses[0], losses[2])


def test_the_average_follows_the_weights():
    made = policy()
    optimizer = torch.optim.SGD(made.get_optim_params(), lr=0.5)
    step(made, optimizer)
    assert all(torch.equal(a, w) for a, w in zip(made.ema.module.parameters(), made.model.parameters(), strict=True))
    before = [w.detach().clone() for w in made.model.parameters()]
    step(made, optimizer)
    decay = 2 / 11  # warm-up: (1 + n) / (10 + n) at n = 1
    for average, old, new in zip(made.ema.module.parameters(), before, made.model.parameters(), strict=True):
        torch.testing.assert_close(average, decay * old + (1 - decay) * new.detach())


def test_without_an_average_there_is_none():
    from lerobot_dp_plus.ema import EmaConfig

    made = policy(ema=EmaConfig(enabled=False))
    step(made, torch.optim.SGD(made.get_optim_params(), lr=0.1))
    assert made.ema is None and not [key for key in made.state_dict() if key.startswith("ema")]


def test_noise_draws_average_over_draws_of_one_encoding(made, monkeypatch):
    batch = training_batch(made.config)
    seen = []
    monkeypatch.setattr(
        type(made.config.objective), "loss", lambda self, network, x1, condition, valid: seen.append((x1, valid)) or x1
    )
    made.config.noise_draws = 3
    encoded = []
    made.model.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(len(output[0].values)))
    each, _ = loss(made, batch, reduction="none")
    (x1, valid), kept = seen[0], ~batch["action_is_pad"]
    assert encoded == [3]  # three samples, each encoded once
    assert torch.equal(x1, torch.cat([batch["action"]] * 3)) and torch.equal(valid, torch.cat([kept] * 3))
    torch.testing.assert_close(each, batch["action"].sum((1, 2)) / (kept.sum(1) * x1.shape[2]))


def test_noise_draws_of_a_sample_are_of_all_times_and_see_their_own_observation(made, monkeypatch):
    """Times come in order, so that draws side by side would be of nearly the same."""
    batch, draws = training_batch(made.config), 8
    made.config.noise_draws, seen = draws, []
    kind = type(made.config.objective)
    monkeypatch.setattr(
        kind, "loss_at", lambda self, network, x0, x1, t, condition, valid: seen.append((t, condition)) or 0 * x1
    )
    made(batch)
    (t, condition), size = seen[0], len(batch["action"])
    spread = t.reshape(draws, size).amax(0) - t.reshape(draws, size).amin(0)
    assert spread.min() > 0.7 * t.max()
    windows = made.config.windows.split(batch, made.config.training_features, 2, True).policy.observations
    once = made.model.network.condition(made.model.encoder(windows))
    for whole, part in zip(tree_leaves(condition), tree_leaves(once), strict=True):
        if part is not None:  # all tokens are there
            torch.testing.assert_close(whole, torch.cat([part] * draws))  # sizes of products round differently


def test_noise_draws_expect_the_same_loss_with_less_spread():
    noise = Diffusion(prediction="epsilon")  # whose error comes of the draw; that of the data comes of the data
    one, many = (trained(objective=noise, noise_draws=draws).train() for draws in (1, 16))
    many.model.load_state_dict(one.model.state_dict())
    batch = training_batch(one.config)
    losses = torch.tensor([[made(batch)[0].item() for _ in range(100)] for made in (one, many)])
    spread = losses.std(1)
    assert (losses[0].mean() - losses[1].mean()).abs() < 4 * spread[0] / 10
    assert 2.5 < spread[0] / spread[1] < 6.5  # √16


def test_noise_draws_below_one_are_refused():
    with pytest.raises(ValueError, match="noise_draws = 0: must be at least 1"):
        trained(noise_draws=0)
