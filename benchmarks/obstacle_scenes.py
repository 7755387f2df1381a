"""PushT episodes with obstacles that the physics does not know: where they lie, and how deep the agent gets into them.

An obstacle is put on the path that the unsteered run of the same seed takes. It keeps so far from where the agent starts,
and from the outlines of block and goal at the start, that the agent fits between. What the agent does within a control step
follows from its controller, so every one of ten sub-steps is checked.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import torch
from tqdm import tqdm

from lerobot_dp_plus.demos.pusht_features import CORNERS, PushTEnv
from lerobot_dp_plus.demos.pusht_simulator import state_of
from lerobot_dp_plus.energies import Obstacles
from lerobot_dp_plus.forward_maps import PushT
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION

AGENT_RADIUS, RADIUS, STEPS = 15.0, 25.0, 300
#: Least distance of a disc's centre from where the agent starts, from the outlines of block and goal, and from another disc.
FROM_AGENT, FROM_BLOCK, APART = 52.0, 61.0, 120.0
#: A fence: the posts' radius, from one post to the next, posts on either side, and the gap between the inner two centres.
POST, SPACING, POSTS, GAP = 12.0, 22.0, 5, 110.0
KINDS = ("one", "two", "three", "moving", "fence")
#: Where an obstacle is that is not there.
AWAY = (-1e4, -1e4, 1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Placed:
    """Obstacles of one episode: discs [x, y, radius, velocity x, y], and how many of them are on the agent's path."""

    discs: np.ndarray
    on_path: int


@dataclass(frozen=True)
class Run:
    """One episode: the agent at every sub-step (T, 10, 2), success, and the best coverage as a share of what is asked.

    `actions` (T, 2) are those that were executed, of so many `chunks`.
    """

    way: np.ndarray
    success: bool
    score: float
    actions: np.ndarray
    chunks: int


def tee(x: float, y: float, angle: float) -> shapely.Geometry:
    """The T's outline."""
    cos, sin = math.cos(angle), math.sin(angle)
    corners = CORNERS @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    return shapely.union(shapely.Polygon(corners[:4]), shapely.Polygon(corners[4:]))  # crossbar and stem


def place(kind: str, seed: int, way: np.ndarray) -> Placed | None:
    """Obstacles for the episode of this seed, whose unsteered agent takes `way` (T, 10, 2); None if none fit."""
    env = PushTEnv(obs_type="state")
    env.reset(seed=seed)
    state, rng = state_of(env), np.random.default_rng([seed, KINDS.index(kind)])
    outlines = shapely.union(tee(*state.block), tee(256, 256, math.pi / 4))
    path = way.reshape(-1, 2)

    def free(at: np.ndarray, radius: float = RADIUS) -> bool:
        return bool(
            np.linalg.norm(at - state.agent) >= FROM_AGENT + radius - RADIUS
            and outlines.distance(shapely.Point(at)) >= FROM_BLOCK + radius - RADIUS
            and (at > 0).all()
            and (at < 512).all()
        )

    legal = [index for index in range(len(path)) if free(path[index])]
    if kind == "fence":
        return _fence(path, legal, free, rng)
    wanted, discs, on_path = {"one": 1, "two": 2, "three": 3, "moving": 1}[kind], [], 0
    for attempt in range(1000):
        index = int(rng.choice(legal)) if legal and attempt < 500 else -1
        at = path[index] if index >= 0 else rng.uniform(20, 492, 2)
        velocity = np.zeros(2)
        if not free(at) or any(math.dist(at, other[:2]) < APART for other in discs):
            continue
        if kind == "moving":  # it is there when the unsteered agent is
            angle, speed = rng.uniform(0, 2 * math.pi), rng.uniform(1.0, 3.0)
            velocity = speed * np.array([math.cos(angle), math.sin(angle)])
            at = at - velocity * (max(index, 0) // 10)
            if np.linalg.norm(at - state.agent) < FROM_AGENT:
                continue
        discs.append((*at, RADIUS, *velocity))
        on_path += index >= 0
        if len(discs) == wanted:
            return Placed(np.array(discs), on_path)
    return None


def _fence(path: np.ndarray, legal: Sequence[int], free: Any, rng: np.random.Generator) -> Placed | None:
    """Posts across the agent's path, with a gap near it, but seldom where it is."""
    for index in rng.permutation(legal):
        move = path[index] - path[max(index - 1, 0)]
        if not np.linalg.norm(move):
            continue
        across = np.array([-move[1], move[0]]) / np.linalg.norm(move)
        middle = path[index] + across * rng.uniform(-60, 60)
        offsets = [side * (GAP / 2 + k * SPACING) for side in (-1, 1) for k in range(POSTS)]
        posts = [middle + across * offset for offset in offsets]
        if all(free(post, POST) for post in posts):
            return Placed(np.array([(*post, POST, 0.0, 0.0) for post in posts]), 1)
    return None


def depth(way: np.ndarray, placed: Placed) -> float:
    """How deep the agent's disc ever gets into an obstacle; negative if it never touches one."""
    rule = Obstacles(circles=tuple(map(tuple, placed.discs.tolist())), clearance=AGENT_RADIUS)
    return rule.depths(torch.as_tensor(way.reshape(1, 1, -1, 2)), Scene(forward=PushT())).max().item()


def run(
    made: Any, seeds: Sequence[int], placed: Sequence[Placed] | None = None, steps: int = STEPS
) -> tuple[list[Run], float]:
    """Episodes of a loaded policy, all in step with each other, and processor seconds for one chunk of one of them.

    Before every chunk the policy is told where the obstacles are then, and how they move.
    """
    envs = [PushTEnv(obs_type="environment_state_agent_pos") for _ in seeds]
    observed = [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)]
    policy = made.policy
    policy.reset()
    torch.manual_seed(seeds[0])
    here = np.array([env.agent.position for env in envs])
    before, told = here, None
    ways: list[list[np.ndarray]] = [[] for _ in seeds]
    executed: list[list[np.ndarray]] = [[] for _ in seeds]
    planned = np.zeros(len(seeds), int)
    best, done = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    spent, chunks = 0.0, 0
    for step in tqdm(range(steps), desc="episodes", leave=False):
        fresh = not policy._actions
        if fresh and placed is not None and policy.config.energies.obstacles.weight:
            policy.obstacles = torch.tensor(_now(placed, step), dtype=torch.float32)
        begun = time.process_time()
        actions = np.asarray(
            made.act({key: np.stack([each[key] for each in observed]) for key in observed[0]}), dtype=np.float32
        ).astype(np.float64)
        if fresh:
            spent, chunks = spent + time.process_time() - begun, chunks + len(seeds)
            planned += ~done
        states = {"observation.state": torch.tensor(np.stack([before, here], 1))}
        if told is not None:
            states[ACTION] = torch.tensor(told)[:, None]
        swept = PushT().positions(torch.tensor(actions)[:, None, None], Scene(states))[:, 0].numpy()
        before, told = here, actions
        for i, env in enumerate(envs):
            if not done[i]:
                observed[i], reward, done[i], _, _ = env.step(actions[i].astype(np.float32))
                ways[i].append(swept[i])
                executed[i].append(actions[i])
                best[i] = max(best[i], reward)
        here = np.array([env.agent.position for env in envs])
        wrong = np.abs(swept[:, -1] - here).max(1)[~done]
        if wrong.size and wrong.max() > 0.1:
            raise RuntimeError(f"the agent is {wrong.max():.2f} px from where its controller leads")
        if done.all():
            break
    policy.obstacles = None
    scores = np.minimum(best / 0.95, 1)
    told_of = zip(ways, done, scores, executed, planned, strict=True)
    runs = [
        Run(np.array(way), bool(ok), float(score), np.array(each), int(count))
        for way, ok, score, each, count in told_of
    ]
    return runs, spent / chunks


def _now(placed: Sequence[Placed], step: int) -> np.ndarray:
    """All obstacles (B, K, 5) at this step; rows of fewer are filled up with what is far away."""
    most = max(len(each.discs) for each in placed)
    rows = np.tile(np.array(AWAY), (len(placed), most, 1))
    for row, each in zip(rows, placed, strict=True):
        row[: len(each.discs)] = each.discs
        row[: len(each.discs), :2] += step * each.discs[:, 3:]
    return rows
