"""What a card tells people to run does run; what it says about members agrees with the members."""

import json
import re
import shlex
import sys
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path
from typing import Any

import lerobot.policies  # noqa: F401  registers the host's own types
import pytest
import torch
from card_folders import ALOHA_ENV, PUSHT_ENV, add_config, add_eval_info, add_report, add_training
from lerobot.configs import FeatureType, PolicyFeature, parser
from lerobot.configs.eval import EvalPipelineConfig
from lerobot.envs.configs import AlohaEnv, EnvConfig, PushtEnv
from lerobot.policies import get_policy_class, make_pre_post_processors
from policies.tiny import ACTION, BASELINES, ENV_STATE, IMAGES, PRESETS, STATE, trained

import lerobot_policy_dp_plus  # noqa: F401
from lerobot_dp_plus.augmentation import Augmentation
from lerobot_dp_plus.auxiliary import Further
from lerobot_dp_plus.auxiliary.dynamics import Dynamics
from lerobot_dp_plus.auxiliary.state_estimation import Regression, StateEstimation
from lerobot_dp_plus.encoders import ImageEncoderConfig, SmallCnnConfig, Words
from lerobot_dp_plus.environments.blocks_config import BlocksConfig
from lerobot_dp_plus.environments.metaworld_config import MetaworldLiteConfig
from lerobot_dp_plus.environments.pucks_config import ThreePucksConfig
from lerobot_dp_plus.execution import Execution
from lerobot_dp_plus.forward_maps import ForwardMap
from lerobot_dp_plus.guidance import Guidance
from lerobot_dp_plus.hub.card import render_card
from lerobot_dp_plus.hub.card_use import policy_class
from lerobot_dp_plus.hub.card_words import MEMBERS, NETWORK_CALLS, SAME_UNITS, UNITS, network_calls
from lerobot_dp_plus.hub.publication import Publication
from lerobot_dp_plus.networks import NetworkConfig
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.projection import Projection
from lerobot_dp_plus.refinement import Refinement
from lerobot_dp_plus.reporting import report
from lerobot_dp_plus.samplers import Sampler
from lerobot_dp_plus.selection import Selection

AXES: dict[str, Any] = {
    "network": NetworkConfig,
    "objective": Objective,
    "sampler": Sampler,
    "image_encoder": ImageEncoderConfig,
    "words": Words,
    "state_estimation": StateEstimation,
    "dynamics": Dynamics,
    "auxiliary": Further,
    "forward": ForwardMap,
    "refinement": Refinement,
    "projection": Projection,
    "guidance": Guidance,
    "selection": Selection,
    "execution": Execution,
    "augmentation": Augmentation,
}


def blocks(card: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", card, re.DOTALL)


def commands(card: str) -> list[list[str]]:
    """Every shell command of a card, split as a shell would."""
    lines = "\n".join(blocks(card, "sh")).replace("\\\n", "").splitlines()
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("preset", [*PRESETS, *BASELINES])
def test_the_python_lines_run(preset: str, tmp_path: Path) -> None:
    inputs = {**STATE, **ENV_STATE, **IMAGES}
    policy = trained(preset, inputs)
    low_high = {"min": torch.tensor(100.0), "max": torch.tensor(400.0)}
    stats = {key: low_high for key in (*STATE, *ENV_STATE, *ACTION)}
    stats |= {key: {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)} for key in IMAGES}
    policy.save_pretrained(tmp_path)
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=stats):
        pipeline.save_pretrained(tmp_path)
    Publication(location=str(tmp_path)).write(tmp_path)
    (code,) = blocks(render_card(tmp_path), "python")
    raw = {key: torch.full(feature.shape, 250.0 if key not in IMAGES else 0.5) for key, feature in inputs.items()}
    scope: dict[str, Any] = {"observation": dict(raw)}
    exec(code, scope)
    assert scope["action"].shape == (1, 2)
    scope["policy"].reset()
    torch.manual_seed(5)
    exec(code.splitlines()[-1], scope)
    # 250 is the middle of the range: zero for the network. Its answer comes back in the data's units.
    torch.manual_seed(5)
    policy.reset()
    middle = {key: torch.full((1, *ft.shape), 0.0 if key not in IMAGES else 0.5) for key, ft in inputs.items()}
    expected = 250 + 150 * policy.select_action(middle)
    torch.testing.assert_close(scope["action"], expected, rtol=1e-4, atol=1e-2)
    assert expected.abs().max() > 1


def parsed(arguments: list[str]) -> EvalPipelineConfig:
    """What LeRobot's eval makes of a command line."""
    seen: list[EvalPipelineConfig] = []

    def evaluate(cfg: EvalPipelineConfig) -> None:
        seen.append(cfg)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot eval", *arguments])
        parser.wrap()(evaluate)()
    return seen[0]


@pytest.mark.parametrize("evaluated", [True, False], ids=["evaluated", "not evaluated"])
@pytest.mark.parametrize("env", [PUSHT_ENV, ALOHA_ENV], ids=lambda env: env["type"])
def test_the_eval_line_is_one_lerobot_accepts(env: dict[str, Any], evaluated: bool, tmp_path: Path) -> None:
    folder = tmp_path / "with space; and 'quote'"
    folder.mkdir()
    add_config(folder, inputs=IMAGES if env is ALOHA_ENV else STATE)
    add_training(folder, env=env)
    Publication(location=str(folder)).write(folder)
    if evaluated:
        add_eval_info(folder, group=env["type"])
        add_report(folder)
    lines = [line for line in commands(render_card(folder)) if line[:2] == ["lerobot", "eval"]]
    assert len(lines) == (1 if evaluated else 2)
    for line in lines:
        made = parsed(line[2:])
        assert made.env.type == env["type"] and made.env.obs_type == env["obs_type"] and made.env.task == env["task"]
        assert made.policy is not None and made.policy.type == "dp_plus_transformer"
        assert made.policy.pretrained_path == folder
        assert (made.eval.n_episodes, made.seed) == ((7, 5000) if evaluated else (20, 100_000))
        assert made.eval.use_async_envs is False and made.eval.batch_size == made.eval.n_episodes


def test_the_report_line_gives_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "upload"
    folder.mkdir()
    add_config(folder)
    add_training(folder)
    evaluating, reporting = commands(render_card(folder))[-2:]
    (output,) = [flag.partition("=")[2] for flag in evaluating if flag.startswith("--output_dir=")]
    monkeypatch.chdir(tmp_path)
    Path(output).mkdir(parents=True)
    add_eval_info(Path(output))
    assert reporting[:2] == ["dp-plus", "report"]
    assert report.main([*reporting[2:], "--json", "report.json"]) == 0
    assert json.loads(Path("report.json").read_text())["seeds"] == [100_000, 100_006]


def test_pusht_is_evaluated_with_the_observations_the_policy_wants(tmp_path: Path) -> None:
    for inputs, obs_type in ((STATE, "environment_state_agent_pos"), (IMAGES, "pixels_agent_pos")):
        folder = tmp_path / obs_type
        folder.mkdir()
        add_config(folder, inputs=inputs)
        add_eval_info(folder)
        (line,) = [line for line in commands(render_card(folder)) if line[0] == "lerobot"]
        assert f"--env.obs_type={obs_type}" in line


def test_without_a_simulator_the_card_shows_a_rollout(tmp_path: Path) -> None:
    add_config(tmp_path)
    add_training(tmp_path, env=None)
    card = render_card(tmp_path, "somebody/thing")
    assert ["lerobot", "rollout"] in [line[:2] for line in commands(card)]
    assert "--policy.path=somebody/thing" in card and "--env.type=YOUR_SIMULATOR" in card


def test_install_says_where_from(tmp_path: Path) -> None:
    add_config(tmp_path)
    Publication(install="git+https://example.org/repo.git@v1").write(tmp_path)
    assert commands(render_card(tmp_path))[0] == ["pip", "install", "git+https://example.org/repo.git@v1"]
    Publication(install="x; rm -r y").write(tmp_path)
    assert commands(render_card(tmp_path))[0] == ["pip", "install", "x; rm -r y"]


# What the card says about members


@pytest.mark.parametrize("preset", [*PRESETS, *BASELINES])
def test_the_class_of_a_type_is_the_registered_one(preset: str) -> None:
    assert policy_class(preset) == get_policy_class(preset).__name__


def test_every_member_spoken_of_exists() -> None:
    for axis, member in MEMBERS:
        assert member in AXES[axis].get_known_choices(), f"{axis}.{member}"


@pytest.mark.parametrize("axis", list(AXES))
def test_every_member_is_spoken_of(axis: str) -> None:
    ours = {
        name for name, kind in AXES[axis].get_known_choices().items() if kind.__module__.startswith("lerobot_dp_plus")
    }
    assert ours - {member for each, member in MEMBERS if each == axis} == set()


def test_network_calls_are_those_the_samplers_make() -> None:
    for name in NETWORK_CALLS:
        for steps, more in product((1, 5, 10), ({}, {"corrections": 3})):
            kind = Sampler.get_known_choices()[name]
            if more and "corrections" not in {field.name for field in fields(kind)}:
                continue
            sampler = kind(num_steps=steps, **more)
            assert network_calls({"type": name, **asdict(sampler)}) == sampler.num_calls


def test_units_are_of_features_the_environments_have() -> None:
    made: dict[str, EnvConfig] = {
        "pusht": PushtEnv(obs_type="environment_state_agent_pos"),
        "aloha": AlohaEnv(obs_type="pixels_agent_pos"),
        "blocks": BlocksConfig(obs_type="environment_state_agent_pos"),
        "metaworld_lite": MetaworldLiteConfig(obs_type="environment_state_agent_pos"),
        "three_pucks": ThreePucksConfig(obs_type="environment_state_agent_pos"),
    }
    for (environment, name), (shape, _) in UNITS.items():
        env = made[environment]
        features = {env.features_map[key]: feature for key, feature in env.features.items()}
        assert isinstance(features[name], PolicyFeature) and tuple(features[name].shape) == shape
        assert features[name].type in (FeatureType.STATE, FeatureType.ENV, FeatureType.ACTION)
    assert set(SAME_UNITS.values()) <= set(made)


def test_what_is_read_off_pictures_is_no_input(tmp_path: Path) -> None:
    whole = SmallCnnConfig(crop_ratio=1.0)
    add_config(tmp_path, inputs={**STATE, **ENV_STATE, **IMAGES}, state_estimation=Regression(), image_encoder=whole)
    card = render_card(tmp_path)
    (state,), (image,) = ENV_STATE, IMAGES
    assert f"| estimated | `{state}` |" in card and f"| in | `{image}` |" in card
    assert f"`{state}` was known in training only." in card
    (code,) = blocks(card, "python")
    assert f'"{image}"' in code and state not in code
    add_config(tmp_path, inputs={**STATE, **ENV_STATE, **IMAGES})
    plain = render_card(tmp_path)
    assert f"| in | `{state}` |" in plain and "known in training only" not in plain
