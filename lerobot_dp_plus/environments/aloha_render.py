"""Pictures of an ALOHA simulation: one camera at any size, in the stock look or in a cheap one.

On a CPU the cost of a picture is its pixels, times four for multisampling, plus shadow and reflection passes over the
whole scene. The `lite` look leaves those passes and the multisampling out; geometry and colours stay.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics
from lerobot_dp_plus.environments.mujoco_pictures import mujoco_renderer

LOOKS = ("lite", "stock")
CAMERA = "top"


def check_picture(height: int, width: int, look: str) -> None:
    """Raise a ValueError naming the field unless a picture of this size and look can be made."""
    if look not in LOOKS:
        raise ValueError(f"look={look!r}: legal are {', '.join(LOOKS)}")
    for name, value in (("height", height), ("width", width)):
        if not 16 <= value <= 2048:
            raise ValueError(f"{name}={value}: legal are 16 to 2048 pixels")


def render(physics: AlohaPhysics, height: int, width: int, look: str = "lite", camera: str = CAMERA) -> np.ndarray:
    """The scene as `camera` sees it now, (height, width, 3) uint8. The `stock` look at 480×640 equals gym_aloha's."""
    renderer = _renderer(physics.task, height, width, look)
    renderer.update_scene(physics.data, camera=camera)
    return renderer.render()


@lru_cache
def _renderer(task: str, height: int, width: int, look: str) -> Any:
    """One renderer for all simulations of a task in this process: its meshes are uploaded once."""
    check_picture(height, width, look)
    model = AlohaPhysics(task).model
    return mujoco_renderer(model, height, width, cheap=look == "lite")
