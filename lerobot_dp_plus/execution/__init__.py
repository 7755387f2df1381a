"""What of the chosen chunks is executed before the policy looks again.

| member | executes | source | file |
|---|---|---|---|
| `fixed` | `n_action_steps` | Diffusion Policy, arXiv 2303.04137 | `fixed.py` |
| `agreement` | the rows on which the candidates agree | idea of arXiv 2606.03847 | `agreement.py` |
| `ensemble` | one step of the mean over all chunks that planned it | ACT, arXiv 2304.13705 | `ensemble.py` |
"""

from lerobot_dp_plus.execution.agreement import Agreement
from lerobot_dp_plus.execution.base import Execution
from lerobot_dp_plus.execution.ensemble import Ensemble
from lerobot_dp_plus.execution.fixed import Fixed

__all__ = ["Agreement", "Ensemble", "Execution", "Fixed"]
