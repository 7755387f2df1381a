"""Image encoders whose feature is where things are: backbone, attention maps, keypoints."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.crop import Crop
from lerobot_dp_plus.encoders.image import CameraEncoder, ImageEncoderConfig
from lerobot_dp_plus.encoders.spatial_softmax import SpatialSoftmax


class ImageEncoder(CameraEncoder):
    """ReLU(W · keypoints(backbone(crop(image)))): images of any size -> (B, T_o, feature_dim).

    Nothing in it depends on the image's size, so one encoder may serve cameras of different shapes.
    Source: the visual encoder of Diffusion Policy (arXiv 2303.04137), §III-B, one crop offset per sample.
    Cost: one pass of the backbone over B·T_o images; no further network call of the sampler.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        backbone_channels: int,
        num_keypoints: int,
        feature_dim: int,
        crop: Crop,
        gains: tuple[float, float] = (1.0, 1.0),
    ):
        super().__init__(crop)
        self.backbone = backbone
        self.attention = nn.Conv2d(backbone_channels, num_keypoints, 1)
        self.keypoints = SpatialSoftmax()
        linear = nn.Linear(2 * num_keypoints, feature_dim)
        self.project = nn.Sequential(linear, nn.ReLU())
        with torch.no_grad():
            self.attention.weight.mul_(gains[0])
            linear.weight.mul_(gains[1])

    def forward(self, images: Tensor) -> Tensor:
        """(B, T_o, 3, H, W), normalised, of any floating type -> (B, T_o, feature_dim) in the weights' type."""
        images = self.cropped(images)
        frames = images.flatten(0, 1).to(self.attention.weight.dtype)  # (B·T_o, 3, height, width)
        points = self.keypoints(self.attention(self.backbone(frames)))  # (B·T_o, K, 2)
        return self.project(points.flatten(1)).unflatten(0, images.shape[:2])


@dataclass(frozen=True)
class KeypointsConfig(ImageEncoderConfig):
    """What encoders with keypoints can be told in addition.

    Attributes:
        num_keypoints: attention maps, each giving one (x, y).
    """

    #: How much larger the initial weights of attention and projection are than torch's.
    gains: ClassVar[tuple[float, float]] = (1.0, 1.0)
    positive: ClassVar[tuple[str, ...]] = ("num_keypoints", "feature_dim")

    num_keypoints: int = 32

    @abstractmethod
    def backbone(self, *, fetch_pretrained: bool) -> tuple[nn.Module, int]:
        """The convolutional trunk and its number of output channels."""

    def build(self, *, fetch_pretrained: bool = True) -> ImageEncoder:
        backbone, channels = self.backbone(fetch_pretrained=fetch_pretrained)
        return ImageEncoder(
            backbone,
            backbone_channels=channels,
            num_keypoints=self.num_keypoints,
            feature_dim=self.feature_dim,
            crop=self.crop,
            gains=self.gains,
        )
