"""Every fault that is planted is found, with its numbers and its place, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from doctor.made_up_recordings import ACTION, FPS, JOINTS, STATE, changed, clean, rebuilt

from lerobot_dp_plus import doctor
from lerobot_dp_plus.doctor.examine import NUMBERS, examined
from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording

CHEAP = tuple(each for each in NUMBERS if each.cheap)


def told(recording: Recording) -> list[Finding]:
    """What is not fine."""
    return [each for each in examined(recording, CHEAP) if each.gravity > Gravity.FINE]


def only(recording: Recording, name: str) -> Finding:
    """The one finding, which must be of that name."""
    found = told(recording)
    assert [each.name for each in found] == [name], [each.said for each in found]
    return found[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_recording_is_fine(seed: int) -> None:
    assert [each.said for each in examined(clean(seed=seed)) if each.gravity > Gravity.FINE] == []


def test_every_examination_says_something_of_a_clean_recording() -> None:
    numbers = (doctor.episodes, doctor.values, doctor.clock, doctor.repeats, doctor.constant, doctor.outliers)
    courses = (doctor.stillness, doctor.delay, doctor.jumps, doctor.ends)
    whole = (doctor.tasks, doctor.duplicates, doctor.ambiguity)
    assert {each.name for each in examined(clean())} == {module.NAME for module in (*numbers, *courses, *whole)}


@pytest.mark.parametrize("steps", [2, 3, 6, 12])
def test_a_planted_delay_is_measured(steps: int) -> None:
    recording = clean(delay=steps)
    found = next(each for each in examined(recording, CHEAP) if each.name == doctor.delay.NAME)
    assert found.facts["steps"] == [steps] * 6 and found.facts["median"] == steps
    assert found.facts["milliseconds"] == pytest.approx(1000 * steps / FPS)
    if steps >= 3:
        assert only(recording, doctor.delay.NAME).gravity is (Gravity.GRAVE if steps / FPS >= 0.3 else Gravity.NOTE)


def test_a_delay_of_one_joint_is_told_by_its_name() -> None:
    recording, late = clean(delay=1), clean(delay=7)

    def put(column: np.ndarray) -> None:
        column[:, 2] = late.columns[STATE][:, 2]

    found = next(each for each in examined(changed(recording, STATE, put), CHEAP) if each.name == doctor.delay.NAME)
    assert found.facts["steps"] == [1, 1, 7, 1, 1, 1] and "elbow_flex.pos 7" in found.said


def test_actions_that_are_speeds_have_a_delay_too() -> None:
    recording = clean(delay=4)
    # The speed at which the place changes from this frame to the next.
    speed = np.zeros_like(recording.columns[ACTION])
    speed[:-1] = FPS * np.diff(recording.columns[ACTION], axis=0)
    speed[recording.stops - 1] = speed[recording.stops - 2]
    found = doctor.delay.delays(replace(recording, columns={**recording.columns, ACTION: speed}))
    assert found is not None and not found.places and found.steps.tolist() == [5] * 6


def test_an_action_that_is_the_state_is_grave() -> None:
    recording = clean()
    copied = replace(recording, columns={**recording.columns, ACTION: recording.columns[STATE].copy()})
    found = only(copied, doctor.delay.NAME)
    assert found.gravity is Gravity.GRAVE and "the state of the same frame" in found.said


def test_an_action_after_the_state_is_grave() -> None:
    found = only(clean(delay=-2), doctor.delay.NAME)
    assert found.gravity is Gravity.GRAVE and found.facts["median"] == -2


def test_episodes_with_another_delay_are_named() -> None:
    slow = clean(delay=7)
    recording = clean()
    rows = np.isin(recording.episode, [20, 21, 22, 23])

    def put(column: np.ndarray) -> None:
        column[rows] = slow.columns[STATE][rows]

    found = only(changed(recording, STATE, put), doctor.delay.NAME)
    assert found.gravity is Gravity.GRAVE and found.facts["unlike"] == [20, 21, 22, 23]


def test_a_repeated_frame_is_found_at_its_place() -> None:
    recording = clean()
    start = recording.starts[3]
    again = np.insert(np.arange(start, recording.stops[3]), 61, start + 60)
    found = only(rebuilt(recording, {3: again}), doctor.repeats.NAME)
    assert found.facts["repeated"] == [start + 61] and "episode 3 (frame 61)" in found.said


def test_a_lost_frame_is_found_at_its_place() -> None:
    recording = clean()
    # The steadiest motion of the episode: a frame that is lost on a turn leaves no trace.
    start, stop = recording.starts[5], recording.stops[5]
    steps = np.diff(recording.columns[STATE][start:stop], axis=0)
    turning = [np.linalg.norm(np.diff(steps[k - 2 : k + 4], axis=0)) / np.linalg.norm(steps[k]) for k in range(4, 120)]
    lost = int(np.argmin(turning)) + 4
    kept = np.delete(np.arange(start, stop), lost)
    found = only(rebuilt(recording, {5: kept}), doctor.repeats.NAME)
    assert len(found.facts["lost"]) == 1 and abs(found.facts["lost"][0] - (start + lost)) <= 1


def test_a_state_that_is_read_every_second_frame_is_slow() -> None:
    recording = clean()
    into = np.arange(len(recording)) - recording.starts[recording.episode]

    def hold(column: np.ndarray) -> None:
        column[into % 2 == 1] = column[np.flatnonzero(into % 2 == 1) - 1]

    found = next(each for each in told(changed(recording, STATE, hold)) if each.name == doctor.repeats.NAME)
    assert found.facts["share"] == pytest.approx(0.5, abs=0.03) and "about 15 times a second" in found.said


def test_timestamps_of_another_rate_are_grave() -> None:
    recording = clean()
    found = only(replace(recording, timestamps=2 * recording.timestamps), doctor.clock.NAME)
    assert found.gravity is Gravity.GRAVE and found.facts["measured"] == pytest.approx(15)


def test_missing_frames_and_time_that_runs_backwards() -> None:
    recording = clean()
    late = recording.timestamps.copy()
    late[recording.starts[2] + 40 : recording.stops[2]] += 3 / FPS
    found = only(replace(recording, timestamps=late), doctor.clock.NAME)
    assert found.facts == {"missing": [recording.starts[2] + 40], "lost": 3}
    late[recording.starts[4] + 10] -= 2 / FPS
    first = told(replace(recording, timestamps=late))[0]
    assert first.facts == {"backwards": [recording.starts[4] + 10]} and "episode 4 (frame 10)" in first.said


@pytest.mark.parametrize("where", ["start", "end"])
def test_still_time_at_either_end_is_measured(where: str) -> None:
    recording, still = clean(), 30
    parts = {}
    for position, (start, stop) in enumerate(zip(recording.starts, recording.stops, strict=True)):
        wait = np.full(still, start if where == "start" else stop - 1)
        rows = np.arange(start, stop)
        parts[position] = np.concatenate([wait, rows] if where == "start" else [rows, wait])
    found = only(rebuilt(recording, parts), doctor.stillness.NAME)
    assert all(abs(frames - still) <= 3 for frames in found.facts[where]), found.facts


def test_pauses_are_found() -> None:
    recording = clean()
    parts = {}
    for position, (start, stop) in enumerate(zip(recording.starts, recording.stops, strict=True)):
        middle = (start + stop) // 2
        parts[position] = np.concatenate([np.arange(start, middle), np.full(75, middle), np.arange(middle, stop)])
    found = only(rebuilt(recording, parts), doctor.stillness.NAME)
    assert min(found.facts["middle"]) >= 40


def test_a_leap_is_found_with_its_joint() -> None:
    recording = clean()
    row = recording.starts[7] + 50

    def leap(column: np.ndarray) -> None:
        column[row, 3] += 60

    found = only(changed(recording, ACTION, leap), doctor.jumps.NAME)
    assert found.facts == {"rows": [row, row + 1], "dimensions": [3]} and "episode 7 (frames 50–51)" in found.said


def test_a_gripper_that_switches_does_not_leap() -> None:
    def switch(column: np.ndarray) -> None:
        column[:, 5] = 100.0 * (np.sin(np.arange(len(column)) / 40) > 0)

    recording = changed(clean(), ACTION, switch)
    assert doctor.jumps.examine(recording)[0].gravity is Gravity.FINE


def test_a_joint_that_never_moves_is_named() -> None:
    def stop(column: np.ndarray) -> None:
        column[:, 4] = 12.5

    recording = changed(changed(clean(), STATE, stop), ACTION, stop)
    found = only(recording, doctor.constant.NAME)
    assert found.facts == {STATE: [4], ACTION: [4]} and "action wrist_roll.pos" in found.said and "12.5" in found.said


def test_an_action_that_never_moves_is_grave() -> None:
    def stop(column: np.ndarray) -> None:
        column[:] = 0.0

    assert only(changed(clean(), ACTION, stop), doctor.constant.NAME).gravity is Gravity.GRAVE


def test_outliers_are_found_and_both_flags_offered() -> None:
    recording = clean(episodes=40)
    rows = slice(int(recording.starts[5]), int(recording.starts[5]) + 60)

    def excursion(column: np.ndarray) -> None:
        column[rows, 1] += 6_000 * np.sin(np.linspace(0, np.pi, 60)) ** 2

    found = next(each for each in told(changed(recording, ACTION, excursion)) if each.name == doctor.outliers.NAME)
    assert found.gravity is Gravity.GRAVE and found.facts == {ACTION: [1]} and "episode 5" in found.said
    assert "ACTION: QUANTILES" in found.do and "--policy.objective.clip_range=" in found.do


def test_a_gripper_that_is_cut_off_is_grave_and_one_that_holds_is_known() -> None:
    def cut(column: np.ndarray) -> None:
        low, high = np.quantile(column[:, 5], [0.3, 0.7])
        column[:, 5] = column[:, 5].clip(low, high)

    recording = clean()
    found = only(changed(recording, ACTION, cut), doctor.ends.NAME)
    assert found.gravity is Gravity.GRAVE and found.facts["dimension"] == 5 and found.facts["cut"]
    assert found.facts["lower"] == pytest.approx(0.3, abs=0.03) == found.facts["upper"]
    both = told(changed(changed(recording, ACTION, cut), STATE, cut))
    assert {each.name for each in both} == {doctor.ends.NAME} and {each.gravity for each in both} == {Gravity.NOTE}


def test_tasks_are_told_apart_by_their_words_and_spellings_are_one() -> None:
    two = {"put the cube in the bowl": list(range(23)), "put the ball in the bowl": [23]}
    found = only(clean(tasks=two), doctor.tasks.NAME)
    assert "the words ball, cube" in found.said and found.facts == {"tasks": 2, "rare": ["put the ball in the bowl"]}
    spelled = {"put the cube in the bowl": list(range(12)), "Put cube in the bowl.": list(range(12, 24))}
    found = only(clean(tasks=spelled), doctor.tasks.NAME)
    assert "two spellings" in found.said and "modify_tasks" in found.do
    assert not doctor.tasks.same_words("open the drawer", "close the drawer") and doctor.tasks.same_words(
        "grasp it", "graasp it"
    )


def test_near_duplicates_are_paired() -> None:
    recording = clean()
    again = np.arange(recording.starts[3], recording.stops[3])
    copied = rebuilt(recording, {11: again})

    def shake(column: np.ndarray) -> None:
        column += 0.01 * np.random.default_rng(1).normal(size=column.shape)

    found = only(changed(changed(copied, STATE, shake), ACTION, shake), doctor.duplicates.NAME)
    assert found.facts["pairs"] == [(3, 11)]


def test_short_odd_and_few_episodes() -> None:
    recording = clean()
    short = rebuilt(recording, {2: np.arange(recording.starts[2], recording.starts[2] + 20)})
    assert only(short, doctor.episodes.NAME).facts == {"short": [2]}
    long = np.concatenate([np.arange(recording.starts[k], recording.stops[k]) for k in range(6)])
    odd = [each for each in told(rebuilt(recording, {9: long})) if each.name == doctor.episodes.NAME]
    assert odd[0].facts == {"odd": [9]}
    assert "There are 5 episodes" in only(clean(episodes=5), doctor.episodes.NAME).said


def test_values_that_are_no_numbers_are_found_and_the_rest_is_still_examined() -> None:
    recording = clean(delay=6)
    row = recording.starts[1] + 9

    def spoil(column: np.ndarray) -> None:
        column[row, 0] = np.nan

    found = told(changed(recording, STATE, spoil))
    assert [each.name for each in found] == [doctor.values.NAME, doctor.delay.NAME]
    assert found[0].facts["rows"] == [row] and "episode 1 (frame 9)" in found[0].said


def test_statistics_of_other_data_are_stale() -> None:
    recording = clean()
    own = {key: {"min": each.min(0), "max": each.max(0)} for key, each in recording.columns.items()}
    assert told(replace(recording, stats=own)) == []
    own[ACTION] = {"min": own[ACTION]["min"], "max": own[ACTION]["max"] + np.eye(6)[2] * 50}
    found = only(replace(recording, stats=own), doctor.values.NAME)
    assert "action elbow_flex.pos" in found.said and "recompute_stats" in found.do


def test_two_ways_are_seen_where_there_are_two() -> None:
    """One place on a line, and a turn to the left or to the right that nothing tells beforehand."""
    rng, count, length = np.random.default_rng(0), 60, 120
    time = np.linspace(0, 1, length)
    sides = rng.choice([-1.0, 1.0], count)
    forks, alone = [], []
    for side in sides:
        along = time[:, None] + 0.002 * rng.normal(size=(length, 1))
        turn = np.maximum(time - 0.6, 0)[:, None] + 0.002 * rng.normal(size=(length, 1))
        forks.append(np.hstack([along, side * turn]))
        alone.append(np.hstack([along, turn]))
    stops = np.arange(1, count + 1) * length
    made = Recording(
        "made/forks", 10, np.arange(count), stops - length, stops, {}, {}, np.tile(np.arange(length) / 10, count)
    )

    def share(places: list[np.ndarray]) -> float:
        columns = {STATE: np.concatenate(places)}
        columns[ACTION] = np.concatenate([np.roll(each, -1, 0) for each in places])
        names = dict.fromkeys(columns, ("x", "y"))
        found = doctor.ambiguity.ambiguity(replace(made, columns=columns, names=names))
        assert found is not None and found.moments > 100
        return found.forks

    # At 1.6 s of 12 the moment of the turn is in a chunk for a seventh of the moments before it.
    assert share(forks) > 0.05 and share(alone) < 0.01


def test_dimensions_without_names_are_numbered() -> None:
    recording = clean(names={STATE: tuple("012345"), ACTION: JOINTS})
    assert recording.dimension(STATE, 2) == "state[2]" and recording.dimension(ACTION, 2) == "action elbow_flex.pos"
    assert doctor.delay.paired(recording) == [(k, k) for k in range(6)]


def test_a_part_is_whole_episodes() -> None:
    recording = clean()
    part = recording.part(1000)
    assert len(part) < 1300 and part.episodes[0] == 0 and part.episodes[-1] == 23
    for number, rows in part.each():
        own = slice(int(recording.starts[number]), int(recording.stops[number]))
        assert np.array_equal(part.columns[STATE][rows], recording.columns[STATE][own])


def test_odd_recordings_are_examined_without_stumbling() -> None:
    """One that is tiny, ones that lack the action or the state, one whose action and state have nothing in common."""
    recording = clean(episodes=6)
    tiny = rebuilt(recording, {k: np.arange(recording.starts[k], recording.starts[k] + 2) for k in range(6)})
    for odd in (
        tiny,
        replace(recording, columns={ACTION: recording.columns[ACTION]}),
        replace(recording, columns={STATE: recording.columns[STATE]}),
        replace(
            recording,
            columns={**recording.columns, ACTION: recording.columns[ACTION][:, :2]},
            names={STATE: JOINTS, ACTION: ("0", "1")},
        ),
        replace(recording, columns={key: np.zeros_like(each) for key, each in recording.columns.items()}),
    ):
        found = examined(odd)
        assert {doctor.episodes.NAME, doctor.values.NAME, doctor.clock.NAME} <= {each.name for each in found}
        assert all(each.said.endswith(".") for each in found)
