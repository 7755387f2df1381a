"""Pictures of an ALOHA simulation: one camera at any size, in the stock look or in a cheap one.

On a CPU the cost of a picture is its pixels, times four for multisampling, plus shadow and reflection passes over the
whole scene. The `lite` look leaves those passes and the multisampling out; geometry and colours stay.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics, require

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
    mujoco = require("mujoco")
    model = AlohaPhysics(task).model
    visual = model.vis
    wanted = {"offwidth": (visual.global_, width), "offheight": (visual.global_, height)}
    if look == "lite":
        wanted |= {"offsamples": (visual.quality, 0), "shadowsize": (visual.quality, 0)}
    # Read only while the renderer is made; the model is shared and goes back to what it was.
    before = {name: getattr(part, name) for name, (part, _) in wanted.items()}
    try:
        for name, (part, value) in wanted.items():
            setattr(part, name, value)
        renderer = mujoco.Renderer(model, height, width)
    finally:
        for name, (part, _) in wanted.items():
            setattr(part, name, before[name])
    if look == "lite":
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            renderer.scene.flags[flag] = False
    return renderer
