"""What found states are wrong by: constant shifts and turns are told apart from errors."""

import math

import pytest
import torch

from benchmarks.seeing import PICTURE, errors
from lerobot_dp_plus.auxiliary.dynamics.frames import corners_of


def test_a_constant_shift_and_turn_are_no_errors_and_are_told() -> None:
    """Points in a frame that is 10 units along the block's x and 0.1 rad off, one of them 8 units further."""
    generator = torch.Generator().manual_seed(0)
    origin, angle = 512 * torch.rand(40, 2, generator=generator), 6 * torch.rand(40, generator=generator)
    along = torch.stack([angle.cos(), angle.sin()], -1)
    off = torch.full((40,), 10.0)
    off[-1] += 8
    turn = torch.full((40,), 0.1)
    turn[-1] += 0.05
    found = corners_of(origin + off[:, None] * along, angle + turn)
    judged = torch.arange(40) >= 30
    result = errors(found, corners_of(origin, angle), ~judged, judged)
    assert result["frames"] == 10
    assert result["constant_shift_px"] == pytest.approx([10 * PICTURE, 0], abs=1e-3)
    assert result["constant_turn_deg"] == pytest.approx(math.degrees(0.1), abs=1e-3)
    assert result["position_px"]["median"] == pytest.approx(0, abs=1e-3)
    assert result["position_px"]["max"] == pytest.approx(8 * PICTURE, abs=1e-3)
    assert result["angle_deg"]["max"] == pytest.approx(math.degrees(0.05), abs=1e-3)
    assert result["position_px_as_found"]["median"] == pytest.approx(10 * PICTURE, abs=1e-3)
    assert result["angle_deg_as_found"]["median"] == pytest.approx(math.degrees(0.1), abs=1e-3)
