"""The first set of weights of `mixture`: tokens of pictures and words in, keys and values of every layer out.

| member of `network.backbone` | weights | source | file |
|---|---|---|---|
| `scratch` | a small transformer, trained with the policy | arXiv 1706.03762 | `scratch.py` |
| `pretrained` | layers of a language model of transformers; extra `towers` | arXiv 2410.24164, 2506.01844 | `pretrained.py` |

In `scratch` all tokens see each other, in `pretrained` as the model was trained. Tokens that are not there are seen by nobody.
`language_model.py` finds and reads models of transformers.
"""

from lerobot_dp_plus.networks.backbones.base import Backbone, BackboneConfig
from lerobot_dp_plus.networks.backbones.pretrained import Pretrained
from lerobot_dp_plus.networks.backbones.scratch import Scratch

__all__ = ["Backbone", "BackboneConfig", "Pretrained", "Scratch"]
