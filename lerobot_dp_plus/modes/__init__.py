"""Tell candidates apart that do different things: how many modes there are, how heavy, and which candidate is of which.

| member | rule | source | cost | file |
|---|---|---|---|---|
| `none` | one mode for all | | | `none.py` |
| `gaussian_mixture` | argmax_k 2 log L_k − p_k log N, mixtures of k Gaussians | BIC: Fraley & Raftery 1998; McLachlan & Peel 2000 | 4–10 ms | `gaussian_mixture.py` |
| `things` | argmin_k min_s ‖p_s − q_k‖, the thing that a chunk comes nearest to | our own | < 1 ms | `things.py` |
| `readings` | mode_n = r, the sentence that chunk n was drawn for | our own | < 1 ms | `readings.py` |

The entropy of the weights says how ambiguous a situation is. `points_of` is what of the chunks is compared.
"""

from lerobot_dp_plus.modes.base import Found, Modes
from lerobot_dp_plus.modes.gaussian_mixture import GaussianMixture
from lerobot_dp_plus.modes.none import NoModes
from lerobot_dp_plus.modes.points import points_of
from lerobot_dp_plus.modes.readings import Readings
from lerobot_dp_plus.modes.things import Things

__all__ = ["Found", "GaussianMixture", "Modes", "NoModes", "Readings", "Things", "points_of"]
