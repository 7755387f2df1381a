"""What is compared of chunks: a point for each of them."""

import torch
from torch import Tensor

END, WHOLE = "end", "whole"
SPACES = (END, WHOLE)


def points_of(chunks: Tensor, space: str = END, components: int = 3) -> Tensor:
    """A point for each of the chunks (B, N, L, A), (B, N, D).

    `end` is the last action: where the chunk leads. `whole` is all actions of the chunk. A point of more than `components`
    numbers is projected on the first principal components of its observation's N points, because few candidates do not
    tell covariances of many numbers. Then D = components. Distances are kept as far as they can be, so coordinates should be
    comparable: normalised, or all in one unit.

    Raises:
        ValueError: an unknown space.
    """
    if space not in SPACES:
        raise ValueError(f"modes.space = {space!r}: legal are {', '.join(map(repr, SPACES))}")
    points = chunks[:, :, -1] if space == END else chunks.flatten(2)
    return points if points.shape[-1] <= components else principal(points, components)


def principal(points: Tensor, components: int) -> Tensor:
    """The first principal components of points (B, N, D), (B, N, components); zero where points have fewer."""
    centred = (points - points.mean(1, keepdim=True)).cpu().double()
    left, spread, _ = torch.linalg.svd(centred, full_matrices=False)
    scores = (left * spread[:, None])[..., :components].to(points)
    return torch.nn.functional.pad(scores, (0, components - scores.shape[-1]))
