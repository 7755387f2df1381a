"""From a plan of joints to a demonstration in the joint-controlled simulation that policies are evaluated in.

A commanded joint trails its target there by up to a tenth of a second (waist) and sags under gravity, enough to miss a
socket by a centimetre. So the plan is rehearsed: commands lead by what the arms are known to trail, then whatever error
a rehearsal still shows is added to the commands, and the play that counts comes last. The recorded actions are the
commands, the recorded state is what the arms did: what a person at the leader arms would produce.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lerobot_dp_plus.environments.aloha_physics import AlohaPhysics

REHEARSALS = 1
#: Waist to wrist rotation: steps by which a joint trails its target, and commanded radians per radian of error.
_TRAIL = np.array([4.2, 1.0, 1.1, 0.6, 1.4, 0.0] * 2)
_CORRECTION = 0.7 * np.array([2.5, 2.0, 1.0, 0.7, 0.8, 0.5] * 2)
_ARMS = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12])  # joints without the grippers
_SMOOTH = 2.0  # steps; what is faster than this in an error is left alone, so that commands stay calm


@dataclass(frozen=True)
class Episode:
    """A play of T steps. `state`, `objects` are seen before each step, the rest belongs to it.

    Attributes:
        action: (T, 14) float32 commanded joints.
        state: (T, 14) float64 joints.
        objects: (T, 7) or (T, 14) float64 poses.
        reward: (T,) int, gym_aloha's 0 … 4.
        completed: (T,) bool, whether the goal has been held; see `AlohaPhysics.completed`.
    """

    action: np.ndarray
    state: np.ndarray
    objects: np.ndarray
    reward: np.ndarray
    completed: np.ndarray

    @property
    def success(self) -> bool:
        return bool((self.reward == 4).any())

    def __len__(self) -> int:
        return len(self.action)


def play(physics: AlohaPhysics, objects: np.ndarray, actions: np.ndarray) -> Episode:
    """Every action of `actions` (T, 14) float32, from the start with `objects` in place."""
    physics.reset(objects)
    states, poses, rewards, completed = [], [], [], []
    for action in actions:
        states.append(physics.joints)
        poses.append(physics.objects)
        rewards.append(physics.step(action))
        completed.append(physics.completed)
    return Episode(actions, np.array(states), np.array(poses), np.array(rewards), np.array(completed))


def rehearse(physics: AlohaPhysics, objects: np.ndarray, plan: np.ndarray, rounds: int = REHEARSALS) -> np.ndarray:
    """Commands (T, 14) float32 under which the arms follow `plan` (T, 14): joints wanted after each step."""
    commands = plan.astype(np.float64)
    commands[:, _ARMS] += _TRAIL * np.gradient(commands[:, _ARMS], axis=0)
    for _ in range(rounds):
        done = play(physics, objects, commands.astype(np.float32))
        after = np.concatenate([done.state[1:], physics.joints[None]])
        error = (plan - after)[:, _ARMS]
        ahead = np.concatenate([error[1:], error[-1:]])  # a command shows its effect one step later
        commands[:, _ARMS] += _CORRECTION * gaussian_filter1d(ahead, _SMOOTH, axis=0, mode="nearest")
    return commands.astype(np.float32)
