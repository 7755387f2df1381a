"""States estimated from single pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lerobot_dp_plus.perception.base import Perception, PerceptionModel


@Perception.register_subclass("regression")
@dataclass(frozen=True)
class Regression(Perception):
    """ŝ_t = W · e(pictures_t) + b for every frame by itself; L = mean |ŝ_t − s_t|, of order one as states are normalised.

    Network and foresight are trained on the true states and act on the estimated ones; nothing of their losses reaches
    the pictures. What was known in training and is not in use is called privileged.
    Source: vision layers trained on poses, Levine et al. 2015 (arXiv 1504.00702, §5.2); privileged training, Chen et
    al. 2019 (arXiv 1912.12294).
    Cost: one pass of the image encoder over B·T_o pictures per chunk, no call of the policy's network.

    Args:
        state: the estimated feature.
        samples: how many samples of a batch an update looks at, the first ones; a picture costs more than a chunk.
        weight: of this loss beside the policy's.
    """

    state: str = "observation.environment_state"
    samples: int = 64
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"perception.samples = {self.samples}: must be at least 1")
        if not self.weight > 0:
            raise ValueError(
                f"perception.weight = {self.weight}: must be positive; to go without, perception.type=none"
            )

    def estimates(self, state_dims: Mapping[str, int]) -> tuple[str, ...]:
        return (self.state,)

    @property
    def pictures(self) -> int:
        return self.samples

    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], *, crops: bool) -> None:
        if self.state not in state_dims:
            raise ValueError(
                f"perception.state = {self.state!r}: must be a state of the training data, which has {sorted(state_dims)}; "
                "without one perception.type=none is legal"
            )
        if not cameras:
            raise ValueError(
                f"perception.type=regression reads {self.state} off pictures, and the data has none: legal is "
                "perception.type=none"
            )
        if crops:
            raise ValueError(
                "perception.type=regression says where things are, and a crop of the picture at random hides that: "
                "image_encoder.crop_ratio must be 1 and crop_shape null"
            )

    def build(self, see: nn.Module, width: int, state_dims: Mapping[str, int]) -> "RegressionModel":
        return RegressionModel(see, width, self.state, state_dims[self.state], self.weight)


class RegressionModel(PerceptionModel):
    """A linear layer on the features of the pictures."""

    def __init__(self, see: nn.Module, width: int, state: str, dim: int, weight: float):
        super().__init__()
        self.state, self.weight = state, weight
        self.see = see
        self.read = nn.Linear(width, dim)

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        features = self.see(images)
        weight, bias = self.read.weight, self.read.bias
        dtype = torch.promote_types(weight.dtype, torch.float32)
        with torch.autocast(features.device.type, enabled=False):  # half precision rounds places to a pixel
            return {self.state: nn.functional.linear(features.to(dtype), weight.to(dtype), bias.to(dtype))}

    def loss(self, images: Mapping[str, Tensor], states: Mapping[str, Tensor]) -> Tensor:
        return self.weight * (self(images)[self.state] - states[self.state]).abs()
