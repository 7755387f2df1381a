"""Which robot of several is meant, told from a checkpoint's config and an environment's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from lerobot_dp_plus.environments.blocks_config import BlocksConfig
from lerobot_dp_plus.evaluation.embodiment_of import WIDTHS, as_served, robot_in
from lerobot_dp_plus.evaluation.environment_of import environment_arguments, with_robot


def feature(kind: str, *shape: int) -> dict[str, Any]:
    return {"type": kind, "shape": list(shape)}


ROBOTS = {
    "arm": {"action": feature("ACTION", 3), "observation.image": feature("VISUAL", 3, 64, 64)},
    "cart": {"action": feature("ACTION", 2), "observation.state": feature("STATE", 2)},
}
CONFIG = {"type": "dp_plus_flow", "robots": ROBOTS, "output_features": {"action": feature("ACTION", 3)}}


@pytest.mark.parametrize(
    ("env", "said", "robot"),
    [
        ("pusht", None, "cart"),
        ("blocks", None, "arm"),
        ("aloha", None, None),
        (None, None, None),
        ("pusht", "arm", "arm"),
    ],
)
def test_the_only_robot_whose_action_the_environment_has(env: str | None, said: str | None, robot: str | None) -> None:
    assert robot_in(CONFIG, env, said) == robot


def test_policies_of_one_robot_are_left_as_they_are(tmp_path: Path) -> None:
    assert robot_in({"type": "dp_plus_flow"}, "pusht") is None
    assert as_served({"input_features": {}}, None) == {"input_features": {}}
    (tmp_path / "config.json").write_text("{}")
    assert with_robot(tmp_path, ["--env.type=pusht"]) == ["--env.type=pusht"]


def test_the_environment_shows_what_the_robot_sees(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for env, shows in (("pusht", "environment_state_agent_pos"), ("blocks", "pixels_agent_pos")):
        arguments = with_robot(tmp_path, [f"--env.type={env}"])
        assert f"--env.obs_type={shows}" in environment_arguments(tmp_path, arguments)
    assert with_robot(tmp_path, ["--policy.embodiment=arm"], "pusht") == ["--policy.embodiment=arm"]
    assert with_robot(tmp_path, [], "pusht") == ["--policy.embodiment=cart"]


def test_widths_are_those_of_the_environments() -> None:
    assert BlocksConfig().features["action"].shape == (WIDTHS["blocks"],)
