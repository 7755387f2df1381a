"""A robot of two joints and a camera, as LeRobot's client tells of it."""

from typing import Any

import numpy as np

JOINTS = ("x.pos", "y.pos")
STATE = {"dtype": "float32", "shape": (2,), "names": list(JOINTS)}
CAMERA = {"dtype": "image", "shape": (24, 32, 3), "names": ["height", "width", "channels"]}
#: Of the robot with a camera, as LeRobot's client describes it.
FEATURES = {"observation.state": STATE, "observation.images.top": CAMERA}


def raw(x: float, y: float = 100.0, picture: int = 0) -> dict[str, Any]:
    """What the robot observes."""
    top = np.full((24, 32, 3), picture, np.uint8)
    return {"x.pos": x, "y.pos": y, "top": top, "task": "push"}
