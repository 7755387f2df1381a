"""Samples as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from lerobot_dp_plus.augmentation.base import Augmentation


@Augmentation.register_subclass("none")
@dataclass(frozen=True)
class NoAugmentation(Augmentation):
    """The identity."""

    pictures_of_one: ClassVar[int | None] = 1

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        return None

    def apply(self, sample: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(sample)

    def widen(self, statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        return {key: dict(value) for key, value in statistics.items()}
