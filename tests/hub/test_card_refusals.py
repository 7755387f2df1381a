"""Files that are damaged or contradict each other get no card, and the message names file and value."""

import json
import re
from pathlib import Path

import pytest
from card_folders import REWARDS, add_config, add_eval_info, add_report, folder_of

from lerobot_dp_plus.hub.card import main, render_card
from lerobot_dp_plus.hub.publication import Publication


def test_figures_of_other_weights_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_eval_info(folder)
    add_report(folder, weights_sha256="aa", step=5)
    Publication(weights_sha256="bb").write(folder)
    with pytest.raises(
        ValueError, match=re.escape("weights_sha256 is {'report.json': 'aa', 'publication.json': 'bb'}")
    ):
        render_card(folder)
    Publication(weights_sha256="aa", step=6).write(folder)
    with pytest.raises(ValueError, match=re.escape("step is {'report.json': 5, 'publication.json': 6}")):
        render_card(folder)


def test_a_report_that_does_not_follow_from_its_episodes_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_eval_info(folder)
    report = add_report(folder)
    for wrong in ({"success_percent": 99.0}, {"interval_percent": [60.0, 80.0]}, {"successes": 6}):
        (folder / "report.json").write_text(json.dumps({**report, **wrong}))
        with pytest.raises(ValueError, match=r"report\.json: \d of 7 episodes give a rate and 95 % Wilson interval"):
            render_card(folder)
    add_report(folder)
    add_eval_info(folder, outcomes=[True] * 7)
    with pytest.raises(ValueError, match=r"5 successes in 7 episodes, eval_info\.json 7 in 7"):
        render_card(folder)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", '{"type": "act"}', "type = 'act': cards are for dp_plus_"),
        ("eval_info.json", "{}", "not an eval_info.json of LeRobot's eval: KeyError"),
        ("eval_info.json", '{"per_task": []}', "0 successes and 0 rewards"),
        ("report.json", '{"episodes": 5}', "report.json is not a report of dp-plus evaluate"),
        ("train_config.json", "[1]", "train_config.json holds a list"),
        ("publication.json", '{"step": "x"}', "step = 'x'"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    (folder / file).write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        render_card(folder)
    assert main([str(folder)]) == 1 and not (folder / "README.md").exists()


def test_a_reward_that_is_no_number_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_eval_info(folder, rewards=[float("nan"), *REWARDS[1:]])
    with pytest.raises(ValueError, match="max_rewards are not all finite"):
        render_card(folder)


def test_no_folder_no_card(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        render_card(tmp_path)
