"""A further loss, as a user meets it: trained, logged and saved, and of no account in use."""

from pathlib import Path

import pytest
import torch
from host_scripts import STATE_ONLY, made_up, train
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file
from tiny import IMAGES, config, frame, learned, noise, policy, training_batch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary import NextState


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, list[dict]]:
    """Checkpoints, and what the script was told at every update."""
    root, told = made_up(tmp_path_factory.mktemp("data") / "states", STATE_ONLY), []
    stock = lerobot_train.update_policy

    def heard(*given, **named):
        metrics, parts = stock(*given, **named)
        told.append(dict(parts))
        return metrics, parts

    switches = ("--policy.auxiliary.type=next_state", "--policy.auxiliary.dim=8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lerobot_train, "update_policy", heard)
        return train(root, tmp_path_factory.mktemp("runs") / "run", "dp_plus_transformer", *switches), told


def test_its_loss_is_logged_and_its_weights_are_trained_and_saved(run):
    checkpoints, told = run
    assert len(told) == 4 and all(parts["loss_auxiliary"] > 0 for parts in told)
    early, late = (load_file(checkpoints / n / "pretrained_model" / "model.safetensors") for n in ("000002", "000004"))
    for prefix in ("model.", "ema.module."):
        saved = [key for key in late if key.startswith(f"{prefix}auxiliary.auxiliary.predict.")]
        assert len(saved) == 4 and all(not torch.equal(early[key], late[key]) for key in saved)


def test_in_use_nothing_of_it_is_asked(run):
    loaded = load_policy(run[0] / "last")
    shown, drawn = frame(loaded.policy.config), noise(loaded.policy.config)
    expected = loaded.policy.predict_action_chunk(shown, noise=drawn)
    for model in (loaded.policy.model, loaded.policy._averaged_model):
        for weight in model.auxiliary.parameters():
            weight.data.fill_(torch.nan)
    loaded.policy.reset()
    assert torch.equal(loaded.policy.predict_action_chunk(shown, noise=drawn), expected)
    assert not loaded.policy.config.energy_names


def test_it_learns_where_the_state_goes():
    """The state moves by a tenth of the action: what it predicts gets much better than no change at all."""
    made = policy(auxiliary=NextState(dim=32, weight=1.0))
    assert made.config.observation_delta_indices == [-1, 0, 1]

    def batch(size: int = 64) -> dict:
        found = training_batch(made.config, size)
        state = torch.rand(size, 3, 4) * 2 - 1
        state[:, 2] = state[:, 1]
        state[:, 2, :2] += 0.3 * found["action"][:, 1]
        return {**found, "observation.state": state, "action_is_pad": torch.zeros(size, 8, dtype=torch.bool)}

    with torch.no_grad():
        before = made.train()(batch())[1]["loss_auxiliary"]
    learned(made, batch, updates=60)
    with torch.no_grad():
        after = made.train()(batch())[1]["loss_auxiliary"]
    assert after < 0.04 < 0.3 * 0.5 / 2 < before


def test_an_update_reaches_the_image_encoder_by_it_alone():
    made = policy(
        inputs={**IMAGES, "observation.state": config().input_features["observation.state"]}, auxiliary=NextState(dim=8)
    )
    batch = training_batch(made.config)
    for key in ("observation.state", "observation.image"):
        batch[key] = torch.rand(3, len(made.config.observation_delta_indices), *made.config.input_features[key].shape)
    split = made.config.windows.split(batch, made.config.training_features, 2, True)
    tokens = made.model.encoder(split.policy.observations)
    made.model.further_losses(tokens, split, every=False)["auxiliary"].mean.backward()
    assert any(w.grad is not None and w.grad.abs().max() > 0 for w in made.model.encoder.parameters())


def test_without_a_state_there_is_nothing_to_predict():
    with pytest.raises(ValueError, match=r"auxiliary\.type=next_state predicts states, and the data have none"):
        policy(inputs=IMAGES, auxiliary=NextState())
