"""What a policy remembers of an episode: frames or windows, their batch size, and when they are put together."""

import pytest
import torch
from tiny import BATCH, IMAGES, STATE, frame, trained, window

from lerobot_dp_plus.policies.history import ObservationHistory

SHAPES = {"observation.state": (2,), "observation.image": (3, 4, 5)}


def made_up(batch_size: int = 2) -> dict[str, torch.Tensor]:
    return {key: torch.rand(batch_size, *shape) for key, shape in SHAPES.items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_frames_and_windows_are_remembered_alike(steps: int) -> None:
    frames = [made_up() for _ in range(steps + 2)]
    one_by_one, at_once = ObservationHistory(SHAPES, steps), ObservationHistory(SHAPES, steps)
    one_by_one.see(frames[0])
    assert equal(one_by_one.window(), window([frames[0]] * steps)), "the first frame stands for those before it"
    for seen in frames[1:]:
        one_by_one.see(seen)
    at_once.see(window(frames[-steps:]))
    assert equal(one_by_one.window(), at_once.window()) and equal(at_once.window(), window(frames[-steps:]))
    following = made_up()
    for history in (one_by_one, at_once):
        history.see(following)
        assert equal(history.window(), window([*frames, following][-steps:]))


@pytest.mark.parametrize("as_window", [False, True])
def test_what_was_seen_does_not_change_with_the_buffers(as_window: bool) -> None:
    history, frames = ObservationHistory(SHAPES, 2), [made_up(), made_up()]
    buffer = window(frames) if as_window else frames[0]
    history.see(buffer)
    before = history.window()
    for value in buffer.values():
        value.zero_()
    assert equal(history.window(), before) and before["observation.state"].any()


@pytest.mark.parametrize("first", ["frame", "window"])
@pytest.mark.parametrize("then", ["frame", "window"])
def test_the_batch_keeps_its_size_within_an_episode(first: str, then: str) -> None:
    history = ObservationHistory(SHAPES, 2)

    def seen(kind: str, batch_size: int) -> dict[str, torch.Tensor]:
        return made_up(batch_size) if kind == "frame" else window([made_up(batch_size), made_up(batch_size)])

    history.see(seen(first, 3))
    before = history.window()
    with pytest.raises(
        ValueError,
        match=r"observation\.state: batch size went from 3 to 1 within an episode; call reset\(\) first",
    ):
        history.see(seen(then, 1))
    assert equal(history.window(), before), "what is refused is not taken in"
    history.clear()
    history.see(seen(then, 1))
    assert history.window()["observation.image"].shape == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("as_window", [False, True])
def test_observations_of_one_batch_have_one_size(as_window: bool) -> None:
    seen = made_up(3) | {"observation.state": torch.rand(1, 2)}
    with pytest.raises(
        ValueError,
        match=r"batch sizes are \{'observation.state': 1, 'observation.image': 3\}; must be the same for all",
    ):
        ObservationHistory(SHAPES, 2).see(window([seen, seen]) if as_window else seen)


def test_no_stale_actions_for_a_batch_of_another_size() -> None:
    made = trained()
    seen = [window([frame(made.config, size)] * 2) for size in (BATCH, 1)]
    assert made.select_action(seen[0]).shape == (BATCH, 2)
    with pytest.raises(ValueError, match=r"batch size went from 3 to 1 within an episode; call reset\(\) first"):
        made.select_action(seen[1])
    made.reset()
    assert made.select_action(seen[1]).shape == (1, 2)


@pytest.mark.parametrize("as_window", [False, True])
def test_windows_are_put_together_for_chunks_only(as_window: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trained(inputs={**STATE, **IMAGES}, n_action_steps=3)
    stacked, whole = [], ObservationHistory.window
    monkeypatch.setattr(ObservationHistory, "window", lambda history: stacked.append(1) or whole(history))
    so_far = []
    for _ in range(7):
        seen = frame(made.config)
        made.select_action(window([seen, seen]) if as_window else seen)
        so_far.append(len(stacked))
    assert so_far == [1, 1, 1, 2, 2, 2, 3]


# How far apart frames are


def values(history: ObservationHistory) -> list[float]:
    return history.window()["observation.state"][0, :, 0].tolist()


def at(step: float, **more: object) -> dict[str, object]:
    """The frame of a control step, which says so."""
    return {"observation.state": torch.full((1, 1), float(step)), **more}


def of(steps: int, stride: int = 1, rate: float | None = None) -> ObservationHistory:
    return ObservationHistory({"observation.state": (1,)}, steps, stride, rate)


def test_frames_a_chunk_apart_are_no_neighbours():
    history = of(3)
    for step in (0, 8, 16):
        history.glance(at(step))
        assert values(history) == [step] * 3, "only what is fresh"


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ([0, 1, 1, 1], [1, 2, 3]),
        ([0, 1, 1, 0], [0, 1, 2]),  # the same step again
        ([0, 2, 2], [2, 4, 4]),  # of the step before none was seen; the next one stands
        ([0, 1, 8], [9, 9, 9]),
    ],
)
@pytest.mark.parametrize("told", ["glance", "see"])
def test_a_caller_may_say_how_far_apart_frames_are(since, expected, told):
    history, now = of(3), 0
    for steps in since:
        now += steps
        getattr(history, told)(at(now), since=steps)
    assert values(history) == expected


def test_a_glance_is_of_the_next_step_and_leaves_no_trace():
    history = of(2)
    history.see(at(0))
    history.see(at(1))
    history.glance(at(2))
    assert values(history) == [1, 2]
    history.see(at(2))
    assert values(history) == [1, 2], "not twice the same"
    history.glance(at(3))
    history.glance(at(11))
    assert values(history) == [11, 11], "nobody knows what was executed after a glance"


def test_time_stamps_say_how_far_apart_glances_are():
    history = of(2, rate=10)
    for step, expected in ((0, [0, 0]), (1, [0, 1]), (2, [1, 2]), (9, [9, 9]), (10, [9, 10]), (3, [3, 3])):
        history.glance(at(step, timestamp=torch.tensor([step / 10])))
        assert values(history) == expected
    history.glance(at(4, timestamp=[0.4]))
    history.glance(at(5))
    assert values(history) == [5, 5], "without one, nothing is known again"


def test_time_stamps_that_differ_within_a_batch_say_nothing():
    history = ObservationHistory({"observation.state": (1,)}, 2, rate=10)
    for step, stamps in ((0, [0.0, 0.5]), (1, [0.1, 0.9])):
        history.glance({"observation.state": torch.full((2, 1), float(step)), "timestamp": torch.tensor(stamps)})
    assert values(history) == [1, 1]


def test_observations_of_every_third_step():
    history = of(2, stride=3)
    seen = []
    for step in range(6):
        history.see(at(step))
        seen.append(values(history))
    assert seen == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 4], [2, 5]], "as windows are padded at an episode's start"
    history.see({"observation.state": torch.tensor([[[20.0], [23.0]]])}, since=18)
    history.see(at(24))
    history.see(at(25))
    history.see(at(26))
    assert values(history) == [23, 26]


def test_nonsense_about_time_is_refused():
    history = of(2)
    history.see(at(0))
    for since in (-1, 1.5, True):
        with pytest.raises(ValueError, match=f"steps_since_last = {since}: must be 0 or more control steps"):
            history.see(at(1), since=since)
    assert values(history) == [0, 0]


def test_a_policy_asked_for_chunks_sees_no_motion_that_never_was():
    made = trained(n_obs_steps=2)
    first, later = frame(made.config), frame(made.config)
    drawn = torch.randn(BATCH, made.config.horizon, 2)

    def chunk(*frames: dict[str, torch.Tensor]) -> torch.Tensor:
        made.reset()
        return made.predict_action_chunk(window(list(frames)), noise=drawn)

    expected, consecutive = chunk(later, later), chunk(first, later)
    assert not torch.equal(expected, consecutive)
    for said, wanted in ((None, expected), (7, expected), (1, consecutive)):
        made.reset()
        made.predict_action_chunk(first)
        assert torch.equal(made.predict_action_chunk(later, noise=drawn, steps_since_last=said), wanted)
    made.config.fps = 20
    made.reset()
    made.predict_action_chunk({**first, "timestamp": torch.full((BATCH,), 0.3)})
    stamped = {**later, "timestamp": torch.full((BATCH,), 0.35)}
    assert torch.equal(made.predict_action_chunk(stamped, noise=drawn), consecutive)
    made.reset()
    made.select_action(first)
    assert torch.equal(made.predict_action_chunk(later, noise=drawn), consecutive), "the step after select_action's"
