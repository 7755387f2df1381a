"""Every published config is one that LeRobot's training reads."""

import json
from pathlib import Path

import draccus
import pytest
from lerobot.configs.train import TrainPipelineConfig

import lerobot_policy_dp_plus  # noqa: F401  registers our types
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.json"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_a_config_is_read_whole(file: Path) -> None:
    written = json.loads(file.read_text())
    read = draccus.parse(TrainPipelineConfig, config_path=file, args=[])
    assert isinstance(read.policy, DpPlusConfig)
    policy = draccus.encode(read.policy)
    for field, value in written["policy"].items():
        if isinstance(value, dict):
            assert policy[field]["type"] == value["type"] if "type" in value else policy[field].items() >= value.items()
        else:
            assert policy[field] == value, field
    assert (read.steps, read.seed, str(read.output_dir)) == (written["steps"], written["seed"], written["output_dir"])
    folder = Path("outputs/demo/train") if file.stem == "demo_pusht" else Path("outputs") / file.stem
    assert read.output_dir == folder  # two configs must not overwrite each other's results
