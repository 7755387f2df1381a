"""What losses of the gaze share: the boxes, which of them count, and the queries that read the backbone."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn

from lerobot_dp_plus.auxiliary.base import Around, AuxiliaryModel, Data, Further, Loss, Needs, Surroundings, View
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import GAZE, Tokens
from lerobot_dp_plus.units import Units


@dataclass(frozen=True)
class Gaze(Further):
    """A loss of what learned queries read out of the backbone about the target.

    Attributes:
        weight: of this loss beside the policy's. Too large a one takes a small backbone's weights: with 1 the actions of a network
            of 0.4 M came later, with 0.1 nothing was lost and no gain shown (one and two seeds).
        queries: how many tokens read.
        dim: their width.
        camera: whose picture the boxes are of; null if there is one.
    """

    teaches_backbone: ClassVar[bool] = True
    looks_at: ClassVar[frozenset[str]] = frozenset({GAZE})

    weight: float = 0.1
    queries: int = 4
    dim: int = 64
    camera: str | None = None

    def __post_init__(self) -> None:
        at_least("auxiliary", self, queries=1, dim=1)
        if not self.weight > 0:
            raise ValueError(f"auxiliary.weight = {self.weight}: must be positive; to go without, auxiliary.type=none")

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        return Needs(observations=(0,), pictures=(0,))

    def check(self, data: Data) -> None:
        name = self.get_choice_name(type(self))
        if data.privileged.get(GAZE) != 3:
            found = f"{data.privileged[GAZE]} numbers" if GAZE in data.privileged else "none"
            raise ValueError(
                f"auxiliary.type = {name} needs {GAZE} in the training data, (x, y, half side) as shares of the picture, and "
                f"there is {found}; without it auxiliary.type=none is legal"
            )
        if not data.remembers:
            raise ValueError(
                f"auxiliary.type = {name} reads what a backbone remembers of pictures: legal with network.type = mixture and an "
                "image encoder that gives tokens, keypoint_tokens or patches"
            )
        if data.crops:
            raise ValueError(
                f"auxiliary.type = {name}: a crop at random may cut the target off; image_encoder.crop_ratio must be 1 and "
                "crop_shape null"
            )
        if (self.camera is None and len(data.cameras) != 1) or self.camera not in (None, *data.cameras):
            raise ValueError(f"auxiliary.camera = {self.camera}: must name one of {sorted(data.cameras)}")

    def seen_by(self, surroundings: Surroundings) -> str:
        """The camera whose picture the boxes are of."""
        return self.camera or next(iter(surroundings.cameras))


class GazeModel(AuxiliaryModel):
    """Reads the backbone and gives a loss for each sample that has a box; the others have no weight."""

    def __init__(self, config: Gaze, surroundings: Surroundings):
        super().__init__()
        assert surroundings.read is not None  # `check` has seen to it
        self.weight, self.camera = config.weight, config.seen_by(surroundings)
        self.read = surroundings.read(config.queries, config.dim)
        self.norm = nn.LayerNorm(config.dim)

    @abstractmethod
    def each(self, read: Tensor, picture: Tensor, box: Tensor, valid: Tensor) -> Tensor:
        """Losses (B,) of what was read (B, Q, D), with pictures (B, 3, H, W) and boxes (B, 3), of which those in `valid` count."""

    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        box = units.physical(GAZE, view.observations[GAZE][:, -1])
        valid = real_boxes(box, units.physical(GAZE, torch.zeros_like(box[0])))
        picture = view.observations[self.camera][:, -1]
        each = self.each(self.norm(self.read(around.get("condition"))), picture, box.nan_to_num(0.5), valid)
        return Loss(self.weight * each, valid.to(each.dtype))


def real_boxes(box: Tensor, middle: Tensor) -> Tensor:
    """Which boxes (B, 3) count, (B,): the middle is in the picture, and the half side is more than 0 and at most 0.5.

    A frame in which nothing was looked at has a half side of 0. `middle` (3,) is that of the data's ranges.

    Raises:
        ValueError: the data's statistics are no numbers, so that no box can be told.
    """
    if not torch.isfinite(middle).all():
        raise ValueError(
            f"{GAZE}: its statistics are NaN or infinite, as it is in some frames; a frame without a box must say 0, 0, 0"
        )
    place, half = box[:, :2], box[:, 2]
    inside = ((place >= 0) & (place <= 1)).all(-1)
    return inside & (half > 1e-4) & (half <= 0.5)
