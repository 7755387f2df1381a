"""Where demonstrations end, and how far an observation is from there: the field `dynamics.ends`.

| member | how far observation o is from being done | source | file |
|---|---|---|---|
| `gaussian` | d(o) = √(Σ_d w_d ((o_d − μ_d) / s_d)² / Σ_d w_d), one mean and spread of all ends | our own | `gaussian.py` |
| `mixture` | min_k d_k(o), over groups of ends that are told apart by themselves | McLachlan & Peel 2000 | `mixture.py` |
| `conditional` | d(o) around the end μ(c) that follows from c, the episode's start and its sentence | kernel ridge regression, Saunders et al. 1998 | `conditional.py` |

One Gaussian is for a goal that is the same in every episode. With two goals its mean lies between them, where no episode
ends, and a chunk that leads to the middle is ranked first. A training says so, and names the member to take (`noticing.py`).

| file | idea |
|---|---|
| `known.py` | the different ends that were seen, kept as they are |
| `context.py` | what a goal may depend on: the start, and the sentence as a vector |
| `kernel_ridge.py` | regression of ends on contexts, with errors of rows that were left out |
| `noticing.py` | whether one Gaussian fits |
"""

from lerobot_dp_plus.auxiliary.dynamics.ends.base import FLOOR, Ends, EndsModel
from lerobot_dp_plus.auxiliary.dynamics.ends.conditional import Conditional
from lerobot_dp_plus.auxiliary.dynamics.ends.context import Context
from lerobot_dp_plus.auxiliary.dynamics.ends.gaussian import Gaussian, GaussianEnds
from lerobot_dp_plus.auxiliary.dynamics.ends.mixture import Mixture

__all__ = ["FLOOR", "Conditional", "Context", "Ends", "EndsModel", "Gaussian", "GaussianEnds", "Mixture"]
