"""A person who answers, one who does not, and one who talks nonsense: what is chosen, and what is said."""

import logging
import os
import pty
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lerobot_dp_plus.asking import Person, Question, terminal
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.selection import Ask, Coherent, Densest, LowestEnergy

LOGGER = "lerobot_dp_plus.selection.person"


def question(modes: int = 3, actions: int = 2, **more) -> Question:
    rng = np.random.default_rng(0)
    mode = np.arange(12) % modes
    chunks = rng.normal(size=(12, 5, actions)) + 10 * mode[:, None, None]
    weights = np.bincount(mode) / 12
    return Question(weights, chunks[:modes], chunks, mode, **more)


def test_a_function_answers() -> None:
    seen: list[Question] = []
    asked = question()
    assert Person().answer(asked, lambda each: seen.append(each) or np.int64(2), 5.0) == 2
    assert seen == [asked] and torch.tensor(asked.ends).shape == (3, 2)


@pytest.mark.parametrize("told", [3, -1, 1.0, None, "0", True, np.nan, torch.zeros(2), torch.tensor(0.5)])
def test_nonsense_is_no_answer_and_is_said_once(told, caplog) -> None:
    person = Person()
    with caplog.at_level(logging.WARNING, LOGGER):
        assert [person.answer(question(), lambda _: told, 5.0) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1 and "policy.ask gave" in caplog.text and "here 0 to 2" in caplog.text


def test_a_function_that_raises_is_no_answer_and_is_said_once(caplog) -> None:
    person = Person()

    def broken(_: Question) -> int:
        raise KeyError("left")

    with caplog.at_level(logging.WARNING, LOGGER):
        assert [person.answer(question(), broken, 5.0) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1 and "policy.ask raised KeyError: 'left'" in caplog.text


def test_who_answers_too_late_answers_no_later_question(caplog) -> None:
    """While the late one is busy nobody else is asked; what it then says is lost, and a new question is a new one."""
    person, go, calls = Person(), threading.Event(), []

    def slow(_: Question) -> int:
        calls.append(1)
        go.wait(20)
        return 2

    with caplog.at_level(logging.WARNING, LOGGER):
        begun = time.monotonic()
        assert person.answer(question(), slow, 0.05) is None
        assert person.answer(question(), lambda _: 1, 0.05) is None, "one question at a time"
        assert time.monotonic() - begun < 5 and calls == [1]
    assert [("within 0.05 s" in r.message, "still busy" in r.message) for r in caplog.records] == [
        (True, False),
        (False, True),
    ]
    go.set()
    person._asked.join(20)
    assert person.answer(question(), lambda _: 1, 5.0) == 1, "not the 2 of before"


def test_two_threads_are_not_asked_at_once() -> None:
    person, asked, go, told = Person(), threading.Event(), threading.Event(), []

    def first(_: Question) -> int:
        asked.set()
        go.wait(20)
        return 0

    thread = threading.Thread(target=lambda: told.append(person.answer(question(), first, 20.0)))
    thread.start()
    assert asked.wait(20) and person.answer(question(), lambda _: 1, 5.0) is None
    go.set()
    thread.join(20)
    assert told == [0]


def test_without_a_terminal_nobody_is_waited_for(monkeypatch, caplog) -> None:
    person = Person()
    with open(os.devnull) as nothing, caplog.at_level(logging.WARNING, LOGGER):
        for stdin in (nothing, None):
            monkeypatch.setattr(sys, "stdin", stdin)
            begun = time.monotonic()
            assert person.answer(question(), None, 60.0) is None and time.monotonic() - begun < 5
    assert len(caplog.records) == 1 and "standard input is no terminal, and policy.ask is None" in caplog.text


@pytest.fixture
def typing(monkeypatch):
    """Writes to a terminal that is standard input."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda text: os.write(master, text.encode())
    os.close(master)


def test_the_terminal_shows_the_ways_and_takes_a_number(typing, monkeypatch, capsys) -> None:
    typing("0\n")  # before anybody asked
    flush = terminal.termios.tcflush

    def asked(*given) -> None:
        flush(*given)
        typing("what?\n")
        threading.Timer(0.1, typing, ["7\n"]).start()
        threading.Timer(0.2, typing, ["2\n"]).start()

    monkeypatch.setattr(terminal.termios, "tcflush", asked)
    each = question(number=1, of=4)
    assert Person().answer(each, None, 20.0) == 2
    said = capsys.readouterr().out
    assert "3 ways to go on (observation 2 of 4)" in said and said.count("which one, 0 to 2?") == 3
    for k in range(3):
        assert f"{k}:  33 %, leads to ({each.ends[k, 0]:.4g}, {each.ends[k, 1]:.4g})" in said
    picture = said.split("picture: ")[1].splitlines()[0]
    assert Path(picture).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_terminal_does_not_wait_for_ever(typing, capsys) -> None:
    assert Person().answer(question(2), None, 0.05) is None
    assert "no answer: the rule chooses" in capsys.readouterr().out


def test_a_terminal_that_fails_is_no_answer(typing, monkeypatch, caplog) -> None:
    monkeypatch.setattr(terminal.select, "select", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    with caplog.at_level(logging.WARNING, LOGGER):
        assert Person().answer(question(), None, 1.0) is None
    assert "the question could not be put: OSError: gone" in caplog.text


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(each) for each in picture.reshape(-1, 3)}


def test_ways_are_drawn_into_the_scene_if_its_edges_are_known() -> None:
    scene = np.zeros((8, 8, 3), np.uint8)
    scene[:, 4:] = 200, 0, 250
    there, unknown = (question(scene=scene, view=view).picture() for view in ((-5, 30, -5, 30), ()))
    for picture in (there, unknown):
        assert {(200, 0, 250), (31, 119, 180), (255, 127, 14), (44, 160, 44)} <= colours(picture), "scene and modes"
    assert unknown.shape[1] > 1.5 * there.shape[1], "beside each other"
    assert (200, 0, 250) not in colours(question().picture())


@pytest.mark.parametrize("actions", [1, 5])
def test_actions_that_are_no_plane_are_drawn_over_time(actions: int) -> None:
    assert {(31, 119, 180), (255, 127, 14)} <= colours(
        question(2, actions, scene=np.zeros((4, 4, 3), np.uint8)).picture()
    )


def several() -> Candidates:
    """One mode; two alike; two, of which one has a tenth."""
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.9, 0.1]])
    return Candidates(torch.randn(3, 20, 4, 2), {"end": torch.rand(3, 20)}, weights=weights)


def test_it_asks_where_there_are_modes_and_enough_ambiguity() -> None:
    for at_least, rows in ((0.0, [False, True, True]), (0.5, [False, True, False]), (1.0, [False] * 3)):
        asked = Ask(at_least=at_least, timeout_s=3.0, view=(0, 1, 2, 3)).asking(several(), None)
        assert asked.rows.tolist() == rows and asked.timeout_s == 3.0 and asked.view == (0, 1, 2, 3)
    with pytest.raises(ValueError, match="the modes of the candidates were not told"):
        Ask().asking(Candidates(torch.zeros(1, 2, 3, 1)), None)
    assert LowestEnergy(2).asking(several(), None) is None


def test_the_rule_chooses_and_says_what_it_needs() -> None:
    candidates, tail = several(), torch.randn(3, 2, 2)
    for rule in (LowestEnergy(20), Densest(20), Coherent(20)):
        ask = Ask(rule)
        assert torch.equal(ask.choose(candidates, tail), rule.choose(candidates, tail))
        assert (ask.candidates, ask.energies, ask.needs_modes) == (20, rule.energies, True)
    with pytest.raises(ValueError, match="n_action_steps = 7"):
        Ask(Coherent(20)).check(7, 7)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"at_least": -0.1}, r"selection\.at_least = -0\.1: must be at least 0, in nats"),
        ({"at_least": float("nan")}, r"selection\.at_least = nan"),
        ({"timeout_s": 0}, r"selection\.timeout_s = 0: must be a positive number of seconds"),
        ({"timeout_s": float("inf")}, r"selection\.timeout_s = inf"),
        ({"view": (1.0, 2.0)}, r"selection\.view = \[1\.0, 2\.0\]: must be four numbers"),
        ({"otherwise": Ask()}, r"selection\.otherwise\.type = ask: must be a selection that holds no other"),
    ],
)
def test_illegal_fields_are_named(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        Ask(**fields)
