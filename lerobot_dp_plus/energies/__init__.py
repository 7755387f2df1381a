"""How good a chunk is, in one formula that ranks candidates, guides sampling and is reported.

| member | energy of a chunk | file |
|---|---|---|
| `smoothness` | ½ Σ_j ‖Δᵏ a_j‖², k = 2 acceleration, k = 3 jerk | `smoothness.py` |
| `stay_above` | ½ Σ_j max(0, limit − a_j[d])² | `stay_above.py` |
| `bounds` | ½ Σ max(0, depth + margin)², how far positions are outside a box | `bounds.py` |
| `speed` | the same of how much a step is longer than a limit | `speed.py` |
| `obstacles` | the same of how deep positions are inside discs, balls and boxes | `obstacles.py` |
| `goal` | ½ ‖p_S − target‖² | `goal.py` |
| `path` | ½ Σ_j ‖p_j − q_j‖² | `path.py` |
| `function` | a user's function | `function.py` |

Chunks come in the dataset's units, together with the scene. Positions are where the robot will be; `forward_maps/` says how
actions lead there. `Energies` holds a weight for every member; their weighted sum is the energy `total`. `imitation` is how badly the
policy itself knows a chunk. Models learned beside the policy offer energies too: `dynamics.type=outcome` offers `end`, the distance from where demonstrations end.
`bounds`, `speed` and `obstacles` are constraints: `projection/` keeps them exactly.
"""

from lerobot_dp_plus.energies.base import EnergyTerm
from lerobot_dp_plus.energies.bounds import Bounds
from lerobot_dp_plus.energies.constraint import Constraint, Violation
from lerobot_dp_plus.energies.function import Function
from lerobot_dp_plus.energies.goal import Goal
from lerobot_dp_plus.energies.group import IMITATION, TOTAL, Energies, Imitation, Learned, added
from lerobot_dp_plus.energies.obstacles import Obstacles
from lerobot_dp_plus.energies.path import Path
from lerobot_dp_plus.energies.smoothness import Smoothness
from lerobot_dp_plus.energies.speed import Speed
from lerobot_dp_plus.energies.stay_above import StayAbove

__all__ = [
    "IMITATION",
    "TOTAL",
    "Bounds",
    "Constraint",
    "Energies",
    "EnergyTerm",
    "Function",
    "Goal",
    "Imitation",
    "Learned",
    "Obstacles",
    "Path",
    "Smoothness",
    "Speed",
    "StayAbove",
    "Violation",
    "added",
]
