"""The first set of weights of `mixture`: tokens of pictures and words in, keys and values of every layer out.

| member of `network.backbone` | weights | source | file |
|---|---|---|---|
| `scratch` | a small transformer, trained with the policy | arXiv 1706.03762 | `scratch.py` |

All tokens see each other; those that are not there are seen by nobody.
"""

from lerobot_dp_plus.networks.backbones.base import Backbone, BackboneConfig
from lerobot_dp_plus.networks.backbones.scratch import Scratch

__all__ = ["Backbone", "BackboneConfig", "Scratch"]
