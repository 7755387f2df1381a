"""Cards: the released ones do not drift, the front matter is the Hub's, and files that contradict each other are refused."""

import html
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from card_folders import ALOHA_ENV, OUTCOMES, REWARDS, add_config, add_eval_info, add_report, add_training, folder_of
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from markdown_it import MarkdownIt
from policies.tiny import IMAGES, OBSERVATIONS, PRESETS
from scipy.stats import norm

from lerobot_dp_plus.hub.card import TEMPLATE, main, render_card
from lerobot_dp_plus.hub.card_folder import Upload
from lerobot_dp_plus.hub.publication import Publication
from lerobot_dp_plus.objectives import Shortcut
from lerobot_dp_plus.samplers import Jump

ROOT = Path(__file__).parents[2]
RELEASED = sorted(path.parent for path in (ROOT / "hub_cards").glob("*/README.md"))
PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


def front_matter(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def words(card: str) -> str:
    """What a reader of the page sees, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", PARSER.render(card.split("---\n", 2)[2]))).split())


# Released checkpoints


def test_there_are_released_cards() -> None:
    assert ROOT / "hub_cards" / "pusht_demo" in RELEASED


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_card_is_what_its_data_give(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(folder)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_folder_is_complete_and_consistent(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    assert {
        "README.md",
        "config.json",
        "train_config.json",
        "publication.json",
        "report.json",
        "eval_info.json",
    } <= files
    upload = Upload.read(folder)
    assert upload.training["policy"] == upload.config
    assert upload.publication.weights_sha256 == upload.evaluations[0].weights_sha256 is not None
    assert upload.publication.license and upload.publication.dataset_license and upload.publication.selection_rule
    for file in folder.glob("*.json"):
        assert not re.search(r'"/|[A-Z]:\\\\', file.read_text()), f"{file} holds a path of somebody's machine"


def test_a_drifted_card_is_shown_as_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    assert main([str(folder)]) == 0 and main(["--check", str(folder)]) == 0
    (folder / "README.md").write_text((folder / "README.md").read_text() + "It never fails.\n")
    capsys.readouterr()
    assert main(["--check", str(folder)]) == 1
    assert "-It never fails." in capsys.readouterr().out


def test_the_template_is_in_hub_cards_and_in_the_wheel() -> None:
    assert (ROOT / "hub_cards" / "card.md.jinja").read_text() == TEMPLATE.read_text()
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "lerobot_dp_plus"
    ]
    package = ROOT / "lerobot_dp_plus"
    assert TEMPLATE.relative_to(package) in {
        path.relative_to(package) for glob in packaged for path in package.glob(glob)
    }


# Front matter


def check_like_the_hub(card: str) -> dict[str, Any]:
    """The Hub's rules for a model's front matter, as its documentation of model cards states them."""
    data = front_matter(card)
    assert data["library_name"] == "lerobot" and data["pipeline_tag"] == "robotics"
    assert all(isinstance(tag, str) for tag in data["tags"]) and len(set(data["tags"])) == len(data["tags"])
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name) for name in data.get("datasets", []))
    known = {"license", "library_name", "pipeline_tag", "tags", "datasets", "base_model", "model-index"}
    assert set(data) <= known
    for entry in data.get("model-index", []):
        assert isinstance(entry["name"], str) and entry["results"]
        for result in entry["results"]:
            assert isinstance(result["task"]["type"], str)
            assert isinstance(result["dataset"]["type"], str) and isinstance(result["dataset"]["name"], str)
            for metric in result["metrics"]:
                assert isinstance(metric["type"], str) and isinstance(metric["value"], float)
    parsed = ModelCard(card)
    assert str(parsed) == card
    return data


@pytest.mark.parametrize("observations", OBSERVATIONS, ids=str)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_and_observation_gets_a_card(preset: str, observations: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    saved = add_config(folder, preset, inputs=OBSERVATIONS[observations])
    data = check_like_the_hub(card := render_card(folder, "somebody/thing"))
    assert preset in data["tags"] and "model-index" not in data and "datasets" not in data and "license" not in data
    for name in saved["input_features"]:
        assert f"| in | `{name}` |" in card
    for axis in ("network", "objective", "sampler"):
        assert f"| {axis} | `{saved[axis]['type']}` |" in card
    assert ("| image encoder |" in card) == bool(
        set(saved["input_features"]) & {"observation.image", "observation.images.top"}
    )
    assert ("lipman2023flow" in card, "peebles2023dit" in card) == (
        preset in ("dp_plus_flow", "dp_plus_dit", "dp_plus_pi0"),
        preset == "dp_plus_dit",
    )
    assert "Not evaluated." in card and "Not measured." in card and "is not recorded in this repository" in card


def test_a_policy_of_few_calls_says_so_and_cites_whose_idea_it_is(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder, objective=Shortcut(), sampler=Jump(num_steps=1))
    card = render_card(folder, "somebody/thing")
    assert "| objective | `shortcut` |" in card and "frans2025shortcut" in card and "lipman2023flow" not in card


def test_the_model_index_carries_the_figures_of_the_report(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_training(folder)
    add_eval_info(folder)
    report = add_report(folder, latency_ms=12.34, latency_p90_ms=15.67, device="cpu")
    data = check_like_the_hub(card := render_card(folder, "somebody/thing"))
    name, results = model_index_to_eval_results(data["model-index"])
    figures = {result.metric_type: result.metric_value for result in results}
    assert name == "thing"
    assert figures == {"success_rate": report["success_percent"], "score": report["score"]}
    assert results[0].dataset_args == {"episodes": 7, "first_seed": 5000, "last_seed": 5006}
    low, high = report["interval_percent"]
    assert results[0].metric_args == {"successes": 5, "wilson_95_low": low, "wilson_95_high": high}
    assert ModelCard(card).data.eval_results == results
    assert "| PushT | 7 | 5000–5006 | **71.4 %** (5 of 7) | 35.9–91.8 % | 0.854 |" in card
    assert "12.3 ms a chunk (90th percentile 15.7 ms)" in card and "Not evaluated" not in card


def test_without_a_report_the_interval_is_computed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_eval_info(folder)
    (evaluation,) = Upload.read(folder).evaluations
    # Wilson's formula, written out.
    n, p, z = 7, 5 / 7, norm.ppf(0.975)
    centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    expected = [100 * (centre + sign * half) / (1 + z * z / n) for sign in (-1, 1)]
    assert evaluation.interval_percent == pytest.approx(expected, rel=1e-9)
    assert evaluation.score == pytest.approx(sum(REWARDS) / 7) and evaluation.seeds is None
    assert "| not recorded | **71.4 %** (5 of 7) |" in render_card(folder)
    Publication(eval_first_seed=300).write(folder)
    assert Upload.read(folder).evaluations[0].seeds == (300, 306)


def test_elsewhere_than_in_pusht_there_is_no_score(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder, inputs=OBSERVATIONS["mix"])
    add_training(folder, env=ALOHA_ENV)
    add_eval_info(folder, outcomes=[True, False], rewards=[4.0, 1.0], group="aloha")
    add_report(folder)
    data = check_like_the_hub(card := render_card(folder))
    metrics = {metric["type"]: metric["value"] for metric in data["model-index"][0]["results"][0]["metrics"]}
    assert metrics == {"success_rate": 50.0, "mean_best_reward": 2.5}
    assert "ALOHA insertion" in card and "mean best reward" in card and "coverage" not in card


def test_further_reports_are_further_rows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_training(folder)
    add_eval_info(folder, outcomes=[True] * 20, rewards=[1.0] * 20)
    add_report(folder, first_seed=9000)
    (folder / "report.json").rename(folder / "report_20.json")
    add_eval_info(folder)
    add_report(folder)
    data = check_like_the_hub(card := render_card(folder))
    assert [len(result["metrics"]) for result in data["model-index"][0]["results"]] == [2, 2]
    assert card.index("(5 of 7)") < card.index("(20 of 20)")


# What is said about the data and the films


def test_only_a_dataset_of_the_hub_is_linked(tmp_path: Path) -> None:
    for root, url, linked in (
        (None, None, ["someone/demonstrations"]),
        ("some/folder", None, None),
        ("some/folder", "https://huggingface.co/datasets/other/data", ["other/data"]),
        ("some/folder", "https://example.org/data.zip", None),
    ):
        folder = folder_of(tmp_path, f"{len(list(tmp_path.iterdir()))}")
        add_config(folder)
        add_training(folder, root=root)
        Publication(dataset_url=url, dataset_episodes=321).write(folder)
        card = render_card(folder)
        assert check_like_the_hub(card).get("datasets") == linked
        assert ("a local dataset" in card) == (root is not None and url is None)
        assert "321 episodes" in card and "some/folder" not in card
        assert url is None or f"]({url})" in card


def test_one_success_and_one_failure_are_shown(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    add_config(folder)
    add_eval_info(folder)
    add_report(folder)
    (folder / "videos").mkdir()
    for episode in (0, 1, 2, 10):
        (folder / "videos" / f"eval_episode_{episode}.mp4").touch()
    (folder / "action_distribution.png").touch()
    card = render_card(folder, "somebody/thing")
    assert re.findall(r'src="([^"]*)"', card) == [
        f"https://huggingface.co/somebody/thing/resolve/main/videos/eval_episode_{episode}.mp4" for episode in (0, 2)
    ]
    assert OUTCOMES[0] and not OUTCOMES[2]
    assert "Episode 0, seed 5000: success." in card and "Episode 2, seed 5002: failure." in card
    assert "](action_distribution.png)" in card


def test_units_are_stated_where_they_are_known(tmp_path: Path) -> None:
    from lerobot.configs import FeatureType, PolicyFeature

    folder = folder_of(tmp_path)
    agent = {"observation.state": PolicyFeature(FeatureType.STATE, (2,))}
    add_config(folder, inputs={**agent, **IMAGES})
    add_training(folder, use_imagenet_stats=True)
    shown = words(render_card(folder))
    assert "position of the agent, pixels of the 512 × 512 arena" in shown
    assert "3 × 32 × 32 RGB in [0, 1] mean 0, standard deviation 1, ImageNet's statistics" in shown
    add_config(folder)  # four numbers are not PushT's state
    add_training(folder)
    assert "in observation.state 4 as in the dataset min and max to [−1, 1]" in words(render_card(folder))


def test_names_stay_names(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    nasty = "<script>x</script> | [a](http://b) *c* `d`"
    add_config(folder)
    add_training(folder, repo_id=nasty, root="here")
    names = {"name": nasty, "training_hardware": nasty, "latency_hardware": nasty, "selection_rule": nasty}
    Publication(**names, dataset_license=nasty).write(folder)
    add_eval_info(folder)
    add_report(folder, latency_ms=1.0, latency_p90_ms=2.0, device=nasty)
    card = render_card(folder)
    page = PARSER.render(card.split("---\n", 2)[2])
    assert "<script" not in page and 'href="http://b"' not in page
    assert words(card).count("<script>x</script> | [a](http://b) *c* `d`") == 7
    assert ModelCard(card).data.model_name == nasty
    rows = [row.count("<td>") for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL) if "<td>" in row]
    assert set(rows) <= {2, 4, 5, 6}
