"""Every published config is one that LeRobot's training reads."""

import json
from pathlib import Path

import draccus
import pytest
from lerobot.configs.train import TrainPipelineConfig

import lerobot_policy_dp_plus  # noqa: F401  registers our types
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION, DpPlusConfig

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.json"))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_a_config_is_read_whole(file: Path) -> None:
    written = json.loads(file.read_text())
    read = draccus.parse(TrainPipelineConfig, config_path=file, args=[])
    assert isinstance(read.policy, DpPlusConfig)
    assert written["policy"].pop("format_version", FORMAT_VERSION) <= FORMAT_VERSION == read.policy.format_version
    for field, value in written["policy"].items():
        found = read.policy.type if field == "type" else getattr(read.policy, field)
        if not isinstance(value, dict):
            assert found == value or found == Path(str(value)), field
            continue
        for name, part in value.items():
            if name == "type":
                assert found.get_choice_name(type(found)) == part, field
            elif not isinstance(part, dict):
                assert getattr(found, name) in (part, tuple(part) if isinstance(part, list) else part), (field, name)
    assert (read.steps, read.seed, str(read.output_dir)) == (written["steps"], written["seed"], written["output_dir"])
    assert read.dataset.root is None or (ROOT / read.dataset.root / "meta" / "info.json").is_file()
    folder = Path("outputs/demo/train") if file.stem == "demo_pusht" else Path("outputs") / file.stem
    assert read.output_dir == folder  # two configs must not overwrite each other's results
