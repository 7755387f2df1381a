"""Where the target is, told by queries: the control for reconstruction."""

from dataclasses import dataclass

from torch import Tensor, nn

from lerobot_dp_plus.auxiliary.base import Further, Surroundings
from lerobot_dp_plus.auxiliary.gaze.base import Gaze, GazeModel


@Further.register_subclass("gaze_position")
@dataclass(frozen=True)
class GazePosition(Gaze):
    """L = mean |W · queries − (x, y, half side)|, in shares of the picture.

    Reconstruction asks for what is at the target, and so for its place. This asks for the place alone.
    """

    def build(self, surroundings: Surroundings) -> "GazePositionModel":
        return GazePositionModel(self, surroundings)


class GazePositionModel(GazeModel):
    """A linear layer on the queries."""

    def __init__(self, config: GazePosition, surroundings: Surroundings):
        super().__init__(config, surroundings)
        self.tell = nn.Linear(config.queries * config.dim, 3)

    def each(self, read: Tensor, picture: Tensor, box: Tensor, valid: Tensor) -> Tensor:
        return (self.tell(read.flatten(1)).float() - box).abs().mean(-1)
