"""Thresholds: their exact rate of false alarms, simulated; and calibrations in their file."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from policies.tiny import policy

from lerobot_dp_plus.hub.contents import MODEL
from lerobot_dp_plus.policies.publication import stage_checkpoint
from lerobot_dp_plus.surprise import FILE, Calibration, Trace, Usual, needed, threshold


@pytest.mark.parametrize(("count", "alpha"), [(19, 0.05), (24, 0.1), (39, 0.05), (30, 0.7)])
def test_a_further_score_exceeds_the_threshold_as_often_as_its_rank_says(count: int, alpha: float) -> None:
    """Of m + 1 exchangeable scores without ties each is as likely the greatest: P = 1 − rank/(m + 1), at most alpha."""
    repeats = 20_000
    scores = torch.distributions.StudentT(torch.tensor(2.0)).sample((repeats, count + 1)).double()
    limits = torch.tensor([threshold(row, alpha) for row in scores[:, :-1].tolist()], dtype=torch.float64)
    rate = float((scores[:, -1] > limits).double().mean())
    exact = 1 - math.ceil(round((count + 1) * (1 - alpha), 9)) / (count + 1)
    assert exact <= alpha + 1e-12
    assert abs(rate - exact) < 4 * math.sqrt(exact * (1 - exact) / repeats)


def test_ties_make_alarms_rarer() -> None:
    scores = torch.randint(0, 4, (20_000, 20)).double()
    limits = torch.tensor([threshold(row, 0.1) for row in scores[:, :-1].tolist()])
    assert float((scores[:, -1] > limits).double().mean()) < 0.1


def test_the_rank_is_exact() -> None:
    assert threshold(range(1, 30), 0.7) == 9  # 30 · (1 − 0.7) is more than 9 in floating point
    assert threshold(range(1, 20), 0.05) == 19 and threshold(range(1, 21), 0.05) == 20
    assert threshold(range(1, 40), 0.05) == 38


@pytest.mark.parametrize(("alpha", "count"), [(0.05, 19), (0.1, 9), (0.025, 39), (0.5, 1), (0.3, 3)])
def test_too_few_scores_are_refused_and_the_least_number_is_named(alpha: float, count: int) -> None:
    assert needed(alpha) == count
    threshold([1.0] * count, alpha)
    with pytest.raises(ValueError, match=f"alpha = {alpha:g}: {count - 1} calibration scores .* {count} are needed"):
        threshold([1.0] * (count - 1), alpha)


def test_what_is_no_rate_and_no_score_is_refused() -> None:
    for alpha in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
            threshold([1.0] * 100, alpha)
    with pytest.raises(ValueError, match="must be finite"):
        threshold([1.0] * 99 + [float("nan")], 0.05)


def runs(count: int) -> list[Trace]:
    """Runs of different length, their steps dependent on each other and the two signals on each other."""
    traces = []
    for length in torch.randint(5, 30, (count,)).tolist():
        walk = torch.randn(length, 2).cumsum(0) + torch.randn(2) * 3
        traces.append(Trace(walk[:, 0].tolist(), walk.sum(1).tolist()))
    return traces


def alarms(made: Calibration, trace: Trace) -> bool:
    assert made.surprise is not None and made.strangeness is not None
    return max(trace.surprise) > made.surprise or max(trace.strangeness) > made.strangeness


def test_of_runs_at_most_alpha_alarm_though_there_are_two_signals_and_dependent_steps() -> None:
    rate = sum(alarms(Calibration.of("distance", runs(39), 0.1), runs(1)[0]) for _ in range(1500)) / 1500
    assert 0.02 < rate < 0.1 + 3 * math.sqrt(0.1 * 0.9 / 1500)


def test_each_signal_has_its_share_and_only_one_has_all_of_it() -> None:
    traces = [Trace([float(i), 0.0], []) for i in range(1, 40)]
    alone = Calibration.of("distance", traces, 0.05)
    assert (alone.surprise, alone.strangeness, alone.count) == (38, None, 39)
    both = Calibration.of("distance", [Trace(each.surprise, each.surprise) for each in traces], 0.05)
    assert (both.surprise, both.strangeness) == (39, 39)


def test_steps_are_counted_one_by_one_if_asked() -> None:
    traces = [Trace([float(i) for i in range(1, 40)], []), Trace([], [])]
    assert Calibration.of("distance", traces, 0.05, per="step").surprise == 38
    with pytest.raises(ValueError, match="2 calibration scores are too few"):
        Calibration.of("distance", traces, 0.05)
    with pytest.raises(ValueError, match="per = 'hour': legal are 'run' and 'step'"):
        Calibration.of("distance", traces, 0.05, per="hour")
    with pytest.raises(ValueError, match="neither surprise nor strangeness"):
        Calibration.of("distance", [Trace([], [])] * 40, 0.05)


def test_a_calibration_comes_back_from_its_file(tmp_path: Path) -> None:
    usual = Usual.fit(torch.randn(50, 3))
    made = Calibration.of(
        "distance", runs(39), 0.1, usual=usual, settings={"n_action_steps": 2}, about={"seeds": [1, 2]}
    )
    assert made.save(tmp_path) == tmp_path / FILE
    back = Calibration.load(tmp_path)
    assert replace(back, usual=None) == replace(made, usual=None)
    seen = torch.randn(4, 3)
    assert back.usual is not None and torch.equal(back.usual.strangeness(seen), usual.strangeness(seen))
    back.check({"n_action_steps": 2, "other": 1})
    with pytest.raises(ValueError, match=r"n_action_steps = 6 \(calibrated 2\)"):
        back.check({"n_action_steps": 6})


def test_it_is_published_with_its_checkpoint(tmp_path: Path) -> None:
    made = policy()
    made.save_pretrained(tmp_path / "trained")
    made_of = Calibration.of("distance", runs(39), 0.1)
    made_of.save(tmp_path / "trained")
    (tmp_path / "staged").mkdir()
    stage_checkpoint(tmp_path / "trained", tmp_path / "staged", with_pipelines=False)
    assert Calibration.load(tmp_path / "staged") == made_of
    assert FILE in MODEL.ours


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"holds no {FILE}; `dp-plus calibrate"):
        Calibration.load(tmp_path)
    for content in ("{", "[]", json.dumps({"usual": None, "alpha": 1})):
        (tmp_path / FILE).write_text(content)
        with pytest.raises(ValueError, match="is not a calibration"):
            Calibration.load(tmp_path)
