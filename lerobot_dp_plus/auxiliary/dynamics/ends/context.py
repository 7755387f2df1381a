"""What a goal may depend on: how the episode began, and what was said."""

from typing import NamedTuple

import torch
from torch import Tensor

#: Numbers of a sentence's vector.
WIDTH = 256


class Context(NamedTuple):
    """What is known of B episodes besides their present.

    Args:
        start: the first observation, (B, C) normalised; None if nobody asks for it.
        words: vectors of the sentences, (B, WIDTH); None if nothing is read.
    """

    start: Tensor | None = None
    words: Tensor | None = None

    def rows(self, chosen: Tensor) -> "Context":
        """Those of the episodes that `chosen` picks, by a mask (B,) or by numbers (M,)."""
        return Context(*(None if value is None else value[chosen] for value in self))

    def repeated(self, count: int) -> "Context":
        """Every row `count` times, one after another."""
        return Context(*(None if value is None else value.repeat_interleave(count, 0) for value in self))


#: Nothing is known of the episodes.
NOTHING = Context()


def sentence_vector(ids: Tensor, valid: Tensor) -> Tensor:
    """What the processor made of sentences, as unit vectors (B, WIDTH); zero for an empty sentence.

    A bag of words: the order does not count. Numbers of words, (B, W), or of their parts, (B, W, M) with 0 for none, are
    counted in the box that is their remainder (the hashing trick, arXiv 0902.2206). Vectors of a frozen encoder,
    (B, W, D) floating, are averaged and folded into WIDTH numbers with signs (count sketch, Charikar et al. 2002).
    Unlike the policy's own tokens it stays the same throughout a training.
    """
    if ids.is_floating_point():
        mean = (ids * valid[..., None]).sum(1) / valid.sum(1, keepdim=True).clamp_min(1)  # (B, D)
        place = torch.arange(ids.shape[-1], device=ids.device)
        sign = 1.0 - 2.0 * (place * 2654435761 // 65536 % 2)  # Knuth's multiplicative hash
        boxes, counted = (place % WIDTH).expand_as(mean), mean * sign
    else:
        there = valid[..., None] & (ids > 0) if ids.dim() == 3 else valid
        boxes, counted = (ids % WIDTH).flatten(1), there.flatten(1).float()
    vector = counted.new_zeros(len(ids), WIDTH).scatter_add(1, boxes, counted)
    return vector / vector.norm(dim=1, keepdim=True).clamp_min(1e-6)
