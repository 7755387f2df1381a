"""What comes along is found by the name it has in a clone, also elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from lerobot_dp_plus import DpPlusPolicy, load_policy
from lerobot_dp_plus.cli.arguments import own_config, translate
from lerobot_dp_plus.evaluation.demo import find_config
from lerobot_dp_plus.policies.folders import ASSETS, at_hand, pretrained_folder


def test_a_policy_that_comes_along_is_loaded_by_its_name_from_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_policy("hub_cards/pusht_state")
    assert isinstance(loaded.policy, DpPlusPolicy)
    action = loaded.act({"agent_pos": np.full(2, 200.0), "environment_state": np.linspace(100, 300, 16)})
    assert action.shape == (2,) and (np.abs(action) < 1000).all()
    found = str(ASSETS / "hub_cards" / "pusht_state")
    assert translate(["policy=hub_cards/pusht_state"]) == [f"--policy.path={found}"]


def test_what_is_in_the_working_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Path("hub_cards") / "pusht_state"
    mine.mkdir(parents=True)
    (mine / "config.json").write_text("{}")
    assert at_hand(mine) == mine == pretrained_folder(mine)


@pytest.mark.parametrize("name", ["configs/none.json", "elsewhere/pusht_state", "hub_cards", ".", "/hub_cards/x"])
def test_nothing_else_is_replaced(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = ASSETS / name if name == "hub_cards" else Path(name)
    assert at_hand(Path(name)) == expected


def test_configs_that_come_along_are_read_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None) == ASSETS / "configs" / "demo_pusht.json"
    given = ["--steps=3", "--config_path", "configs/pusht_unet.json"]
    assert own_config(given) == ["--steps=3", f"--config_path={ASSETS / 'configs' / 'pusht_unet.json'}"]
    assert own_config(["--config_path=mine.json"]) == ["--config_path=mine.json"]
    with pytest.raises(FileNotFoundError, match="no training recipe at mine"):
        find_config(Path("mine.json"))
