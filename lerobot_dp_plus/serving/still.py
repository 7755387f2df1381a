"""Cameras that send the same picture again and again, as some drivers do when a cable is loose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: For so many seconds a picture may stay the same to the bit while joints move. A camera's own noise changes every picture.
PATIENCE_S = 2.0
#: A joint that moved by less, in its own units, rests.
RESTS = 1e-6


@dataclass
class StillCameras:
    """Which cameras stand still; to be shown every observation."""

    _kept: dict[str, tuple[Any, float, np.ndarray]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def see(self, pictures: Mapping[str, Any], joints: np.ndarray, now: float) -> list[str]:
        """The cameras that are found to stand still now, each once until it goes on.

        Args:
            pictures: by camera.
            joints: all numbers of the robot, (D,).
            now: time of the observation in seconds.
        """
        found = []
        for name, picture in pictures.items():
            before = self._kept.get(name)
            if before is None or not np.array_equal(before[0], picture):
                self._kept[name] = (picture, now, joints)
                self._told.discard(name)
                continue
            moved = np.abs(joints - before[2]).max(initial=0.0) > RESTS
            if name not in self._told and moved and now - before[1] > PATIENCE_S:
                self._told.add(name)
                found.append(name)
        return found
