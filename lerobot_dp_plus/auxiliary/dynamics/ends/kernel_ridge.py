"""Regression of ends on contexts in closed form, with errors of rows that were left out.

    f(c) = μ + Σ_i α_i (k(c, c_i) − k̄_i)        α = (K + λ)⁻¹ (y − ȳ), K centred

Kernel ridge regression: Saunders, Gammerman & Vovk, ICML 1998. Its leave-one-out error needs no second fit (Allen's PRESS, 1974):

    y_i − f_{−i}(c_i) = (y_i − f(c_i)) / (1 − h_ii)        h the hat matrix

So the spread is that of episodes that the regression did not see, however few they are, and what a context does not tell is
left alone: each coordinate has a ridge of its own, and one whose mean is as good keeps the mean.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends.context import Context

#: Ridges, in means of the kernel's diagonal.
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
#: Widths of the start's kernel, in median distances between starts. The widest is nearly linear.
WIDTHS = (1.0, 3.0, 10.0)
#: A regression must lower the spread to this share of the mean's, with at least so many rows.
WORTH, FEWEST = 0.9, 16


class Ridge(NamedTuple):
    """A fit to N rows of contexts and ends (N, C).

    Args:
        width: of the start's kernel.
        weights: α, (N, C); zero for a coordinate that keeps its mean.
        offset: μ − Σ_i α_i k̄_i, (C,).
        spread: standard deviation of what is left, of rows that were left out, (C,).
    """

    width: float
    weights: Tensor
    offset: Tensor
    spread: Tensor


def kernel(one: Context, other: Context, width: float | Tensor) -> Tensor:
    """k_s + k_w + k_s k_w of rows (N, ·) and (M, ·), (N, M): the start, the words, and both together.

    k_s is Gaussian in the distance of the starts, k_w the cosine of the sentences. What there is none of is left out.
    """
    start = words = None
    if one.start is not None and other.start is not None:
        # Not cdist, whose gradient at equal rows is none.
        square = (one.start[:, None] - other.start[None]).square().sum(-1)
        start = (-square / (2 * width**2)).exp()
    if one.words is not None and other.words is not None:
        words = one.words @ other.words.mT
    if start is None or words is None:
        found = words if start is None else start
        assert found is not None  # `Conditional` sees to it
        return found
    return start + words + start * words


def predicted(fitted: Ridge, known: Context, context: Context) -> Tensor:
    """f(c) of contexts (B, ·), (B, C)."""
    return fitted.offset + kernel(context, known, fitted.width) @ fitted.weights


def fit(known: Context, ends: Tensor) -> Ridge:
    """The regression of ends (N, C) on their contexts, in float64; width and ridges by the error of rows left out."""
    known = Context(*(None if value is None else value.double() for value in known))
    ends = ends.double()
    mean = ends.mean(0)
    plain = Ridge(1.0, torch.zeros_like(ends), mean, ends.std(0, correction=0))
    if len(ends) < FEWEST:
        return plain
    widths: tuple[float, ...] = (1.0,)
    scale = 1.0
    if known.start is not None:
        scale = float(torch.pdist(known.start).median())
        widths = WIDTHS if scale > 0 else (1.0,)
    fits = [_fit(known, ends, width * (scale or 1.0), plain) for width in widths]
    return min(fits, key=lambda each: float(each.spread.clamp_min(1e-4).log().sum()))


def _fit(known: Context, ends: Tensor, width: float, plain: Ridge) -> Ridge:
    count, mean = len(ends), ends.mean(0)
    gram = kernel(known, known, width)
    column = gram.mean(0)
    centred = gram - column - column[:, None] + column.mean()
    values, axes = torch.linalg.eigh(centred)
    values, along = values.clamp_min(0), axes.mT @ (ends - mean)  # (N,), (N, C)
    size = values.mean().clamp_min(1e-12)
    errors, weights = [], []
    for ridge in RIDGES:
        damped = values + ridge * size
        hat = (axes.square() * (values / damped)).sum(1) + 1 / count  # the mean is fitted, too
        left = axes @ (along * (ridge * size / damped)[:, None])
        errors.append((left / (1 - hat).clamp_min(1e-6)[:, None]).square().mean(0).sqrt())
        weights.append(axes @ (along / damped[:, None]))
    error, best = torch.stack(errors).min(0)  # (C,)
    chosen = torch.stack(weights).gather(0, best.expand(1, count, -1))[0]
    worth = error < WORTH * plain.spread * count / (count - 1)
    chosen = chosen * worth
    return Ridge(width, chosen, mean - column @ chosen, torch.where(worth, error, plain.spread))
