"""One Gaussian is one mode, Gaussians apart are as many, in any units; and what is degenerate is not refused."""

import time

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.modes import Found, GaussianMixture
from lerobot_dp_plus.modes.gaussian_mixture import whitened

MODES = GaussianMixture()


def several(found: Found) -> Tensor:
    """How many modes, (B,)."""
    return (found.weights > 0).sum(1)


def apart(batch: int, count: int, dim: int, distance: float, share: float) -> tuple[Tensor, int]:
    """Two Gaussians `distance` standard deviations apart, in a random direction; the first so many points are of one."""
    way = torch.nn.functional.normalize(torch.randn(batch, 1, dim), dim=-1)
    size = round(share * count)
    points = torch.randn(batch, count, dim)
    points[:, :size] += distance * way
    return points, size


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("count", [16, 32, 64])
def test_a_single_gaussian_is_one_mode(dim: int, count: int) -> None:
    """Points are scaled to unit covariance, so the sample's own mean and covariance make no difference."""
    assert (several(MODES.find(torch.randn(1000, count, dim))) > 1).float().mean() <= 0.02


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("count", "share"), [(16, 0.5), (32, 0.25), (64, 0.5), (64, 0.25), (64, 0.125)])
def test_gaussians_far_apart_are_two_modes(dim: int, count: int, share: float) -> None:
    points, size = apart(200, count, dim, 25.0, share)
    found = MODES.find(points)
    assert (several(found) >= 2).all()
    mixed = (found.mode[:, :size, None] == found.mode[:, None, size:]).flatten(1).any(1)
    assert not mixed.any(), "candidates of different Gaussians share a mode"
    exact = several(found) == 2
    assert exact.float().mean() > 0.98
    weights = torch.tensor([max(share, 1 - share), min(share, 1 - share), 0]).expand(int(exact.sum()), 3)
    torch.testing.assert_close(found.weights[exact], weights)


def test_the_power_at_six_deviations() -> None:
    """As weak as a few per cent of false alarms allow: what shrinking does not cost."""
    for count, least in ((64, 0.98), (32, 0.9), (16, 0.6)):
        points, _ = apart(300, count, 2, 6.0, 0.5)
        assert (several(MODES.find(points)) > 1).float().mean() > least, count


def test_three_modes() -> None:
    points = torch.randn(50, 60, 2)
    points[:, :30] += torch.tensor([30.0, 0.0])
    points[:, 30:50] += torch.tensor([0.0, 40.0])
    found = MODES.find(points)
    assert (several(found) == 3).all()
    expected = torch.tensor([0] * 30 + [1] * 20 + [2] * 10)
    assert torch.equal(found.mode, expected.expand(50, 60))
    assert (several(GaussianMixture(max_modes=2).find(points)) == 2).all()
    assert (several(GaussianMixture(max_modes=1).find(points)) == 1).all()
    assert (several(GaussianMixture(min_weight=0.2).find(points)) == 2).all()


def test_an_outlier_is_no_mode_and_hardly_ever_hides_one() -> None:
    points, _ = apart(100, 63, 2, 25.0, 0.4)
    points = torch.cat([points, torch.full((100, 1, 2), 200.0)], dim=1)
    assert (several(MODES.find(points)) == 2).float().mean() > 0.95
    points[:, :63] = torch.randn(100, 63, 2)
    assert (several(MODES.find(points)) == 1).float().mean() > 0.98
    assert (several(GaussianMixture(min_weight=0.0).find(points)) > 1).all(), "a weight of 0 lets it be a mode"


def test_modes_do_not_depend_on_units_order_or_company() -> None:
    points, _ = apart(40, 64, 3, 5.0, 0.4)
    points = points.double()
    found = MODES.find(points)
    assert 0.1 < (several(found) > 1).float().mean() < 0.9, "a hard choice would tell nothing"
    change = torch.tensor([[2.0, 1.0, 0.0], [0.0, -0.5, 0.3], [0.2, 0.0, 7.0]], dtype=torch.float64)
    moved = MODES.find(1e3 + points @ change)
    assert torch.equal(moved.mode, found.mode) and torch.equal(moved.nearest, MODES.find(points @ change).nearest)
    order = torch.randperm(64)
    shuffled = MODES.find(points[:, order])
    torch.testing.assert_close(shuffled.weights, found.weights)
    alone = torch.cat([MODES.find(row[None]).mode for row in points])
    assert torch.equal(alone, found.mode)


def test_nothing_is_drawn_at_random() -> None:
    points, _ = apart(5, 32, 2, 6.0, 0.5)
    state = torch.get_rng_state()
    first, second = MODES.find(points), MODES.find(points)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "points",
    [
        torch.zeros(2, 64, 3),
        torch.full((1, 64, 2), 1e6),
        torch.randn(3, 1, 2),
        torch.randn(3, 2, 2),
        torch.randn(3, 9, 4),
    ],
    ids=["all equal", "equal and large", "one", "two", "few"],
)
def test_too_little_to_tell_is_one_mode(points: Tensor) -> None:
    found = MODES.find(points)
    assert (several(found) == 1).all() and not found.mode.any() and found.weights.shape == (len(points), 3)
    torch.testing.assert_close(found.centres[:, 0], points.mean(1))


def test_points_on_a_line_are_told_apart_along_it() -> None:
    along = torch.randn(200, 64, 1, dtype=torch.float64)
    line = torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
    assert (several(MODES.find(5 + along * line)) == 1).float().mean() >= 0.98
    along[:, :24] += 12
    found = MODES.find(5 + along * line)
    assert (several(found) == 2).all() and (found.mode[:, :24] == 1).all() and not found.mode[:, 24:].any()


def test_two_points_many_times_are_two_modes() -> None:
    points = torch.tensor([[0.0, 1.0], [3.0, 2.0]]).repeat_interleave(torch.tensor([20, 12]), 0)[None]
    found = MODES.find(points)
    torch.testing.assert_close(found.weights, torch.tensor([[20 / 32, 12 / 32, 0.0]]))
    torch.testing.assert_close(found.centres[0, :2], points[0, [0, 31]])


def test_hardly_any_width_is_no_way() -> None:
    """Two groups apart by a ten-thousandth of the whole width are one mode. With a tenth of the width they are two."""
    points = torch.randn(50, 64, 2, dtype=torch.float64) * torch.tensor([1.0, 1e-6])
    points[:, ::2, 1] += 1e-4
    assert (several(MODES.find(points)) == 1).all()
    assert (several(MODES.find(points * torch.tensor([1.0, 1e3]))) == 2).all()


def test_whitening_gives_unit_covariance() -> None:
    points = torch.randn(4, 30, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64)
    scaled = whitened(points)
    torch.testing.assert_close(scaled.mT @ scaled / 30, torch.eye(3, dtype=torch.float64).expand(4, 3, 3))
    assert not whitened(torch.ones(1, 5, 2, dtype=torch.float64)).any()


def test_chunks_are_told_apart_by_their_space() -> None:
    """Two ways to one place differ as wholes, and not in their ends."""
    chunks = torch.randn(20, 64, 7, 2)
    chunks[:, ::2, 3] += 20
    assert (several(GaussianMixture().of(chunks)) == 1).float().mean() > 0.9
    found = GaussianMixture(space="whole").of(chunks)
    assert (several(found) == 2).all() and (found.mode[:, ::2] == found.mode[:, :1]).all()


def test_no_gradient_and_the_type_of_the_points() -> None:
    points = torch.randn(1, 16, 2, requires_grad=True)
    found = MODES.find(points)
    assert not found.centres.requires_grad and found.weights.dtype == found.centres.dtype == torch.float32


def test_it_is_quick() -> None:
    """Processor time of one thread, the best of five: 4 and 9 ms where it was measured."""
    for count, limit in ((16, 0.015), (64, 0.03)):
        points = torch.randn(1, count, 3)
        taken = []
        for _ in range(5):
            started = time.thread_time()
            MODES.find(points)
            taken.append(time.thread_time() - started)
        assert min(taken) < limit, f"{count}: {taken}"
