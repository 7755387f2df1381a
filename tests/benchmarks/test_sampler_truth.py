"""The mathematics that samplers are compared by: the closed forms against sums, and the table's claims."""

import json

import pytest
import torch

from benchmarks import sampler_truth
from benchmarks.mixture import Mixture, even_noise, gaussian
from lerobot_dp_plus.paths import LinearBetaPath, StraightPath

TRUTH = Mixture(weights=(0.3, 0.7), means=(-0.5, 0.4), widths=(0.2, 0.1))


@pytest.mark.parametrize("path", [StraightPath(), LinearBetaPath()], ids=lambda path: type(path).__name__)
@pytest.mark.parametrize("time", [0.2, 0.6, 0.95])
def test_ends_are_the_conditional_expectations(path, time: float) -> None:
    """Bayes by brute force: the data's density times that of the noise that is left, summed over a fine grid."""
    x1 = torch.linspace(-2, 2, 40_001, dtype=torch.float64)
    prior = sum(
        w * torch.exp(-0.5 * ((x1 - m) / s) ** 2) / s
        for w, m, s in zip(TRUTH.weights, TRUTH.means, TRUTH.widths, strict=True)
    )
    x_t, t = (
        torch.tensor([[[-0.6]], [[0.1]], [[0.9]]], dtype=torch.float64),
        torch.full((3,), time, dtype=torch.float64),
    )
    noise = (x_t[:, 0] - path.alpha(t)[:, None] * x1) / path.sigma(t)[:, None]
    posterior = prior * torch.exp(-0.5 * noise**2)
    posterior /= posterior.sum(dim=1, keepdim=True)
    found = TRUTH.ends(path, x_t, t)
    torch.testing.assert_close(found.x1[:, 0, 0], (posterior * x1).sum(dim=1), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.x0[:, 0, 0], (posterior * noise).sum(dim=1), rtol=0, atol=1e-4)
    torch.testing.assert_close(path.interpolate(*found, t), x_t)


def test_the_flow_has_the_denoisers_direction() -> None:
    path, x_t = StraightPath(), torch.tensor([[[-0.7]], [[0.0]], [[0.3]]], dtype=torch.float64)
    t, step = torch.full((3,), 0.6, dtype=torch.float64), 1e-4
    slope = (TRUTH.flow(path, x_t, t, t + step) - TRUTH.flow(path, x_t, t, t - step)) / (2 * step)
    x0, x1 = TRUTH.ends(path, x_t, t)
    torch.testing.assert_close(slope, x1 - x0, rtol=1e-5, atol=1e-5)
    start, end = torch.zeros(101, dtype=torch.float64), torch.ones(101, dtype=torch.float64)
    torch.testing.assert_close(TRUTH.flow(path, even_noise(101), start, end).flatten(), TRUTH.quantiles(101))


def test_a_judgement_of_the_truth_and_of_its_faults() -> None:
    truth = TRUTH.quantiles(2000)
    right = TRUTH.judge(truth)
    # The border halfway, at −0.05, cuts 1 % of the first mode off.
    assert right.weights == pytest.approx(TRUTH.weights, abs=5e-3) and right.spreads == pytest.approx((1, 1))
    assert right.distance == 0 and right.stray < 1e-3
    halved = TRUTH.judge(torch.where(truth < -0.05, -0.5 + (truth + 0.5) / 2, truth))
    assert halved.spreads == pytest.approx((0.5, 1), abs=0.01) and halved.weights == right.weights
    moved = TRUTH.judge(torch.where(truth < -0.4, 3.0, truth))
    assert moved.stray == pytest.approx(0.3 * 0.69, abs=0.01) and moved.weights[0] == pytest.approx(
        0.3 * 0.31, abs=0.01
    )
    assert gaussian(0.2, 0.5).judge(0.2 + 0.25 * even_noise(1000)).spreads == pytest.approx((0.5,), abs=1e-3)


def test_the_benchmark_says_what_the_defaults_stand_on(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sampler_truth, "COUNT", 201)
    monkeypatch.setattr(sampler_truth, "CALLS", (10,))
    assert sampler_truth.main([f"--json={tmp_path / 'found.json'}"]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["best"]["straight"]["10"] == found["best"]["linear_beta"]["10"] == "dpmpp_2m"
    assert all(row["calls"] <= row["allowed"] for row in found["rows"])
    grids = {
        row["grid"]: row
        for row in found["grids_of_linear_beta"]
        if (row["sampler"], row["truth"]) == ("dpmpp_2m", "three modes")
    }
    path, like = sampler_truth.PATHS["linear_beta"], torch.zeros(1, dtype=torch.float64)
    torch.testing.assert_close(sampler_truth.angle_grid(path, 7, 1.5), path.grid(7, like), rtol=0, atol=1e-5)
    assert grids["power 1.5"]["distance"] < 0.5 * grids["even in t"]["distance"]
    assert "grids at ten calls" in capsys.readouterr().out
