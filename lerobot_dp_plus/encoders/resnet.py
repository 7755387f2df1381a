"""ResNet-18 without batch statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.ops import FrozenBatchNorm2d

from lerobot_dp_plus.encoders.image import ImageEncoderConfig


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of 16 channels. Batch statistics would leak between samples and lag behind averaged weights."""
    return nn.GroupNorm(channels // 16, channels)


@ImageEncoderConfig.register_subclass("resnet18")
@dataclass(frozen=True)
class ResNet18Config(ImageEncoderConfig):
    """ResNet-18 up to its last feature map, (B, 512, H/32, W/32), GroupNorm in place of BatchNorm.

    With `pretrained_weights` the normalisation is instead the weights' own BatchNorm, frozen: another kind of
    normalisation would undo what was learned, and frozen statistics still mix nothing between samples.
    Source: He et al. 2015 (arXiv 1512.03385); GroupNorm as in Diffusion Policy (arXiv 2303.04137).
    Cost: 11.2 M weights, 1.8 G multiply-adds at 224×224.

    Attributes:
        pretrained_weights: a name in torchvision's `ResNet18_Weights`, such as IMAGENET1K_V1. The only setting that
            may use the network, and only while a new policy is made.
    """

    stride: ClassVar[int] = 32

    pretrained_weights: str | None = None

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """As every image encoder, and the pretrained weights must have a known name."""
        super().check(image_shapes)
        legal = list(ResNet18_Weights.__members__)
        if self.pretrained_weights is not None and self.pretrained_weights not in legal:
            raise ValueError(f"pretrained_weights={self.pretrained_weights!r} is unknown; legal: {', '.join(legal)}")

    def backbone(self, *, fetch_pretrained: bool) -> tuple[nn.Module, int]:
        """The trunk and its 512 channels; raises what torchvision raises when asked-for weights cannot be fetched."""
        if self.pretrained_weights is None:
            network = resnet18(weights=None, norm_layer=group_norm)
        else:
            network = resnet18(weights=None, norm_layer=FrozenBatchNorm2d)
            if fetch_pretrained:
                weights = ResNet18_Weights[self.pretrained_weights]
                # Tensors only: torchvision's own builder would unpickle whatever the file holds.
                network.load_state_dict(weights.get_state_dict(progress=True, check_hash=True, weights_only=True))
        return nn.Sequential(*list(network.children())[:-2]), 512  # without average pooling and classifier
