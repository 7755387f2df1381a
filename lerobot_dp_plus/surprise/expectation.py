"""How far the observation is from what was expected: at the plan made before, or at the step before."""

from torch import Tensor

from lerobot_dp_plus.surprise.evidence import Evidence, Forecast


def expectation(evidence: Evidence) -> Tensor | None:
    """√(1/D · Σ_d (o_d − ô_d)²), (B,): o the normalised states now, ô what was expected; None if nothing was.

    ô is what the policy's dynamics model (`dynamics.type=outcome`) said, when the plan before was made, that its
    executed steps would lead to. Unlike a distance between plans it does not mind that a policy changes its plan.
    Its errors grow with the steps that are executed; those of `next_state` do not. Cost: one call of the dynamics
    model for each chunk.
    """
    return None if evidence.unexpected is None else root_mean_square(evidence.unexpected)


def next_state(before: Forecast, now: Tensor) -> Tensor:
    """√(1/D · Σ_d (o_d − ô_d)²), (B,): ô what was expected one control step before, o (B, D) the normalised states now.

    It is told at every step, whether there is a new chunk or not. What drifts slowly does not surprise it. Cost: one call of
    the dynamics model for each step.
    """
    return root_mean_square(now - before.next)


def root_mean_square(error: Tensor) -> Tensor:
    """(B, D) -> (B,)."""
    return error.square().mean(-1).sqrt()
