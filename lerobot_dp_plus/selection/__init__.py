"""Choose among candidate chunks. A member gives an index, so that everything known of the chosen chunk stays known.

| member | chooses | source | file |
|---|---|---|---|
| `first` | the only candidate | | `first.py` |
| `coherent` | argmin Σ ρʲ‖a_j − tail_j‖² to the unexecuted tail | BID, arXiv 2408.17355 eq. 3 | `coherent.py` |
| `bidirectional` | the same, and near to its like and far from a weak policy's | BID, arXiv 2408.17355 | `bidirectional.py` |
| `lowest_energy` | the first whose energy is within a tolerance of the lowest | random shooting, arXiv 1708.02596 | `lowest_energy.py` |
| `hold_mode` | the same, and the plan goes on unless another mode is better by a margin | | `hold_mode.py` |
| `most_likely` | argmin of the imitation energy E‖ε_θ − ε‖² | | `most_likely.py` |
| `ask` | in the mode that a person chooses, as `otherwise` does | ITPS, arXiv 2411.16627 (a person ranks samples) | `ask.py` |
| `function` | what a user's function says | | `function.py` |
| `densest` | argmin of the mean distance to the others (medoid) | | `densest.py` |

A selection says what it needs to know of the candidates, and the policy tells it: `energies`, `needs_modes`, `holds`, `contrast`. `ask`
says when a person is to decide; who is asked, and how, is the business of the room `asking`.
"""

from lerobot_dp_plus.selection.ask import Ask
from lerobot_dp_plus.selection.base import Asking, Selection
from lerobot_dp_plus.selection.bidirectional import Bidirectional
from lerobot_dp_plus.selection.coherent import Coherent
from lerobot_dp_plus.selection.densest import Densest
from lerobot_dp_plus.selection.first import First
from lerobot_dp_plus.selection.function import Function
from lerobot_dp_plus.selection.hold_mode import HoldMode
from lerobot_dp_plus.selection.lowest_energy import LowestEnergy
from lerobot_dp_plus.selection.most_likely import MostLikely

__all__ = [
    "Ask",
    "Asking",
    "Bidirectional",
    "Coherent",
    "Densest",
    "First",
    "Function",
    "HoldMode",
    "LowestEnergy",
    "MostLikely",
    "Selection",
]
