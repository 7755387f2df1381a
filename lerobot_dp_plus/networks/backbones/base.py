"""What every backbone offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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

    def entrance(self, width: int) -> nn.Module:
        """What makes tokens of an encoder, (B, S, width), into its own. Each kind of tokens has one."""
        # Every kind starts equally loud, whatever its encoder's scale.
        return nn.Sequential(nn.Linear(width, self.dim), nn.LayerNorm(self.dim))

    @abstractmethod
    def forward(self, tokens: Tensor, valid: Tensor | None) -> tuple[KeysValues, ...]:
        """Tokens (B, S, dim), and which of them are there, (B, S) bool or None for all -> keys and values, by layer."""

    @abstractmethod
    def write(self, text: Tensor, memory: Sequence[KeysValues], valid: Tensor | None) -> Tensor:
        """Embedded text (B, L, dim) behind tokens of which `memory` holds keys and values -> (B, L, dim).

        Each place sees the tokens that are there, `valid` (B, S), itself and earlier places.
        """


@dataclass(frozen=True)
class BackboneConfig(draccus.ChoiceRegistry, ABC):
    """Where the weights that read pictures and words come from."""

    @classmethod
    def default_choice_name(cls) -> str:
        """The member that `--policy.network.backbone.dim=64` means, without a type."""
        return "scratch"

    def revised(self) -> "BackboneConfig":
        """What a policy that is made notes about its weights; raises a ValueError if they are not those it was trained with."""
        return self

    @property
    @abstractmethod
    def width(self) -> int:
        """Width of the tokens it takes."""

    @abstractmethod
    def build(self, *, depth: int, num_heads: int, head_dim: int) -> Backbone:
        """Make a backbone whose layers an expert of this shape can meet.

        Raises:
            ValueError: it has another shape; naming the field and what is legal.
        """


def sees_backwards(text: Tensor, length: int, valid: Tensor | None) -> Tensor:
    """What each place of text (B, L, D) sees of `length` tokens before it and of the text, (B, L, length + L) bool."""
    batch, places = text.shape[:2]
    there = torch.ones(batch, length, dtype=torch.bool, device=text.device) if valid is None else valid
    earlier = torch.ones(places, places, dtype=torch.bool, device=text.device).tril()
    return torch.cat([there[:, None].expand(-1, places, -1), earlier.expand(batch, -1, -1)], 2)


def each_sees_itself(valid: Tensor | None) -> Tensor | None:
    """Which keys (B, S) are there -> which each token sees, (B, S, S): those, and itself.

    A token that is not there would otherwise see nothing where no token is there, and become NaN. None stays None.
    """
    if valid is None:
        return None
    return valid[:, None] | torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
