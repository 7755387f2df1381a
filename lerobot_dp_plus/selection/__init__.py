"""Choose among candidate chunks. A member gives an index, so that everything known of the chosen chunk stays known.

| member | chooses | source | file |
|---|---|---|---|
| `first` | the only candidate | | `first.py` |
| `coherent` | argmin Σ ρʲ‖a_j − tail_j‖² to the unexecuted tail | BID, arXiv 2408.17355 eq. 3 | `coherent.py` |
| `lowest_energy` | the first whose energy is within a tolerance of the lowest | random shooting, arXiv 1708.02596 | `lowest_energy.py` |
| `most_likely` | argmin of the imitation energy E‖ε_θ − ε‖² | | `most_likely.py` |
| `function` | what a user's function says | | `function.py` |
| `densest` | argmin of the mean distance to the others (medoid) | | `densest.py` |
"""

from lerobot_dp_plus.selection.base import Selection
from lerobot_dp_plus.selection.coherent import Coherent
from lerobot_dp_plus.selection.densest import Densest
from lerobot_dp_plus.selection.first import First
from lerobot_dp_plus.selection.function import Function
from lerobot_dp_plus.selection.lowest_energy import LowestEnergy
from lerobot_dp_plus.selection.most_likely import MostLikely

__all__ = ["Coherent", "Densest", "First", "Function", "LowestEnergy", "MostLikely", "Selection"]
