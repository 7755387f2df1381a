"""The convolutional trunk of encoders whose tokens are parts of the picture: which one, and where its weights come from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from torch import nn

from lerobot_dp_plus.encoders.image import ImageEncoderConfig
from lerobot_dp_plus.encoders.pretrained import Frozen, check_digest, check_weights
from lerobot_dp_plus.encoders.resnet import resnet18_trunk
from lerobot_dp_plus.encoders.small_cnn import small_trunk

#: The trunks, and how many pixels each maps to one place.
STRIDES = {"small_cnn": 8, "resnet18": 32}


@dataclass(frozen=True)
class TrunkConfig(ImageEncoderConfig):
    """What encoders over a choice of trunks can be told in addition.

    Attributes:
        trunk: small_cnn, which maps 8 pixels to one place, or resnet18, 32.
        width: channels of small_cnn's first convolution.
        pretrained_weights, frozen, pretrained_digest: for resnet18; they mean what they mean in `ResNet18Config`.
    """

    trunk: str = "small_cnn"
    width: int = 32
    pretrained_weights: str | None = None
    frozen: bool = False
    pretrained_digest: str | None = None

    @property
    def stride(self) -> int:  # type: ignore[override]
        return STRIDES[self.trunk]

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """As every image encoder. Trunk, width and pretrained weights must be legal, too."""
        if self.trunk not in STRIDES:
            raise ValueError(f"trunk={self.trunk!r}: legal are {', '.join(STRIDES)}")
        super().check(image_shapes)
        if self.trunk == "small_cnn" and (self.width < 16 or self.width % 16):
            raise ValueError(f"width={self.width} must be a positive multiple of 16")
        if self.pretrained_weights is not None:
            if self.trunk != "resnet18":
                raise ValueError(f"pretrained_weights={self.pretrained_weights!r}: there are none of {self.trunk}")
            check_weights(self.pretrained_weights, needed=self.frozen)
        elif self.frozen:
            raise ValueError("frozen=true: only a pretrained trunk can be; give trunk=resnet18 and pretrained_weights")

    def revised(self) -> Self:
        if not self.frozen or self.pretrained_weights is None:
            return self
        return replace(self, pretrained_digest=check_digest(self.pretrained_weights, self.pretrained_digest))

    def make_trunk(self, *, fetch_pretrained: bool) -> tuple[nn.Module, int]:
        """The trunk and its number of output channels; raises what `fetch` raises when asked-for weights cannot be had."""
        if self.trunk == "resnet18":
            trunk, channels = resnet18_trunk(self.pretrained_weights, filled=fetch_pretrained or self.frozen), 512
        else:
            trunk, channels = small_trunk(self.width), 4 * self.width
        return Frozen(trunk) if self.frozen else trunk, channels
