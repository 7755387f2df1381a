"""`dp-plus report`: one page of a training and its evaluation, opened from disk in a real browser."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up_evaluations import FILMED, FIRST, evaluation, training

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.reporting.found import look
from lerobot_dp_plus.reporting.gallery import shelves
from lerobot_dp_plus.reporting.metric_words import meaning
from lerobot_dp_plus.reporting.page import told

#: A folder for screenshots, for those who want to look: DP_PLUS_SCREENSHOTS=DIR.
SCREENSHOTS = os.environ.get("DP_PLUS_SCREENSHOTS")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A training, and its evaluation beside it."""
    root = tmp_path_factory.mktemp("outputs")
    made = training(root / "mine" / "train")
    return made, evaluation(root / "mine" / "eval", made / "checkpoints" / "last" / "pretrained_model")


def test_a_training_finds_its_evaluation_and_an_evaluation_its_training(folders: tuple[Path, Path]) -> None:
    run, beside = folders
    for folder in folders:
        found = look(folder)
        assert found.evaluation == beside and len(found.episodes) == 40 and found.step == 4000
        assert len(found.metrics) == 24 and found.config["type"] == "dp_plus_transformer"
        assert {key[1] for key in found.films} == set(FILMED)
        typed = [command for command, _ in found.commands]
        assert any(f"--episodes=40 --seed={FIRST} --policy.n_action_steps=4" in each for each in typed)
        assert f"dp-plus compare {beside} OTHER" in typed
    with pytest.raises(FileNotFoundError, match="holds neither an evaluation"):
        look(run.parents[1])


def test_what_the_page_tells(folders: tuple[Path, Path]) -> None:
    content = told(look(folders[0]))
    assert content["headline"] == ("80.0 % success", "32 of 40 episodes; 95 % interval 65.2 to 89.5 %")
    assert [each.title for each in content["learning"]] == [
        "The loss went from 0.534 to 0.0476",
        "Success reached 80 % at update 4,000",
        "21 updates a second",
    ]
    assert content["ending"][0].title == "32 of 40 succeed"  # two failures of each kind
    assert all(each.light != each.dark for each in (*content["learning"], *content["ending"]))
    assert dict(content["meanings"])["loss_executed"] == meaning("loss_executed") and not content["missing"]
    # Failures first, each with its seed; failures of a later episode too, not only the first ones.
    first, *_, last = shelves(look(folders[0]).episodes, look(folders[0]).films)
    assert first.title.startswith("Out of time near the goal") and last.title == "Succeeded: 2 of 32 filmed"
    assert [each.title for shelf in content["shelves"] for each in shelf.filmed][:2] == [
        f"Seed {FIRST}: out of time near the goal",
        f"Seed {FIRST + 5}: lost contact",
    ]


def test_lerobots_own_evaluation_is_read(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    shutil.copy(folders[1] / "eval_info.json", tmp_path)
    assert entry.main(["report", str(tmp_path / "eval_info.json"), "--seed=7", "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr().out
    assert "7 to 46" in printed and f"open {tmp_path / 'report.html'}" in printed
    assert json.loads((tmp_path / "r.json").read_text())["seeds"] == [7, 46]
    page = (tmp_path / "report.html").read_text()
    assert "80.0 % success" in page and "No learning curves" in page
    assert entry.main(["report", str(tmp_path / "nowhere")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_the_page_in_a_browser(browser, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Light, dark and on paper, wide and narrow: it asks for no other file, fits its window, and shows every picture."""
    output = tmp_path / "page.html"
    assert entry.main(["report", str(folders[0]), "--output", str(output)]) == 0
    page = browser.new_page()
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: failed.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None)
    grounds = {}
    for width in (400, 1200):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(media="screen", color_scheme=scheme)
            page.goto(output.as_uri())
            page.wait_for_function("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            grounds[scheme] = np.mean([int(each) for each in re.findall(r"\d+", ground)[:3]])
            shown = page.evaluate("document.querySelector('picture img').currentSrc")
            assert shown == page.evaluate(
                "document.querySelector('picture " + ("img').src" if scheme == "light" else "source').srcset")
            )
            if SCREENSHOTS:
                page.screenshot(path=f"{SCREENSHOTS}/report_{width}_{scheme}.png", full_page=True)
    assert grounds["light"] > 200 and grounds["dark"] < 60
    page.locator("summary", has_text="Watch it").first.click()
    assert page.evaluate("async () => { const v = document.querySelector('video'); v.load(); await new Promise(r => v.onloadeddata = r); return v.videoWidth }") == 96  # fmt: skip
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.evaluate("document.querySelector('picture img').currentSrc.length") > 0
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF") and paper.count(b"/Type /Page\n") < 12
    page.close()
    assert not failed
