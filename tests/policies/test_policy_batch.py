"""One made-up batch × every preset × every kind of observation."""

import copy

import pytest
import torch
from tiny import BATCH, OBSERVATIONS, PRESETS, frame, noise, policy, trained, training_batch

EVERY = pytest.mark.parametrize(
    ("preset", "inputs"),
    [pytest.param(p, features, id=f"{p}-{kind}") for p in PRESETS for kind, features in OBSERVATIONS.items()],
)


@EVERY
def test_loss_and_gradients(preset, inputs):
    made = policy(preset, inputs)
    optimizer = torch.optim.SGD(made.get_optim_params(), lr=0.02)
    # A softmax over positions does not see what is added to all of them.
    unreached = {name for name, _ in made.model.named_parameters() if not name.endswith("attention.bias")}
    # Heads and gates start at zero and hide what is behind them until they have moved.
    for _ in range(4):
        loss, parts = made(training_batch(made.config))
        assert loss.isfinite() and loss.dim() == 0 and loss.dtype == torch.float32
        assert parts and all(type(part) is float for part in parts.values())
        optimizer.zero_grad()
        loss.backward()
        unreached -= {n for n, weight in made.model.named_parameters() if weight.grad is not None and weight.grad.any()}
        optimizer.step()
    assert not unreached
    assert all(not weight.requires_grad and weight.grad is None for weight in made.ema.parameters())
    assert {id(w) for w in made.get_optim_params()} == {id(w) for w in made.parameters() if w.requires_grad}


@EVERY
@pytest.mark.parametrize("n_obs_steps", [1, 3])
def test_chunks_and_actions(preset, inputs, n_obs_steps):
    made = trained(preset, inputs, n_obs_steps=n_obs_steps)
    seen = frame(made.config)
    before = copy.deepcopy(seen)
    chunk = made.predict_action_chunk(seen, noise=noise(made.config))
    assert chunk.shape == (BATCH, made.config.horizon - n_obs_steps + 1, 2)
    assert chunk.isfinite().all() and not chunk.requires_grad
    made.reset()
    actions = [made.select_action(seen, noise=noise(made.config)) for _ in range(made.config.n_action_steps)]
    torch.testing.assert_close(torch.stack(actions, 1), chunk[:, : made.config.n_action_steps])
    assert seen.keys() == before.keys() and all(torch.equal(seen[key], before[key]) for key in seen)


@pytest.mark.parametrize("preset", PRESETS)
def test_training_leaves_the_batch_alone(preset):
    made = policy(preset, OBSERVATIONS["mix"])
    batch = training_batch(made.config)
    before = copy.deepcopy(batch)
    made(batch)
    assert batch.keys() == before.keys()
    assert all(torch.equal(batch[k], v) if isinstance(v, torch.Tensor) else batch[k] == v for k, v in before.items())


def test_one_step_of_observation_may_come_without_its_axis():
    made = policy(n_obs_steps=1)
    batch = training_batch(made.config)
    squeezed = {**batch, "observation.state": batch["observation.state"][:, 0]}
    losses = []
    for given in (batch, squeezed):
        made.stream.copy_(torch.tensor([1, 3]))
        losses.append(made(given)[0])
    assert torch.equal(*losses)
