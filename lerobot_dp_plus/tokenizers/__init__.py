"""Visual tokenizers: small pictures as a few numbers, in which a loss can ask for them.

| member | z(crop) | learned | file |
|---|---|---|---|
| `pca` | (crop − μ)·V/s, whitened principal components | in closed form, from the first crops of the training | `pca.py` |

Latents have unit variance, which is what a flow-matching model starts from. A tokenizer is fixed once it has learned, and what it
has learned is in the checkpoint.
"""

from lerobot_dp_plus.tokenizers.base import Tokenizer, TokenizerConfig
from lerobot_dp_plus.tokenizers.pca import Pca

__all__ = ["Pca", "Tokenizer", "TokenizerConfig"]
