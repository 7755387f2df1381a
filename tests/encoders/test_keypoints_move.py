"""Keypoints of fresh weights go where an object goes, whatever the size of the picture: else there is nothing to learn from."""

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.encoders import ImageEncoder, KeypointTokensConfig, ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.encoders.keypoint_tokens import PLACE_GAIN

#: How far the object moves, in keypoint units, in which the picture is 2 wide.
FROM, TO = 0.35, 0.60
MOVED = 2 * (TO - FROM)
SIZES = [(96, 96), (120, 160), (168, 224), (480, 640)]
ENCODERS = [ResNet18Config(crop_ratio=1.0), SmallCnnConfig(crop_ratio=1.0)]
#: Those whose tokens are keypoints.
TOKENS = [KeypointTokensConfig(width=16), KeypointTokensConfig(trunk="resnet18")]


def scene(size: tuple[int, int], at: float, background: Tensor) -> Tensor:
    """A disc, an eighth of the picture wide, at `at` of its width, on a background that does not move: (3, H, W)."""
    height, width = size
    down = (torch.arange(height)[:, None] + 0.5) / height - 0.5
    across = (torch.arange(width) + 0.5) / width - at
    disc = ((down * height) ** 2 + (across * width) ** 2).sqrt() < max(size) / 16
    return torch.where(disc, torch.tensor([1.5, 0.0, -1.0])[:, None, None], background)


def shares(encoder: ImageEncoder, size: tuple[int, int]) -> Tensor:
    """How far every keypoint goes along the picture, as a share of what the object does: (K,)."""
    blotches = 0.6 * torch.randn(1, 3, 6, 8)
    background = torch.nn.functional.interpolate(blotches, size, mode="bilinear", align_corners=True)[0]
    before, after = (scene(size, at, background) for at in (FROM, TO))
    with torch.no_grad():
        points = encoder.keypoints(encoder.attention(encoder.backbone(torch.stack([before, after]))))
    return (points[1, :, 0] - points[0, :, 0]) / MOVED


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "config", [*ENCODERS, *TOKENS], ids=["resnet18", "small_cnn", "tokens", "tokens of a resnet18"]
)
def test_keypoints_move_with_an_object_at_every_size(config, size) -> None:
    torch.manual_seed(0)
    found = torch.cat([shares(config.build().eval(), size) for _ in range(2 if max(size) > 300 else 4)])
    assert found.abs().mean() > 0.15
    assert found.abs().quantile(0.9) > 0.4  # some keypoints follow it
    assert found.mean() > 0.02  # on the whole, they go its way
    assert found.abs().mean() < 1.5  # and do not jump about


@pytest.mark.parametrize("config", ENCODERS, ids=["resnet18", "small_cnn"])
def test_with_torchs_own_weights_they_hardly_do(config) -> None:
    """What the gains are for."""
    torch.manual_seed(0)
    encoder = config.build().eval()
    with torch.no_grad():
        encoder.attention.weight.div_(config.gains[0])
    torch.manual_seed(1)
    without = shares(encoder, (120, 160)).abs().mean()
    with torch.no_grad():
        encoder.attention.weight.mul_(config.gains[0])
    torch.manual_seed(1)
    assert shares(encoder, (120, 160)).abs().mean() > 2.5 * without


@pytest.mark.parametrize("size", [(96, 96), (120, 160)], ids=["96x96", "120x160"])
def test_a_token_goes_with_its_keypoint(size) -> None:
    """Of fresh weights, what a token says of its place is not drowned by what it says of everything else."""
    torch.manual_seed(0)
    encoder = KeypointTokensConfig().build().eval()
    background = 0.6 * torch.randn(3, 1, 1).expand(3, *size)
    seen = torch.stack([scene(size, at, background) for at in (FROM, TO)])
    with torch.no_grad():
        tokens = encoder(seen[:, None])[:, 0]  # (2, K, C)
        points = encoder.keypoints(encoder.attention(encoder.backbone(seen)))
        told = encoder.where(points)
    assert tokens.shape[1] == points.shape[1] == 16
    moved, of_place = (tokens[1] - tokens[0]).norm(dim=-1), (told[1] - told[0]).norm(dim=-1)
    assert (of_place / moved).median() > 0.1
    assert PLACE_GAIN * 0.5 > tokens.std() > 0.5, "all its parts are of order one"
