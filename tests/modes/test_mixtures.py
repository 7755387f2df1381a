"""Fits against densities of scipy and against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor

from lerobot_dp_plus.modes.mixtures import (
    POOLED_POINTS,
    directions,
    farthest,
    fit,
    least_variance,
    maximised,
    outer,
)

REG = 1e-3


def features_of(points: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(points[..., :1]), points, outer(points).flatten(-2)], dim=-1)


def standardised(points: Tensor) -> Tensor:
    return (points - points.mean(1, keepdim=True)) / points.std(1, keepdim=True)


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_one_component_is_the_gaussian_of_the_sample(dim: int) -> None:
    points = torch.randn(3, 30, dim, dtype=torch.float64) @ torch.randn(dim, dim, dtype=torch.float64)
    fits = fit(points, 1, REG)
    for row, joint, total in zip(points.numpy(), fits.log_joint, fits.log_likelihood, strict=True):
        covariance = np.cov(row.T, bias=True).reshape(dim, dim) + REG * np.eye(dim)
        expected = multivariate_normal(row.mean(0), covariance).logpdf(row)
        np.testing.assert_allclose(joint[0, :, 0], expected, rtol=1e-8, atol=1e-8)
        assert total[0].item() == pytest.approx(expected.sum())


def test_a_step_makes_the_components_that_the_formula_says() -> None:
    """Means, shares and shrunk covariances by loops, densities by scipy; two mixtures side by side."""
    points = torch.randn(2, 25, 3, dtype=torch.float64)
    shares = torch.rand(2, 25, 2, 4, dtype=torch.float64)
    shares = shares / shares.sum(-1, keepdim=True)
    theta = maximised(features_of(points), shares, REG)
    joint = (features_of(points) @ theta.mT).unflatten(-1, (2, 4))
    for b in range(2):
        x = points[b].numpy()
        for r in range(2):
            weight = shares[b, :, r].sum(0).numpy()
            means = [np.average(x, axis=0, weights=shares[b, :, r, k]) for k in range(4)]
            own = [np.cov(x.T, aweights=shares[b, :, r, k], bias=True) for k in range(4)]
            pooled = sum(n * s for n, s in zip(weight, own, strict=True)) / 25
            for k in range(4):
                covariance = (weight[k] * own[k] + POOLED_POINTS * pooled) / (weight[k] + POOLED_POINTS)
                density = multivariate_normal(means[k], covariance + REG * np.eye(3)).logpdf(x)
                np.testing.assert_allclose(joint[b, :, r, k], np.log(weight[k] / 25) + density, rtol=1e-9)


def test_the_likelihood_is_that_of_the_joint_densities_and_grows_with_the_components() -> None:
    points = standardised(torch.randn(6, 64, 2, dtype=torch.float64))
    points[:, :20] += 4
    fits = fit(standardised(points), 3, REG)
    np.testing.assert_allclose(fits.log_likelihood, logsumexp(fits.log_joint.numpy(), axis=-1).sum(-1), rtol=1e-9)
    assert torch.equal(
        fits.log_joint.isinf().any(2)[0], torch.tensor([[False, True, True], [False, False, True], [False] * 3])
    )
    assert (fits.log_likelihood[:, 1] > fits.log_likelihood[:, 0] + 10).all()
    assert (fits.log_likelihood[:, 2] > fits.log_likelihood[:, 1] - 0.5).all()


def test_components_are_where_the_data_came_from() -> None:
    """Many points of a mixture: the likelihood of the fit reaches that of the truth, which is the limit of information."""
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(1, 300, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 0.3])
    second = torch.randn(1, 100, 2, generator=generator, dtype=torch.float64) * 0.5 + torch.tensor([0.0, 3.0])
    points = torch.cat([first, second], dim=1)
    truth = logsumexp(
        [
            math.log(0.75) + multivariate_normal([0, 0], np.diag([1, 0.09])).logpdf(points[0]),
            math.log(0.25) + multivariate_normal([0, 3], 0.25 * np.eye(2)).logpdf(points[0]),
        ],
        axis=0,
    ).sum()
    fits = fit(points, 2, 1e-6)
    # Twice the difference is about chi-squared with as many degrees as parameters, 11.
    assert -2 < fits.log_likelihood[0, 1] - truth < 15
    assert (fits.log_joint[0, 1].argmax(-1)[:300] == fits.log_joint[0, 1, 0].argmax()).float().mean() > 0.99


def test_the_kurtosis_matrix_shows_where_modes_lie() -> None:
    generator = torch.Generator().manual_seed(2)
    points = torch.randn(1, 4000, 3, generator=generator, dtype=torch.float64)
    way = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64), dim=0)
    points[:, :1000] += 8 * way
    points = points - points.mean(1, keepdim=True)
    values, axes = torch.linalg.eigh(points.mT @ points / 4000)
    ways = torch.nn.functional.normalize(directions(points @ axes / values.sqrt()[:, None])[0], dim=0)
    assert ways.shape == (3, 9)
    there = torch.nn.functional.normalize((way @ axes[0]) / values[0].sqrt(), dim=0)  # the way after whitening
    assert (ways[:, :3].T @ there).abs().max() > 0.98


def test_the_cut_of_least_variance_is_brute_force() -> None:
    values = torch.randn(4, 15, 6, dtype=torch.float64)
    values = values - values.mean(1, keepdim=True)
    labels = least_variance(values)
    for b in range(4):
        for way in range(6):
            x = np.sort(values[b, :, way].numpy())
            best = min(range(1, 15), key=lambda i, x=x: x[:i].var() * i + x[i:].var() * (15 - i))
            assert (labels[b, :, way] == 0).sum() == best
            assert values[b, labels[b, :, way] == 0, way].max() < values[b, labels[b, :, way] == 1, way].min()
    assert not least_variance(torch.zeros(2, 1, 3)).any()


def test_seeds_are_far_from_each_other() -> None:
    groups = torch.tensor([[0.0, 0.0]] * 5 + [[10.0, 0.0]] * 2 + [[0.0, 7.0]] * 2)[None] + 0.01 * torch.randn(1, 9, 2)
    labels = farthest(groups, 3)[0].tolist()
    assert len(set(labels)) == 3 and len(set(labels[:5])) == len(set(labels[5:7])) == len(set(labels[7:])) == 1
