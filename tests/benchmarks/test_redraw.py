"""Every kept result of the list becomes a picture that says its point above itself, in words of people."""

import json

import pytest
from matplotlib.figure import Figure

from benchmarks import redraw
from benchmarks.common import RESULTS, ROOT, picture_of
from benchmarks.redraw import DRAWN

PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return {name: draw(json.loads((RESULTS / f"{name}.json").read_text())) for name, draw in DRAWN.items()}


def words(figure: Figure) -> str:
    """What is written on it."""
    axes = [text for each in figure.axes for text in (each.title, *each.texts, *each.get_yticklabels())]
    return "\n".join(text.get_text() for text in (*figure.texts, *axes))


def test_each_says_its_point_and_names_nobody_by_a_code(drawn) -> None:
    for name, figure in drawn.items():
        point = figure.texts[0].get_text()
        assert any(character.isdigit() for character in point), f"{name}: {point}"
        for code in ("DDIM", "host", "memory +", "the recipe with"):
            assert code not in words(figure), f"{name}: {code}"


def test_points_are_those_of_the_results(drawn) -> None:
    curves = json.loads((RESULTS / "long_run.json").read_text())["curves"]
    first, last = curves["ours"][0]["success_percent"], curves["host"][-1]["success_percent"]
    assert f"Ours has {first:.0f} %" in words(drawn["long_run"]) and f"{last:.0f} % after" in words(drawn["long_run"])
    loader = json.loads((RESULTS / "loading.json").read_text())["ratio"]["memory"]["median"]
    assert f"{loader:,.0f} times" in words(drawn["loading"])
    chunks = json.loads((RESULTS / "latency.json").read_text())["contenders"]
    assert f"{chunks['ours']['milliseconds']['median']:.1f} ms" in drawn["latency"].texts[0].get_text()
    assert "not drawn, as it is another size" in words(drawn["latency"])


def test_every_picture_of_the_pages_is_drawn_from_a_kept_result_or_by_the_baselines() -> None:
    assert {file.stem for file in PICTURES.glob("*.png")} == {*DRAWN, "baselines"}
    pages = "".join(page.read_text() for page in (*ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"))
    assert [file.name for file in PICTURES.glob("*.png") if f"pictures/{file.name})" not in pages] == []


def test_a_picture_is_written_where_the_pages_show_it(tmp_path, monkeypatch, capsys) -> None:
    assert picture_of(RESULTS / "loading.json") == PICTURES / "loading.png"
    assert picture_of(tmp_path / "loading.json") == tmp_path / "loading.png"
    monkeypatch.setattr(redraw, "picture_of", lambda kept: tmp_path / f"{kept.stem}.png")
    redraw.main(["loading"])
    assert (tmp_path / "loading.png").stat().st_size > 5000 and str(tmp_path) in capsys.readouterr().out
    with pytest.raises(SystemExit):
        redraw.main(["nothing"])
