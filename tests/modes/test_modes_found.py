"""What is found is what counting by hand finds; ambiguity is an entropy; points are what they say."""

import math

import numpy as np
import pytest
import torch

from lerobot_dp_plus.modes import GaussianMixture, Modes, NoModes, points_of
from lerobot_dp_plus.modes.base import check_points, described
from lerobot_dp_plus.notation import entropy


def test_found_is_what_counting_finds() -> None:
    points, labels = torch.randn(5, 40, 3), torch.randint(0, 4, (5, 40))
    found = described(points, labels, 6)
    assert found.mode.dtype == found.nearest.dtype == torch.int64
    for b in range(5):
        assert found.weights[b].tolist() == sorted(found.weights[b].tolist(), reverse=True)
        for k in range(6):
            members = [n for n in range(40) if found.mode[b, n] == k]
            assert found.weights[b, k] == pytest.approx(len(members) / 40)
            if not members:
                assert not found.centres[b, k].any() and found.nearest[b, k] == 0
                continue
            assert len({int(labels[b, n]) for n in members}) == 1
            assert len(members) == (labels[b] == labels[b, members[0]]).sum()
            centre = points[b, members].mean(0)
            torch.testing.assert_close(found.centres[b, k], centre)
            assert found.nearest[b, k] == min(members, key=lambda n: (points[b, n] - centre).norm().item())


def test_the_representative_is_of_its_mode() -> None:
    """The centre of a ring is nearest to the point in its middle, which is of another mode."""
    angle = torch.arange(8) * math.pi / 4
    ring = torch.stack([angle.cos(), angle.sin()], dim=-1)
    found = described(torch.cat([torch.zeros(1, 2), ring])[None], torch.tensor([[1] + [0] * 8]), 2)
    assert found.nearest[0, 0] > 0 and found.nearest[0, 1] == 0


def test_of_equally_heavy_modes_the_earlier_candidate_decides() -> None:
    points = torch.randn(1, 6, 2)
    assert described(points, torch.tensor([[2, 0, 0, 2, 1, 1]]), 3).mode.tolist() == [[0, 1, 1, 0, 2, 2]]
    assert described(points, torch.tensor([[0, 2, 2, 2, 1, 1]]), 3).mode.tolist() == [[2, 0, 0, 0, 1, 1]]


def test_ambiguity_is_the_entropy() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.9, 0.1, 0.0]])
    expected = [0, math.log(2), math.log(3), -0.9 * math.log(0.9) - 0.1 * math.log(0.1)]
    torch.testing.assert_close(entropy(weights), torch.tensor(expected))


def test_none_is_one_mode() -> None:
    points = torch.randn(4, 7, 3)
    found = NoModes().find(points)
    assert not found.mode.any() and torch.equal(found.weights, torch.ones(4, 1)) and not entropy(found.weights).any()
    torch.testing.assert_close(found.centres, points.mean(1, keepdim=True))
    assert torch.equal(found.nearest[:, 0], (points - points.mean(1, keepdim=True)).norm(dim=-1).argmin(1))


def test_ends_are_last_actions() -> None:
    chunks = torch.randn(3, 8, 7, 2)
    assert torch.equal(points_of(chunks), chunks[:, :, -1])
    assert torch.equal(points_of(chunks[:, :, :1], "whole"), chunks[:, :, 0]), "two numbers need no projection"


@pytest.mark.parametrize("shape", [(2, 64, 7, 2), (2, 3, 7, 2), (1, 1, 7, 2)], ids=["many", "few", "one"])
def test_whole_chunks_are_projected_where_they_vary_most(shape: tuple[int, ...]) -> None:
    """Scores have the covariance matrix's largest eigenvalues as variances, and no covariances."""
    chunks = torch.randn(shape) * torch.arange(1, shape[2] + 1)[:, None]
    points = points_of(chunks, "whole", 3)
    assert points.shape == (*shape[:2], 3) and points.dtype == chunks.dtype
    for row, flat in zip(points.double(), chunks.flatten(2).double().numpy(), strict=True):
        largest = np.linalg.eigvalsh(np.cov(flat.T, bias=True))[::-1][:3].copy()
        torch.testing.assert_close(row.T @ row / len(row), torch.from_numpy(np.diag(largest)), rtol=1e-4, atol=1e-4)


def test_wide_ends_are_projected_as_well() -> None:
    chunks = torch.zeros(1, 20, 4, 14)
    chunks[0, :, -1, 9] = torch.arange(20.0)
    points = points_of(chunks, "end", 3)
    assert points.shape == (1, 20, 3) and not points[..., 1:].abs().max() > 1e-5
    torch.testing.assert_close(points[0, :, 0].diff().abs(), torch.ones(19))


@pytest.mark.parametrize("modes", [NoModes(), GaussianMixture()])
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.randn(3, 2), r"points are torch.float32 \(3, 2\); must be floating \(B, N, D\)"),
        (torch.zeros(1, 3, 2, dtype=torch.int64), r"points are torch.int64"),
        (torch.zeros(2, 0, 2), r"points are torch.float32 \(2, 0, 2\)"),
        (torch.full((1, 3, 2), math.nan), "NaN or infinity"),
        (torch.tensor([[[0.0], [math.inf]]]), "NaN or infinity"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(modes: Modes, points: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        modes.find(points)
    check_points(torch.zeros(1, 1, 1))


def test_fields_are_checked_by_name() -> None:
    for fields, message in (
        ({"space": "middle"}, r"modes.space = 'middle': legal are 'end', 'whole'"),
        ({"components": 0}, r"modes.components = 0: must be at least 1"),
        ({"max_modes": 0}, r"modes.max_modes = 0: must be at least 1"),
        ({"min_weight": 0.6}, r"modes.min_weight = 0.6: must be in \[0, 0.5\]"),
        ({"min_weight": math.nan}, r"modes.min_weight = nan"),
    ):
        with pytest.raises(ValueError, match=message):
            GaussianMixture(**fields)
    with pytest.raises(ValueError, match=r"modes.space = 'middle'"):
        points_of(torch.randn(1, 2, 3, 2), "middle")
    assert set(Modes.get_known_choices()) == {"none", "gaussian_mixture", "things", "readings"}
