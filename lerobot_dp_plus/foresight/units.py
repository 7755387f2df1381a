"""Normalised values and the dataset's own units."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Statistics(nn.Module):
    """Buffers that say something of the data: moved with the weights, and never converted to another type.

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
    """value = offset + scale · normalised, for each feature; part of the weights, since a checkpoint has no dataset.

    Geometry, such as turning a point, only means something in units that all coordinates share; LeRobot normalises
    each coordinate by its own range.
    """

    def __init__(self, dims: Mapping[str, int]):
        super().__init__()
        self.keys = tuple(dims)
        self._known = False
        for index, dim in enumerate(dims.values()):
            self.register_buffer(f"offset_{index}", torch.zeros(dim))
            self.register_buffer(f"scale_{index}", torch.ones(dim))

    def learn(self, affine: Mapping[str, tuple[Any, Any]]) -> None:
        """Take (offset, scale) of every feature from a dataset; weights loaded later then no longer change them."""
        for index, key in enumerate(self.keys):
            for name, value in zip(("offset", "scale"), affine[key], strict=True):
                self.get_buffer(f"{name}_{index}").copy_(torch.as_tensor(value))
        self._known = True

    def physical(self, key: str, value: Tensor) -> Tensor:
        """The feature `key` (..., D) in the dataset's units, float32."""
        index = self.keys.index(key)
        return self.get_buffer(f"offset_{index}") + self.get_buffer(f"scale_{index}") * value.float()

    def normalised(self, key: str, value: Tensor) -> Tensor:
        """The inverse of `physical`."""
        index = self.keys.index(key)
        return (value - self.get_buffer(f"offset_{index}")) / self.get_buffer(f"scale_{index}")

    def replaces(self, state_dict: Mapping[str, Tensor], prefix: str) -> bool:
        """Whether units were learned here and are others than those of weights about to be loaded."""
        saved = {name: state_dict.get(prefix + name) for name, _ in self.named_buffers()}
        return self._known and any(
            value is not None and not torch.equal(value.to(mine.device), mine)
            for value, mine in zip(saved.values(), self.buffers(), strict=True)
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self._known:  # fine-tuning: the pipeline normalises with the new dataset's statistics
            state_dict.update({prefix + name: value.clone() for name, value in self.named_buffers()})
        super()._load_from_state_dict(state_dict, prefix, *args)
