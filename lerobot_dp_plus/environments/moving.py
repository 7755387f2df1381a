"""Moving the thing that a task is about, while an episode runs: as if somebody had bumped into it.

| environment | what is moved | a unit of distance |
|---|---|---|
| `pusht` | the T | a pixel of the 512 |
| `blocks` | a thing that the gripper does not hold | 1/512 of the table |
| `aloha_lite` | the cube; peg or socket | a millimetre |
| `three_pucks` | a puck | a millimetre |
| `metaworld_lite` | a thing that lies free, in tasks that have one | a millimetre |

It is put to its new place at once, and keeps its velocity. A place is free if the thing lies there as it lay before and overlaps
nothing. Things that the robot touches are left alone where that is told from contacts, which is in MuJoCo.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lerobot_dp_plus.environments.aloha_physics import require

#: Directions that are tried, and what of two bodies may overlap, in metres.
DIRECTIONS, OVERLAP = 16, 1e-3

#: x, y in units of distance, and an angle.
type Step = tuple[float, float, float]


def moved(env: gym.Env, environment: str, distance: float, angle: float, random: np.random.Generator) -> bool:
    """Move the thing by `distance` in a random direction and turn it by `angle`, radians, either way; whether it could.

    Directions are tried in random order until a place is free. If none is, everything stays as it is.

    Args:
        env: of the type `environment`; wrappers do not matter.

    Raises:
        ValueError: nothing can be moved there, naming the environment and those where something can.
    """
    check_movable(environment)
    begun = random.uniform(0, 2 * math.pi)
    ways = begun + 2 * math.pi / DIRECTIONS * random.permutation(DIRECTIONS)
    signs = random.choice([-1.0, 1.0], DIRECTIONS)
    if not distance:
        ways, signs = ways[:2], np.array([signs[0], -signs[0]])
    steps = [(distance * math.cos(w), distance * math.sin(w), s * angle) for w, s in zip(ways, signs, strict=True)]
    return MOVERS[environment](env.unwrapped, steps, random)


def check_movable(environment: str) -> None:
    """Raise a ValueError unless something can be moved in environments of this type."""
    if environment not in MOVERS:
        raise ValueError(f"env.type={environment}: nothing can be moved there; legal are {', '.join(MOVERS)}")


def _pusht(env: Any, steps: Sequence[Step], random: np.random.Generator) -> bool:
    block, space = env.block, env.space
    place, angle = block.position, block.angle
    for step in steps:
        _put(space, block, place, angle, step)
        if _inside(block) and all(hit.shape.body is block for s in block.shapes for hit in space.shape_query(s)):
            return True
    _put(space, block, place, angle, (0.0, 0.0, 0.0))
    return False


def _put(space: Any, block: Any, place: Any, angle: float, step: Step) -> None:
    """The T, one step from a place. pymunk turns it about its centre of mass, which moves what pymunk calls its position."""
    block.angle = angle
    block.position = place
    block.angle = angle + step[2]
    block.position = block.position + step[:2]
    space.reindex_shapes_for_body(block)


def _inside(block: Any) -> bool:
    """Within the walls, which a long push would jump over."""
    corners = np.array([block.local_to_world(v) for shape in block.shapes for v in shape.get_vertices()])
    return bool((corners > 7).all() and (corners < 504).all())


def _blocks(env: Any, steps: Sequence[Step], random: np.random.Generator) -> bool:
    number = _any_of([each for each in range(len(env.places)) if each != env.held], random)
    others = np.delete(np.arange(len(env.places)), number)
    for x, y, turn in steps:
        place = env.places[number] + np.array([x, y]) / 512
        far = np.linalg.norm(env.places[others] - place, axis=1)
        radius = env.sizes[number]
        on_table = (place > radius).all() and (place < 1 - radius).all()
        if on_table and not env.in_tray(place) and (far > radius + env.sizes[others]).all():
            env.places[number] = place
            env.angles[number] += turn
            return True
    return False


def _aloha(env: Any, steps: Sequence[Step], random: np.random.Generator) -> bool:
    return _mujoco(env.physics.model, env.physics.data, steps, random)


def _metaworld(env: Any, steps: Sequence[Step], random: np.random.Generator) -> bool:
    return _mujoco(env.sim.model, env.sim.data, steps, random)


def _mujoco(model: Any, data: Any, steps: Sequence[Step], random: np.random.Generator) -> bool:
    """Move one of the free bodies that nothing touches but what stands still."""
    mujoco = require("mujoco")
    free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
    if not len(free):
        raise ValueError("nothing lies free in this task, so nothing can be moved; leave --perturb push and turn out")
    resting = [each for each in free if not _held(model, data, model.jnt_bodyid[each])]
    if not resting:
        return False
    joint = _any_of(resting, random)
    start, body = int(model.jnt_qposadr[joint]), model.jnt_bodyid[joint]
    before = data.qpos[start : start + 7].copy()
    lay = any(True for _ in _touching(model, data, body))
    for x, y, turn in steps:
        turned = np.zeros(4)
        mujoco.mju_mulQuat(turned, np.array([math.cos(turn / 2), 0, 0, math.sin(turn / 2)]), before[3:])
        data.qpos[start : start + 7] = [before[0] + x / 1000, before[1] + y / 1000, before[2], *turned]
        mujoco.mj_step1(model, data)
        touching = list(_touching(model, data, body))
        if bool(touching) == lay and all(still and deep < OVERLAP for still, deep in touching):
            return True
    data.qpos[start : start + 7] = before
    mujoco.mj_step1(model, data)
    return False


def _held(model: Any, data: Any, body: int) -> bool:
    """Whether something that moves touches it."""
    return not all(still for still, _ in _touching(model, data, body))


def _touching(model: Any, data: Any, body: int) -> Iterator[tuple[bool, float]]:
    """Of everything that touches a body: whether it stands still in the world, and how deep it overlaps, in metres."""
    bodies = model.geom_bodyid[data.contact.geom[: data.ncon]].reshape(-1, 2)
    for pair, apart in zip(bodies, data.contact.dist[: data.ncon], strict=True):
        roots = model.body_weldid[pair]
        if (roots == body).any() and not (roots == body).all():
            other = roots[roots != body][0]
            yield other == 0, -float(apart)


def _any_of(numbers: Sequence[Any], random: np.random.Generator) -> Any:
    return numbers[int(random.integers(len(numbers)))]


#: (environment, steps to try, random numbers) -> whether one was free, by `env.type`.
MOVERS: dict[str, Callable[[Any, Sequence[Step], np.random.Generator], bool]] = {
    "pusht": _pusht,
    "blocks": _blocks,
    "aloha_lite": _aloha,
    "three_pucks": lambda env, steps, random: _mujoco(env.physics.model, env.physics.data, steps, random),
    "metaworld_lite": _metaworld,
}
