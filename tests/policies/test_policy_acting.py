"""From a path to actions: `load_policy`, raw observations, devices that are not here, processors that are missing."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature, PreTrainedConfig
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.processor import PolicyProcessorPipeline
from tiny import PRESETS, build, config, frame, window

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.policies import devices, raw_values
from lerobot_dp_plus.policies.acting import flags
from lerobot_dp_plus.policies.raw_values import LOOKS
from lerobot_dp_plus.samplers import Heun

INPUTS = {
    "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
    "observation.environment_state": PolicyFeature(FeatureType.ENV, (3,)),
    "observation.image": PolicyFeature(FeatureType.VISUAL, (3, 40, 48)),
}
STATS = {
    "observation.state": {"min": np.zeros(2), "max": np.full(2, 512.0)},
    "observation.environment_state": {"min": np.full(3, -100.0), "max": np.full(3, 300.0)},
    "observation.image": {"mean": np.full((3, 1, 1), 0.5), "std": np.full((3, 1, 1), 0.25)},
    "action": {"min": np.array([100.0, 200.0]), "max": np.array([110.0, 220.0])},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A training's output folder."""
    output = tmp_path_factory.mktemp("run")
    folder = output / "checkpoints" / "last" / "pretrained_model"
    made = config("dp_plus_flow", INPUTS, noise_scale=0.0)
    policy = build(made)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    policy.save_pretrained(folder)
    for pipeline in make_pre_post_processors(made, dataset_stats=STATS):
        pipeline.save_pretrained(folder)
    return output


def raw(size: int | None = None) -> dict[str, np.ndarray]:
    """What a robot sees, in its own units; a picture of bytes."""
    rng, lead = np.random.default_rng(3), () if size is None else (size,)
    return {
        "observation.state": rng.uniform(0, 512, (*lead, 2)).astype(np.float32),
        "observation.environment_state": rng.uniform(-100, 300, (*lead, 3)).astype(np.float32),
        "observation.image": rng.integers(0, 256, (*lead, 40, 48, 3), dtype=np.uint8),
    }


def expected(folder: Path, observation: dict[str, np.ndarray]) -> np.ndarray:
    """By hand: normalise, act, and back to the action's units."""
    policy = get_policy_class("dp_plus_flow").from_pretrained(folder)
    picture = torch.from_numpy(observation["observation.image"]).float().permute(0, 3, 1, 2) / 255
    action = policy.select_action(
        {
            "observation.state": torch.from_numpy(observation["observation.state"]) / 256 - 1,
            "observation.environment_state": (torch.from_numpy(observation["observation.environment_state"]) - 100)
            / 200,
            "observation.image": (picture - 0.5) / 0.25,
        }
    )
    low, high = STATS["action"]["min"], STATS["action"]["max"]
    return (action.numpy() + 1) / 2 * (high - low) + low


@pytest.mark.parametrize("below", ["", "checkpoints/last", "checkpoints/last/pretrained_model"])
def test_raw_observations_in_actions_in_the_datas_units_out(run, below):
    loaded = load_policy(run / below)
    observation = raw(4)
    wanted = expected(run / "checkpoints/last/pretrained_model", observation)
    np.testing.assert_allclose(loaded.act(observation), wanted, rtol=1e-4)
    policy, preprocess, postprocess = loaded
    policy.reset()
    batch = {key: torch.from_numpy(value) for key, value in observation.items()}
    batch["observation.image"] = batch["observation.image"].permute(0, 3, 1, 2).float() / 255
    np.testing.assert_allclose(postprocess(policy.select_action(preprocess(batch))), wanted, rtol=1e-4)
    assert not policy.training


def test_one_robot_and_what_environments_call_it(run):
    loaded = load_policy(str(run))
    alone = raw()
    batch = {key: value[None] for key, value in alone.items()}
    wanted = loaded.act(batch)[0]
    of_gym = {
        "agent_pos": alone["observation.state"].astype(np.float64),
        "environment_state": alone["observation.environment_state"],
        "pixels": alone["observation.image"],
    }
    channels_first = {**alone, "observation.image": torch.from_numpy(alone["observation.image"]).movedim(-1, 0)}
    for observation in (alone, channels_first, of_gym):
        loaded.policy.reset()
        action = loaded.act(observation)
        assert action.shape == (2,)
        np.testing.assert_allclose(action, wanted, rtol=1e-5)
    loaded.policy.reset()
    np.testing.assert_allclose(loaded.act({key: value[None] for key, value in of_gym.items()})[0], wanted, rtol=1e-5)


def test_switches(run):
    loaded = load_policy(run, n_action_steps=2, sampler={"type": "heun", "num_steps": 3}, optimizer_lr_backbone=None)
    assert loaded.policy.config.n_action_steps == 2 and loaded.policy.config.sampler == Heun(num_steps=3)
    assert list(flags({"a": {"b": [1, 2], "c": None}, "d": True, "e": "cpu"})) == [
        "--a.b=[1, 2]",
        "--a.c=null",
        "--d=true",
        "--e=cpu",
    ]
    with pytest.raises(ValueError, match=r"n_action_steps = 99: must be at most"):
        load_policy(run, n_action_steps=99)
    with pytest.raises(ValueError, match="--n_akt_steps=3: unrecognized arguments"):
        load_policy(run, n_akt_steps=3)
    with pytest.raises(FileNotFoundError):
        load_policy(run / "checkpoints")


def test_the_package_offers_it_without_loading_torch():
    code = "import sys, lerobot_dp_plus as p; assert 'load_policy' in dir(p); assert not {'torch', 'lerobot'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'load_polcy'"):
        import lerobot_dp_plus

        lerobot_dp_plus.load_polcy  # noqa: B018


# A device that is not here


@pytest.fixture
def far_away(run, tmp_path) -> Path:
    """The checkpoint as a machine with a GPU saves it."""
    import shutil

    folder = tmp_path / "far"
    shutil.copytree(run / "checkpoints/last/pretrained_model", folder)
    config_file, pipeline = folder / "config.json", folder / "policy_preprocessor.json"
    config_file.write_text(json.dumps({**json.loads(config_file.read_text()), "device": "cuda"}))
    saved = json.loads(pipeline.read_text())
    (step,) = [step for step in saved["steps"] if step.get("registry_name") == "device_processor"]
    step["config"]["device"] = "cuda"
    pipeline.write_text(json.dumps(saved))
    return folder


@pytest.fixture
def warned(monkeypatch) -> list[str]:
    lines: list[str] = []
    for module in (devices, raw_values):
        monkeypatch.setattr(module.logger, "warning", lambda text, *values: lines.append(text % values))
    return lines


needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there the checkpoint is at home")


@needs_no_gpu
def test_a_checkpoint_of_a_gpu_serves_without_one(far_away, warned):
    made = PreTrainedConfig.from_pretrained(far_away)
    assert made.device == "cpu"
    preprocess, postprocess = make_pre_post_processors(made, pretrained_path=str(far_away))
    assert warned == ["policy_preprocessor.json was saved for the device 'cuda', which is not here: it runs on 'cpu'"]
    policy = get_policy_class(made.type).from_pretrained(far_away)
    assert next(policy.parameters()).device.type == "cpu"
    batch = {key: torch.zeros(1, *feature.shape) for key, feature in INPUTS.items()}
    assert postprocess(policy.select_action(preprocess(batch))).isfinite().all()
    np.testing.assert_allclose(load_policy(far_away).act(raw(2)), expected(far_away, raw(2)), rtol=1e-4)


@needs_no_gpu
def test_who_names_a_device_gets_it_or_the_error(far_away, warned):
    load = {"pretrained_model_name_or_path": str(far_away), "config_filename": "policy_preprocessor.json"}
    PolicyProcessorPipeline.from_pretrained(**load, overrides={"device_processor": {"device": "cpu"}})
    assert not warned
    with pytest.raises(ValueError, match="cuda"):
        PolicyProcessorPipeline.from_pretrained(**load, overrides={"device_processor": {"device": "cuda"}})


@needs_no_gpu
def test_pipelines_of_others_are_left_alone(far_away, warned):
    file = far_away / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "type": "act"}))
    with pytest.raises(ValueError, match="cuda"):
        PolicyProcessorPipeline.from_pretrained(str(far_away), config_filename="policy_preprocessor.json")
    assert not warned


# Missing processors


def test_raw_states_are_noticed_once(run, warned):
    policy = load_policy(run).policy
    batch = {key: torch.from_numpy(value).float() for key, value in raw(2).items()}
    batch["observation.image"] = batch["observation.image"].permute(0, 3, 1, 2) / 255
    for _ in range(2):
        policy.reset()
        policy.select_action(batch)
    assert len(warned) == 1
    largest = batch["observation.environment_state"].abs().max().item()
    assert f"observation.environment_state reaches {largest:.4g}" in warned[0] and "(MIN_MAX)" in warned[0]
    assert "processors seem to be missing" in warned[0] and "load_policy" in warned[0]


@pytest.mark.parametrize(
    ("mode", "value", "noticed"),
    [
        ("MIN_MAX", 4.9, False),
        ("MIN_MAX", -5.1, True),
        ("MEAN_STD", -49.0, False),
        ("MEAN_STD", 51.0, True),
        ("QUANTILES", 51.0, True),
        ("IDENTITY", 1e6, False),
    ],
)
@pytest.mark.parametrize("preset", PRESETS[:2])
def test_how_far_outside_is_too_far(warned, preset, mode, value, noticed):
    made = config(preset)
    made.normalization_mapping = {**made.normalization_mapping, "STATE": NormalizationMode[mode]}
    policy, seen = build(made), frame(made)
    seen["observation.state"][1, 2] = value
    policy.sample(window([seen, seen]))
    assert len(warned) == noticed


def test_only_the_first_chunks_are_looked_at(warned):
    policy = build(config())
    seen = window([frame(policy.config)] * 2)
    for _ in range(LOOKS):
        policy.sample(seen)
    policy.sample({key: value + 100 for key, value in seen.items()})
    assert not warned, "a look at numbers makes a GPU wait"


def test_processed_observations_raise_no_suspicion(run, warned, caplog):
    loaded = load_policy(run)
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            loaded.act(raw(2))
    assert not warned
