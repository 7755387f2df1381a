"""How many steps of a chunk are executed before the policy looks again.

| member | executes | source | file |
|---|---|---|---|
| `fixed` | `n_action_steps` | Diffusion Policy, arXiv 2303.04137 | `fixed.py` |
| `agreement` | the rows on which the candidates agree | idea of arXiv 2606.03847 | `agreement.py` |
"""

from lerobot_dp_plus.execution.agreement import Agreement
from lerobot_dp_plus.execution.base import Execution
from lerobot_dp_plus.execution.fixed import Fixed

__all__ = ["Agreement", "Execution", "Fixed"]
