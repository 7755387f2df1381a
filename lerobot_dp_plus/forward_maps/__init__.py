"""From actions to where the robot will be.

| member | positions | file |
|---|---|---|
| `identity` | the actions, and K − 1 points on the straight way to each | `identity.py` |
| `joint_limits` | the same, no further than limits | `joint_limits.py` |
| `pusht` | those of PushT's controller, at each of its ten sub-steps | `pusht.py` |

Energies and projections judge positions at every sub-step, because what a robot hits lies mostly between way points.
"""

from lerobot_dp_plus.forward_maps.base import ForwardMap
from lerobot_dp_plus.forward_maps.identity import Identity
from lerobot_dp_plus.forward_maps.joint_limits import JointLimits
from lerobot_dp_plus.forward_maps.pusht import PushT

__all__ = ["ForwardMap", "Identity", "JointLimits", "PushT"]
