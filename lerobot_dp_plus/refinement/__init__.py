"""Improve chunks that are drawn already, by the energies.

| member | rule | source | file |
|---|---|---|---|
| `none` | chunks stay as they are | | `none.py` |
| `gradient` | a ← a − s·∇(E(a) + ½k‖a − a⁰‖²), some steps from the drawn chunk a⁰ on | GPC-OPT, arXiv 2502.00622 | `gradient.py` |

Guidance bends chunks while they are drawn, and the network sees the result at its next call. A refinement comes after the
last call, so nothing brings a chunk back to what was demonstrated but its limits. A projection comes after it.
"""

from lerobot_dp_plus.refinement.base import CANDIDATES, CHOSEN, PLACES, Refinement
from lerobot_dp_plus.refinement.gradient import GradientSteps
from lerobot_dp_plus.refinement.none import NoRefinement

__all__ = ["CANDIDATES", "CHOSEN", "PLACES", "GradientSteps", "NoRefinement", "Refinement"]
