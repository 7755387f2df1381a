"""What an environment shows the policy, and how many run at once, where nobody has said."""

import json
from pathlib import Path

import pytest

from lerobot_dp_plus.cli import host
from lerobot_dp_plus.cli.environment import environment_defaults
from lerobot_dp_plus.cli.given import Given
from lerobot_dp_plus.evaluation import evaluate
from lerobot_dp_plus.evaluation.obs_type import KEYPOINTS, PIXELS
from lerobot_dp_plus.evaluation.together import batch_size

CARDS = Path(__file__).parents[2] / "hub_cards"
STATE = {"observation.state": {"type": "STATE", "shape": [2]}}
CORNERS = {"observation.environment_state": {"type": "ENV", "shape": [16]}}
PICTURE = {"observation.image": {"type": "VISUAL", "shape": [3, 96, 96]}}


def checkpoint(folder: Path, kind: str, features: dict) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"type": kind, "input_features": features}))
    return f"--policy.path={folder}"


@pytest.mark.parametrize(
    ("features", "env", "expected"),
    [
        (STATE | CORNERS, "pusht", KEYPOINTS),
        (STATE | PICTURE, "pusht", PIXELS),
        (STATE | CORNERS | PICTURE, "pusht", PIXELS),  # what pictures do not show is read off them
        (STATE, "pusht", KEYPOINTS),
        ({"observation.images.top": {"type": "VISUAL"}}, "aloha", PIXELS),
        (STATE, "aloha", PIXELS),  # it has no other
        (STATE | CORNERS, "aloha_lite", KEYPOINTS),
        (STATE | PICTURE, "aloha_lite", PIXELS),
        (STATE, "metaworld", None),
    ],
)
@pytest.mark.parametrize("kind", ["dp_plus_dit", "diffusion"])
def test_of_a_checkpoint(tmp_path: Path, features: dict, env: str, expected: str | None, kind: str) -> None:
    given = [checkpoint(tmp_path / "policy", kind, features), f"--env.type={env}", "--eval.batch_size=1"]
    assert environment_defaults(Given(given, {})) == ([f"--env.obs_type={expected}"] if expected else [])
    assert environment_defaults(Given([*given, "--env.obs_type=mine"], {})) == []
    assert environment_defaults(Given(given, {"env": {"obs_type": "mine"}})) == []


@pytest.mark.parametrize(("card", "expected"), [("pusht_state", KEYPOINTS), ("pusht_pixels", PIXELS)])
def test_of_what_is_shipped(card: str, expected: str) -> None:
    added = host.defaults("eval", [f"--policy.path={CARDS / card}", "--env.type=pusht"])
    assert added == ["--eval.use_async_envs=false", f"--env.obs_type={expected}", "--eval.batch_size=50"]
    assert f"--env.obs_type={expected}" in evaluate.eval_arguments(CARDS / card, Path("out"), 3, 0)


@pytest.mark.parametrize(("dtype", "expected"), [("video", PIXELS), ("image", PIXELS), ("float32", KEYPOINTS)])
def test_of_a_new_policys_data(tmp_path: Path, dtype: str, expected: str) -> None:
    (tmp_path / "meta").mkdir()
    features = {"observation.something": {"dtype": dtype}, "action": {"dtype": "float32"}}
    (tmp_path / "meta" / "info.json").write_text(json.dumps({"features": features}))
    given = ["--policy.type=dp_plus_unet", "--env.type=pusht", f"--dataset.root={tmp_path}", "--eval.batch_size=2"]
    assert environment_defaults(Given(given, {})) == [f"--env.obs_type={expected}"]
    # What the policy is told to read goes first.
    told = f"--policy.input_features={json.dumps(STATE | PICTURE)}"
    assert environment_defaults(Given([*given, told], {})) == [f"--env.obs_type={PIXELS}"]
    config = {"policy": {"type": "dp_plus_unet", "input_features": STATE | CORNERS}}
    assert environment_defaults(Given(given, config)) == [f"--env.obs_type={KEYPOINTS}"]


def test_nothing_is_guessed() -> None:
    assert environment_defaults(Given(["--policy.type=act", "--env.type=pusht"], {})) == []
    assert environment_defaults(Given(["--policy.type=dp_plus_flow"], {})) == []


@pytest.mark.parametrize(
    ("episodes", "most", "expected"),
    [
        (None, 50, 50),
        ("50", 50, 50),
        ("3", 50, 3),
        (60, 50, 30),
        ("101", 50, 34),
        ("25", 10, 9),
        ("0", 50, None),
        ("many", 50, None),
    ],
)
def test_batches_waste_little(episodes: object, most: int, expected: int | None) -> None:
    assert batch_size(episodes, most) == expected


def test_only_policies_of_ours_are_batched(tmp_path: Path) -> None:
    for kind, expected in (("dp_plus_flow", ["--eval.batch_size=7"]), ("diffusion", [])):
        path = checkpoint(tmp_path / kind, kind, STATE)
        given = [path, "--env.type=pusht", "--env.obs_type=x", "--eval.n_episodes=7"]
        assert environment_defaults(Given(given, {})) == expected
    given = [path.replace("diffusion", "dp_plus_flow"), "--env.type=aloha_lite", "--env.obs_type=x"]
    assert environment_defaults(Given(given, {})) == ["--eval.batch_size=10"]
