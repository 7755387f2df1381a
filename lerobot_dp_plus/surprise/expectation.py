"""How far the observation is from what the plan made before was expected to lead to."""

from torch import Tensor

from lerobot_dp_plus.surprise.evidence import Evidence


def expectation(evidence: Evidence) -> Tensor | None:
    """√(1/D · Σ_d (o_d − ô_d)²), (B,): o the normalised states now, ô what was expected; None if nothing was.

    ô is what the policy's dynamics model (`dynamics.type=outcome`) said, when the plan before was made, that its
    executed steps would lead to. Unlike a distance between plans it does not mind that a policy changes its plan.
    Cost: one call of the dynamics model for each chunk.
    """
    return None if evidence.unexpected is None else evidence.unexpected.square().mean(-1).sqrt()
