"""An image encoder whose tokens are places of the picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.crop import Crop
from lerobot_dp_plus.encoders.image import CameraEncoder, ImageEncoderConfig, pixels
from lerobot_dp_plus.encoders.trunks import TrunkConfig
from lerobot_dp_plus.notation import PATCHES


class PatchEncoder(CameraEncoder):
    """W · trunk(crop(image)) + place + age, one token for each place of the trunk's map, frame by frame."""

    def __init__(self, trunk: nn.Module, channels: int, pool: int, dim: int, crop: Crop):
        super().__init__(crop)
        self.backbone, self.pool = trunk, nn.AvgPool2d(pool, ceil_mode=True) if pool > 1 else nn.Identity()
        self.project = nn.Conv2d(channels, dim, 1)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, T_o, 3, H, W), normalised, of any floating type -> (B, T_o, places, dim) in the weights' type."""
        frames = self.cropped(images).flatten(0, 1).to(self.project.weight.dtype)
        seen = self.project(self.pool(self.backbone(frames)))  # (B·T_o, dim, rows, columns)
        tokens = self.norm(seen.flatten(2).transpose(1, 2)) + places(seen).to(seen.dtype)
        old = ages(images.shape[1], tokens.shape[-1], tokens.device)[:, None]  # (T_o, 1, dim)
        return tokens.unflatten(0, images.shape[:2]) + old.to(tokens.dtype)

    def token_places(self, images: Tensor) -> Tensor:
        crop = self.cropped(images)
        maps = self.backbone(crop[:1, 0].to(self.project.weight.dtype))
        # The pool's means of column and row are those of the cells in a place.
        rows, columns = (torch.arange(side, dtype=maps.dtype, device=maps.device) for side in maps.shape[-2:])
        cells = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))  # (2, rows, columns)
        middles = self.pool(cells[None]).flatten(2)[0].T  # row by row
        return pixels(middles, maps.shape[-2:], crop.shape[-2:]).expand(*images.shape[:2], -1, -1)


def places(maps: Tensor) -> Tensor:
    """Sinusoids of row and column for maps (B, C, R, K) -> (R·K, C).

    Row and column have half of the channels each. There are no weights, and maps may have any size.
    Vaswani et al., arXiv 1706.03762, §3.5, along both axes, with places from −1 to 1 and frequencies from π/2 to 32π.
    The lowest frequency tells all places apart, the first from the last too.
    """
    _, channels, rows, columns = maps.shape
    octaves = math.pi * 2.0 ** torch.linspace(-1, 5, channels // 4, device=maps.device)

    def along(count: int) -> Tensor:
        at = torch.linspace(-1, 1, count, device=maps.device)[:, None] * octaves
        return torch.cat([at.sin(), at.cos()], -1)  # (count, C/2)

    row, column = along(rows), along(columns)
    return torch.cat([row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)], -1).flatten(0, 1)


def ages(steps: int, channels: int, device: torch.device) -> Tensor:
    """Sinusoids of how many frames ago each of `steps` was seen, (T_o, C).

    Networks need them because they read tokens without an order. The newest frame has zeros, so that a single frame
    has its places alone.
    """
    octaves = 2.0 ** torch.linspace(0, -5, channels // 2, device=device)
    ago = torch.arange(steps - 1, -1, -1, device=device)[:, None] * octaves
    return torch.cat([ago.sin(), ago.cos() - 1], -1)


@ImageEncoderConfig.register_subclass("patches")
@dataclass(frozen=True)
class PatchesConfig(TrunkConfig):
    """Every place of a convolutional trunk's map as a token of `feature_dim` numbers, for networks that read tokens.

    A convolutional stem gives better tokens after short trainings than cutting the picture into squares (arXiv 2106.14881).
    Cost: the cost of the trunk, and attention to T_o · places tokens, computed once per chunk.

    Attributes:
        pool: places averaged into one along each side.
    """

    gives: ClassVar[str] = PATCHES

    pool: int = 2

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """As every encoder over a trunk. Pool and width of a token must be legal, too."""
        super().check(image_shapes)
        if self.pool < 1:
            raise ValueError(f"pool={self.pool} must be at least 1")
        if self.feature_dim % 4:
            raise ValueError(
                f"feature_dim={self.feature_dim} must be a multiple of 4, for sines and cosines of two axes"
            )

    def tokens(self, shape: tuple[int, ...], n_obs_steps: int) -> int:
        sides = (math.ceil(math.ceil(side / self.stride) / self.pool) for side in self.crop.size(shape[1:]))
        return n_obs_steps * math.prod(sides)

    def build(self, *, fetch_pretrained: bool = True) -> PatchEncoder:
        trunk, channels = self.make_trunk(fetch_pretrained=fetch_pretrained)
        return PatchEncoder(trunk, channels, self.pool, self.feature_dim, self.crop)
