"""What an environment tells of a step beyond its reward: how far along the task is, whether the robot touches anything, how far off the goal is.

| environment | progress | touching | distance to the goal |
|---|---|---|---|
| `pusht` | coverage of the goal, at most 1 | agent and T, or wall, touch in the step | of the T: √(‖Δp‖² + (60 px · Δθ)²), px |
| `aloha`, `aloha_lite` | reward / 4, the stages of the task | reward of at least 1: a gripper touches an object | – |
| `metaworld`, `metaworld_lite` | reward / 10 | `near_object` of the environment | `obj_to_target` of the environment, m |
| another | – | – | – |

`blocks` and `three_pucks` tell instead which thing was grasped first, and whether the sentence fits it.

A task is near its goal from a progress of `NEAR` on.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

#: The T's mean distance from its body's origin is about this, px: what turns an angle into a length.
T_RADIUS = 60.0
#: ALOHA: the cube is held by the second gripper, or the peg is before its socket. PushT: five sixths of success's coverage.
NEAR = {"pusht": 0.8, "aloha": 0.75, "aloha_lite": 0.75, "metaworld": 0.8, "metaworld_lite": 0.8}


class Signals(NamedTuple):
    """Of one step; None is what the environment does not tell."""

    progress: float | None = None
    touching: bool | None = None
    distance: float | None = None
    wrong_object: bool | None = None


def _pusht(reward: float, info: Mapping[str, Any]) -> Signals:
    block, goal = (np.asarray(info[key], dtype=float) for key in ("block_pose", "goal_pose"))
    turned = math.remainder(block[2] - goal[2], 2 * math.pi)
    distance = math.hypot(*(block[:2] - goal[:2]), T_RADIUS * turned)
    return Signals(float(info.get("coverage", 0.0)), bool(info["n_contacts"] > 0), distance)


def _aloha(reward: float, info: Mapping[str, Any]) -> Signals:
    return Signals(reward / 4, reward >= 1)


def _metaworld(reward: float, info: Mapping[str, Any]) -> Signals:
    near, distance = info.get("near_object"), info.get("obj_to_target")
    return Signals(reward / 10, None if near is None else bool(near), None if distance is None else float(distance))


def _told(reward: float, info: Mapping[str, Any]) -> Signals:
    return Signals(wrong_object=info["grasped"] >= 0 and info["grasped"] not in info["fits"])


SIGNALS: dict[str, Callable[[float, Mapping[str, Any]], Signals]] = {
    "pusht": _pusht,
    "aloha": _aloha,
    "aloha_lite": _aloha,
    "metaworld": _metaworld,
    "metaworld_lite": _metaworld,
    "blocks": _told,
    "three_pucks": _told,
}


def signals(environment: str, reward: float, info: Mapping[str, Any]) -> Signals:
    """What an environment tells of a step, or with a reward of 0 of its reset."""
    tell = SIGNALS.get(environment)
    return tell(float(reward), info) if tell else Signals()
