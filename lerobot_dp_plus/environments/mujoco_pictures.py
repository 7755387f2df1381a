"""Cheap pictures of MuJoCo scenes, and where a point of the scene is in them.

On a CPU the cost of a picture is its pixels, times four for multisampling, plus shadow and reflection passes over the whole
scene. Cheap ones leave those passes and the multisampling out; geometry and colours stay.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lerobot_dp_plus.environments.aloha_physics import require


@dataclass(frozen=True)
class View:
    """A camera that stands free: it looks at a point from a distance, angles in degrees as MuJoCo has them."""

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float

    def camera(self) -> Any:
        """MuJoCo's description of it."""
        made = require("mujoco").MjvCamera()
        made.lookat[:] = self.lookat
        made.distance, made.azimuth, made.elevation = self.distance, self.azimuth, self.elevation
        return made

    def seen(self, point: np.ndarray, radius: float, fovy: float) -> np.ndarray:
        """Where it sees a ball; see `seen_from`."""
        azimuth, elevation = np.deg2rad([self.azimuth, self.elevation])
        flat = np.array([np.cos(azimuth), np.sin(azimuth)])
        forward = np.array([*(np.cos(elevation) * flat), np.sin(elevation)])
        up = np.array([*(-np.sin(elevation) * flat), np.cos(elevation)])
        place = np.array(self.lookat) - self.distance * forward
        return seen_from(place, np.stack([np.cross(forward, up), up, -forward], axis=1), fovy, point, radius)


def seen_from(place: np.ndarray, axes: np.ndarray, fovy: float, point: np.ndarray, radius: float) -> np.ndarray:
    """(x, y, half side) of a square around a ball, as shares of the height of a square picture, y downwards.

    Args:
        place: of the camera, (3,).
        axes: of the camera, (3, 3), in columns: to the right, up, and away from what it looks at.
        fovy: its angle of view from bottom to top, degrees.
        point: the middle of the ball, (3,).
        radius: of the ball, in the units of the scene.
    """
    right, up, back = (np.asarray(point) - place) @ axes
    scale = 0.5 / np.tan(np.deg2rad(fovy) / 2) / -back
    return np.array([0.5 + scale * right, 0.5 - scale * up, scale * radius])


def mujoco_renderer(model: Any, height: int, width: int, cheap: bool = True) -> Any:
    """A renderer of a model, a cheap one without shadows, reflections and multisampling. The model stays as it is."""
    mujoco = require("mujoco")
    visual = model.vis
    wanted = {"offwidth": (visual.global_, width), "offheight": (visual.global_, height)}
    if cheap:
        wanted |= {"offsamples": (visual.quality, 0), "shadowsize": (visual.quality, 0)}
    # Read only while the renderer is made; the model may be shared.
    before = {name: getattr(part, name) for name, (part, _) in wanted.items()}
    try:
        for name, (part, value) in wanted.items():
            setattr(part, name, value)
        renderer = mujoco.Renderer(model, height, width)
    finally:
        for name, (part, _) in wanted.items():
            setattr(part, name, before[name])
    if cheap:
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            renderer.scene.flags[flag] = False
    return renderer
