"""Visual tokenizers: small pictures as a few numbers, in which a loss can ask for them.

| member | z(crop) | learned | file |
|---|---|---|---|
| `pca` | (crop − μ)·V/s, whitened principal components | in closed form, from the first crops of the training | `pca.py` |
| `autoencoder` | (E(crop) − μ)/s, E convolutions | in 600 updates, from the first crops of the training | `autoencoder.py` |
| `pretrained` | (E(crop) − μ)/s, E of a model of diffusers; extra `gaze` | never; μ and s from the first crops | `pretrained.py` |

`gathering.py` holds what they share. Latents have unit variance, which is what a flow-matching model starts from. A tokenizer is fixed once it has learned, and what it
has learned is in the checkpoint.
"""

from lerobot_dp_plus.tokenizers.autoencoder import Autoencoder
from lerobot_dp_plus.tokenizers.base import Tokenizer, TokenizerConfig
from lerobot_dp_plus.tokenizers.pca import Pca
from lerobot_dp_plus.tokenizers.pretrained import PretrainedTokenizer

__all__ = ["Autoencoder", "Pca", "PretrainedTokenizer", "Tokenizer", "TokenizerConfig"]
