"""The noise schedules of LeRobot's diffusion policy, with the digits that diffusers keeps."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from lerobot_dp_plus.paths import Path, SquaredCosinePath, StepwisePath, check_betas

#: Our name of a schedule -> the name in diffusers.
SCHEDULES = {"squared_cosine": "squaredcos_cap_v2", "linear_beta": "linear"}


@Path.register_subclass("diffusers")
@dataclass(frozen=True)
class DiffusersPath(StepwisePath):
    """ᾱ of `squared_cosine` or `linear_beta`, β rounded to float32 and multiplied up in float32, as diffusers does.

    Near the data, 1 − ᾱ has three or four digits left in diffusers. Actions agree with LeRobot's policy to 1e-5 only if
    the same digits are lost here. At the path's own steps the network is fed whole numbers, as in diffusers. Between
    the steps log ᾱ is linear. The path is for policies trained with those schedulers; others have no use for it.

    Attributes:
        schedule: squared_cosine or linear_beta; beta_start and beta_end belong to the second.
    """

    num_train_steps: int = 100
    schedule: str = "squared_cosine"
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule not in SCHEDULES:
            raise ValueError(f"objective.path.schedule = {self.schedule!r}: legal are {', '.join(SCHEDULES)}")
        if self.schedule == "linear_beta":
            check_betas(self.beta_start, self.beta_end)

    def log_alpha_bars(self) -> Tensor:
        return alpha_bars(self).double().log()

    def alpha_bar(self, t: Tensor) -> Tensor:
        position = self._position(t)
        nearest = position.round()
        on_grid = self._beside(t, "alpha_bar", lambda: alpha_bars(self))[nearest.long()]
        return torch.where(position == nearest, on_grid, torch.exp(self.log_alpha_bar(t)))

    def alpha(self, t: Tensor) -> Tensor:
        return self.alpha_bar(t).sqrt()

    def sigma(self, t: Tensor) -> Tensor:
        return (1 - self.alpha_bar(t)).sqrt()

    def network_time(self, t: Tensor) -> Tensor:
        return self.num_train_steps - self._position(t) - 1

    def grid(self, steps: int, like: Tensor) -> Tensor:
        """The grid of the schedule's own path. Samplers called leading keep that of diffusers, for any schedule."""
        return self.smooth_grid(steps, like) if self.schedule == "linear_beta" else super().grid(steps, like)


def alpha_bars(path: DiffusersPath) -> Tensor:
    """ᾱ at t = 0, 1/K, …, 1, ascending in t; float32 (K + 1,)."""
    steps = path.num_train_steps
    if path.schedule == "linear_beta":
        beta = torch.linspace(path.beta_start, path.beta_end, steps, dtype=torch.float32)
    else:
        offset, cap = SquaredCosinePath.offset, SquaredCosinePath.max_beta
        bars = [math.cos((k / steps + offset) / (1 + offset) * math.pi / 2) ** 2 for k in range(steps + 1)]
        beta = torch.tensor([min(1 - u / t, cap) for t, u in pairwise(bars)], dtype=torch.float32)
    return torch.cat([torch.ones(1), torch.cumprod(1 - beta, dim=0)]).flip(0)
