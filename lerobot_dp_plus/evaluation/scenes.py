"""States of PushT worth looking at, with the frames a policy has seen on the way there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gym_pusht  # noqa: F401  registers the environment
import gymnasium as gym
import numpy as np

from lerobot_dp_plus.evaluation.obs_type import KEYPOINTS, PIXELS

if TYPE_CHECKING:  # drawing and placing need no torch
    from lerobot_dp_plus.evaluation.checkpoint import Checkpoint, Observation
    from lerobot_dp_plus.policies.acting import Loaded

ARENA = 512  # side of the arena, in the environment's units; y points down
GOAL_ANGLE = np.pi / 4


@dataclass(frozen=True)
class Scene:
    """A state and its picture.

    Args:
        title: what to look for.
        image: (S, S, 3) uint8, the whole arena.
        history: the last frames, oldest first; the last one is the state.
        agent: (2,) position of the agent.
    """

    title: str
    image: np.ndarray
    history: "tuple[Observation, ...]"
    agent: np.ndarray


# On the arena's diagonal x + y = 512 with the goal's angle, T, goal and agent are their own mirror images under
# (x, y) → (512 − y, 512 − x): whatever way round is good on one side is exactly as good on the other.
SYMMETRIC = {
    "two ways round, exactly alike": {"agent": (310.0, 202.0), "block": (206.0, 306.0)},
    "the other way about": {"agent": (206.0, 306.0), "block": (326.0, 186.0)},
}


def pusht_obs_type(image_keys: Iterable[str]) -> str:
    """gym-pusht's `obs_type` for a policy with these camera inputs: pixels if any, else the T's keypoints."""
    return PIXELS if list(image_keys) else KEYPOINTS


def obs_type_of(checkpoint: "Checkpoint | Loaded") -> str:
    """gym-pusht's `obs_type` for `checkpoint`'s input features."""
    return pusht_obs_type(checkpoint.policy.config.image_features)


def make_pusht(obs_type: str) -> gym.Env:
    """One environment, as LeRobot makes it, rendered at 680 pixels."""
    return gym.make("gym_pusht/PushT-v0", obs_type=obs_type, render_mode="rgb_array", max_episode_steps=300)


def symmetric_scenes(obs_type: str) -> list[Scene]:
    """The states of `SYMMETRIC`, at rest."""
    scenes = []
    for title, where in SYMMETRIC.items():
        env = make_pusht(obs_type)
        place(env, where["agent"], where["block"], GOAL_ANGLE)
        observation = env.unwrapped.get_obs()  # type: ignore[attr-defined]
        scenes.append(Scene(title, np.asarray(env.render()), (observation,), np.asarray(where["agent"])))
        env.close()
    return scenes


def episode_scenes(checkpoint: "Checkpoint", seed: int, steps: Sequence[int]) -> list[Scene]:
    """States after each of `steps` steps of an episode `checkpoint` plays from `seed`; fewer if it ends before."""
    obs_type = obs_type_of(checkpoint)
    env, canvas = make_pusht(obs_type), make_pusht(obs_type)
    frames_seen = getattr(checkpoint.policy.config, "n_obs_steps", 1)
    observation, info = env.reset(seed=seed)
    canvas.reset(seed=seed)
    history, scenes = [observation], []
    checkpoint.policy.reset()
    for step in range(max(steps) + 1):
        if step in steps:
            agent, block = info["pos_agent"], info["block_pose"]
            place(canvas, agent, block[:2], block[2])  # a canvas of its own: no mark of the last action
            title = f"start, seed {seed}" if step == 0 else f"seed {seed}, {step / 10:g} s later"
            scenes.append(Scene(title, np.asarray(canvas.render()), tuple(history[-frames_seen:]), np.asarray(agent)))
        observation, _, terminated, truncated, info = env.step(checkpoint.act(observation))
        history.append(observation)
        if terminated or truncated:
            break
    env.close()
    canvas.close()
    return scenes


def place(env: gym.Env, agent: Sequence[float], block: Sequence[float], angle: float) -> None:
    """Puts agent and T (position of its body, angle in radians) into `env`, at rest.

    `reset_to_state` is not used: for compatibility with old data it turns the T about its centre of gravity after
    placing it, so that the T ends up elsewhere.
    """
    env.reset(seed=0)
    arena: Any = env.unwrapped
    arena.agent.position = tuple(map(float, agent))
    arena.block.angle = float(angle)
    arena.block.position = tuple(map(float, block))
    arena.space.reindex_shapes_for_body(arena.agent)
    arena.space.reindex_shapes_for_body(arena.block)
