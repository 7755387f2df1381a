"""Normalised values and the dataset's own units.

LeRobot normalises each coordinate by its own range. Geometry, distances and physics only mean something in units that all
coordinates share. A checkpoint has no dataset, so these numbers are part of the weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

ACTION = "action"


class Statistics(nn.Module):
    """Buffers that describe the data. They move with the weights, and are never converted to another type.

    Half precision would round them to three digits, and counts beyond 65,504 to infinity.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Statistics":
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, was in before.items():
            now = self._buffers[name]
            if was is not None and now is not None and now.dtype != was.dtype:
                self._buffers[name] = was.to(now.device)
        return self


class Units(Statistics):
    """value = offset + scale · normalised, for every state and the action.

    Attributes:
        known: () bool, whether offsets and scales were taken from a dataset; until then they are 0 and 1.
    """

    known: Tensor

    def __init__(self, dims: Mapping[str, int]):
        """The width of every feature, by name."""
        super().__init__()
        self.keys = tuple(dims)
        self._learned_here = False
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))
        for index, dim in enumerate(dims.values()):
            self.register_buffer(f"offset_{index}", torch.zeros(dim))
            self.register_buffer(f"scale_{index}", torch.ones(dim))

    def learn(self, affine: Mapping[str, tuple[Any, Any]]) -> None:
        """Take (offset, scale) of every feature from a dataset. Weights that are loaded later no longer change them."""
        for index, key in enumerate(self.keys):
            for name, value in zip(("offset", "scale"), affine[key], strict=True):
                self.get_buffer(f"{name}_{index}").copy_(torch.as_tensor(value))
        self.known.fill_(True)
        self._learned_here = True

    def check_known(self) -> None:
        """Raise a ValueError unless a dataset has told the units."""
        if not self.known:
            raise ValueError(
                "this policy does not know its data's units, in which energies are told: its checkpoint is older than they "
                "are, and its processors hold no statistics. Fine-tune it, or choose without an energy"
            )

    def physical(self, key: str, value: Tensor) -> Tensor:
        """The feature `key` (..., D) in the dataset's units, as float32; float64 stays float64."""
        index = self.keys.index(key)
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        return self.get_buffer(f"offset_{index}") + self.get_buffer(f"scale_{index}") * value

    def normalised(self, key: str, value: Tensor) -> Tensor:
        """The inverse of `physical`."""
        index = self.keys.index(key)
        return (value - self.get_buffer(f"offset_{index}")) / self.get_buffer(f"scale_{index}")

    def all_physical(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of `values` that have units, in the dataset's units."""
        return {key: self.physical(key, value) for key, value in values.items() if key in self.keys}

    def replaces(self, state_dict: Mapping[str, Tensor], prefix: str) -> bool:
        """Whether units were learned here and differ from those in the weights that are about to be loaded."""
        saved = {name: state_dict.get(prefix + name) for name, _ in self.named_buffers()}
        return self._learned_here and any(
            value is not None and not torch.equal(value.to(mine.device), mine)
            for value, mine in zip(saved.values(), self.buffers(), strict=True)
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self._learned_here:  # fine-tuning: the pipeline normalises with the new dataset's statistics
            state_dict.update({prefix + name: value.clone() for name, value in self.named_buffers()})
        super()._load_from_state_dict(state_dict, prefix, *args)
