"""States estimated from single pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn

from lerobot_dp_plus.auxiliary.base import Around, Data, Loss, Needs, Surroundings, View
from lerobot_dp_plus.auxiliary.state_estimation.base import StateEstimation, StateEstimator
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Tokens
from lerobot_dp_plus.units import Units


@StateEstimation.register_subclass("regression")
@dataclass(frozen=True)
class Regression(StateEstimation):
    """ŝ_t = W · e(pictures_t) + b for every frame by itself; L = mean |ŝ_t − s_t|, of order one as states are normalised.

    Network and dynamics model are trained on the true states, and act on the estimated ones. No gradient of
    their losses reaches the image encoder. Information that is known in training and not in use is called privileged.
    Source: vision layers trained on poses, Levine et al. 2015 (arXiv 1504.00702, §5.2); privileged training, Chen et
    al. 2019 (arXiv 1912.12294).
    Cost: one pass of the image encoder over B·T_o pictures per chunk, no call of the policy's network.

    Args:
        state: the estimated feature.
        samples: how many samples of a batch, the first ones, an update looks at. A picture costs more than a chunk.
        weight: the weight of this loss beside the policy's.
    """

    reads_pictures: ClassVar[bool] = True

    state: str = "observation.environment_state"
    samples: int = 64
    weight: float = 1.0

    def __post_init__(self) -> None:
        at_least("state_estimation", self, samples=1)
        if not self.weight > 0:
            raise ValueError(
                f"state_estimation.weight = {self.weight}: must be positive; to go without, state_estimation.type=none"
            )

    def estimates(self, state_dims: Mapping[str, int]) -> tuple[str, ...]:
        return (self.state,)

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        return Needs(observations=(0,), pictures=(0,))

    def check(self, data: Data) -> None:
        if self.state not in data.state_dims:
            raise ValueError(
                f"state_estimation.state = {self.state!r}: must be a state of the training data, which has {sorted(data.state_dims)}; "
                "without one state_estimation.type=none is legal"
            )
        if not data.cameras:
            raise ValueError(
                f"state_estimation.type=regression reads {self.state} off pictures, and the data has none: legal is "
                "state_estimation.type=none"
            )
        if data.crops:
            raise ValueError(
                "state_estimation.type=regression says where things are, and a crop of the picture at random hides that: "
                "image_encoder.crop_ratio must be 1 and crop_shape null"
            )

    def build(self, surroundings: Surroundings) -> "RegressionModel":
        see, width = surroundings.see()
        return RegressionModel(see, width, self.state, surroundings.state_dims[self.state], self.weight, self.samples)


class RegressionModel(StateEstimator):
    """A linear layer on the features of the pictures."""

    def __init__(self, see: nn.Module, width: int, state: str, dim: int, weight: float, samples: int):
        super().__init__()
        self.state, self.weight, self.samples = state, weight, samples
        self.see = see
        self.read = nn.Linear(width, dim)

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (tokens,) = self.see(images)
        weight, bias = self.read.weight, self.read.bias
        dtype = torch.promote_types(weight.dtype, torch.float32)
        with torch.autocast(tokens.values.device.type, enabled=False):  # half precision rounds places to a pixel
            return {self.state: nn.functional.linear(tokens.values.to(dtype), weight.to(dtype), bias.to(dtype))}

    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        batch = len(view.real)
        looked_at = batch if around["every"] else min(self.samples, batch)
        seen = {key: value[:looked_at] for key, value in view.observations.items()}
        each = self.weight * (self(seen)[self.state] - seen[self.state]).abs().mean((1, 2))
        rest = (0, batch - looked_at)
        return Loss(nn.functional.pad(each, rest), nn.functional.pad(torch.ones_like(each), rest))
