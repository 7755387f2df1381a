"""The networks, which predict from a noisy chunk and the observation.

| member | architecture | observation enters by | source | file |
|---|---|---|---|---|
| `unet1d` | temporal U-Net | FiLM | Diffusion Policy, arXiv 2303.04137 §3.1 | `unet1d.py` |
| `transformer` | causal transformer | cross-attention, keys and values once a chunk | same, §3.1 | `transformer.py` |
| `dit` | diffusion transformer | adaLN-zero | arXiv 2212.09748 | `dit.py` |
| `mixture` | two transformers that meet in attention | keys and values of both, once a chunk | π0, arXiv 2410.24164 §IV | `mixture.py` |
| `lstm` | LSTM over the steps of a chunk | every step is told all of it | after robomimic's, arXiv 2108.03298 | `lstm.py` |

All take x_t (B, H, A), a time (B,) and a condition; `embeddings.py`, `attention.py` and `tokens.py` hold what they share.
`experts.py` has the layers of `mixture`, and `backbones/` the weights with which it reads pictures and words.
`widened.py` makes any of them say more of a step than an action, and `binned.py` adds learned bins of chunks (`bins.py`),
for heads that need it. `looking.py` says where those look whose tokens attend to the observation's. `padded.py` asks any of them about narrower chunks, for several robots.
"""

from lerobot_dp_plus.networks.base import NetworkConfig, Shape
from lerobot_dp_plus.networks.binned import Binned
from lerobot_dp_plus.networks.dit import DiTConfig
from lerobot_dp_plus.networks.lstm import LSTMConfig
from lerobot_dp_plus.networks.mixture import MixtureConfig
from lerobot_dp_plus.networks.padded import Masked, Padded
from lerobot_dp_plus.networks.transformer import TransformerConfig
from lerobot_dp_plus.networks.unet1d import UNet1dConfig
from lerobot_dp_plus.networks.widened import Widened

__all__ = [
    "Binned",
    "DiTConfig",
    "LSTMConfig",
    "Masked",
    "MixtureConfig",
    "NetworkConfig",
    "Padded",
    "Shape",
    "TransformerConfig",
    "UNet1dConfig",
    "Widened",
]
