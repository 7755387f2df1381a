"""Actions relative to the robot's state: what is learned, what is remembered, and what the robot is given."""

import json
import logging
from pathlib import Path

import numpy as np
import pyarrow.dataset
import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import make_pre_post_processors
from lerobot.policies.rtc import reanchor_relative_rtc_prefix
from lerobot.processor import NormalizerProcessorStep, RelativeActionsProcessorStep
from lerobot.rollout.inference.rtc import _normalize_prev_actions_length
from safetensors.torch import load_file
from tiny import ENV_STATE, config, noise, trained

import lerobot_dp_plus
from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.auxiliary import Outcome
from lerobot_dp_plus.cli import main
from lerobot_dp_plus.energies import Energies, Smoothness
from lerobot_dp_plus.execution import Ensemble
from lerobot_dp_plus.policies.acting import Loaded, load_policy
from lerobot_dp_plus.policies.processor_dp_plus import normalisation
from lerobot_dp_plus.policies.relative_statistics import of_frames
from lerobot_dp_plus.selection import Ask, Coherent, Densest

DATA = Path(lerobot_dp_plus.__file__).parent / "assets" / "pusht_demos"
#: The second joint stays absolute.
RELATIVE = {
    "use_relative_actions": True,
    "relative_exclude_joints": ["gripper"],
    "action_feature_names": ["waist.pos", "gripper.pos"],
}
STATS = {
    "observation.state": {"min": torch.full((4,), -3.0), "max": torch.tensor([3.0, 5.0, 3.0, 3.0])},
    "action": {"min": torch.tensor([-0.5, 0.0]), "max": torch.tensor([0.7, 2.0])},
}


def ready(**fields) -> Loaded:
    """A tiny policy with its pipelines."""
    policy = trained(**RELATIVE, **fields)
    for model in (policy.model, policy._averaged_model):
        model.units.learn(normalisation(policy.config, STATS))
    return Loaded(policy, *make_pre_post_processors(policy.config, dataset_stats=STATS))


@pytest.fixture
def loaded() -> Loaded:
    return ready(horizon=16, n_action_steps=6)


def states(count: int) -> list[torch.Tensor]:
    """Where a robot is, step by step: it moves a lot, (1, 4) each."""
    walk = torch.randn(count, 4, generator=torch.Generator().manual_seed(0)).cumsum(0) * 0.3
    return [state[None] for state in walk]


def test_statistics_are_of_what_is_learned() -> None:
    rng = np.random.default_rng(0)
    actions, where, episodes = rng.normal(size=(50, 2)), rng.normal(size=(50, 3)), np.repeat([0, 1], [20, 30])
    steps, which = range(-1, 7, 2), [True, False]
    found = of_frames(actions, where, episodes, steps, which)
    brute = np.array(
        [
            [actions[t + k, 0] - where[t, 0], actions[t + k, 1]]
            for t in range(50)
            for k in steps
            if 0 <= t + k < 50 and episodes[t] == episodes[t + k]
        ]
    )
    assert found["count"] == [len(brute)]
    for name, value in (("min", brute.min(0)), ("max", brute.max(0)), ("mean", brute.mean(0)), ("std", brute.std(0))):
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    np.testing.assert_allclose(found["q10"], np.quantile(brute, 0.1, axis=0), rtol=1e-5)


def test_what_is_learned_and_back(loaded) -> None:
    """A training sample: every action of the window relative to its newest state, and absolute again."""
    window, actions = torch.randn(3, 2, 4), torch.randn(3, 16, 2)
    made = loaded.preprocess({"observation.state": window, "action": actions})
    expected = actions - window[:, -1:, :2] * torch.tensor([1.0, 0.0])
    low, high = STATS["action"]["min"], STATS["action"]["max"]
    assert torch.allclose(made["action"], 2 * (expected - low) / (high - low) - 1, atol=1e-5)
    assert made["observation.state"].shape == (3, 2, 4), "states stay as they are"
    for step in (0, 7, 15):
        assert torch.allclose(loaded.postprocess(made["action"][:, step]), actions[:, step], atol=1e-5)


def given(loaded: Loaded, where: list[torch.Tensor], seed: int = 1) -> list[torch.Tensor]:
    """What the robot is given step by step, as LeRobot's evaluation asks for it."""
    loaded.policy.reset()
    seen = []
    for state in where:
        batch = loaded.preprocess({"observation.state": state})
        action = loaded.policy.select_action(batch, noise=noise(loaded.policy.config, 1, seed))
        seen.append(loaded.postprocess(action)[0])
    return seen


def test_a_chunk_does_not_drift_with_the_robot(loaded) -> None:
    """LeRobot adds the newest state to a step that was planned for an older one."""
    policy, where = loaded.policy, states(6)
    policy.reset()
    batch = loaded.preprocess({"observation.state": where[0]})
    chunk = loaded.postprocess(policy.predict_action_chunk(batch, noise=noise(policy.config, 1))[0])
    for step, action in enumerate(given(loaded, where)):
        assert torch.allclose(action, chunk[step], atol=1e-4), step
    assert (chunk[1:6, 0] - chunk[0, 0] - torch.cat(where)[1:6, 0] + where[0][0, 0]).abs().max() > 0.1


def test_candidates_and_means_of_chunks_are_of_places() -> None:
    """An ensemble averages where chunks of several states lead; candidates are told in the dataset's units."""
    loaded = ready(horizon=16, n_action_steps=1, execution=Ensemble(m=0.0))
    policy, where = loaded.policy, states(2)
    plans = []
    for state in where:
        batch = loaded.preprocess({"observation.state": state})
        assert policy.candidates(batch, 1, noise=noise(policy.config, 1)).chunks.shape == (1, 1, 15, 2)
    policy.reset()
    for state in where:
        batch = loaded.preprocess({"observation.state": state})
        policy.episode.history.see(batch)
        window = policy.episode.history.window()
        chunk = policy.sample(window, noise(policy.config, 1))[0, 0, 1:]
        plans.append(loaded.postprocess(chunk))
    first, second = given(loaded, where)
    assert torch.allclose(first, plans[0][0], atol=1e-4)
    assert torch.allclose(second, (plans[0][1] + plans[1][0]) / 2, atol=1e-4)
    batch = loaded.preprocess({"observation.state": where[0]})
    chunks = policy.candidates(batch, 1, noise=noise(policy.config, 1)).chunks[0, 0]
    assert torch.allclose(chunks, plans[0], atol=1e-4)


def test_the_rest_of_a_plan_in_real_time(loaded) -> None:
    """As LeRobot's engine does it: the rest in the data's units, relative to the new state, filled up with zeros."""
    policy, where = loaded.policy, states(5)
    relative = next(step for step in loaded.preprocess.steps if isinstance(step, RelativeActionsProcessorStep))
    normalise = next(step for step in loaded.preprocess.steps if isinstance(step, NormalizerProcessorStep))
    policy.reset()
    before = loaded.postprocess(policy.predict_action_chunk(loaded.preprocess({"observation.state": where[0]}))[0])
    batch = loaded.preprocess({"observation.state": where[4]})
    rest = reanchor_relative_rtc_prefix(before[4:], relative.get_cached_state(), relative, normalise, "cpu")
    rest = _normalize_prev_actions_length(rest, 13)
    chunk = policy.predict_action_chunk(batch, inference_delay=3, prev_chunk_left_over=rest)
    after = loaded.postprocess(chunk[0])
    assert policy.episode.replan.executed == 4, "it found its own plan again"
    assert torch.allclose(after[:3], before[4:7], atol=1e-4), "what is decided"
    assert (after[3:11] - before[7:]).abs().max() > 0.01


def test_what_is_coherent_is_so_in_places() -> None:
    """The plan that candidates are compared with is where it was, though the robot moved."""
    loaded = ready(horizon=16, n_action_steps=2, selection=Coherent(4))
    policy, where = loaded.policy, states(3)
    draws = torch.randn(1, 4, 16, 2, generator=torch.Generator().manual_seed(2))
    policy.reset()
    for state in where:
        policy.select_action(loaded.preprocess({"observation.state": state}), noise=draws)
    replan = policy.episode.replan
    tail = loaded.postprocess(replan.tail[0])
    policy.reset()
    batch = loaded.preprocess({"observation.state": where[0]})
    plan = loaded.postprocess(policy.predict_action_chunk(batch, noise=draws)[0])
    assert torch.allclose(tail, plan[2:], atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dynamics": Outcome()}, "dynamics.type = outcome"),
        ({"energies": Energies(smoothness=Smoothness(weight=1.0))}, "energies.smoothness.weight"),
        ({"augmentation": PushTMirror()}, "augmentation.type = pusht_mirror"),
        ({"selection": Ask(otherwise=Densest())}, "selection.type = ask"),
    ],
)
def test_what_knows_places_is_refused_by_name(fields, said) -> None:
    with pytest.raises(ValueError, match=rf"use_relative_actions = true: .*{said}"):
        config(use_relative_actions=True, **fields)


def test_there_must_be_a_state() -> None:
    narrow = {"observation.state": PolicyFeature(FeatureType.STATE, (1,))}
    with pytest.raises(ValueError, match="there is no measured observation"):
        config(inputs=ENV_STATE, use_relative_actions=True)
    with pytest.raises(ValueError, match=r"observation\.state has 1 numbers, fewer than the 2 of an action"):
        config(inputs=narrow, use_relative_actions=True)


@pytest.fixture
def _logging_of_its_own(monkeypatch):
    """LeRobot's scripts take the root logger's handlers away, and leave one that writes to a stream of this test."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("_logging_of_its_own")
def test_a_training_and_an_evaluation(tmp_path) -> None:
    """For real: statistics of relative actions are saved, fine-tuning keeps them, and weights are not used otherwise."""
    tiny = ["policy.network.dim=16", "policy.network.depth=1", "policy.network.num_heads=2", "policy.device=cpu"]
    run = ["steps=2", "batch_size=4", "env_eval_freq=0", "log_freq=1", "wandb.enable=false"]
    asked = [f"dataset={DATA}", "policy.push_to_hub=false"]
    out = tmp_path / "run"
    relative = ["policy=dp_plus_flow", "policy.use_relative_actions=true", f"output_dir={out}"]
    assert main(["train", *asked, *relative, *tiny, *run]) == 0
    folder = out / "checkpoints/last/pretrained_model"
    saved = json.loads((folder / "config.json").read_text())
    assert saved["action_feature_names"] == ["x", "y"] and saved["use_relative_actions"]
    table = pyarrow.dataset.dataset(DATA / "data").to_table().sort_by("index")
    action, state = (np.asarray(table[key].to_pylist()) for key in ("action", "observation.state"))
    episodes = np.asarray(table["episode_index"])
    expected = of_frames(action, state, episodes, range(-1, saved["horizon"] - 1), [True, True])
    (file,) = folder.glob("policy_preprocessor*normalizer*.safetensors")
    stats = load_file(file)
    for name in ("min", "max"):
        np.testing.assert_allclose(stats[f"action.{name}"].numpy(), expected[name], rtol=1e-5)
    assert np.abs(expected["max"]).max() < 0.9 * action.max(), "they are not those of the dataset"

    again = [f"policy={out}", f"output_dir={tmp_path / 'again'}"]
    assert main(["train", *asked, *again, *run]) == 0
    (file,) = (tmp_path / "again/checkpoints/last/pretrained_model").glob("policy_preprocessor*normalizer*.safetensors")
    np.testing.assert_allclose(load_file(file)["action.max"].numpy(), expected["max"], rtol=1e-5)

    ask = [
        f"policy={out}",
        "env=pusht",
        "env.episode_length=12",
        "eval.n_episodes=2",
        f"output_dir={tmp_path / 'eval'}",
    ]
    assert main(["eval", *ask]) == 0
    assert len(json.loads((tmp_path / "eval/eval_info.json").read_text())["per_task"][0]["metrics"]["successes"]) == 2
    with pytest.raises(ValueError, match=r"use_relative_actions = False: the pipeline saved in .* has True"):
        load_policy(out, use_relative_actions=False)
