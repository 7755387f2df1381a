"""The axis `dynamics`: a model of what follows a chunk."""

from dataclasses import dataclass

import draccus

from lerobot_dp_plus.auxiliary.base import Auxiliary, Surroundings


@dataclass(frozen=True)
class Dynamics(draccus.ChoiceRegistry, Auxiliary):
    """Makes the model of what follows a chunk, or none."""

    @property
    def reads_start(self) -> bool:
        """Whether an episode's first observation is needed in use."""
        return False


@Dynamics.register_subclass("none")
@dataclass(frozen=True)
class NoDynamics(Dynamics):
    """Nothing is learned about what follows a chunk, and nothing is computed."""

    def build(self, surroundings: Surroundings) -> None:
        return None
