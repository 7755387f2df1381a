"""Where in the image each channel looks."""

import torch
from torch import Tensor, nn


class SpatialSoftmax(nn.Module):
    """keypoint_k = Σ_ij softmax_ij(a_k) · (x_j, y_i): the mean position of a channel's attention, (x, y) in [−1, 1].

    Source: deep spatial autoencoders, Finn et al. 2016 (arXiv 1509.06113), temperature 1. No weights, and any image
    size: −1 is the centre of the first pixel, +1 that of the last; along a single pixel the coordinate is always −1.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, K, 2)."""
        height, width = features.shape[-2:]
        precise = torch.promote_types(features.dtype, torch.float32)  # half precision loses small shares
        flat = features.flatten(start_dim=-2).softmax(dim=-1, dtype=precise)
        attention = flat.unflatten(-1, (height, width))  # (B, K, H, W)
        across = torch.linspace(-1, 1, width, device=features.device, dtype=precise)
        down = torch.linspace(-1, 1, height, device=features.device, dtype=precise)
        x = (attention.sum(dim=-2) * across).sum(dim=-1)  # (B, K)
        y = (attention.sum(dim=-1) * down).sum(dim=-1)  # (B, K)
        return torch.stack([x, y], dim=-1).to(features.dtype)
