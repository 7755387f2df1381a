"""Each piece of bad input gets one error naming the field or key, the value and what is legal."""

import re
from types import ModuleType, SimpleNamespace

import pytest
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.envs.configs import AlohaEnv, PushtEnv
from tiny import ACTION, ENV_STATE, IMAGES, STATE, config, frame, policy, trained, training_batch

from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import SmallCnnConfig
from lerobot_dp_plus.networks import DiTConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.objectives import Diffusion
from lerobot_dp_plus.policies.environment_check import check_environment, checked_environments
from lerobot_dp_plus.samplers import DDIM, DDIMLeading, Sampler
from lerobot_dp_plus.selection import Coherent


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"horizon": 0}, "horizon = 0: must be at least 1"),
        ({"n_obs_steps": 0}, "n_obs_steps = 0: must be at least 1"),
        ({"n_action_steps": 0}, "n_action_steps = 0: must be at least 1"),
        ({"n_obs_steps": 9}, "n_obs_steps = 9: must be at most horizon = 8"),
        (
            {"n_action_steps": 8},
            "n_action_steps = 8: must be at most horizon − n_obs_steps + 1 = 7 (horizon = 8, n_obs_steps = 2)",
        ),
        (
            {"horizon": 10, "network": UNet1dConfig(down_dims=(8, 16, 32))},
            "horizon=10 does not fit a U-Net with down_dims=(8, 16, 32)",
        ),
        (
            {"horizon": 10, "network": TransformerConfig(patch_size=4)},
            "network.patch_size = 4: must divide horizon = 10; legal are [1, 2, 5, 10]",
        ),
        ({"horizon": 10, "network": DiTConfig(patch_size=3)}, "network.patch_size = 3: must divide horizon = 10"),
        (
            {"objective": Diffusion(prediction="epsilon", clip_range=None)},
            "objective.clip_range = null: with objective.prediction=epsilon it must be a number",
        ),
        (
            {"selection": Coherent(), "n_action_steps": 7},
            "n_action_steps = 7: with selection.type=coherent it must be less than 7",
        ),
        (
            {"sampler": DDIMLeading(num_steps=200)},
            "sampler.num_steps = 200: legal are 1 to 100, the steps of training (objective.path.num_train_steps)",
        ),
        ({"format_version": 99}, "format_version = 99: this checkpoint was written by a newer"),
    ],
)
def test_configs(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        config(**{"n_action_steps": 1, **fields})


def test_zero_steps():
    with pytest.raises(ValueError, match=r"sampler\.num_steps = 0: must be at least 1"):
        DDIM(num_steps=0)


def test_a_sampler_that_cannot_serve_the_objective():
    class Jump(Sampler):
        needs = frozenset({"flow_map"})
        step = None

    Jump.__abstractmethods__ = frozenset()
    Sampler.register_subclass("jump_in_a_test", Jump)
    try:
        with pytest.raises(
            ValueError, match=r"jump_in_a_test needs a flow_map.*diffusion does not give.*'ancestral', 'ddim'"
        ):
            config(sampler=Jump())
    finally:
        del Sampler.get_known_choices()["jump_in_a_test"]


def with_features(inputs, outputs=ACTION, **fields):
    made = config(inputs=inputs, **fields)
    made.output_features = dict(outputs)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: with_features(STATE, {}), "output_features = []: a policy needs an 'action' feature"),
        (
            lambda: with_features(STATE, {"action": PolicyFeature(FeatureType.ACTION, (2, 3))}),
            "action has shape (2, 3); must be (A,)",
        ),
        (lambda: with_features({}), "input_features = []: a policy needs at least one of observation.state"),
        (
            lambda: with_features({"observation.state": PolicyFeature(FeatureType.STATE, (2, 2))}),
            "observation.state has shape (2, 2); a state must be (D,)",
        ),
        (
            lambda: with_features(IMAGES, image_encoder=SmallCnnConfig(crop_shape=(40, 40))),
            "observation.image is 32×32 (height×width), smaller than its crop 40×40",
        ),
    ],
)
def test_features(made, message):
    from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

    with pytest.raises(ValueError, match=re.escape(message)):
        DpPlusPolicy(made())


@pytest.mark.parametrize("key", ["observation.state", "observation.environment_state", "action"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_values_that_are_no_numbers(key, value):
    made = policy(inputs={**STATE, **ENV_STATE})
    batch = training_batch(made.config)
    batch[key][1, 0, :2] = value
    with pytest.raises(
        ValueError, match=rf"{re.escape(key)}: 2 of {batch[key].numel()} values in the batch are NaN or infinite"
    ):
        made(batch)


def test_a_broken_sensor_stops_the_robot():
    made = policy()
    seen = frame(made.config)
    seen["observation.state"][2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"observation\.state: 2 of 24 values in the batch are NaN or infinite"):
        made.select_action(seen)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_camera_stops_the_robot(value):
    made = trained("dp_plus_flow", inputs={**STATE, **IMAGES})
    seen = frame(made.config)
    seen["observation.image"][1, 0, 4, 5] = value
    with pytest.raises(ValueError, match=r"observation\.image: 2 of \d+ values in the batch are NaN or infinite"):
        made.select_action(seen)


def test_broken_weights_stop_the_robot():
    made = trained(ema=EmaConfig(enabled=False))
    with torch.no_grad():
        next(made.model.network.parameters())[0] = torch.nan
    with pytest.raises(FloatingPointError, match="weights or dtype are broken"):
        made.select_action(frame(made.config))


def test_a_loss_that_is_no_number_stops_the_run():
    made = policy()
    made.update()
    next(made.model.parameters()).data.fill_(torch.nan)
    with pytest.raises(
        FloatingPointError, match=r"loss is nan at update 2.*optimizer_lr \(now 0\.001\).*dtype \(now float32\)"
    ):
        made(training_batch(made.config))


def test_batches_that_do_not_fit():
    made = policy(inputs={**STATE, **IMAGES})
    batch = training_batch(made.config)
    with pytest.raises(ValueError, match=r"observation\.image missing from the batch, which has \['action'"):
        made({key: value for key, value in batch.items() if key != "observation.image"})
    with pytest.raises(ValueError, match="action missing from the batch"):
        made({key: value for key, value in batch.items() if key != "action"})
    with pytest.raises(ValueError, match=r"action has shape \(3, 7, 2\); must be \(B, 8, 2\)"):
        made({**batch, "action": batch["action"][:, :7]})
    with pytest.raises(ValueError, match="reduction = 'sum': legal are 'mean', 'none'"):
        made(batch, reduction="sum")


def test_observations_that_do_not_fit():
    made = policy(inputs={**STATE, **ENV_STATE})
    seen = frame(made.config)
    with pytest.raises(ValueError, match=r"observation\.environment_state missing from the batch, which has \['obs"):
        made.select_action({"observation.state": seen["observation.state"]})
    with pytest.raises(ValueError, match=r"observation\.state has shape \(3, 5\); must be \(B, 4\) or \(B, 2, 4\)"):
        made.select_action({**seen, "observation.state": torch.zeros(3, 5)})
    with pytest.raises(ValueError, match=r"state has 3 observation steps; must be n_obs_steps = 2"):
        made.select_action({key: value[:, None].repeat(1, 3, 1) for key, value in seen.items()})
    with pytest.raises(ValueError, match="single frames, the other observations as windows"):
        made.select_action({**seen, "observation.state": torch.zeros(3, 2, 4)})
    made.select_action(seen)
    with pytest.raises(ValueError, match=r"batch size went from 3 to 2 within an episode; call reset\(\)"):
        made.select_action(frame(made.config, 2))


# Datasets


def metadata(**changes):
    features = {
        "observation.state": {"dtype": "float32", "shape": (4,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
    } | changes.pop("features", {})
    stats = {key: {"min": torch.zeros(f["shape"]), "max": torch.ones(f["shape"])} for key, f in features.items()}
    return SimpleNamespace(**{"features": features, "fps": 10, "stats": stats, **changes})


def adopt(made, meta):
    from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

    return DpPlusPolicy(made, dataset_meta=meta, dataset_stats=meta.stats)


def test_the_frame_rate_is_the_datasets():
    made = config()
    assert made.fps is None
    adopt(made, metadata())
    assert made.fps == 10
    with pytest.raises(
        ValueError, match=r"fps = 20 in the dataset, but the policy was trained at 10.*--policy\.fps=20"
    ):
        adopt(made, metadata(fps=20))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            {"observation.state": {"dtype": "float32", "shape": (5,), "names": None}},
            "observation.state is (4,) for the policy and (5,) in the dataset",
        ),
        (
            {"action": {"dtype": "float32", "shape": (3,), "names": None}},
            "action is (2,) for the policy and (3,) in the dataset",
        ),
    ],
)
def test_a_dataset_of_other_shapes(features, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        adopt(config(), metadata(features=features))


@pytest.mark.parametrize(
    ("mode", "fields", "reach"),
    [
        ("MEAN_STD", {}, "actions of the dataset reach 3"),
        ("IDENTITY", {}, "actions of the dataset reach 1.5"),
        ("MEAN_STD", {"objective": Diffusion(prediction="x1", clip_range=None)}, None),
        ("MEAN_STD", {"objective": Diffusion(clip_range=3.0)}, None),
        ("MIN_MAX", {}, None),
    ],
)
def test_a_bound_that_would_cut_the_datasets_actions(mode, fields, reach):
    made = config(**fields)
    made.normalization_mapping = {**made.normalization_mapping, "ACTION": NormalizationMode[mode]}
    meta = metadata()
    meta.stats["action"] = {"min": [-1.0, 0.0], "max": [1.0, 1.5], "mean": [0.0, 0.0], "std": [1.0, 0.5]}
    if reach is None:
        adopt(made, meta)
        return
    with pytest.raises(ValueError, match=rf"objective.clip_range = 1.0: {reach} .*ACTION = {mode}.*MIN_MAX"):
        adopt(made, meta)


def test_foresight_of_a_dataset_with_other_names(tmp_path):
    made = config(inputs={**STATE, **ENV_STATE}, dynamics=Outcome(steps=6, dim=16, depth=1))
    made.pretrained_path = tmp_path
    with pytest.raises(ValueError, match=r"not observation\.environment_state, in whose units.*rename_map"):
        adopt(made, metadata())


def test_a_dataset_without_what_the_policy_reads():
    with pytest.raises(
        ValueError,
        match=r"the policy reads observation\.environment_state, which the dataset lacks; it has \['action', 'obs",
    ):
        adopt(config(inputs={**STATE, **ENV_STATE}), metadata())


def test_fine_tuning_gets_usable_statistics(tmp_path):
    """LeRobot would put the dataset's raw statistics into the saved pipeline: 1e8 for a state that never moved."""
    made = config()
    made.pretrained_path = tmp_path
    meta = metadata()
    meta.stats["observation.state"]["max"][1] = 0.0
    adopt(made, meta)
    low, high = (meta.stats["observation.state"][bound] for bound in ("min", "max"))
    assert list(low) == [0, -1, 0, 0] and list(high) == [1, 1, 1, 1]


# Environments


def pusht_policy(inputs=None, **fields):
    shapes = inputs or {
        "observation.state": (FeatureType.STATE, 2),
        "observation.environment_state": (FeatureType.ENV, 16),
    }
    return config(inputs={key: PolicyFeature(kind, (width,)) for key, (kind, width) in shapes.items()}, **fields)


STATE_ENV = {"obs_type": "environment_state_agent_pos"}


def test_an_environment_that_fits():
    check_environment(pusht_policy(fps=10), PushtEnv(**STATE_ENV))
    check_environment(pusht_policy(), PushtEnv(**STATE_ENV, fps=20))  # never trained: nothing to compare with
    # LeRobot's PushT announces 384×384 and renders 96×96.
    pixels = config(inputs={"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 96, 96))}, fps=10)
    check_environment(pixels, PushtEnv())
    renamed = config(inputs={"observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 96, 96))})
    check_environment(renamed, PushtEnv(), {"observation.image": "observation.images.top"})


@pytest.mark.parametrize(
    ("made", "env", "message"),
    [
        (pusht_policy(fps=20), PushtEnv(**STATE_ENV), "env.fps = 10, but the policy was trained at fps = 20"),
        (
            pusht_policy(),
            PushtEnv(),
            "the policy needs observation.environment_state, which env.type = pusht as configured does not give",
        ),
        (
            pusht_policy({"observation.state": (FeatureType.STATE, 3)}),
            PushtEnv(),
            "observation.state is (3,) for the policy and (2,) in env.type = pusht",
        ),
        (
            pusht_policy({"observation.state": (FeatureType.STATE, 14)}),
            AlohaEnv(),
            "action is (2,) for the policy and (14,) in env.type = aloha",
        ),
    ],
)
def test_an_environment_that_does_not_fit(made, env, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_environment(made, env)


def test_scripts_check_while_asked_to(tmp_path):
    made = []
    script = ModuleType("script")
    script.make_policy = lambda cfg, **kwargs: made.append(cfg)
    script.make_env_pre_post_processors = lambda env_cfg, policy_cfg: made.append(policy_cfg)
    exec("def main():\n    make_policy(), make_env_pre_post_processors()", vars(script))  # it asks for them by name
    before = dict(vars(script))
    slow, fits = pusht_policy(fps=20), pusht_policy(fps=10)
    slow.pretrained_path = fits.pretrained_path = tmp_path
    with checked_environments(script):
        with pytest.raises(ValueError, match=r"env\.fps"):  # as lerobot-eval calls
            script.make_policy(cfg=slow, env_cfg=PushtEnv(**STATE_ENV), rename_map={})
        script.make_policy(cfg=fits, env_cfg=PushtEnv(**STATE_ENV), rename_map={})
        script.make_policy(cfg=slow, ds_meta=metadata(), rename_map={})  # as lerobot-train calls
        with pytest.raises(ValueError, match=r"env\.fps"):
            script.make_env_pre_post_processors(env_cfg=PushtEnv(**STATE_ENV), policy_cfg=slow)
    assert made == [fits, slow]
    assert vars(script) == before
