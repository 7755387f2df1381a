"""A made-up SO-101 at a table with two cubes: the whole way of a recording can be tried without a robot.

Six joints, in degrees, follow their targets with a lag; the gripper is 0 closed to 100 open, as LeRobot's `so101_follower`
has it. There are no forces: a cube that the gripper closes on is held, and the task is then done.

    r = l₁ sin a + l₂ sin b + l₃ sin c    z = h + l₁ cos a + l₂ cos b + l₃ cos c    of a pan angle, r from its axis

with a = lift, b = a + elbow, c = b + wrist, each from the vertical.
"""

from dataclasses import dataclass

import numpy as np

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
FPS = 30
COLOURS = ("red", "blue")
SENTENCES = tuple(f"pick up the {colour} cube" for colour in COLOURS)
#: Metres: height of the shoulder, upper arm, forearm, hand; half side of a cube.
SHOULDER, UPPER, FOREARM, HAND, CUBE = 0.12, 0.116, 0.135, 0.10, 0.012
#: Least and greatest of each joint.
LIMITS = np.array([[-110, -100, -150, -150, -160, 0], [110, 100, 150, 150, 160, 100]], dtype=float)
REST = np.array([0.0, -30.0, 120.0, 60.0, 0.0, 60.0])
#: A control step closes so much of the way to the target, and moves by at most so many degrees.
LAG, FASTEST = 0.5, 8.0
#: Where cubes lie: metres from the axis, degrees of pan; how far apart at least. How near the tip must come to hold one.
NEAR, FAR, ASIDE, APART, HOLDS = 0.14, 0.22, 50.0, 0.07, 0.015
CLOSED = 20.0


@dataclass
class Table:
    """Where things are.

    Args:
        joints: (6,) degrees.
        cubes: (2, 2) places x, y in metres, of `COLOURS`.
        held: number of the cube that is held, or None.
    """

    joints: np.ndarray
    cubes: np.ndarray
    held: int | None = None


class So101:
    """The arm and its table; `reset`, then a `step` for every control step."""

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int) -> None:
        """The arm at rest, and cubes at places drawn from the seed."""
        random = np.random.default_rng(seed)
        while True:
            far, pan = random.uniform(NEAR, FAR, 2), np.deg2rad(random.uniform(-ASIDE, ASIDE, 2))
            cubes = np.stack([far * np.cos(pan), far * np.sin(pan)], -1)
            if np.linalg.norm(cubes[0] - cubes[1]) > APART:
                break
        self.table = Table(REST.copy(), cubes)

    def step(self, target: np.ndarray) -> bool:
        """Move towards joint targets (6,) for one control step; whether a cube is held."""
        table = self.table
        wanted = np.clip(target, *LIMITS)
        table.joints = table.joints + np.clip(LAG * (wanted - table.joints), -FASTEST, FASTEST)
        if table.held is None and table.joints[5] < CLOSED:
            tip = forward(table.joints)
            far = np.linalg.norm(np.c_[table.cubes, np.full(2, CUBE)] - tip, axis=1)
            table.held = int(far.argmin()) if far.min() < HOLDS else None
        if table.held is not None:
            table.cubes[table.held] = forward(table.joints)[:2]
        return table.held is not None


def points(joints: np.ndarray) -> np.ndarray:
    """Shoulder, elbow, wrist and tip in metres, (4, 3)."""
    pan = np.deg2rad(joints[0])
    angles = np.cumsum(np.deg2rad(joints[1:4]))
    lengths = np.array([UPPER, FOREARM, HAND])
    out = np.r_[0.0, np.cumsum(lengths * np.sin(angles))]
    up = SHOULDER + np.r_[0.0, np.cumsum(lengths * np.cos(angles))]
    return np.stack([out * np.cos(pan), out * np.sin(pan), up], -1)


def forward(joints: np.ndarray) -> np.ndarray:
    """Where the tip is, (3,)."""
    return points(joints)[3]


def inverse(place: np.ndarray, gripper: float) -> np.ndarray:
    """Joints (6,) that bring the tip to a place (3,), the hand pointing down and the elbow up.

    Raises:
        ValueError: it is out of reach.
    """
    out, up = float(np.hypot(*place[:2])), float(place[2]) + HAND - SHOULDER
    far = float(np.hypot(out, up))
    if not abs(UPPER - FOREARM) < far < UPPER + FOREARM:
        raise ValueError(f"place {place.round(3).tolist()}: out of reach of an arm of {UPPER} and {FOREARM} m")
    elbow = np.pi - np.arccos((UPPER**2 + FOREARM**2 - far**2) / (2 * UPPER * FOREARM))
    inside = np.arccos((UPPER**2 + far**2 - FOREARM**2) / (2 * UPPER * far))
    lift = np.arctan2(out, up) - inside
    pan = np.arctan2(place[1], place[0])
    return np.r_[np.rad2deg([pan, lift, elbow, np.pi - lift - elbow, 0.0]), gripper]
