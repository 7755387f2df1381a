"""Keypoints against closed forms and against LeRobot's."""

import math

import pytest
import torch
from lerobot.policies.diffusion.modeling_diffusion import SpatialSoftmax as LeRobotSpatialSoftmax

from lerobot_dp_plus.encoders import SpatialSoftmax


def test_flat_features_give_the_centre() -> None:
    points = SpatialSoftmax()(torch.full((2, 3, 4, 7), 1.7))
    torch.testing.assert_close(points, torch.zeros(2, 3, 2), atol=1e-6, rtol=0)


def test_a_spike_gives_its_pixel() -> None:
    features = torch.zeros(1, 2, 3, 5)
    features[0, 0, 2, 1] = 1e4  # bottom row, second column: x = −1 + 2·1/4, y = 1
    features[0, 1, 0, 4] = 1e4  # top right corner
    torch.testing.assert_close(SpatialSoftmax()(features), torch.tensor([[[-0.5, 1.0], [1.0, -1.0]]]))


def test_two_pixels_share_by_their_logits() -> None:
    """Over a 1×2 map with logits 0 and a, x = sigmoid(a) − sigmoid(−a) = tanh(a / 2)."""
    for logit in (-2.0, 0.3, 5.0):
        x = SpatialSoftmax()(torch.tensor([0.0, logit]).reshape(1, 1, 1, 2))[0, 0, 0]
        assert x.item() == pytest.approx(math.tanh(logit / 2), abs=1e-6)


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (11, 8)])
def test_equals_lerobot(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    features = 3 * torch.randn(4, 6, *size)
    torch.testing.assert_close(SpatialSoftmax()(features), LeRobotSpatialSoftmax((6, *size))(features))


def test_half_precision_keeps_its_type() -> None:
    features = torch.randn(2, 3, 8, 8)
    points = SpatialSoftmax()(features.bfloat16())
    assert points.dtype == torch.bfloat16
    torch.testing.assert_close(points.float(), SpatialSoftmax()(features), atol=0.02, rtol=0)
