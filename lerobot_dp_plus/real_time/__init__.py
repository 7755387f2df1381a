"""Real-time chunking: how a new chunk goes on from the plan that is executed while it is computed.

| member | effect | source | cost | file |
|---|---|---|---|---|
| `automatic` | `trained` if the policy was trained for it, else `guided` | | | `automatic.py` |
| `none` | none: the new chunk knows nothing of the plan | | none | `none.py` |
| `guided` | x₁ ← x₁ + c(t)·Jᵀ·W(Y − x₁), Y the plan, W a soft mask; with the Jacobian or without | arXiv 2506.07339 | a backward pass a call | `guided.py` |
| `inpainting` | x₁ of the decided steps is the plan's | arXiv 2205.09991 | none | `inpainting.py` |
| `trained` | the network sees the decided steps without noise, t = 1, as in training | arXiv 2512.05964 | none | `trained.py` |

A delay of d steps means: the chunk that is drawn for the observation of now takes over in d steps. What the plan says of
these steps is decided.
"""

from lerobot_dp_plus.real_time.automatic import Automatic
from lerobot_dp_plus.real_time.base import RealTime, soft_mask
from lerobot_dp_plus.real_time.guided import Guided
from lerobot_dp_plus.real_time.inpainting import Inpainting
from lerobot_dp_plus.real_time.none import NotContinued
from lerobot_dp_plus.real_time.trained import Trained

__all__ = ["Automatic", "Guided", "Inpainting", "NotContinued", "RealTime", "Trained", "soft_mask"]
