"""Environments that show either a square picture or the places of things, beside the robot's own state."""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from lerobot_dp_plus.environments.sentences import Instruction

OBS_TYPES = ("pixels_agent_pos", "environment_state_agent_pos")


def check_picture(obs_type: str, size: int, largest: int) -> None:
    """Raise a ValueError naming the option, its value and what is legal; `largest` is the largest side of a picture."""
    if obs_type not in OBS_TYPES:
        raise ValueError(f"obs_type={obs_type!r}: legal are {', '.join(OBS_TYPES)}")
    if not 16 <= size <= largest:
        raise ValueError(f"observation_size={size}: legal are 16 to {largest} pixels")


class Pictured(gym.Env, ABC):
    """`agent_pos`, and `pixels` (S, S, 3) uint8 or `environment_state`.

    Attributes:
        said: the instruction of this episode.
    """

    #: The largest side of a picture.
    largest: ClassVar[int]
    #: Of the state and of the places of things, and what an action may be.
    state_space: ClassVar[spaces.Box]
    things_space: ClassVar[spaces.Box]
    actions: ClassVar[spaces.Box]

    said: Instruction

    def __init__(self, obs_type: str, observation_size: int, render_mode: str) -> None:
        """The spaces of an environment whose options have been checked.

        Raises:
            ValueError: `render_mode` is not `rgb_array`.
        """
        if render_mode != "rgb_array":
            raise ValueError(f"render_mode={render_mode!r}: legal is rgb_array")
        self.obs_type, self.render_mode, self._size = obs_type, render_mode, observation_size
        # Copies: a space has random numbers of its own, which other environments of the process are not to share.
        parts: dict[str, spaces.Space] = {"agent_pos": deepcopy(self.state_space)}
        if obs_type == "pixels_agent_pos":
            parts["pixels"] = spaces.Box(0, 255, (observation_size, observation_size, 3), np.uint8)
        else:
            parts["environment_state"] = deepcopy(self.things_space)
        self.observation_space = spaces.Dict(parts)
        self.action_space = deepcopy(self.actions)

    @property
    def task_description(self) -> str:
        """The sentence of this episode."""
        return self.said.sentence

    @property
    def readings(self) -> tuple[str, ...]:
        """The sentences that this one may mean, one for each thing that it fits."""
        return self.said.readings

    @property
    @abstractmethod
    def agent_pos(self) -> np.ndarray:
        """The robot's own state."""

    @property
    @abstractmethod
    def environment_state(self) -> np.ndarray:
        """The places of things."""

    @abstractmethod
    def render(self) -> np.ndarray:  # type: ignore[override]
        """(S, S, 3) uint8, as it is observed."""

    def _number(self, seed: int | None) -> int:
        """What decides an episode: the seed, or without one the next of a sequence."""
        return int(self.np_random.integers(2**31)) if seed is None else seed

    def _observation(self) -> dict[str, Any]:
        if self.obs_type == "pixels_agent_pos":
            return {"agent_pos": self.agent_pos, "pixels": self.render()}
        return {"agent_pos": self.agent_pos, "environment_state": self.environment_state}
