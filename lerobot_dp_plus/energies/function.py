"""An energy that a user wrote."""

import importlib
from dataclasses import dataclass
from functools import cache
from typing import cast

from torch import Tensor

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.notation import Energy, Scene


@EnergyTerm.register_subclass("function")
@dataclass(frozen=True)
class Function(EnergyTerm):
    """A function of your own: (chunks (B, N, H, A) in the dataset's units, scene) -> (B, N), lower is better.

    It must be differentiable in the chunks if a guidance follows it.

    Attributes:
        path: where it is: "module:name", of a module that Python can import.
    """

    path: str = ""

    def check(self, action_dim: int, position_dim: int) -> None:
        if self.weight:
            found(self.path)

    def __call__(self, chunks: Tensor, scene: Scene) -> Tensor:
        told = found(self.path)(chunks, scene)
        if not isinstance(told, Tensor) or told.shape != chunks.shape[:2]:
            what = f"shape {tuple(told.shape)}" if isinstance(told, Tensor) else type(told).__name__
            raise ValueError(
                f"energies.function.path = {self.path}: it gave {what} for chunks of shape {tuple(chunks.shape)}; it must "
                f"give one number for each candidate, a tensor of shape {tuple(chunks.shape[:2])}"
            )
        return told


@cache
def found(path: str) -> Energy:
    """The function at "module:name".

    Raises:
        ValueError: there is none; naming what is missing.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f'energies.function.path = {path!r}: must be "module:name"')
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"energies.function.path = {path!r}: {error}. The module must be in Python's path, as with PYTHONPATH=."
        ) from error
    if not callable(function):
        raise ValueError(f"energies.function.path = {path!r} is no function but {type(function).__name__}")
    return cast(Energy, function)
