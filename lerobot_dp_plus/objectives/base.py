"""What every objective offers. One of denoising offers a loss to train a network, and a denoiser to sample with it."""

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import draccus
import torch
from torch import Generator, Tensor

from lerobot_dp_plus.notation import Condition, Denoiser, Network, Prediction
from lerobot_dp_plus.objectives.times import TimeDensity, UniformTimes
from lerobot_dp_plus.paths import FLOW_PARAMETRISATIONS, Parametrisation, Path, StraightPath


@dataclass(frozen=True)
class Objective(draccus.ChoiceRegistry, ABC):
    """What is learned of the chunks. The head that it belongs to says how they are drawn (`heads/`)."""

    #: The head, by its name in the table of `heads/`.
    head: ClassVar[str]

    @property
    def data_bound(self) -> float | None:
        """Largest absolute value of a normalised action that can be drawn; None for no bound."""
        return None


@dataclass(frozen=True)
class DenoisingObjective(Objective):
    """Regression of one parametrisation along one path. Knows no optimizer, average or device.

    The fields of every member are `prediction`, what the network's output means; `path`, unless the member has only one;
    `times`, where on the path the network is trained; and `clip_range`, the bound of the predicted data |x₁| while sampling,
    or None, which leaves it free. Chunks are normalised to [−1, 1].
    """

    head: ClassVar[str] = "denoising"
    #: What samplers may ask of the result.
    gives: ClassVar[frozenset[str]] = frozenset({"denoiser"})

    if TYPE_CHECKING:  # fields of the members
        prediction: Parametrisation = "x1"
        path: Path = StraightPath()
        times: TimeDensity = UniformTimes()
        clip_range: float | None = None

    @property
    def sampling_path(self) -> Path:
        """The path from noise to data."""
        return self.path

    @property
    def data_bound(self) -> float | None:
        return self.clip_range

    def loss(
        self, network: Network, x1: Tensor, condition: Condition, valid: Tensor, generator: Generator | None = None
    ) -> Tensor:
        """Squared error of every element, (B, H, A), zero where `valid` (B, H) is False.

        Noise and times are drawn from `generator`, torch's global one if None.
        """
        x0 = torch.randn(x1.shape, dtype=x1.dtype, device=x1.device, generator=generator)
        t = self.times.draw(x1.shape[0], x1.device, generator).to(x1.dtype)
        return self.loss_at(network, x0, x1, t, condition, valid)

    def loss_at(
        self, network: Network, x0: Tensor, x1: Tensor, t: Tensor, condition: Condition, valid: Tensor
    ) -> Tensor:
        """The same for given noise (B, H, A) and times, (B,) or one for each step, (B, H)."""
        path = self.sampling_path
        output = network(path.interpolate(x0, x1, t), path.network_time(t), condition)
        error = output.float() - path.target(self.prediction, x0, x1, t)
        return error.square() * valid[..., None]

    def denoiser(
        self, network: Network, condition: Condition, *, keep_noise: bool = False, path: Path | None = None
    ) -> Denoiser:
        """(x_t, t) -> both ends of the path, the data end within `data_bound`.

        Where that bound changes the data end, the noise end changes too, so that both together explain x_t. With
        `keep_noise` the noise end stays as the network gave it. `path` is `sampling_path` tabulated, if the caller
        has tabulated it.
        """
        path = path or self.sampling_path

        def denoise(x_t: Tensor, t: Tensor) -> Prediction:
            output = network(x_t, path.network_time(t), condition)
            return self.ends(output, x_t, t, path, keep_noise)

        return denoise

    def ends(self, output: Tensor, x_t: Tensor, t: Tensor, path: Path, keep_noise: bool) -> Prediction:
        """Both ends of the path by the network's output, as `denoiser` says."""
        prediction = path.ends(self.prediction, output.to(x_t.dtype), x_t, t)
        bound = self.data_bound
        if bound is None:
            return prediction
        data = prediction.x1.clamp(-bound, bound)
        return Prediction(prediction.x0, data) if keep_noise else path.with_data(data, x_t, t)


def check_clip_range(value: float | None) -> None:
    """Raise a ValueError unless the clip range is None or positive."""
    if value is not None and value <= 0:
        raise ValueError(f"objective.clip_range = {value}: must be positive, or null for no clipping")


def check_flow_prediction(objective: str, value: str) -> None:
    """Raise a ValueError unless a network that predicts `value` says where the data is at t = 0, where flows start."""
    if value not in FLOW_PARAMETRISATIONS:
        raise ValueError(
            f"objective.prediction = {value!r}: legal for {objective} are {', '.join(FLOW_PARAMETRISATIONS)}; epsilon "
            "says nothing about the data at t = 0, where sampling starts"
        )
