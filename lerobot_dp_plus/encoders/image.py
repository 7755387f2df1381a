"""One camera: crop, backbone, keypoints, feature."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import draccus
import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.crop import centre_crop, random_crop
from lerobot_dp_plus.encoders.spatial_softmax import SpatialSoftmax


class ImageEncoder(nn.Module):
    """ReLU(W · keypoints(backbone(crop(image)))): images of any size -> (B, T_o, feature_dim).

    Nothing in it depends on the image's size, so one encoder may serve cameras of different shapes.
    Source: the visual encoder of Diffusion Policy (arXiv 2303.04137), §III-B, one crop offset per sample.
    Cost: one pass of the backbone over B·T_o images; no network call of the sampler's count.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        backbone_channels: int,
        num_keypoints: int,
        feature_dim: int,
        crop_ratio: float,
        crop_shape: tuple[int, int] | None,
        gains: tuple[float, float] = (1.0, 1.0),
    ):
        super().__init__()
        self.crop_ratio = crop_ratio
        self.crop_shape = crop_shape
        self.backbone = backbone
        self.attention = nn.Conv2d(backbone_channels, num_keypoints, 1)
        self.keypoints = SpatialSoftmax()
        linear = nn.Linear(2 * num_keypoints, feature_dim)
        self.project = nn.Sequential(linear, nn.ReLU())
        with torch.no_grad():
            self.attention.weight.mul_(gains[0])
            linear.weight.mul_(gains[1])

    def forward(self, images: Tensor) -> Tensor:
        """(B, T_o, 3, H, W), normalised, of any floating type -> (B, T_o, feature_dim) in that of the weights."""
        height, width = crop_size(images.shape[-2:], self.crop_ratio, self.crop_shape)
        crop = random_crop if self.training else centre_crop
        if images.shape[-2:] != (height, width):
            images = crop(images, height, width)
        frames = images.flatten(0, 1).to(self.attention.weight.dtype)  # (B·T_o, 3, height, width)
        points = self.keypoints(self.attention(self.backbone(frames)))  # (B·T_o, K, 2)
        return self.project(points.flatten(1)).unflatten(0, images.shape[:2])


def crop_size(size: tuple[int, ...], ratio: float, shape: tuple[int, int] | None) -> tuple[int, int]:
    """Crop (height, width) of an image of `size` (H, W): `shape` if given, else that share of each side."""
    if shape is not None:
        return int(shape[0]), int(shape[1])
    return int(size[0] * ratio), int(size[1] * ratio)


@dataclass(frozen=True)
class ImageEncoderConfig(draccus.ChoiceRegistry, ABC):
    """What every image encoder can be told.

    Attributes:
        crop_ratio: side of the crop over side of the image, in (0, 1]; 1 keeps the whole image.
        crop_shape: (height, width) of the crop in pixels, the same for every camera; overrides `crop_ratio`.
        num_keypoints: attention maps, each giving one (x, y).
        feature_dim: width of a camera's feature vector.
        share_across_cameras: one set of weights for all cameras instead of one each.
    """

    #: The backbone maps `stride` pixels to one; a keypoint needs at least two of those on each side.
    stride: ClassVar[int]
    #: How much larger than torch's the first weights of attention and projection are.
    gains: ClassVar[tuple[float, float]] = (1.0, 1.0)

    crop_ratio: float = 0.9
    crop_shape: tuple[int, int] | None = None
    num_keypoints: int = 32
    feature_dim: int = 64
    share_across_cameras: bool = False

    @property
    def crops(self) -> bool:
        """Whether a part of the image is seen, cut out at random while training."""
        return self.crop_ratio != 1 or self.crop_shape is not None

    @abstractmethod
    def backbone(self, *, fetch_pretrained: bool) -> tuple[nn.Module, int]:
        """The convolutional trunk and its number of output channels."""

    def build(self, *, fetch_pretrained: bool = True) -> ImageEncoder:
        """Make one encoder, for images of every size that passes `check`.

        `fetch_pretrained=False` leaves pretrained weights out, for a module about to be filled from a checkpoint.
        """
        backbone, channels = self.backbone(fetch_pretrained=fetch_pretrained)
        return ImageEncoder(
            backbone,
            backbone_channels=channels,
            num_keypoints=self.num_keypoints,
            feature_dim=self.feature_dim,
            crop_ratio=self.crop_ratio,
            crop_shape=self.crop_shape,
            gains=self.gains,
        )

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise ValueError naming key or field, value and what is legal; `image_shapes` maps key to (3, H, W)."""
        if not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio={self.crop_ratio} must be in (0, 1]")
        for field in ("num_keypoints", "feature_dim"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)} must be at least 1")
        for key, shape in image_shapes.items():
            self._check_image(key, tuple(shape))

    def _check_image(self, key: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[0] != 3:
            raise ValueError(f"{key} has shape {shape}; an image must be (3, H, W), channels first")
        size = shape[1:]
        crop = crop_size(size, self.crop_ratio, self.crop_shape)
        asked = f"crop_ratio={self.crop_ratio}" if self.crop_shape is None else f"crop_shape={tuple(self.crop_shape)}"
        least = self.stride + 1
        named, cropped = f"{key} is {_times(size)} (height×width)", f"its crop {_times(crop)} ({asked})"
        legal = f"legal crops are {_times((least, least))} to {_times(size)}"
        if min(size) < least:
            raise ValueError(f"{named}, too small for the backbone; each side must be at least {least} pixels")
        if crop[0] > size[0] or crop[1] > size[1]:
            raise ValueError(f"{named}, smaller than {cropped}; {legal}")
        if min(crop) < least:
            raise ValueError(f"{named} and {cropped} is too small for the backbone; {legal}")


def _times(size: tuple[int, ...]) -> str:
    return "×".join(map(str, size))
