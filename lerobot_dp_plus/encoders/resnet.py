"""ResNet-18 without batch statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn
from torchvision.models import resnet18
from torchvision.ops import FrozenBatchNorm2d

from lerobot_dp_plus.encoders.image import ImageEncoderConfig
from lerobot_dp_plus.encoders.keypoints import KeypointsConfig
from lerobot_dp_plus.encoders.pretrained import Frozen, check_digest, check_weights, fetch
from lerobot_dp_plus.encoders.resize import Resize


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of 16 channels. Batch statistics would leak between samples and lag behind averaged weights."""
    return nn.GroupNorm(channels // 16, channels)


def resnet18_trunk(pretrained: str | None, *, filled: bool) -> nn.Module:
    """ResNet-18 up to its last feature map, (B, 3, H, W) -> (B, 512, H/32, W/32).

    Pretrained weights bring their own BatchNorm, whose statistics stay as they are. The weights are loaded if `filled`.
    """
    network = resnet18(weights=None, norm_layer=FrozenBatchNorm2d if pretrained else group_norm)
    if pretrained and filled:
        network.load_state_dict(fetch(pretrained).state)
    return nn.Sequential(*list(network.children())[:-2])  # without average pooling and classifier


def map_shape(size: tuple[int, ...]) -> tuple[int, int, int]:
    """The shape (512, h, w) of that map for pictures of `size` (H, W)."""
    height, width = (-(-side // 32) for side in size)
    return 512, height, width


@ImageEncoderConfig.register_subclass("resnet18")
@dataclass(frozen=True)
class ResNet18Config(KeypointsConfig):
    """ResNet-18 up to its last feature map, (B, 512, H/32, W/32), GroupNorm in place of BatchNorm.

    With `pretrained_weights` the normalisation is instead the weights' own BatchNorm, frozen. Another kind of
    normalisation would undo what was learned. Frozen statistics still mix nothing between samples.
    Source: He et al. 2015 (arXiv 1512.03385); GroupNorm as in Diffusion Policy (arXiv 2303.04137).
    Cost: 11.2 M weights, 1.8 G multiply-adds at 224×224.

    Attributes:
        pretrained_weights: a name in torchvision's `ResNet18_Weights`, such as IMAGENET1K_V1, or a safetensors file with
            torchvision's names. The only setting that may start a download.
        frozen: the pretrained trunk is not trained. It is not saved either: whoever loads the policy needs its source.
        pretrained_digest: digest of the frozen weights, filled in when a policy is made.
    """

    stride: ClassVar[int] = 32
    # With torch's own weights keypoints go a tenth of the way of an object that moves; with four times these a third and
    # more, at every size. Eight times would be as hard as a maximum on maps of 3×3 places. It is no short cut for large
    # objects: the place of a disc in pictures of 96×128 was learned in 60 updates, with torch's own in 40, and in 80
    # with the projection's gain of `small_cnn.py`, which is therefore left out (one seed each).
    gains: ClassVar[tuple[float, float]] = (4.0, 1.0)

    resize: Resize = 224
    pretrained_weights: str | None = None
    frozen: bool = False
    pretrained_digest: str | None = None

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """As every image encoder, and the pretrained weights must have a known name."""
        super().check(image_shapes)
        if self.pretrained_weights is not None:
            check_weights(self.pretrained_weights, needed=self.frozen)  # others are in the checkpoint
        elif self.frozen:
            raise ValueError(
                "frozen=true: only a pretrained trunk can be; give pretrained_weights, such as IMAGENET1K_V1"
            )

    def revised(self) -> "ResNet18Config":
        if not self.frozen or self.pretrained_weights is None:
            return self
        return replace(self, pretrained_digest=check_digest(self.pretrained_weights, self.pretrained_digest))

    def backbone(self, *, fetch_pretrained: bool) -> tuple[nn.Module, int]:
        """The trunk and its 512 channels; raises what `fetch` raises when asked-for weights cannot be had."""
        trunk = resnet18_trunk(self.pretrained_weights, filled=fetch_pretrained or self.frozen)
        return Frozen(trunk) if self.frozen else trunk, 512
