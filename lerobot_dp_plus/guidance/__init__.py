"""Bend the field while sampling: each member wraps a denoiser into a denoiser.

| member | effect on the predicted data | source | file |
|---|---|---|---|
| `none` | none | | `none.py` |
| `smoothness` | x₁ ← x₁ − s·∇E, E = ½Σ_j ‖a_{j+1} − 2a_j + a_{j−1}‖², in closed form | arXiv 2209.14687 | `smoothness.py` |
| `gradient` | x₁ ← x₁ − s·∇E, E the sum of the axis `energies`; with the Jacobian or without | arXiv 2209.14687 | `gradient.py` |
| `classifier_free` | x₁ ← x₁(∅) + w·(x₁(o) − x₁(∅)), ∅ a dropped observation | arXiv 2207.12598 | `classifier_free.py` |

A `Situation` says what a guidance may know: the path, the world with its scene and an energy, and the network under another
condition.
"""

from lerobot_dp_plus.guidance.base import Guidance, Situation, World
from lerobot_dp_plus.guidance.classifier_free import ClassifierFree
from lerobot_dp_plus.guidance.gradient import Gradient
from lerobot_dp_plus.guidance.none import NoGuidance
from lerobot_dp_plus.guidance.smoothness import Smoothness

__all__ = ["ClassifierFree", "Gradient", "Guidance", "NoGuidance", "Situation", "Smoothness", "World"]
