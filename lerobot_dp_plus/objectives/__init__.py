"""What is learned. Every objective names the head that it belongs to; these belong to `denoising`.

| member | regression target | path | source | file |
|---|---|---|---|---|
| `diffusion` | ε = x₀, x₁ or v = σ·x₁ − α·x₀ | squared cosine, linear β, those of diffusers | arXiv 2006.11239 | `diffusion.py`, `diffusers_path.py` |
| `flow_matching` | v = x₁ − x₀, or x₁ | straight | arXiv 2210.02747, 2511.13720 | `flow_matching.py` |
| `shortcut` | the above, x₁ or v, and jumps: one of length d = two of d/2 | any | arXiv 2410.12557 | `shortcut.py` |

The density of training times is an axis inside an objective (`times.py`): `uniform`, `beta`, `logit_normal`.
"""

from lerobot_dp_plus.objectives.base import DenoisingObjective, Objective
from lerobot_dp_plus.objectives.diffusers_path import DiffusersPath
from lerobot_dp_plus.objectives.diffusion import Diffusion
from lerobot_dp_plus.objectives.flow_matching import FlowMatching
from lerobot_dp_plus.objectives.shortcut import Shortcut
from lerobot_dp_plus.objectives.times import BetaTimes, LogitNormalTimes, TimeDensity, UniformTimes

__all__ = [
    "BetaTimes",
    "DenoisingObjective",
    "DiffusersPath",
    "Diffusion",
    "FlowMatching",
    "LogitNormalTimes",
    "Objective",
    "Shortcut",
    "TimeDensity",
    "UniformTimes",
]
