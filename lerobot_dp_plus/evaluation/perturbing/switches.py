"""Fields of the policy's config."""

from dataclasses import dataclass

from lerobot_dp_plus.evaluation.perturbing.base import Perturbation


@dataclass(frozen=True)
class ActionSteps(Perturbation, name="n_action_steps", unit="steps of a chunk that are executed", least=1):
    """T_a, how many steps of a chunk are executed before the policy looks again."""

    def switches(self) -> list[str]:
        return [f"--policy.n_action_steps={int(self.level)}"]


@dataclass(frozen=True)
class NetworkCalls(Perturbation, name="network_calls", unit="steps of the sampler", least=1):
    """The sampler's steps; one with two calls a step has twice as many calls."""

    def switches(self) -> list[str]:
        return [f"--policy.sampler.num_steps={int(self.level)}"]
