"""What was recorded is done again, with the same actions."""

import json
from pathlib import Path

import pytest

from lerobot_dp_plus.evaluation.folders import weights_digest
from lerobot_dp_plus.steering import steer
from lerobot_dp_plus.steering.record import Recorder, Recording, play
from lerobot_dp_plus.steering.session import Session

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
SEED = 100_000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, loaded) -> Path:
    """A run with every kind of order, in every way."""
    file = tmp_path_factory.mktemp("steer") / "run.jsonl"
    head = {"checkpoint": str(CARD), "weights_sha256": weights_digest(CARD), "env": "pusht"}
    recorder = Recorder(file, **head, seed=SEED, candidates=8, way="projection")
    session = Session(loaded, SEED, 8, "projection", recorder)
    orders: list[dict] = [
        {"do": "choose", "mode": 0},
        {"do": "step"},
        {"do": "block", "x": 30, "y": 480, "radius": 12.5},
    ]
    for way in ("ranking", "biased_start", "guided", "stochastic"):
        orders += [{"do": "bend", "way": way}, {"do": "send", "x": 256, "y": 256}, {"do": "step"}, {"do": "recall"}]
    orders += [{"do": "unblock", "index": 0}, {"do": "reset", "seed": 100_004}, {"do": "step"}]
    for order in orders:
        session.perform(order)
    session.close()
    recorder.close()
    return file


def test_every_order_is_a_line_and_every_step_has_its_action(recorded: Path) -> None:
    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert lines[0]["dp_plus_steer"] == 1 and lines[0]["seed"] == SEED
    assert [line["do"] for line in lines[1:4]] == ["choose", "step", "block"]
    assert all(len(line["action"]) == 2 for line in lines[1:] if line["do"] == "step")


def test_the_same_actions_are_executed_again(recorded: Path, loaded) -> None:
    played = play(loaded, Recording.read(recorded))
    assert played.steps == 6 and played.difference <= 1e-6


def test_other_actions_are_noticed(recorded: Path, tmp_path: Path, capsys) -> None:
    lines = [json.loads(line) for line in recorded.read_text().splitlines()]
    steps = [line for line in lines[1:] if line["do"] == "step"]
    steps[3]["action"][1] += 0.01
    file = tmp_path / "other.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    assert steer.main(["--replay", str(file)]) == 1
    assert "6 steps, other actions (largest difference 0.01)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks everything"),
        ("{}", "lacks dp_plus_steer, checkpoint"),
        ("hello", "line 1: not JSON"),
        ("[1]", "line 1: must be an object"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        Recording.read(file)


def test_recordings_of_other_versions_weights_or_with_wrong_orders_are_refused(recorded: Path, tmp_path: Path) -> None:
    first, *rest = recorded.read_text().splitlines()

    def changed(*lines: str, **head) -> Path:
        file = tmp_path / "changed.jsonl"
        file.write_text("\n".join([json.dumps(json.loads(first) | head), *lines]))
        return file

    with pytest.raises(ValueError, match="recorded in format 2; this version reads 1"):
        Recording.read(changed(dp_plus_steer=2))
    with pytest.raises(ValueError, match="was recorded with other weights than those in"):
        steer.main(["--replay", str(changed(*rest, weights_sha256="0"))])
    with pytest.raises(ValueError, match="line 2 of the recording: do = 'fly'"):
        steer.main(["--replay", str(changed('{"do": "fly"}'))])
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        steer.main(["--replay", str(tmp_path / "none.jsonl")])


def test_a_recording_is_not_written_over(recorded: Path) -> None:
    with pytest.raises(FileExistsError, match="there is such a file already; name another"):
        Recorder(recorded)
