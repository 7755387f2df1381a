"""What every backbone offers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import draccus
import torch
from torch import Tensor, nn

from lerobot_dp_plus.networks.experts import KeysValues


class Backbone(nn.Module, ABC):
    """Tokens of pictures and words -> keys and values of every layer.

    Attributes:
        dim: width of the tokens it takes.
    """

    dim: int

    @abstractmethod
    def forward(self, tokens: Tensor, valid: Tensor | None) -> tuple[KeysValues, ...]:
        """Tokens (B, S, dim), and which of them are there, (B, S) bool or None for all -> keys and values, by layer."""


@dataclass(frozen=True)
class BackboneConfig(draccus.ChoiceRegistry, ABC):
    """Where the weights that read pictures and words come from."""

    @classmethod
    def default_choice_name(cls) -> str:
        """The member that `--policy.network.backbone.dim=64` means, without a type."""
        return "scratch"

    @abstractmethod
    def build(self, *, depth: int, num_heads: int, head_dim: int) -> Backbone:
        """Make a backbone whose layers an expert of this shape can meet.

        Raises:
            ValueError: it has another shape; naming the field and what is legal.
        """


def each_sees_itself(valid: Tensor | None) -> Tensor | None:
    """Which keys (B, S) are there -> which each token sees, (B, S, S): those, and itself.

    A token that is not there would otherwise see nothing where no token is there, and become NaN. None stays None.
    """
    if valid is None:
        return None
    return valid[:, None] | torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
