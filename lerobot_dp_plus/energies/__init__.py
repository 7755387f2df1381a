"""How good a chunk is, in one formula that ranks candidates, guides sampling and is reported.

| member | energy of a chunk | file |
|---|---|---|
| `none` | 0 | `base.py` |
| `smoothness` | ½ Σ_j ‖a_{j+1} − 2a_j + a_{j−1}‖² | `smoothness.py` |
| `stay_above` | ½ Σ_j max(0, limit − a_j[d])² | `stay_above.py` |

Chunks come in the dataset's units, together with the scene. Models learned beside the policy offer learned
energies: `dynamics.type=outcome` offers `end`, the distance from where demonstrations end.
"""

from lerobot_dp_plus.energies.base import EnergyTerm, NoEnergy
from lerobot_dp_plus.energies.smoothness import Smoothness
from lerobot_dp_plus.energies.stay_above import StayAbove

__all__ = ["EnergyTerm", "NoEnergy", "Smoothness", "StayAbove"]
