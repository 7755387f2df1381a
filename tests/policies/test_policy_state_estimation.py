"""A policy that reads a state off its pictures: trained with it, acting without it."""

from dataclasses import replace

import pytest
import torch
from lerobot.envs.configs import PushtEnv
from tiny import ENV_STATE, IMAGES, STATE, build, config, frame, learned, noise, policy, window
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.policies.environment_check import check_environment
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.selection import LowestEnergy

KEY, CAMERA = next(iter(ENV_STATE)), next(iter(IMAGES))
ALL = {**STATE, **ENV_STATE, **IMAGES}
WHOLE = SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8, feature_dim=32)


def seeing(samples: int = 2, **fields) -> DpPlusPolicy:
    fields = {
        "dynamics": Outcome(steps=6, dim=16, depth=1),
        "selection": LowestEnergy(num_candidates=3),
        "image_encoder": WHOLE,
        **fields,
    }
    return policy(inputs=ALL, state_estimation=Regression(samples=samples), **fields)


def sample_batch(made: DpPlusPolicy, size: int = 4, pictures: list[int] | None = None) -> dict[str, Tensor]:
    """Samples as LeRobot's loader gives them, or with pictures of these steps only."""
    windows = made.config.windows
    steps = {CAMERA: windows.observations if pictures is None else pictures}
    shapes = {**made.config.observed_features, KEY: ENV_STATE[KEY].shape}
    batch = {
        key: torch.rand(size, len(steps.get(key, windows.observations)), *shape) * 2 - 1
        for key, shape in shapes.items()
    }
    beyond = torch.tensor([step >= 6 for step in windows.observations])
    batch |= {f"{key}_is_pad": beyond.expand(size, -1) for key in (KEY, "observation.state")}
    return {**batch, "action": torch.rand(size, len(windows.actions), 2) * 2 - 1}


def trained(**fields) -> DpPlusPolicy:
    made = seeing(**fields)
    return learned(made, lambda: sample_batch(made))


def test_one_loss_trains_all_of_it():
    made = seeing().train()
    loss, parts = made(sample_batch(made))
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in made.model.auxiliary.state_estimation.parameters())
    assert 0 < parts["loss_state_estimation"] < loss.item()
    each, _ = made(sample_batch(made), reduction="none")
    assert each.shape == (4,)


def test_pictures_learn_from_the_true_state_alone():
    """Nothing of the other losses reaches them, and their error reaches nothing else."""
    made = seeing(optimizer_lr=1e-3).train()
    batch = sample_batch(made)
    torch.manual_seed(1)
    made(batch)[0].backward()
    gradients = {name: p.grad.clone() for name, p in made.model.named_parameters() if p.grad is not None}
    made.zero_grad()
    split = made.config.windows.split(batch, made.config.training_features, 2, masked=True)
    loss = made.model.further_losses([], split, every=False)["state_estimation"]
    assert loss.each.tolist()[2:] == [0, 0] < loss.each.tolist()[:2] and loss.weight.tolist() == [1, 1, 0, 0]
    loss.mean.backward()
    alone = {name: p.grad for name, p in made.model.named_parameters() if p.grad is not None}
    assert alone and all(name.startswith("auxiliary.state_estimation.") for name in alone)
    for name, gradient in alone.items():
        torch.testing.assert_close(gradients[name], gradient)


def test_an_update_looks_at_the_first_samples_and_an_evaluation_at_all():
    made, seen = seeing(samples=2), []
    made.model.auxiliary.state_estimation.see.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output[0].values))
    )
    made.ema.module.auxiliary.state_estimation.see.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output[0].values))
    )
    batch = sample_batch(made)
    made.train()(batch)
    made(batch, reduction="none")
    with torch.no_grad():
        made.eval()(batch)
    assert seen == [2, 4, 4]


def test_pictures_of_all_frames_or_of_the_one_that_is_used_are_the_same():
    made = seeing().eval()
    full = sample_batch(made)
    now = made.config.windows.observations.index(0)
    pruned = {**full, CAMERA: full[CAMERA][:, now : now + 1]}
    squeezed = {**full, CAMERA: full[CAMERA][:, now]}
    assert made.config.camera_delta_indices == [0]
    losses = []
    for batch in (full, pruned, squeezed):
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(made(batch)[0])
    assert losses[0] == losses[1] == losses[2]
    with pytest.raises(ValueError, match=rf"{CAMERA} has 3 frames a sample; must be"):
        made({**full, CAMERA: full[CAMERA][:, :3]})


def test_it_acts_on_what_it_reads_and_never_on_what_it_is_told():
    made = trained()
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(3)], 1)
    seen = frame(made.config)
    without = {key: value for key, value in seen.items() if key != KEY}
    made.reset()
    expected = made.predict_action_chunk(without, noise=draws)
    made.reset()
    told = made.predict_action_chunk({**without, KEY: seen[KEY] + 5}, noise=draws)
    torch.testing.assert_close(told, expected, rtol=0, atol=0)
    # The same chunk as a policy without eyes makes of the states that were read.
    read = made.ema.module.estimated(
        {key: value[:, None].expand(-1, 2, *value.shape[1:]) for key, value in without.items()}
    )
    assert set(read) == {KEY, "observation.state"}
    blind = build(config(inputs={**STATE, **ENV_STATE}, dynamics=made.config.dynamics, selection=made.config.selection))
    state = {name: value for name, value in made.state_dict().items() if ".state_estimation." not in name}
    blind.load_state_dict(state)
    torch.testing.assert_close(blind.eval().predict_action_chunk(read, noise=draws), expected)


def test_a_window_that_tells_a_state_is_read_all_the_same():
    made = trained()
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(3)], 1)
    told = window([frame(made.config)] * 2)
    untold = {key: value for key, value in told.items() if key != KEY}
    told[KEY] = torch.full((len(draws), 2, *ENV_STATE[KEY].shape), 5.0)
    assert torch.equal(made.sample(told, draws), made.sample(untold, draws))
    with torch.no_grad():
        read = made.ema.module.auxiliary["state_estimation"]({CAMERA: told[CAMERA]})
        assert torch.equal(made.ema.module.estimated(told)[KEY], read[KEY])
    assert (read[KEY] - 5).abs().min() > 0.1


def test_other_pictures_make_other_actions():
    made = trained()
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(3)], 1)
    seen = {key: value for key, value in frame(made.config).items() if key != KEY}
    made.reset()
    first = made.predict_action_chunk(seen, noise=draws)
    made.reset()
    assert not torch.equal(made.predict_action_chunk({**seen, CAMERA: -seen[CAMERA]}, noise=draws), first)


def test_saved_and_loaded_it_reads_the_same(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    again = type(made).from_pretrained(tmp_path)
    assert again.config.state_estimation == made.config.state_estimation
    draws = torch.stack([noise(made.config, seed=seed) for seed in range(3)], 1)
    seen = frame(made.config)
    made.reset()
    torch.testing.assert_close(
        again.predict_action_chunk(seen, noise=draws), made.predict_action_chunk(seen, noise=draws)
    )


def test_pictures_that_cannot_be_read_are_named():
    """Half a frame lost on the way would otherwise become a place for the block."""
    made = trained()
    seen = {key: value for key, value in frame(made.config).items() if key != KEY}
    seen[CAMERA][1, :, 3] = torch.nan
    made.reset()
    with pytest.raises(ValueError, match=rf"{CAMERA}: 192 of \d+ values in the batch are NaN"):
        made.predict_action_chunk(seen)


def test_backbones_have_their_learning_rate():
    made = seeing(optimizer_lr_backbone=1e-5)
    _, backbones = made.get_optim_params()
    count = sum(weight.numel() for weight in made.model.auxiliary.state_estimation.see.image_encoders.parameters())
    assert 0 < sum(weight.numel() for weight in backbones["params"]) < count
    assert backbones["lr"] == 1e-5


def test_an_environment_need_not_give_what_is_read():
    inputs = {**STATE, **ENV_STATE, **IMAGES}
    inputs["observation.state"] = replace(inputs["observation.state"], shape=(2,))
    made = config(inputs=inputs, state_estimation=Regression(), image_encoder=WHOLE)
    check_environment(made, PushtEnv(obs_type="pixels_agent_pos"))
    with pytest.raises(ValueError, match=r"the policy needs observation\.image"):
        check_environment(made, PushtEnv(obs_type="environment_state_agent_pos"))


def test_foresight_of_states_still_refuses_pictures_that_nobody_reads():
    with pytest.raises(ValueError, match=r"dynamics\.type=none, or state_estimation\.type=regression"):
        policy(inputs=ALL, dynamics=Outcome(steps=6, dim=16, depth=1), image_encoder=WHOLE)


def test_a_random_crop_is_refused():
    with pytest.raises(ValueError, match=r"image_encoder\.crop_ratio must be 1"):
        seeing(image_encoder=replace(WHOLE, crop_ratio=0.9))
