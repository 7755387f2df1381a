"""Low-rank changes of frozen linear layers."""

import torch
from torch import Tensor, nn


class Lora(nn.Module):
    """(α/r)·B·A·x, LoRA, arXiv 2106.09685. B starts at zero, so the layer beside it starts as it was.

    A linear layer is changed by `beside`. The change is a module of its own: who keeps it can save it without the layer.
    """

    def __init__(self, inputs: int, outputs: int, rank: int, alpha: float):
        super().__init__()
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.randn(rank, inputs) * inputs**-0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        """x (…, inputs) -> (…, outputs)."""
        return self.scale * (x @ self.down.T @ self.up.T)


class Beside(nn.Module):
    """A linear layer and its change, together."""

    def __init__(self, linear: nn.Linear, change: Lora):
        super().__init__()
        self.linear, self.change = linear, change

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.change(x)


def beside(module: nn.Module, rank: int, alpha: float) -> nn.ModuleList:
    """Change every linear layer in a module; returns the changes."""
    found = [(parent, name, child) for parent in module.modules() for name, child in parent.named_children()]
    changes = nn.ModuleList()
    for parent, name, child in found:
        if isinstance(child, nn.Linear):
            changes.append(change := Lora(child.in_features, child.out_features, rank, alpha))
            parent.register_module(name, Beside(child, change))
    return changes
