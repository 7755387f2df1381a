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
