"""No card contains a number that is in none of its data files.

Every number in a card's body must be the rounding of a number in a JSON file of the folder, to the digits shown, or follow from
the config by a rule written down here. Numbers in the package's own sentences are few and listed as whole phrases.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from card_folders import ALOHA_ENV, PUSHT_ENV, add_config, add_eval_info, add_report, add_training
from policies.tiny import IMAGES, PRESETS
from test_card import RELEASED

from lerobot_dp_plus.hub import card
from lerobot_dp_plus.hub.publication import Publication

#: The package's own words with a number in them. None of them is a measurement.
PHRASES = (
    "| 95 % interval |",
    "episodes (95 % interval",
    "coverage above 95 %",
    "success with its 95 % interval",
    "best coverage ÷ 0.95, at most 1",
    "pixels of the 512 × 512 arena",
    "RGB in [0, 1]",
    "min and max to \\[−1, 1\\]",
    "RGB in \\[0, 1\\]",
    "mean 0, standard deviation 1",
    "gripper from 0 (closed) to 1 (open)",
    "at batch 1",
    "action: (1,",
    "--policy.sampler.num_steps=5",
    "--eval.batch_size=50",
    "--seed=100000",
    "a chunk (90th percentile",
    "SHA-256",
)
TOKEN = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])", re.IGNORECASE)


def scalars(content: Any) -> Iterator[Any]:
    """Leaves of a JSON file; the long lists of an eval_info.json, one entry an episode, are left out."""
    if isinstance(content, dict):
        for value in content.values():
            yield from scalars(value)
    elif isinstance(content, list):
        if len(content) <= 6:
            for value in content:
                yield from scalars(value)
    elif content is not None and not isinstance(content, bool):
        yield content


def numbers_of(folder: Path) -> set[float]:
    """Numbers in the folder's files, those inside of names and notes included, and what follows from the config."""
    found: set[float] = set()
    for file in folder.glob("*.json"):
        for leaf in scalars(json.loads(file.read_text())):
            found |= (
                {float(leaf)} if not isinstance(leaf, str) else {float(n.replace(",", "")) for n in TOKEN.findall(leaf)}
            )
    config = json.loads((folder / "config.json").read_text())
    steps = config["sampler"]["num_steps"]
    found.add(2 * steps - 1 if config["sampler"]["type"] == "heun" else steps)
    if config["fps"]:
        found.add(config["n_action_steps"] / config["fps"])
    if (folder / "eval_info.json").is_file():
        tasks = json.loads((folder / "eval_info.json").read_text())["per_task"]
        best = [reward for task in tasks for reward in task["metrics"]["max_rewards"]]
        found.add(sum(best) / len(best))  # the last column of what is not PushT
    publication = Publication.read(folder)
    if publication.train_seconds is not None:
        found.add(publication.train_seconds / 60)
    return found


def strangers(text: str, folder: Path) -> list[str]:
    """Numbers in the body of a card that `folder` does not account for."""
    body = text.split("---\n", 2)[2]
    body = re.sub(
        r"```bibtex.*?```", lambda block: "".join(re.findall(r"version = \{(.*?)\}", block[0])), body, flags=re.DOTALL
    )
    body = re.sub(r"\[\d{4}\.\d{5}\]\(https://arxiv\.org/abs/[\d.]+\)", "", body)
    body = re.sub(r"`[0-9a-f]{64}`", "", body)
    for phrase in PHRASES:
        body = body.replace(phrase, "")
    known = numbers_of(folder)
    versions = {
        part for value in vars(Publication.read(folder)).values() if isinstance(value, str) for part in value.split()
    }
    for version in sorted(versions, key=len, reverse=True):
        if re.fullmatch(r"\d+(\.\d+)+\S*", version):
            body = body.replace(version, "")
    found = []
    for token in TOKEN.findall(body):
        value, digits = float(token.replace(",", "")), len(token.partition(".")[2]) if "e" not in token else 12
        margin = 0.5 * 10**-digits * (1 + 1e-9) if digits else 0.0
        if not any(abs(value - number) <= margin for number in known):
            found.append(token)
    return found


def make(folder: Path, preset: str, env: dict[str, Any] | None, evaluated: bool) -> None:
    """An upload folder whose every figure is its own."""
    folder.mkdir()
    add_config(folder, preset, **({"inputs": IMAGES} if env is ALOHA_ENV else {}))
    add_training(folder, env=env)
    Publication(
        dataset_episodes=206, dataset_frames=25651, train_seconds=1234.5, parameters=987654, step=4000, python="3.12.1"
    ).write(folder)
    if evaluated:
        group = env["type"] if env else "pusht"
        add_eval_info(folder, group=group)
        add_report(folder, latency_ms=33.1234, latency_p90_ms=44.5678, device="cuda:3")


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_released_cards(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert strangers(text, folder) == []


@pytest.mark.parametrize("evaluated", [True, False], ids=["evaluated", "not evaluated"])
@pytest.mark.parametrize("env", [PUSHT_ENV, ALOHA_ENV, None], ids=["pusht", "aloha", "no environment"])
@pytest.mark.parametrize("preset", PRESETS)
def test_made_up_cards(preset: str, env: dict[str, Any] | None, evaluated: bool, tmp_path: Path) -> None:
    make(tmp_path / "upload", preset, env, evaluated)
    assert strangers(card.render_card(tmp_path / "upload"), tmp_path / "upload") == []


def test_the_figures_are_all_there(tmp_path: Path) -> None:
    make(tmp_path / "upload", "dp_plus_dit", PUSHT_ENV, evaluated=True)
    body = card.render_card(tmp_path / "upload").split("---\n", 2)[2]
    for figure in (
        "5000–5006",
        "71.4 %",
        "(5 of 7)",
        "35.9–91.8 %",
        "0.854",
        "33.1 ms",
        "44.6 ms",
        "4,000 of 4,321",
        "20.6 minutes",
    ):
        assert figure in body
    for figure in (
        "987,654",
        "206 episodes",
        "25,651 frames",
        "`lr=0.00031`",
        "num_warmup_steps=333",
        "| batch size | 96 |",
        "3.12.1",
    ):
        assert figure in body


def test_a_changed_figure_is_caught(tmp_path: Path) -> None:
    folder = tmp_path / "upload"
    make(folder, "dp_plus_unet", PUSHT_ENV, evaluated=True)
    text = card.render_card(folder)
    for figure, other in (
        ("71.4 %", "91.4 %"),
        ("0.854", "0.954"),
        ("33.1 ms", "13.1 ms"),
        ("987,654", "87,654"),
        ("(5 of 7)", "(55 of 7)"),
    ):
        assert figure in text
        changed = text.replace(figure, other)
        assert strangers(changed, folder) == [TOKEN.findall(other)[0]] * text.split("---\n", 2)[2].count(figure)


def test_a_figure_written_into_the_template_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "upload"
    make(folder, "dp_plus_unet", PUSHT_ENV, evaluated=True)
    boasting = tmp_path / "card.md.jinja"
    boasting.write_text(
        card.TEMPLATE.read_text().replace("## Limits", "It reaches 97.3 % within 61 steps.\n\n## Limits")
    )
    monkeypatch.setattr(card, "TEMPLATE", boasting)
    assert strangers(card.render_card(folder), folder) == ["97.3", "61"]
