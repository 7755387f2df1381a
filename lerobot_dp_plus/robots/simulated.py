"""The robot itself: LeRobot's interface of a robot, to a world whose time passes by itself."""

import logging
import time
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from lerobot.robots.robot import Robot

from lerobot_dp_plus.robots.config_simulated import RATES, SimulatedConfig
from lerobot_dp_plus.robots.worlds import World, world_of

logger = logging.getLogger(__name__)


class Simulated(Robot):
    """A robot in a simulator, for `lerobot-rollout --robot.type=simulated`.

    While it is connected its world goes on, step by step, whether or not an action comes. Until the next one comes, the last
    one holds. At the end it says after how many steps the task was done, if it was.

    Attributes:
        steps: control steps so far.
        done: the step after which the task was done first; None until then. The world then rests.
        missed: steps for which no new action had come, after the first one.
    """

    config_class = SimulatedConfig
    name = "simulated"

    def __init__(self, config: SimulatedConfig):
        super().__init__(config)
        self.config = config
        self._lock, self._connected = Lock(), False
        self.steps, self.missed = 0, 0
        self.done: int | None = None

    @cached_property
    def _world(self) -> World:
        return world_of(self.config.world, self.config.camera, self.config.keypoints)

    @property
    def observation_features(self) -> dict[str, Any]:
        return {**dict.fromkeys(self._world.states, float), **self._world.cameras}

    @property
    def action_features(self) -> dict[str, Any]:
        return dict.fromkeys(self._world.actions, float)

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        return True

    def calibrate(self) -> None:
        """There is nothing to calibrate."""

    def configure(self) -> None:
        """There is nothing to configure."""

    def connect(self, calibrate: bool = True) -> None:
        """Begin: from now on time passes, if it passes by itself."""
        self._world.reset(self.config.seed)
        self.steps, self.done, self.missed = 0, None, 0
        self._held, self._sent = self._world.rest(), -1
        self._began, self._connected = time.perf_counter(), True

    def disconnect(self) -> None:
        """Say how it went, and let go of the simulator."""
        if not self._connected:
            return
        self._connected = False
        went = "not done" if self.done is None else f"done after {self.done}"
        logger.info("simulated %s, seed %d: %s of %d steps", self.config.world, self.config.seed, went, self.steps)
        logger.info("for %d steps no new action had come in time", self.missed)
        self._world.close()
        self.__dict__.pop("_world", None)

    def get_observation(self) -> dict[str, Any]:
        """Numbers by their names, and pictures (H, W, 3) uint8."""
        with self._lock:
            self._check_connected()
            self._catch_up()
            numbers = zip(self._world.states, self._world.state().tolist(), strict=True)
            return {**dict(numbers), **self._world.pictures()}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Take over an action from now on. What is missing of it stays as it was.

        Raises:
            ValueError: it holds NaN or an infinity, which no motor takes.
        """
        with self._lock:
            self._check_connected()
            names = self._world.actions
            wanted = np.array([float(action.get(name, held)) for name, held in zip(names, self._held, strict=True)])
            if not np.isfinite(wanted).all():
                raise ValueError(f"action {action}: there is a NaN or an infinity in it")
            self._catch_up()
            self._held, self._sent = wanted, self.steps
            if not self.config.speed:
                self._step()
            return dict(zip(names, wanted.tolist(), strict=True))

    def _catch_up(self) -> None:
        """Make the control steps that are due."""
        passed = (time.perf_counter() - self._began) * self.config.speed
        for _ in range(int(passed * RATES[self.config.world]) - self.steps if self.config.speed else 0):
            self.missed += self.steps > self._sent >= 0
            self._step()

    def _step(self) -> None:
        self.steps += 1
        if self.done is None and self._world.step(self._held):
            self.done = self.steps

    def _check_connected(self) -> None:
        if not self._connected:
            raise ConnectionError("the simulated robot is not connected; call connect() first")
