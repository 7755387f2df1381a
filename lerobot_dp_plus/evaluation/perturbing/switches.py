"""Fields of the policy's config."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation, register, whole


@register
@dataclass(frozen=True)
class ActionSteps(Perturbation):
    """T_a, how many steps of a chunk are executed before the policy looks again."""

    name: ClassVar[str] = "n_action_steps"
    unit: ClassVar[str] = "steps of a chunk that are executed"

    def __post_init__(self) -> None:
        whole(self, 1)

    def switches(self) -> list[str]:
        return [f"--policy.n_action_steps={int(self.level)}"]


@register
@dataclass(frozen=True)
class NetworkCalls(Perturbation):
    """The sampler's steps; one with two calls a step has twice as many calls."""

    name: ClassVar[str] = "network_calls"
    unit: ClassVar[str] = "steps of the sampler"

    def __post_init__(self) -> None:
        whole(self, 1)

    def switches(self) -> list[str]:
        return [f"--policy.sampler.num_steps={int(self.level)}"]
