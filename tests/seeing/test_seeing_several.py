"""Several things are found in pictures whose truth is known, which is in front too; what breaks an assumption is noticed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from seeing.drawn_several import SMALL, SQUARE, Several, blocks, cut_outs
from seeing.drawn_things import GREY, RED, SIDE, L

from lerobot_dp_plus.demos.features import number_feature, picture_feature
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.seeing.see import main
from lerobot_dp_plus.seeing.several import SeenSeveral, see_several
from lerobot_dp_plus.sprites import Layers, Learning, Patch, Pose, View
from lerobot_dp_plus.sprites.placing import over
from lerobot_dp_plus.sprites.refining import refined

VIEW = View(0, 1, 0, 1)
QUICK = Learning(pictures=40, rounds=2, searches=1, passes=12)


def look(truth: Several, count: int) -> SeenSeveral:
    return see_several(truth.frames, VIEW, count, learning=QUICK)


def off(truth: Several, seen: SeenSeveral, number: int, thing: int) -> torch.Tensor:
    """How far thing `number` that was found is from the true `thing`, in pixels, (N,)."""
    assert seen.points is not None and seen.looks is not None
    centre = seen.points.unflatten(1, (len(seen.looks), -1, 2))[:, number, 0]
    return SIDE * (centre - torch.tensor(truth.places[:, thing]).float()).norm(dim=-1)


@pytest.fixture(scope="module")
def three() -> tuple[Several, SeenSeveral]:
    truth = blocks()
    return truth, look(truth, 3)


@pytest.fixture(scope="module")
def two() -> tuple[Several, SeenSeveral]:
    truth = cut_outs()
    return truth, look(truth, 2)


def test_three_blocks_are_found_and_which_lies_over_which(three: tuple[Several, SeenSeveral]) -> None:
    """The layers come from the bottom up, as they were drawn."""
    truth, seen = three
    assert seen.refused is None
    for thing in range(3):
        found = off(truth, seen, thing, thing)
        assert found.median() < 0.3 and found.quantile(0.85) < 1.0


def test_what_looks_alike_from_several_sides_has_a_place_and_no_direction(three: tuple[Several, SeenSeveral]) -> None:
    """A square, a triangle and a disc: two numbers each."""
    _, seen = three
    assert seen.quality is not None and min(seen.quality.turned) > 0.5
    assert seen.points is not None and seen.points.shape == (60, 6)


def test_what_is_told_of_several_without_labels_is_right(three: tuple[Several, SeenSeveral]) -> None:
    _, seen = three
    quality = seen.quality
    assert quality is not None and quality.explained > 0.93 and min(quality.each) > 0.8
    assert quality.swapped < 0.1 and max(quality.hidden) < 0.1


def test_of_two_things_one_has_a_direction(two: tuple[Several, SeenSeveral]) -> None:
    """An L under a square. The L's direction is right up to one turn, the same in all pictures."""
    truth, seen = two
    assert seen.refused is None and seen.points is not None and seen.points.shape == (60, 8)
    (corner, ahead), (centre, same) = seen.points.unflatten(1, (2, 2, 2)).movedim(0, 2)
    assert torch.equal(centre, same) and off(truth, seen, 1, 1).median() < 0.3
    angle = torch.atan2(*(ahead - corner).flip(-1).unbind(-1))
    turn = angle - torch.tensor(truth.angles[:, 0]).float()
    usual = torch.atan2(turn.sin().median(), turn.cos().median())
    apart = torch.remainder(turn - usual + torch.pi, 2 * torch.pi) - torch.pi
    assert apart.abs().rad2deg().median() < 2
    assert (apart.abs().rad2deg() < 10).float().mean() > 0.85  # the square hides much of some


@pytest.mark.parametrize(
    ("truth", "count", "assumption"),
    [
        (cut_outs((SMALL, SMALL), (RED, RED), 40), 2, "the things look different from each other"),
        (cut_outs(seen=0.6), 2, "every thing is in sight"),
        (cut_outs((L,), (GREY,), 40), 2, "the things lie apart in some pictures, whole and away from the robot"),
        (
            cut_outs((L, SQUARE, SMALL), (GREY, RED, (60, 180, 60)), 40),
            2,
            "what moves is 2 rigid things in the picture's plane",
        ),
    ],
    ids=["twins", "often out of sight", "one", "three"],
)
def test_what_breaks_an_assumption_of_several_is_refused_by_its_name(
    truth: Several, count: int, assumption: str
) -> None:
    found = look(truth, count)
    assert found.refused is not None and found.refused.assumption == assumption
    assert 0 < len(found.refused.rows) <= 6


def some_layers() -> tuple[Layers, list[Pose]]:
    things = [Patch(torch.rand(3, 8, 8), torch.rand(8, 8), side) for side in (14.0, 10.0, 8.0)]
    layers = Layers(torch.rand(3, 32, 40), things, Patch(torch.rand(3, 4, 4), torch.rand(4, 4), 5.0))
    return layers, [Pose(12 + 8 * torch.rand(5, 2), torch.rand(5)) for _ in things]


@torch.no_grad()
def test_a_thing_among_others_makes_the_same_picture() -> None:
    """Whichever is looked at: what is under it, it, and what is over it."""
    layers, poses = some_layers()
    robots = 20 * torch.rand(5, 2)
    whole = layers(poses, robots)
    for number in range(3):
        one = layers.among(number, poses, robots)
        assert one.above is not None
        torch.testing.assert_close(over(one.above, over(layers.layer(number, poses[number]), one.behind)), whole)
        _, error = refined(one, poses[number], whole, robots, one.behind, 1)
        torch.testing.assert_close(error, torch.zeros(5), atol=1e-10, rtol=0)


def test_the_command_writes_states_of_several_things(
    two: tuple[Several, SeenSeveral], tmp_path: Path, monkeypatch
) -> None:
    truth, seen = two
    features = {
        "observation.state": number_feature(["x"]),
        "action": number_feature(["x"]),
        "observation.image": picture_feature((SIDE, SIDE, 3), video=False),
    }
    pictures = truth.frames.pictures.movedim(1, -1).numpy()
    zeros = np.zeros((30, 1), np.float32)
    episodes = [
        {"observation.state": zeros, "action": zeros, "observation.image": pictures[start : start + 30]}
        for start in (0, 30)
    ]
    source = tmp_path / "source"
    write_dataset(source, "made/things", 10, features, episodes, "push")
    monkeypatch.setattr("lerobot_dp_plus.seeing.see.see_several", lambda *given, **named: seen)
    given = [str(source), "--no-robot", "--view", "0", "1", "0", "1", "--output", str(tmp_path / "page")]
    with pytest.raises(ValueError, match="things = 5: must be at least 1 and at most 4"):
        main([*given, "--root", str(tmp_path / "copy"), "--things", "5"])
    assert main([*given, "--root", str(tmp_path / "copy"), "--things", "2"]) == 0
    note = json.loads((tmp_path / "copy" / "seeing.json").read_text())
    assert note["things"] == 2 and note["mirror"] == "none" and len(note["quality"]["each"]) == 2
    info = json.loads((tmp_path / "copy" / "meta" / "info.json").read_text())
    assert info["features"]["observation.environment_state"]["shape"] == [8]
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("data:image/png") == 3 and "shows 2 things" in page and "no direction" in page
