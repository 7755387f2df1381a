"""Targets that a recording has marked: a picture or an array that says which pixels they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from torch import Tensor

from lerobot_dp_plus.seeing.boxes import Found


@dataclass(frozen=True)
class Masks:
    """Connected pixels of the mask are a target; the larger, the surer.

    Attributes:
        key: of the mask in the recording, a picture or numbers (H, W).
        value: the number of the target's pixels, in 0 … 255 of a picture; None: bright pixels of a picture, or not 0.
        smallest: pixels; what is smaller is noise.
    """

    key: str
    value: int | None = None
    smallest: int = 4

    def __call__(self, sample: Mapping[str, Any]) -> list[Found]:
        """The targets of a frame, in pixels of the mask, largest first."""
        parts, count = ndimage.label(self._marked(sample[self.key]))
        found = []
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
            area = int((parts[rows, columns] == number).sum())
            if area >= self.smallest:
                found.append(Found(columns.start, rows.start, columns.stop, rows.stop, area))
        assert count >= len(found)
        return sorted(found, key=lambda each: -each.score)

    def size(self, sample: Mapping[str, Any]) -> tuple[int, int]:
        """(width, height) of what boxes are told in."""
        height, width = sample[self.key].shape[-2:]
        return int(width), int(height)

    def _marked(self, mask: Tensor) -> np.ndarray:
        """Which pixels count, (H, W) bool. A picture comes as (C, H, W), up to 1."""
        values = mask.numpy()
        if mask.is_floating_point() and values.ndim == 3:
            values = values.max(0)
            return values > 0.5 if self.value is None else np.rint(255 * values) == self.value
        values = values.max(0) if values.ndim == 3 else values
        return values != 0 if self.value is None else values == self.value
