"""Bend the field while sampling: each member wraps a denoiser into a denoiser, or shifts the mean of a reverse step.

| member | effect on the predicted data | source | file |
|---|---|---|---|
| `none` | none | | `none.py` |
| `smoothness` | x₁ ← x₁ − s·∇E, E = ½Σ_j ‖a_{j+1} − 2a_j + a_{j−1}‖², in closed form | arXiv 2209.14687 | `smoothness.py` |
| `gradient` | x₁ ← x₁ − s·∇E, E the sum of the axis `energies`; with the Jacobian or without | arXiv 2209.14687 | `gradient.py` |
| `diffuser` | none; x_u ~ N(μ − s·Σ·∇E(μ), Σ), of samplers that have a Σ | arXiv 2205.09991 | `diffuser.py` |
| `classifier_free` | x₁ ← x₁(∅) + w·(x₁(o) − x₁(∅)), ∅ a dropped observation | arXiv 2207.12598 | `classifier_free.py` |

A `Situation` says what a guidance may know: the path, the world with its scene and an energy, and the network under another
condition.
"""

from lerobot_dp_plus.guidance.base import Guidance, Situation, World
from lerobot_dp_plus.guidance.classifier_free import ClassifierFree
from lerobot_dp_plus.guidance.diffuser import Diffuser
from lerobot_dp_plus.guidance.gradient import Gradient
from lerobot_dp_plus.guidance.none import NoGuidance
from lerobot_dp_plus.guidance.smoothness import Smoothness

__all__ = [
    "ClassifierFree",
    "Diffuser",
    "Gradient",
    "Guidance",
    "NoGuidance",
    "Situation",
    "Smoothness",
    "World",
]
