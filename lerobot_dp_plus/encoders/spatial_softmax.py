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
        return self.places(self.shares(features)).to(features.dtype)

    @staticmethod
    def shares(features: Tensor) -> Tensor:
        """softmax_ij(a_k), (B, K, H, W), float32 or more: half precision loses small shares."""
        precise = torch.promote_types(features.dtype, torch.float32)
        flat = features.flatten(start_dim=-2).softmax(dim=-1, dtype=precise)
        return flat.unflatten(-1, features.shape[-2:])

    @staticmethod
    def places(shares: Tensor) -> Tensor:
        """Where the shares (B, K, H, W) lie on average, (B, K, 2)."""
        height, width = shares.shape[-2:]
        across = torch.linspace(-1, 1, width, device=shares.device, dtype=shares.dtype)
        down = torch.linspace(-1, 1, height, device=shares.device, dtype=shares.dtype)
        x = (shares.sum(dim=-2) * across).sum(dim=-1)  # (B, K)
        y = (shares.sum(dim=-1) * down).sum(dim=-1)  # (B, K)
        return torch.stack([x, y], dim=-1)
