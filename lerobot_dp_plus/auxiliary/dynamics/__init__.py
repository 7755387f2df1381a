"""What a chunk would lead to: a model of the observations to come, learned from the same episodes as the policy.

A policy that has seen a few hundred demonstrations proposes good chunks and poor ones. The same demonstrations show what
actions do, which is far easier to learn. They also show where episodes end. Together these two rank the candidates
(`selection/lowest_energy.py`) without a reward, a simulator or a goal given by hand. Only the frame of a task may be
given: `pusht_block` holds coordinates in which PushT's physics is the same everywhere.

| member | what it predicts | file |
|---|---|---|
| `none` | nothing | `base.py` |
| `outcome` | ô_{t+1} … ô_{t+K} = g(o_{t−1}, o_t, a_t … a_{t+K−1}), in one call | `outcome.py` |

| file | idea |
|---|---|
| `frames.py` | in which coordinates g predicts: as `observed`, or, exact for PushT, in the frame of the block |
| `ends/` | where demonstrations end, and how far an observation is from there: in one place, in several, or by start and sentence |
| `weighting.py` | how much each coordinate of an end counts: by `information`, or all `equal` |
"""

from lerobot_dp_plus.auxiliary.dynamics.base import Dynamics, NoDynamics
from lerobot_dp_plus.auxiliary.dynamics.ends import Conditional, Ends, Gaussian, Mixture
from lerobot_dp_plus.auxiliary.dynamics.frames import Frame, Observed, PushTBlock
from lerobot_dp_plus.auxiliary.dynamics.outcome import Outcome
from lerobot_dp_plus.auxiliary.dynamics.weighting import Equal, Information, Weighting

__all__ = [
    "Conditional",
    "Dynamics",
    "Ends",
    "Equal",
    "Frame",
    "Gaussian",
    "Information",
    "Mixture",
    "NoDynamics",
    "Observed",
    "Outcome",
    "PushTBlock",
    "Weighting",
]
