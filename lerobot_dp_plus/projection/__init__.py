"""Move candidates onto hard constraints before they are ranked.

| member | rule | source | file |
|---|---|---|---|
| `none` | chunks stay as they are | | `base.py` |
| `kaczmarz` | the deepest broken rule first, in closed form | Kaczmarz 1937; Motzkin and Schoenberg 1954 | `kaczmarz.py` |

Guidance is soft: its steps shrink with what is left to correct. What must never happen needs a projection at the end.
"""

from lerobot_dp_plus.projection.base import NoProjection, Projected, Projection, violation
from lerobot_dp_plus.projection.kaczmarz import Kaczmarz

__all__ = ["Kaczmarz", "NoProjection", "Projected", "Projection", "violation"]
