"""LeRobot's own scripts on the data of two robots: training, going on, evaluation, loading."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from host_scripts import NETWORK, evaluate, run
from lerobot.datasets import LeRobotDataset
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.policies.robots_step import RobotsProcessorStep

STATE, LISTED = "observation.state", "observation.environment_state"
OBS_TYPE = "environment_state_agent_pos"


def made_up(root: Path, widths: dict[str, int], seed: int, reach: float) -> Path:
    """Two episodes of a robot."""
    features = {key: {"dtype": "float32", "shape": (width,), "names": None} for key, width in widths.items()}
    made = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(seed)
    for length in (12, 16):
        for _ in range(length):
            values = {key: rng.uniform(0, reach, width).astype(np.float32) for key, width in widths.items()}
            made.add_frame({**values, "task": "push"})
        made.save_episode()
    made.finalize()
    return root


def train(data: str, output: Path, *more: str) -> Path:
    """Four updates by LeRobot's script, a checkpoint after two; the last checkpoint's folder."""
    policy = ["device=cpu", "push_to_hub=false", "horizon=8", "n_action_steps=4", "things=3", *NETWORK["dp_plus_flow"]]
    switches = [f"--policy.{switch}" for switch in policy] if "--policy.type=dp_plus_flow" in more else []
    sizes = ("--steps=4", "--save_freq=2", "--batch_size=8", "--num_workers=0", "--log_freq=4", "--seed=3")
    run(lerobot_train, f"--dataset.repo_id={data}", f"--output_dir={output}", *more, *switches, *sizes)
    return output / "checkpoints" / "last" / "pretrained_model"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("robots")
    return {
        "pusht": made_up(root / "pusht", {STATE: 2, LISTED: 16, "action": 2}, 0, 512.0),
        "other": made_up(root / "other", {STATE: 3, LISTED: 6, "action": 3}, 1, 1.0),
    }


@pytest.fixture(scope="module")
def both(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    listed = f"[pusht={data['pusht']}:2,{data['other']}]"
    return train(listed, tmp_path_factory.mktemp("both") / "run", "--policy.type=dp_plus_flow")


def test_a_checkpoint_knows_its_robots_and_their_statistics(both: Path) -> None:
    config = json.loads((both / "config.json").read_text())
    assert list(config["robots"]) == ["pusht", "other"] and config["embodiment"] is None
    assert config["output_features"]["action"]["shape"] == [3]
    assert config["robots"]["pusht"]["action"]["shape"] == [2]
    for name, width, reach in (("pusht", 2, 512.0), ("other", 3, 1.0)):
        policy, preprocess, postprocess = load_policy(both, embodiment=name)
        kept = next(step for step in preprocess.steps if isinstance(step, RobotsProcessorStep))
        least, most = (kept.normalisers[name].stats[STATE][end] for end in ("min", "max"))
        made = preprocess({STATE: torch.as_tensor(most)[None].float()})[STATE]
        torch.testing.assert_close(made, torch.ones(1, width))
        assert (np.asarray(most) <= reach).all() and (np.asarray(most) > 0.5 * reach).all()
        torch.testing.assert_close(
            policy.model.units.physical(STATE, -torch.ones(width)), torch.as_tensor(least).float()
        )
        actions = postprocess(torch.ones(1, width))
        assert actions.shape == (1, width) and (actions > 0.5 * reach).all() and (actions <= reach).all()


def test_each_robot_acts_at_its_own_width_and_in_its_own_units(both: Path) -> None:
    other = load_policy(both, embodiment="other")
    action = other.act({STATE: np.full(3, 0.5), LISTED: np.full(6, 0.5)})
    assert action.shape == (3,) and (np.abs(action) < 5).all()
    pusht = load_policy(both, embodiment="pusht")
    action = pusht.act({STATE: np.full(2, 200.0), LISTED: np.linspace(0, 500, 16)})
    assert action.shape == (2,) and (action > 5).all()


def test_one_robot_of_several_is_saved_alone(both: Path, tmp_path: Path) -> None:
    loaded = load_policy(both, embodiment="other")
    for part in loaded:
        part.save_pretrained(tmp_path)
    again, seen = load_policy(tmp_path), {STATE: np.full(3, 0.3), LISTED: np.full(6, 0.5)}
    actions = []
    for each in (loaded, again):
        torch.manual_seed(5)
        actions.append(each.act(seen))
    np.testing.assert_array_equal(*actions)
    assert load_policy(tmp_path, embodiment="pusht").policy.config.action_feature.shape == (2,)


def test_evaluation_finds_the_robot_by_its_action(both: Path, tmp_path: Path) -> None:
    assert len(evaluate(both, tmp_path, OBS_TYPE)["per_task"][0]["metrics"]["successes"]) == 2


def test_a_checkpoint_asks_which_robot_is_meant(both: Path) -> None:
    with pytest.raises(ValueError, match="pusht with 2 actions, other with 3 actions"):
        load_policy(both)
    with pytest.raises(ValueError, match="embodiment = 'arm': legal are pusht, other"):
        load_policy(both, embodiment="arm")


def test_a_training_goes_on_as_if_it_had_not_stopped(both: Path, tmp_path: Path) -> None:
    checkpoints = both.resolve().parent.parent
    start = checkpoints / "000002" / "pretrained_model" / "train_config.json"
    torch.manual_seed(99)
    run(lerobot_train, f"--config_path={start}", "--resume=true", f"--output_dir={tmp_path}")
    resumed = load_file(tmp_path / "checkpoints" / "000004" / "pretrained_model" / "model.safetensors")
    for key, value in load_file(both / "model.safetensors").items():
        assert torch.equal(value, resumed[key]), key


def test_it_is_trained_further_on_one_robot_or_on_all(both: Path, data: dict[str, Path], tmp_path: Path) -> None:
    path = f"--policy.path={both}"
    one = train("made/up", tmp_path / "one", path, "--policy.embodiment=other", f"--dataset.root={data['other']}")
    assert load_policy(one).act({STATE: np.full(3, 0.5), LISTED: np.full(6, 0.5)}).shape == (3,)
    listed = f"[pusht={data['pusht']},other={data['other']}]"
    again = train(listed, tmp_path / "all", path)
    assert load_policy(again, embodiment="pusht").policy.config.observed_features == {LISTED: (16,), STATE: (2,)}
