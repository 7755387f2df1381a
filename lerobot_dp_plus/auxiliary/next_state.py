"""Predict the next state from what the policy sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from torch import nn

from lerobot_dp_plus.auxiliary.base import Around, AuxiliaryModel, Data, Further, Loss, Needs, Surroundings, View
from lerobot_dp_plus.notation import PATCHES, STEPS, Tokens
from lerobot_dp_plus.units import Units


@Further.register_subclass("next_state")
@dataclass(frozen=True)
class NextState(Further):
    """L = mean |f(tokens, a_t) − (o_{t+1} − o_t)|, an MLP on the policy's token of the newest step and the mean of its patches.

    Its gradient reaches the image encoders, so features hold what moves (self-prediction, arXiv 2007.05929). Without
    cameras only the MLP learns from it. Its hidden layer is `dim` wide. `weight` is that beside the policy's loss.
    """

    dim: int = 128
    weight: float = 0.1

    def __post_init__(self) -> None:
        if self.dim < 1 or not self.weight > 0:
            raise ValueError(f"auxiliary.dim = {self.dim}, auxiliary.weight = {self.weight}: both must be positive")

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        return Needs(observations=(0, 1), actions=(0,))

    def check(self, data: Data) -> None:
        if not data.state_dims:
            raise ValueError(
                "auxiliary.type=next_state predicts states, and the data have none; legal is auxiliary.type=none"
            )

    def build(self, surroundings: Surroundings) -> "NextStateModel":
        return NextStateModel(surroundings, self.dim, self.weight)


class NextStateModel(AuxiliaryModel):
    """The MLP."""

    def __init__(self, surroundings: Surroundings, dim: int, weight: float):
        super().__init__()
        self.keys, self.weight = tuple(surroundings.state_dims), weight
        inputs, outputs = surroundings.token_width + surroundings.action_dim, sum(surroundings.state_dims.values())
        self.predict = nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, outputs))

    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        states = torch.cat([view.observations[key] for key in self.keys], -1)  # (B, 2, C)
        looks = {STEPS: lambda values: values[:, -1], PATCHES: lambda values: values.mean(1)}
        seen = [looks[span.kind](span.values) for span in tokens if span.kind in looks]
        predicted = self.predict(torch.cat([*seen, view.actions[:, 0]], -1))
        error = (predicted - (states[:, 1] - states[:, 0])).abs().mean(-1)
        return Loss(self.weight * error, view.real[:, 1].to(error.dtype))
