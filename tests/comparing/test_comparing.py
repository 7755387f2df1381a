"""Comparisons: known answers, error rates and coverage by simulation, and two evaluations for real."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from pytest import approx
from scipy.stats import binomtest

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.comparing.outcomes import common, read_outcomes
from lerobot_dp_plus.comparing.paired import Counts, difference, episodes_needed, mcnemar, score_difference
from lerobot_dp_plus.comparing.sequential import capital, decided_at, sequence
from lerobot_dp_plus.comparing.trainings import over_trainings
from lerobot_dp_plus.comparing.verdict import judged

CARDS = Path(__file__).parents[2] / "hub_cards"


def test_mcnemar_is_a_coin() -> None:
    assert mcnemar(Counts(50, 10, 2, 38)) == approx(2 * sum(math.comb(12, k) for k in (0, 1, 2)) / 2**12)
    assert mcnemar(Counts(9, 0, 0, 1)) == 1.0
    random = np.random.default_rng(0)
    a, b = random.random((2, 200)) < 0.5
    counts = Counts.of(a.astype(float), b.astype(float))
    assert counts.episodes == 200 and counts.both == (a & b).sum() and counts.only_a == (a & ~b).sum()


def test_the_interval_is_newcombes() -> None:
    """His table 2 (method 10): 43 of 50 against 46 of 50 and further pairs; and what must hold of any."""
    assert difference(Counts(36, 12, 2, 0)) == approx((0.2, 0.0569, 0.3404), abs=2e-4)
    assert difference(Counts(0, 0, 0, 10))[0] == 0
    found, low, high = difference(Counts(30, 9, 4, 7))
    assert difference(Counts(30, 4, 9, 7)) == approx((-found, -high, -low))


def drawn(random, shared: np.ndarray, gap: float, trainings: int, spread: float) -> np.ndarray:
    """Successes (trainings, N) of episodes of shared difficulty (N,)."""
    rate = 0.6 + gap + spread * random.standard_normal((trainings, 1)) + 0.25 * shared
    return (random.random((trainings, len(shared))) < rate.clip(0.02, 0.98)).astype(float)


def test_intervals_cover_as_often_as_they_say() -> None:
    """Of 300 comparisons 95 % are asked for; below 92 % would be more than two standard errors."""
    random = np.random.default_rng(1)
    hits, scores, seeds, tries = 0, 0, 0, 300
    for _ in range(tries):
        shared = random.choice([-1.0, 1.0], 60)
        truth = 0.1
        a, b = (drawn(random, shared, gap, 1, 0.0)[0] for gap in (truth, 0.0))
        _, low, high = difference(Counts.of(a, b))
        hits += low <= truth <= high
        x, y = random.beta(2, 1, 60), random.beta(2, 1.5, 60)
        _, *ends = score_difference(x, y)
        scores += ends[0] <= 2 / 3 - 2 / 3.5 <= ends[1]
        level = over_trainings(*(drawn(random, shared, gap, 3, 0.06) for gap in (truth, 0.0)))
        seeds += level.low <= truth <= level.high
    assert 0.92 <= hits / tries <= 0.99
    assert 0.92 <= scores / tries <= 0.98
    assert 0.92 <= seeds / tries <= 1


def test_trainings_are_a_level_of_their_own() -> None:
    """Without it, the luck of three seeds is called a difference far more often than 5 times in 100."""
    random = np.random.default_rng(2)
    naive = ours = 0
    for _ in range(300):
        shared = random.choice([-1.0, 1.0], 200)
        a, b = (drawn(random, shared, 0.0, 3, 0.06) for _ in range(2))
        apart = (a - b).mean(0)
        naive += abs(apart.mean()) > 1.96 * apart.std(ddof=1) / math.sqrt(200)
        level = over_trainings(a, b)
        ours += not level.low <= 0 <= level.high
    assert naive > 0.2 * 300 and ours < 0.08 * 300
    with pytest.raises(ValueError, match="both policies have one training"):
        over_trainings(a[:1], b[:1])


def test_looking_after_every_episode_keeps_the_error_rate() -> None:
    random = np.random.default_rng(4)
    for differ in (1.0, 0.2, 0.05):
        d = random.choice([-1, 0, 1], (1000, 250), p=[differ / 2, 1 - differ, differ / 2])
        false = (decided_at(d) > 0).mean()
        assert false <= 0.05
        # An exact test that is looked at as often would be wrong far more often.
        if differ == 1.0:
            wins = (d[:150] > 0).cumsum(1)
            looks = range(20, 250, 10)
            often = np.mean([any(binomtest(int(w[n]), n + 1).pvalue < 0.05 for n in looks) for w in wins])
            assert often > 0.1
    with_gain = random.choice([-1, 0, 1], (200, 400), p=[0.05, 0.65, 0.3])
    stopped = decided_at(with_gain)
    assert (stopped > 0).mean() > 0.95 and np.median(stopped[stopped > 0]) < 120


def test_the_sequence_covers_at_all_times_at_once() -> None:
    random = np.random.default_rng(5)
    mean = 0.2 * 0.3 - 0.1 * 1.0
    d = random.choice([0.3, -1.0, 0.0], (1000, 300), p=[0.2, 0.1, 0.7])
    refuted = (capital(d, np.array([mean]))[..., 0] >= math.log(20)).any(1)
    assert refuted.mean() <= 0.05
    low, high = sequence(d[0])
    assert low <= mean <= high and high - low < 0.5
    assert sequence(np.ones(50))[0] > 0.5


def test_so_many_episodes_show_the_difference() -> None:
    """McNemar's test finds a difference of 8 points in four of five samples of the size that was said."""
    random = np.random.default_rng(6)
    psi, delta = 0.2, 0.08
    needed = episodes_needed(Counts(700, 100, 100, 100), delta)
    pairs = random.multinomial(needed, [(psi + delta) / 2, (psi - delta) / 2, 1 - psi], 500)
    power = np.mean([mcnemar(Counts(0, b, c, rest)) < 0.05 for b, c, rest in pairs])
    assert 0.74 < power < 0.86


def test_sentences() -> None:
    keys = [("pusht_0", seed) for seed in range(200)]
    random = np.random.default_rng(0)
    a, b = (random.random((2, 1, 200)) < 0.8).astype(float)
    same = judged(("x", "y"), keys, (a, b), (a, b))
    assert same.p is not None and not same.shown
    assert (
        same.said[0].startswith("No difference shown: A minus B is")
        and "more episodes would show one of 3 points" in same.said[0]
    )
    worse = b * (random.random((1, 200)) < 0.6)
    better = judged(("x", "y"), keys, (worse, a), (worse, a))
    assert better.said[0].startswith("y is better than x: ") and "exact McNemar p =" in better.said[0]
    assert "another training seed may give another result" in " ".join(better.said)
    several = judged(("x", "y"), keys, (np.repeat(a, 3, 0), b), (np.repeat(a, 3, 0), b))
    assert "A has 3 trainings" in " ".join(several.said) and "B has one training" in " ".join(several.said)


def test_folders_of_evaluations(tmp_path: Path, capsys) -> None:
    def write(name: str, successes: list[bool], first: int) -> Path:
        rows = [
            {"task": "pusht_0", "seed": first + i, "success": each, "max_reward": 1.0 if each else 0.5}
            for i, each in enumerate(successes)
        ]
        (tmp_path / name).mkdir()
        (tmp_path / name / "episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    a, b = write("good", [True] * 30, 100), write("bad", [False] * 20 + [True] * 10, 105)
    flags = ["--output-dir", str(tmp_path / "out")]
    assert entry.main(["compare", str(a), str(b), *flags]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "good is better than bad: 80.0 points more success" in said and "on 25 common episodes" in said
    stored = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert stored["counts"] == [5, 20, 0, 0] and stored["seeds"] == [105, 129] and stored["shown"]
    far = write("far", [True], 900)
    assert entry.main(["compare", str(a), str(far), *flags]) == 1
    assert "no episode is common to all" in capsys.readouterr().err
    # LeRobot's own file, with a report that names the seeds.
    card = read_outcomes(CARDS / "pusht_state")
    report = json.loads((CARDS / "pusht_state" / "report.json").read_text())
    assert sum(each.success for each in card.values()) == report["successes"]
    keys, success, _ = common([card, card])
    assert len(keys) == report["episodes"] and success.shape == (2, len(keys))


def test_checkpoints_are_played_until_it_is_decided(tmp_path: Path, capsys) -> None:
    state = CARDS / "pusht_state"
    quick = ["--policy.selection.num_candidates=2", "--policy.sampler.num_steps=1", "--env.episode_length=16"]
    flags = ["--until-decided", "--episodes=20", "--output-dir", str(tmp_path), *quick]
    assert entry.main(["compare", str(state), str(state), *flags]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "20 of 20 episodes each" in said and "No difference shown" in said and "confidence sequence" in said
    assert json.loads((tmp_path / "compare.json").read_text())["decided_after"] == 0
    assert entry.main(["compare", f"{state},{state}", str(state), "--until-decided"]) == 1
    assert "expected one checkpoint for A and one for B" in capsys.readouterr().err
