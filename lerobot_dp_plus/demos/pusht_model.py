"""A fast batched quasi-static model of PushT: a T of two boxes, pushed by a frictionless disc.

gym_pusht damps every velocity to zero within a physics step and its shapes have no friction, so the T moves only
while the disc presses on it, and only along the contact normal n. Resolving a penetration δ at the lever
arm r from the centre of gravity is one mass-weighted projection:

    j = δ / (1/m + (r × n)²/I)        Δcentre = j·n/m        Δθ = j·(r × n)/I

Nothing here depends on where the T lies: a push described in the T's own frame has one outcome in that frame.
Walls are not modelled. A *pose* is (x, y, θ): the centre of gravity in arena pixels and the angle in radians; the
*T's frame* has its origin at the centre of gravity. Cost of a push: a few dozen numpy operations per sub-step.
"""

import numpy as np
import pymunk

from lerobot_dp_plus.demos.pusht_features import CORNERS, PushTEnv

_body, _shapes = PushTEnv.add_tee(pymunk.Space(), (0, 0), 0)
MASS: float = _body.mass
INERTIA: float = _body.moment
CENTRE = np.array(_body.center_of_gravity)  # of gravity, in gym_pusht's block coordinates; also the keypoints' mean
RADIUS = 15.0  # of the agent, as PushTEnv._setup makes it
ARENA = 512.0

#: The two boxes in the T's frame: lower and upper corners, each (2 boxes, 2).
_vertices = np.array([shape.get_vertices() for shape in _shapes]) - CENTRE
LOWER, UPPER = _vertices.min(axis=1), _vertices.max(axis=1)

#: Root mean square distance of the keypoints from their centre, pixels: turns an angle into a length.
GYRATION = float(np.sqrt(np.mean(np.sum((CORNERS - CENTRE) ** 2, axis=1))))


def rotate(vectors: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Rotate vectors (..., 2) by angles (...) in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = vectors[..., 0], vectors[..., 1]
    turned_x = x * cos - y * sin
    turned = np.empty((*turned_x.shape, 2))
    turned[..., 0], turned[..., 1] = turned_x, x * sin + y * cos
    return turned


def pose_of_block(block: np.ndarray) -> np.ndarray:
    """Pose (..., 3) of gym_pusht's block position and angle (..., 3)."""
    block = np.asarray(block, dtype=np.float64)
    return np.concatenate([block[..., :2] + rotate(CENTRE, block[..., 2]), block[..., 2:]], axis=-1)


def block_of_pose(pose: np.ndarray) -> np.ndarray:
    """gym_pusht's block position and angle (..., 3) of a pose (..., 3)."""
    return np.concatenate([pose[..., :2] - rotate(CENTRE, pose[..., 2]), pose[..., 2:]], axis=-1)


def compose(pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The pose reached by a motion (dx, dy, dθ) given in the frame of `pose`; both (..., 3) and broadcast."""
    moved = np.empty(np.broadcast_shapes(pose.shape, motion.shape))
    moved[..., :2] = pose[..., :2] + rotate(motion[..., :2], pose[..., 2])
    moved[..., 2] = pose[..., 2] + motion[..., 2]
    return moved


def motion_size(motion: np.ndarray) -> np.ndarray:
    """How far a motion (dx, dy, dθ) moves the T, in the pixels of `goal_distance`; (..., 3) -> (...)."""
    return np.sqrt(motion[..., 0] ** 2 + motion[..., 1] ** 2 + (GYRATION * motion[..., 2]) ** 2)


def to_frame(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Arena points (..., 2) in the frame of `pose` (..., 3)."""
    return rotate(points - pose[..., :2], -pose[..., 2])


def to_arena(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the frame of `pose` (..., 3) in arena pixels."""
    return pose[..., :2] + rotate(points, pose[..., 2])


GOAL = pose_of_block(np.array([256.0, 256.0, np.pi / 4]))


def goal_distance(pose: np.ndarray) -> np.ndarray:
    """Distance to the goal pose in pixels, D² = |offset|² + GYRATION²·wrap(Δθ)²; (..., 3) -> (...).

    Δθ² rather than 1 − cos Δθ: the latter is flat at half a turn, where a planner would stall.
    """
    turn = (pose[..., 2] - GOAL[2] + np.pi) % (2 * np.pi) - np.pi
    return np.sqrt((pose[..., 0] - GOAL[0]) ** 2 + (pose[..., 1] - GOAL[1]) ** 2 + (GYRATION * turn) ** 2)


def _faces() -> list[tuple[np.ndarray, np.ndarray]]:
    """The T's eight faces in its frame, each from corner to corner, once round."""
    x, bar, stem = UPPER[0, 0], UPPER[0, 1], UPPER[1, 0]
    bottom, top = UPPER[1, 1], LOWER[0, 1]
    ring = np.array(
        [(-x, top), (x, top), (x, bar), (stem, bar), (stem, bottom), (-stem, bottom), (-stem, bar), (-x, bar)]
    )
    return list(zip(ring, np.roll(ring, -1, axis=0), strict=True))


FACES = _faces()


def _outline() -> tuple[np.ndarray, np.ndarray, float]:
    """Points of the T's outline in its frame (n, 2), outward normals times the length they stand for, area."""
    points, normals = [], []
    for start, end in FACES:
        count = max(2, round(float(np.linalg.norm(end - start)) / 7.5))
        points.append(start + (end - start) * ((np.arange(count) + 0.5) / count)[:, None])
        normals.append(np.tile(np.array([end[1] - start[1], start[0] - end[0]]) / count, (count, 1)))
    area = float(np.sum(np.prod(UPPER - LOWER, axis=1)))
    return np.concatenate(points), np.concatenate(normals), area


OUTLINE, _OUTLINE_NORMALS, AREA = _outline()


def coverage_near_goal(pose: np.ndarray) -> np.ndarray:
    """Share of the goal covered by a T close to it, to first order in the displacement; (N, 3) -> (N,)."""
    offset, turn = to_frame(pose[:, :2], GOAL), pose[:, 2] - GOAL[2]
    versine, sine = (1 - np.cos(turn))[:, None], np.sin(turn)[:, None]
    (x, y), (normal_x, normal_y) = OUTLINE.T, _OUTLINE_NORMALS.T
    moved_x = offset[:, :1] - versine * x - sine * y  # (N, n)
    moved_y = offset[:, 1:] + sine * x - versine * y
    uncovered = np.maximum(-(moved_x * normal_x + moved_y * normal_y), 0)
    return 1 - uncovered.sum(axis=-1) / AREA


def clearance(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance (...) of points (..., 2) of the T's frame to its surface, and the outward direction (..., 2)."""
    x, y = points[..., 0], points[..., 1]
    (distance, out_x, out_y), stem = (_box_clearance(x, y, *box) for box in zip(LOWER, UPPER, strict=True))
    nearer = stem[0] < distance
    out = np.stack([np.where(nearer, stem[1], out_x), np.where(nearer, stem[2], out_y)], axis=-1)
    return np.where(nearer, stem[0], distance), out


def _box_clearance(
    x: np.ndarray, y: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed distance to one box and the outward direction's components, each of the shape of `x`."""
    (middle_x, middle_y), (half_x, half_y) = (lower + upper) / 2, (upper - lower) / 2
    away_x, away_y = x - middle_x, y - middle_y
    over_x, over_y = np.abs(away_x) - half_x, np.abs(away_y) - half_y
    gap_x, gap_y = np.maximum(over_x, 0), np.maximum(over_y, 0)
    gap = np.hypot(gap_x, gap_y)
    inside = gap == 0  # there the way out is through the nearest face
    through_x = over_x >= over_y
    scale = 1 / np.where(inside, 1, gap)
    out_x = np.copysign(np.where(inside, through_x, gap_x * scale), away_x)
    out_y = np.copysign(np.where(inside, ~through_x, gap_y * scale), away_y)
    return np.where(inside, np.maximum(over_x, over_y), gap), out_x, out_y


def push(pose: np.ndarray, path: np.ndarray, sweeps: int = 3) -> np.ndarray:
    """Poses of the T after each sub-step of a disc that follows `path`, (N, S, 3).

    Args:
        pose: (N, 3) or (3,) poses at the start.
        path: (N, S, 2) disc centres in arena pixels after each sub-step; sub-steps of 2 px or less.
        sweeps: projections per sub-step; more resolve the inner corner, where both boxes touch, better.
    """
    count, steps, _ = path.shape
    angle = np.broadcast_to(np.asarray(pose, dtype=np.float64), (count, 3))[:, 2].copy()
    disc = to_frame(path[:, 0], np.broadcast_to(pose, (count, 3)))  # disc centre in the T's frame, kept throughout
    poses = np.empty((count, steps, 3))
    for step in range(steps):
        if step > 0:
            disc = disc + rotate(path[:, step] - path[:, step - 1], -angle)
        for _ in range(sweeps):
            distance, normal = clearance(disc)
            touching = np.flatnonzero(distance < RADIUS)
            if touching.size == 0:
                break
            # The T is pushed along −normal at its surface point nearest to the disc.
            near, out = disc[touching], normal[touching]
            depth = RADIUS - distance[touching]
            surface = near - out * distance[touching, None]
            lever = surface[:, 1] * out[:, 0] - surface[:, 0] * out[:, 1]  # r × (−normal)
            impulse = depth / (1 / MASS + lever**2 / INERTIA)
            turn = impulse * lever / INERTIA
            disc[touching] = rotate(near + out * (impulse / MASS)[:, None], -turn)
            angle[touching] += turn
        poses[:, step, :2] = path[:, step] - rotate(disc, angle)
        poses[:, step, 2] = angle
    return poses
