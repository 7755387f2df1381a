"""A thing that is moved under the policy's hands."""

import math
from dataclasses import dataclass

import gymnasium as gym
import numpy as np

from lerobot_dp_plus.environments.moving import check_movable, moved
from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, Untouched


class _Bumping(Untouched):
    """One stream of random numbers for each episode, which its own seed decides."""

    def __init__(self, distance: float, angle: float, when: float, seed: int):
        self._distance, self._angle, self._when, self._seed = distance, angle, when, seed
        self._random: dict[int, np.random.Generator] = {}
        self._due: dict[int, bool] = {}

    def before(self, env: gym.Env, environment: str, number: int, step: int) -> None:
        if not (self._distance or self._angle):
            return
        random = self._random.setdefault(number, np.random.default_rng([self._seed + number, 3]))
        now = step == self._when if self._when >= 1 else random.random() < self._when
        if now or self._due.get(number):
            # Where nothing could be moved, or the robot holds it, the next step tries again.
            self._due[number] = not moved(env, environment, self._distance, self._angle, random)


@dataclass(frozen=True)
class _Bump(Perturbation):
    """What a push and a turn share.

    Attributes:
        when: a whole number: the control step, counted from 1, before which it happens, once; a number below 1: how probable
            it is before every step.
    """

    when: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.when < 1 or (self.when >= 1 and self.when == int(self.when))):
            raise ValueError(
                f"perturb {self.name}@{self.when:g}: after @ comes a control step, 1 or more, or a probability below 1 of every "
                f"step, as in --perturb {self.name}@30=20 or {self.name}@0.02=20"
            )

    @property
    def label(self) -> str:
        return f"{self.name}@{self.when:g}"

    def check(self, environment: str) -> None:
        try:
            check_movable(environment)
        except ValueError as error:
            raise ValueError(f"perturb {self.name}: {error}") from error


@dataclass(frozen=True)
class Push(_Bump, name="push", unit="pixels of PushT's 512, or millimetres", most=400):
    """The thing is moved by d in a random direction (`environments/moving.py`): before a given step, or at random."""

    def begin(self, seed: int) -> Untouched:
        return _Bumping(self.level, 0.0, self.when, seed)


@dataclass(frozen=True)
class Turn(_Bump, name="turn", unit="degrees", most=180):
    """The thing is turned by so many degrees, either way."""

    def begin(self, seed: int) -> Untouched:
        return _Bumping(0.0, math.radians(self.level), self.when, seed)
