"""What the presets are: they predict the data, and their steps in time follow the rate of the data unless given."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import draccus
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import factory
from lerobot.policies import make_policy_config
from tiny import BASELINES, PRESETS

from lerobot_dp_plus import patches
from lerobot_dp_plus import policies as room
from lerobot_dp_plus.auxiliary import Outcome
from lerobot_dp_plus.execution import Agreement
from lerobot_dp_plus.heads import head_of
from lerobot_dp_plus.networks import DiTConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.notation import STEPS, Span, Tokens
from lerobot_dp_plus.objectives import BetaTimes
from lerobot_dp_plus.policies import timing
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusTransformerConfig
from lerobot_dp_plus.policies.windows import Windows
from lerobot_dp_plus.selection import Coherent

USUAL = {"device": "cpu", "push_to_hub": False}


def preset(name: str, **fields):
    return make_policy_config(name, **USUAL, **fields)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_predicts_the_data(name):
    made = preset(name)
    assert made.objective.prediction == "x1"
    # Also where an objective is switched to.
    for objective in ("diffusion", "flow_matching", "shortcut"):
        assert _parsed(name, f"--objective.type={objective}", "--sampler.type=ddim").objective.prediction == "x1"


def test_lerobots_noise_prediction_is_one_flag():
    assert _parsed("dp_plus_unet", "--objective.prediction=epsilon").objective.prediction == "epsilon"


@pytest.mark.parametrize(
    ("fps", "steps"),
    [(5, (8, 4, 1)), (10, (16, 8, 1)), (15, (24, 12, 2)), (25, (40, 20, 2)), (30, (48, 24, 3)), (50, (80, 40, 5))],
)
@pytest.mark.parametrize("name", PRESETS)
def test_steps_follow_the_rate_of_the_data(name, fps, steps):
    made = preset(name)
    made.follow(fps)
    assert (made.horizon, made.n_action_steps, made.observation_stride) == steps
    # About 1.6 s ahead, half of it executed, observations about a tenth of a second apart.
    assert made.horizon / fps == pytest.approx(1.6, rel=0.05)
    assert made.n_action_steps == made.horizon // 2
    assert made.observation_delta_indices == [-made.observation_stride, 0]
    assert made.action_delta_indices == list(range(-1, made.horizon - 1))


def test_a_stride_counts_in_the_steps():
    made = preset("dp_plus_transformer", stride=2)
    made.follow(20)  # ten steps a second of the data
    assert (made.horizon, made.observation_stride) == (16, 1)
    assert made.observation_delta_indices == [-2, 0]


@pytest.mark.parametrize("given", [{"horizon": 12}, {"n_action_steps": 3}, {"observation_stride": 4}])
def test_what_is_given_stays(given):
    made = preset("dp_plus_transformer", **given)
    made.follow(50)
    assert {name: getattr(made, name) for name in given} == given
    others = {name: getattr(made, name) for name in timing.FOLLOWING if name not in given}
    half = {"n_action_steps": given.get("horizon", 80) // 2}
    assert others == {k: v for k, v in ({"horizon": 80, "observation_stride": 5} | half).items() if k not in given}


def test_the_horizon_fits_the_network():
    unet = preset("dp_plus_unet", network=UNet1dConfig(down_dims=(8, 8, 8, 8)))
    tokens = preset("dp_plus_transformer", network=TransformerConfig(patch_size=6))
    for fps in range(1, 121):
        unet.follow(fps)
        tokens.follow(fps)
        assert (unet.horizon % 8, tokens.horizon % 6) == (0, 0)
        assert abs(unet.horizon - 1.6 * fps) <= 4 or unet.horizon == 8


@pytest.mark.parametrize(("horizon", "patch"), [(8, 8), (12, 6), (16, 8), (50, 5), (13, 1), (1, 1), (48, 8)])
@pytest.mark.parametrize("kind", [TransformerConfig, DiTConfig])
def test_tokens_are_as_long_as_the_horizon_allows(kind, horizon, patch):
    network = kind(dim=8, depth=1, num_heads=2).build(horizon=horizon, action_dim=2, observation={STEPS: Span(1, 3)})
    assert network.patch_size == patch
    chunk = torch.randn(2, horizon, 2)
    assert network(chunk, torch.zeros(2), network.condition((Tokens(torch.randn(2, 1, 3)),))).shape == chunk.shape


def test_lerobot_asks_for_the_frames_of_the_datasets_rate():
    """Its trainer knows the rate before the policy is made; this is the call in which it reads the indices."""
    patches.install()
    features = {key: {"dtype": "float32"} for key in ("observation.state", "action")}
    made = preset("dp_plus_flow")
    deltas = factory.resolve_delta_timestamps(made, SimpleNamespace(fps=30, features=features, stats={}))
    assert deltas["observation.state"] == [-3 / 30, 0]
    assert deltas["action"] == [step / 30 for step in range(-1, 47)]
    assert made.n_action_steps == 24


def test_lerobots_own_policies_are_asked_as_before():
    made = make_policy_config("act", **USUAL, chunk_size=5, n_action_steps=5)
    deltas = factory.resolve_delta_timestamps(made, SimpleNamespace(fps=30, features={"action": {}}))
    assert deltas == {"action": [step / 30 for step in range(5)]}


def test_a_saved_config_states_the_steps_it_was_trained_with(tmp_path):
    made = preset("dp_plus_dit")
    made.follow(30)
    made.fps = 30
    made._save_pretrained(tmp_path)
    again = PreTrainedConfig.from_pretrained(tmp_path)
    again.follow(10)
    assert (again.horizon, again.n_action_steps, again.observation_stride) == (48, 24, 3)


def test_null_is_what_is_not_given(tmp_path):
    fields = {"type": "dp_plus_transformer", "format_version": 2, "horizon": None, "fps": 50, "n_action_steps": 10}
    (tmp_path / "config.json").write_text(json.dumps(fields | USUAL))
    again = PreTrainedConfig.from_pretrained(tmp_path)
    assert (again.horizon, again.n_action_steps) == (80, 10)


def test_zero_is_refused_by_name():
    with pytest.raises(ValueError, match="observation_stride = 0: must be at least 1"):
        preset("dp_plus_transformer", observation_stride=0)


def test_observations_are_every_kth_step_and_the_dynamics_sees_the_same_two():
    dynamics = Outcome(steps=2).needs(3, 3)
    windows = Windows(3, 6, stride=2, observation_stride=3, others={"dynamics": dynamics})
    assert windows.seen == [-12, -6, 0]
    assert dynamics.observations == (
        -3,
        0,
        1,
        2,
    )  # in use a step is one frame, so the newest two are three frames apart
    assert windows.predicted == [-4, -2, 0, 2, 4, 6]


def _parsed(name: str, *flags: str):
    cls = PreTrainedConfig.get_choice_class(name)
    return draccus.parse(cls, args=["--device=cpu", "--push_to_hub=false", *flags])


def test_what_the_room_says_of_presets_and_files_is_so():
    said = room.__doc__
    files = {file.name for file in Path(room.__file__).parent.glob("*.py")} - {"__init__.py"}
    assert files == set(re.findall(r"`(\w+\.py)`", said))
    rows = dict(re.findall(r"^\| `(dp_plus_\w+)` \| (.*) \|$", said, re.MULTILINE))
    assert set(rows) == {*PRESETS, *BASELINES}
    for name, row in rows.items():
        made = preset(name)
        network, objective = (part.get_choice_name(type(part)) for part in (made.network, made.objective))
        assert row.split(",")[0] == f"{network} | {objective}"
        if name in BASELINES:
            assert "sampler" not in head_of(made.objective).uses
            continue
        assert made.objective.prediction == "x1"
        assert (
            f"sample with {made.sampler.get_choice_name(type(made.sampler))} in {made.sampler.num_steps} steps" in said
        )
        if "times" in row:
            assert isinstance(made.objective.times, BetaTimes) and f"Beta({made.objective.times.a:g}, 1) times" in row


@pytest.mark.parametrize(
    "fields",
    [{"max_delay": 12}, {"n_action_steps": 30}, {"execution": Agreement(min_steps=12), "selection": Coherent()}],
    ids=["max_delay", "n_action_steps", "execution"],
)
def test_steps_that_fit_the_datas_rate_are_not_judged_by_another(fields: dict) -> None:
    """At 30 frames a second a chunk has 48 steps; at PushT's 10, which is assumed until the data are known, 16."""
    made = DpPlusTransformerConfig(push_to_hub=False, **fields)
    made.follow(30)
    with pytest.raises(ValueError, match="must be at"):
        made.follow(10)
    with pytest.raises(ValueError, match="must be at"):
        DpPlusTransformerConfig(push_to_hub=False, horizon=16, **fields)
