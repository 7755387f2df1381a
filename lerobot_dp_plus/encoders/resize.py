"""Pictures at the size that encoders are trained at: one function for cached frames, LeRobot's loader and inference.

Every output pixel is the mean of the area that it covers, computed in whole numbers. So the result does not depend on the
device, on the number of threads, or on what else is in the batch: what a policy sees of a frame in use is, bit for bit,
what it saw of it in training.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

#: Height and width in pixels.
type Size = tuple[int, int]
#: What `resize` may be: the longest side, a shape (height, width), one of these or none for each camera, or none.
Resize = int | tuple[int, int] | dict[str, int | tuple[int, int] | None] | None


def shrunk(pictures: Tensor, size: Size) -> Tensor:
    """(..., H, W) -> (..., h, w): bytes to bytes, and real numbers of 0 … 1 to real numbers of 0 … 1.

    Real numbers are rounded to bytes first, as which cameras gave them. They come back as bytes divided by 255.
    """
    if not pictures.is_floating_point():
        return area_mean(pictures, size)
    kind = torch.promote_types(pictures.dtype, torch.float32)
    whole = pictures.to(kind).mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return area_mean(whole, size).to(kind) / 255.0


def area_mean(pictures: Tensor, size: Size) -> Tensor:
    """out_ik = ⌊½ + Σ_jl a_ij b_kl p_jl / (H·W)⌋, bytes (..., H, W) -> bytes (..., h, w), with h ≤ H and w ≤ W.

    In units of 1/h of a pixel, row j covers [j·h, (j + 1)·h) and output row i [i·H, (i + 1)·H); a_ij is the length of
    their overlap, and b_kl that of columns. All are whole numbers, and so is the sum: it has no rounding, whatever its
    order. This is what OpenCV calls INTER_AREA. It takes about 2 ms of a processor for a picture of 480×640.
    """
    height, width = pictures.shape[-2:]
    area = height * width
    exact = torch.int32 if 256 * area < 2**31 else torch.int64
    rows = _along_rows(pictures, size[0], exact)  # (..., h, W)
    turned = rows.transpose(-1, -2).contiguous()  # whole rows are quicker to gather than columns
    sums = _along_rows(turned, size[1], exact)  # (..., w, h)
    means = sums.add_(area // 2).div_(area, rounding_mode="floor").to(torch.uint8)
    return means.transpose(-1, -2).contiguous()


def _along_rows(values: Tensor, count: int, exact: torch.dtype) -> Tensor:
    """Σ_j a_ij v_j: (..., H, C) -> (..., count, C)."""
    length, device = values.shape[-2], values.device
    begins = torch.arange(count, device=device) * length  # of output rows, in 1/count of a row
    ends, first = begins + length, begins // count
    total = torch.zeros((*values.shape[:-2], count, values.shape[-1]), dtype=exact, device=device)
    touched = length // count + (2 if length % count else 0)  # rows that an output row may lie on
    for step in range(touched):
        row = first + step
        overlap = torch.minimum((row + 1) * count, ends) - torch.maximum(row * count, begins)
        taken = values.index_select(-2, row.clamp(max=length - 1)).to(exact)
        total += taken.mul_(overlap.clamp(min=0).to(exact)[:, None])
    return total


def size_for(resize: Resize, key: str, size: Size) -> Size:
    """The (height, width) of a camera's pictures of `size` after `resize`: they are shrunk or left as they are.

    Raises:
        ValueError: a side is no positive number, a shape is larger than the pictures, or a mapping lacks the camera; by
            name.
    """
    if isinstance(resize, Mapping):
        if key not in resize:
            raise ValueError(
                f"resize names {', '.join(resize) or 'no camera'}, and not {key}: give each camera its longest side, its "
                "shape [height, width], or null for pictures as they come"
            )
        resize = resize[key]
    if resize is None:
        return size
    if isinstance(resize, int):
        if resize < 1:
            raise ValueError(
                f"resize={resize}: the longest side of {key} must be at least 1 pixel; null leaves it as it is"
            )
        longest = max(size)
        if longest <= resize:
            return size
        height, width = (max(1, (2 * side * resize + longest) // (2 * longest)) for side in size)
        return height, width
    height, width = resize
    if not (1 <= height <= size[0] and 1 <= width <= size[1]):
        raise ValueError(
            f"resize={list(resize)}: {key} is {size[0]}×{size[1]} (height×width), and pictures are only ever shrunk; legal "
            f"are [1, 1] to {list(size)}, or a longest side, which leaves small pictures as they are"
        )
    return height, width
