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

    A policy of several robots has the units of all of them, and `serve` chooses whose are meant.

    Attributes:
        known: () bool, whether offsets and scales were taken from a dataset; until then they are 0 and 1.
        keys: the features that have units.
    """

    known: Tensor

    def __init__(self, dims: Mapping[str, int]):
        """The width of every feature, by name."""
        super().__init__()
        self._places = {key: index for index, key in enumerate(dims)}
        self._learned: set[int] = set()
        self.register_buffer("known", torch.zeros((), dtype=torch.bool))
        for index, dim in enumerate(dims.values()):
            self.register_buffer(f"offset_{index}", torch.zeros(dim))
            self.register_buffer(f"scale_{index}", torch.ones(dim))

    @classmethod
    def of_robots(cls, dims: Mapping[str, Mapping[str, int]], serves: str | None) -> "Units":
        """The units of several robots, the width of every feature by robot and name."""
        units = cls({of_robot(robot, key): dim for robot, each in dims.items() for key, dim in each.items()})
        if serves is not None:
            units._places = {key: units._places[of_robot(serves, key)] for key in dims[serves]}
        return units

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._places)

    def learn(self, affine: Mapping[str, tuple[Any, Any]]) -> None:
        """Take (offset, scale) of every feature from a dataset. Weights that are loaded later no longer change them."""
        for key, index in self._places.items():
            for name, value in zip(("offset", "scale"), affine[key], strict=True):
                self.get_buffer(f"{name}_{index}").copy_(torch.as_tensor(value))
        self.known.fill_(True)
        self._learned = set(self._places.values())

    def check_known(self) -> None:
        """Raise a ValueError unless a dataset has told the units."""
        if not self.known:
            raise ValueError(
                "this policy does not know its data's units, in which energies are told: its checkpoint is older than they "
                "are, and its processors hold no statistics. Fine-tune it, or choose without an energy"
            )

    def physical(self, key: str, value: Tensor) -> Tensor:
        """The feature `key` (..., D) in the dataset's units, as float32; float64 stays float64."""
        index = self._places[key]
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        return self.get_buffer(f"offset_{index}") + self.get_buffer(f"scale_{index}") * value

    def normalised(self, key: str, value: Tensor) -> Tensor:
        """The inverse of `physical`."""
        index = self._places[key]
        return (value - self.get_buffer(f"offset_{index}")) / self.get_buffer(f"scale_{index}")

    def all_physical(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of `values` that have units, in the dataset's units."""
        return {key: self.physical(key, value) for key, value in values.items() if key in self._places}

    def _learned_here(self) -> dict[str, Tensor]:
        """What a dataset told since this was made, by the names of buffers."""
        names = [f"{name}_{index}" for index in sorted(self._learned) for name in ("offset", "scale")]
        return {name: self.get_buffer(name) for name in (["known", *names] if names else [])}

    def replaces(self, state_dict: Mapping[str, Tensor], prefix: str) -> bool:
        """Whether units were learned here and differ from those in the weights that are about to be loaded."""
        saved = ((state_dict.get(prefix + name), mine) for name, mine in self._learned_here().items())
        return any(value is not None and not torch.equal(value.to(mine.device), mine) for value, mine in saved)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # Fine-tuning: the pipeline normalises with the new dataset's statistics.
        state_dict.update({prefix + name: value.clone() for name, value in self._learned_here().items()})
        super()._load_from_state_dict(state_dict, prefix, *args)


def of_robot(robot: str, key: str) -> str:
    """What a feature of one robot of several is called among the features of all."""
    return f"{robot}: {key}"
