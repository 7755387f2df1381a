"""The networks, which predict from a noisy chunk and the observation.

| member | architecture | observation enters by | source | file |
|---|---|---|---|---|
| `unet1d` | temporal U-Net | FiLM | Diffusion Policy, arXiv 2303.04137 §3.1 | `unet1d.py` |
| `transformer` | causal transformer | cross-attention, keys and values once a chunk | same, §3.1 | `transformer.py` |
| `dit` | diffusion transformer | adaLN-zero | arXiv 2212.09748 | `dit.py` |
| `mixture` | two transformers that meet in attention | keys and values of both, once a chunk | π0, arXiv 2410.24164 §IV | `mixture.py` |

All take x_t (B, H, A), a time (B,) and a condition; `embeddings.py`, `attention.py` and `tokens.py` hold what they share.
`experts.py` has the layers of `mixture`, and `backbones/` the weights with which it reads pictures and words.
"""

from lerobot_dp_plus.networks.base import NetworkConfig
from lerobot_dp_plus.networks.dit import DiTConfig
from lerobot_dp_plus.networks.mixture import MixtureConfig
from lerobot_dp_plus.networks.transformer import TransformerConfig
from lerobot_dp_plus.networks.unet1d import UNet1dConfig

__all__ = ["DiTConfig", "MixtureConfig", "NetworkConfig", "TransformerConfig", "UNet1dConfig"]
