"""Bend the field while sampling: each member wraps a denoiser into a denoiser.

| member | effect on the predicted data | source | file |
|---|---|---|---|
| `none` | none | | `none.py` |
| `smoothness` | x₁ ← x₁ − s·∇E, E = ½Σ_j ‖a_{j+1} − 2a_j + a_{j−1}‖² | arXiv 2209.14687 | `smoothness.py` |
"""

from lerobot_dp_plus.guidance.base import Guidance
from lerobot_dp_plus.guidance.none import NoGuidance
from lerobot_dp_plus.guidance.smoothness import Smoothness

__all__ = ["Guidance", "NoGuidance", "Smoothness"]
