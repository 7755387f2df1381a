"""What every image encoder is told, and which pictures and crops it takes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import draccus
from torch import Tensor, nn

from lerobot_dp_plus.encoders.crop import Crop, centre_crop, random_crop
from lerobot_dp_plus.encoders.resize import Resize, size_for
from lerobot_dp_plus.notation import STEPS


class CameraEncoder(nn.Module, ABC):
    """One camera's pictures of any size -> a feature for each frame, or tokens. The pictures are cropped first."""

    def __init__(self, crop: Crop):
        super().__init__()
        self.crop = crop

    def cropped(self, images: Tensor) -> Tensor:
        """(B, T_o, 3, H, W) -> (B, T_o, 3, height, width): at random in training, the centre in use."""
        height, width = self.crop.size(images.shape[-2:])
        if images.shape[-2:] == (height, width):
            return images
        return (random_crop if self.training else centre_crop)(images, height, width)

    def token_places(self, images: Tensor) -> Tensor | None:
        """Where in the crop each token is, (B, T_o, S, 2) in pixels, x and y from 0 on, of images as in `forward`.

        None where features are of whole pictures.
        """
        return None

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(B, T_o, 3, H, W), normalised -> features (B, T_o, C), or tokens (B, T_o, S, C) where it gives patches."""


def pixels(cells: Tensor, maps: tuple[int, ...], crop: tuple[int, ...]) -> Tensor:
    """Places (…, 2), column and row in a trunk's map of `maps` (rows, columns), as x and y in the crop (height, width).

    Convolutions are padded, so the first cell sees what is around the first pixel.
    """
    rows, columns = (round(side / cells_along) for side, cells_along in zip(crop, maps, strict=True))
    return cells * cells.new_tensor([columns, rows])


@dataclass(frozen=True)
class ImageEncoderConfig(draccus.ChoiceRegistry, ABC):
    """What every image encoder can be told.

    Attributes:
        resize: what pictures are shrunk to before anything else sees them: their longest side in pixels, which keeps their
            aspect ratio and leaves smaller ones as they are; a shape (height, width); a mapping from every camera to one of
            these, or to null; or null, which leaves them as they come.
        crop_ratio: side of the crop over side of the image, in (0, 1]; 1 keeps the whole image.
        crop_shape: (height, width) of the crop in pixels, the same for every camera; overrides `crop_ratio`.
        feature_dim: width of a camera's feature vector, or of each of its tokens.
        share_across_cameras: one set of weights for all cameras instead of one each.
    """

    #: The backbone maps `stride` pixels to one. It must leave at least two of those on each side.
    stride: ClassVar[int]
    #: The kind of its tokens: one feature for each observation step, or `PATCHES`.
    gives: ClassVar[str] = STEPS

    resize: Resize = 160
    crop_ratio: float = 0.9
    crop_shape: tuple[int, int] | None = None
    feature_dim: int = 64
    share_across_cameras: bool = False

    @property
    def crop(self) -> Crop:
        """How much of a picture is seen."""
        return Crop(self.crop_ratio, self.crop_shape)

    @property
    def crops(self) -> bool:
        """Whether only a part of the image is seen, which is cut out at random while training."""
        return self.crop_ratio != 1 or self.crop_shape is not None

    def seen(self, image_shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """The shapes (3, h, w) to which pictures of `image_shapes`, key to (3, H, W), are shrunk by `resize`.

        Raises:
            ValueError: `resize` does not fit the cameras; naming key or field, value and what is legal.
        """
        if isinstance(self.resize, Mapping) and (unknown := [key for key in self.resize if key not in image_shapes]):
            raise ValueError(f"resize names {', '.join(unknown)}; the cameras are {', '.join(image_shapes) or 'none'}")
        shapes = {key: tuple(shape) for key, shape in image_shapes.items()}
        return {
            key: (*shape[:-2], *size_for(self.resize, key, shape[-2:])) if len(shape) == 3 else shape
            for key, shape in shapes.items()
        }

    @abstractmethod
    def build(self, *, fetch_pretrained: bool = True) -> CameraEncoder:
        """Make one encoder, for images of every size that passes `check`.

        `fetch_pretrained=False` leaves pretrained weights out, for a module about to be filled from a checkpoint.
        """

    def tokens(self, shape: tuple[int, ...], n_obs_steps: int) -> int:
        """How many tokens a camera of `shape` (3, H, W) adds to an observation; none if it gives features."""
        return 0

    def revised(self) -> "ImageEncoderConfig":
        """This config with what only a fetch can tell, such as the hash of frozen weights; a checkpoint states that."""
        return self

    #: Fields that must be at least 1.
    positive: ClassVar[tuple[str, ...]] = ("feature_dim",)

    def check(self, image_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise ValueError naming key or field, value and what is legal; `image_shapes` maps key to (3, H, W)."""
        if not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio={self.crop_ratio} must be in (0, 1]")
        for field in self.positive:
            if getattr(self, field) < 1:
                raise ValueError(f"{field}={getattr(self, field)} must be at least 1")
        for key, shape in image_shapes.items():
            self._check_image(key, tuple(shape))

    def _check_image(self, key: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[0] != 3:
            raise ValueError(f"{key} has shape {shape}; an image must be (3, H, W), channels first")
        size = shape[1:]
        crop = self.crop.size(size)
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
