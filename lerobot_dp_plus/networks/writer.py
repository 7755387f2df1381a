"""Text that a network's backbone goes on with: words in, scores of the next word out."""

import torch
from torch import Tensor, nn

from lerobot_dp_plus.notation import Condition, Network


class Writer(nn.Module):
    """Head · norm(backbone(e(word) + e'(place))). What lies between the two ends are the backbone's own weights."""

    def __init__(self, dim: int, vocabulary: int, longest: int):
        super().__init__()
        self.word, self.place = nn.Embedding(vocabulary, dim), nn.Parameter(0.02 * torch.randn(longest, dim))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, vocabulary)

    def forward(self, words: Tensor, network: Network, condition: Condition) -> Tensor:
        """Words (B, L) int64 -> scores (B, L, vocabulary) of the word behind each. Gradients reach an insulated backbone, too."""
        text = self.word(words) + self.place[: words.shape[1]]
        return self.head(self.norm(network.write(text, condition)))
