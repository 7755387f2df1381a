"""Environments with three coloured things and a sentence that says which of them is to be brought."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lerobot_dp_plus.environments.pictured import Pictured, check_picture
from lerobot_dp_plus.environments.sentences import COLOURS, KINDS, Instruction, Thing, instruct


def check_told(obs_type: str, instruction: str, size: int, largest: int) -> None:
    """Raise a ValueError naming the option, its value and what is legal."""
    if instruction not in KINDS:
        raise ValueError(f"instruction={instruction!r}: legal are {', '.join(KINDS)}")
    check_picture(obs_type, size, largest)


class Told(Pictured):
    """Bring the named thing. Things are numbered as their colours are in `COLOURS`.

    `reset` takes the option `instruction`, a kind of sentence, which is said instead of the usual one in the same scene.
    `task_description` is the sentence of this episode. `info` holds `named`, the number of the thing that it names, or −1
    if it fits several; `fits`, the numbers of all that it fits; `target`, one that is meant in this scene, whatever is
    said; `grasped`, the first thing that was grasped, and `delivered`, the last one that was brought, both −1 if there is
    none; and `is_success`, whether what was delivered fits the sentence, which ends an episode.
    """

    #: What sentences call the place where things are brought.
    goal: ClassVar[str]

    def __init__(
        self,
        obs_type: str = "pixels_agent_pos",
        instruction: str = "named",
        observation_size: int = 64,
        render_mode: str = "rgb_array",
    ) -> None:
        """Make the environment.

        Args:
            obs_type: one of `pictured.OBS_TYPES`.
            instruction: the usual kind of sentences, one of `sentences.KINDS`.
            observation_size: height and width of pictures.
            render_mode: `rgb_array`, nothing else.

        Raises:
            ValueError: an option is illegal.
        """
        check_told(obs_type, instruction, observation_size, self.largest)
        super().__init__(obs_type, observation_size, render_mode)
        self.instruction = instruction
        self.said = Instruction("", tuple(range(len(COLOURS))))
        self.grasped = self.delivered = self.target = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        number = self._number(seed)
        rng = np.random.default_rng([number, 0])
        self.grasped = self.delivered = -1
        things = self._arrange(rng, number)
        self.target = int(rng.integers(len(COLOURS)))
        kind = (options or {}).get("instruction", self.instruction)
        # A stream of its own: the same scene, whatever is said.
        self.said = instruct(kind, self.target, things, np.random.default_rng([number, 2]), self.goal)
        return self._observation(), self._info()

    @abstractmethod
    def _arrange(self, rng: np.random.Generator, number: int) -> Sequence[Thing]:
        """Put everything where an episode begins, drawn from `rng`; what there is, in the order of `COLOURS`.

        The stream [number, 1] is there for what does not matter to the task.
        """

    def _outcome(self) -> tuple[dict, float, bool, bool, dict]:
        """What `step` returns."""
        info = self._info()
        return self._observation(), float(info["is_success"]), info["is_success"], False, info

    def _info(self) -> dict[str, Any]:
        numbers = {"named": self.said.named, "fits": self.said.fits, "target": self.target}
        met = {"grasped": self.grasped, "delivered": self.delivered}
        return {**numbers, **met, "is_success": self.delivered in self.said.fits}


def scattered(rng: np.random.Generator, corners: np.ndarray, apart: float) -> np.ndarray:
    """Places of the things, (3, 2), uniform between two `corners` (2, 2), each `apart` from the others."""
    while True:
        places = rng.uniform(corners[0], corners[1], (len(COLOURS), 2))
        distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(len(COLOURS))
        if distances.min() >= apart:
            return places
