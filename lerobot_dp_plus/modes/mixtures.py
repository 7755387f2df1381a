"""Gaussian mixtures fitted by expectation maximisation, all observations, sizes and starts at once.

Dempster, Laird & Rubin 1977; McLachlan & Peel, Finite Mixture Models, 2000, chapter 3. A log-density of a Gaussian is linear in

    φ(x) = (1, x, x xᵀ)        log π_k N(x; μ_k, Σ_k) = θ_k·φ(x)

and so are the sums that a step needs, Σ_n r_nk φ(x_n). An iteration is two matrix products and the inverses of small matrices.

Covariances are drawn towards the pooled one, as in Friedman's regularised discriminant analysis, JASA 84, 1989:

    Σ_k = (n_k S_k + s Σ̄) / (n_k + s) + ε I        Σ̄ = Σ_k n_k S_k / N,  s = 12

Free covariances are too many numbers for few points: a component settles on three points that happen to lie on a line, and its
likelihood has no bound. Of single Gaussians of 16 points in two dimensions 40 % then seemed to have several modes, here 1 %.
With many points s hardly matters.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

#: Iterations of all starts, and the most that the best start of each size then has.
SHORT, LONG = 6, 30
#: A fit has converged when an iteration changes the log-likelihood of the N points by less than this.
ENOUGH = 1e-2
#: A component's covariance is that of its points and of so many more that have the pooled covariance.
POOLED_POINTS = 12.0


class Fits(NamedTuple):
    """The best mixture of each size 1..K, fitted to each observation's N points.

    Args:
        log_likelihood: of all points, (B, K); the last axis is the number of components, from 1 on.
        log_joint: log π_k N(x_n; μ_k, Σ_k) of each point and component, (B, K, N, K); −inf where there is no component.
    """

    log_likelihood: Tensor
    log_joint: Tensor


def fit(points: Tensor, most: int, reg: float) -> Fits:
    """Mixtures of 1..`most` Gaussians with covariances of their own.

    Args:
        points: (B, N, D) float64, of about unit variance.
        most: K, the largest number of components.
        reg: added to the variances, which keeps a component from shrinking onto a point.
    """
    count = points.shape[1]
    features = torch.cat([torch.ones_like(points[..., :1]), points, outer(points).flatten(-2)], dim=-1)  # (B, N, F)
    sizes, shares = starts(points, most)
    _, log_likelihood, shares = climb(features, shares, sizes, reg, SHORT)
    best = torch.stack([log_likelihood.where(sizes == size, -math.inf).argmax(1) for size in range(1, most + 1)], dim=1)
    shares = shares.gather(2, best[:, None, :, None].expand(-1, count, -1, most))
    joint, log_likelihood, _ = climb(features, shares, torch.arange(1, most + 1), reg, LONG)
    return Fits(log_likelihood, joint.transpose(1, 2))


def outer(vectors: Tensor) -> Tensor:
    """(..., D) -> (..., D, D)."""
    return vectors[..., :, None] * vectors[..., None, :]


def climb(
    features: Tensor, shares: Tensor, sizes: Tensor, reg: float, iterations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Iterations from the shares of components in points, (B, N, R, K), for R mixtures side by side.

    A mixture that has converged stands still, whatever the others do: what is found does not depend on the company.

    Returns log π_k N (B, N, R, K), the log-likelihood (B, R) and the shares once more.
    """
    absent = torch.arange(shares.shape[-1]) >= sizes[:, None]  # (R, K)
    before = torch.full((), -math.inf)
    for _ in range(iterations):
        theta = maximised(features, shares, reg)  # (B, R·K, F)
        joint = (features @ theta.mT).unflatten(-1, absent.shape).masked_fill(absent, -math.inf)
        density = joint.logsumexp(-1)
        now = density.sum(1)  # (B, R)
        moving = (now - before).abs() >= ENOUGH
        if not bool(moving.any()):
            break
        shares = torch.where(moving[:, None, :, None], (joint - density[..., None]).exp(), shares)
        before = now
    return joint, now, shares


def maximised(features: Tensor, shares: Tensor, reg: float) -> Tensor:
    """θ of the components that shares (B, N, R, K) make, (B, R·K, F)."""
    dim = (math.isqrt(4 * features.shape[-1] - 3) - 1) // 2  # F = 1 + D + D²
    sums = shares.flatten(2).mT @ features  # (B, R·K, F)
    weight = sums[..., :1].clamp_min(1e-9)
    mean, second = (sums[..., 1:] / weight).split([dim, dim * dim], dim=-1)
    identity = torch.eye(dim, dtype=features.dtype)
    scatter = weight[..., None] * (second.unflatten(-1, (dim, dim)) - outer(mean))  # (B, R·K, D, D)
    pooled = scatter.unflatten(1, shares.shape[2:]).sum(2) / features.shape[1]
    towards = POOLED_POINTS * pooled.repeat_interleave(shares.shape[3], 1)
    covariance = (scatter + towards) / (weight[..., None] + POOLED_POINTS) + reg * identity
    root = torch.linalg.cholesky_ex(covariance).L
    precision = torch.cholesky_inverse(root)
    linear = (precision @ mean[..., None]).squeeze(-1)
    log_volume = root.diagonal(dim1=-2, dim2=-1).log().sum(-1, keepdim=True)
    constant = (weight / features.shape[1]).log() - 0.5 * dim * math.log(2 * math.pi) - log_volume
    constant = constant - 0.5 * (mean * linear).sum(-1, keepdim=True)
    return torch.cat([constant, linear, -0.5 * precision.flatten(-2)], dim=-1)


def starts(points: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Sizes (R,) of the mixtures to start from, and their shares (B, N, R, most): every point in one component.

    Points are cut along directions, in two where that leaves the least variance and in more at quantiles, and gathered
    about points that are far from each other. Nothing is drawn at random.
    """
    ways = points @ directions(points)  # (B, N, ways)
    sizes, parts = [1], [torch.zeros_like(ways[..., :1], dtype=torch.int64)]
    for size in range(2, most + 1):
        cuts = least_variance(ways) if size == 2 else ways.argsort(1).argsort(1) * size // points.shape[1]
        parts += [cuts, farthest(points, size)[..., None]]
        sizes += [size] * (ways.shape[2] + 1)
    labels = torch.cat(parts, dim=-1)
    return torch.tensor(sizes), torch.nn.functional.one_hot(labels, most).to(points.dtype)


def directions(points: Tensor) -> Tensor:
    """Unit vectors along which points of unit covariance (B, N, D) may fall apart, (B, D, ways).

    They are the eigenvectors of E[|x|² x xᵀ], one of which leads from mode to mode if there are two of equal shape (Peña,
    Prieto & Viladrich, J. Multivariate Analysis 101, 2010), and the diagonals between two of them.
    """
    moment = (points * points.square().sum(-1, keepdim=True)).mT @ points
    axes = torch.linalg.eigh(moment).eigenvectors
    first, second = torch.triu_indices(axes.shape[-1], axes.shape[-1], 1)
    return torch.cat([axes, axes[..., first] + axes[..., second], axes[..., first] - axes[..., second]], dim=-1)


def least_variance(values: Tensor) -> Tensor:
    """Each column of centred values (B, N, ways) cut in two at its best: 0 below, 1 above the cut.

    Variance between i small and N − i large values that add up to zero is (Σ of the small)² N / (i (N − i)).
    """
    count = values.shape[1]
    if count == 1:
        return torch.zeros_like(values, dtype=torch.int64)
    ordered, order = values.sort(dim=1)
    below = torch.arange(1, count, dtype=values.dtype)[:, None]
    between = ordered.cumsum(1)[:, :-1].square() / (below * (count - below))
    return (order.argsort(1) > between.argmax(1, keepdim=True)).long()


def farthest(points: Tensor, count: int) -> Tensor:
    """The nearest of `count` seeds, (B, N): the point farthest from the mean, then the farthest from those before.

    The last seeds are the extremes; seeds begin there, and EM moves them.
    """
    distance = (points - points.mean(1, keepdim=True)).square().sum(-1)  # (B, N)
    rows = torch.arange(len(points))
    seeds: list[Tensor] = []
    for _ in range(count):
        seeds.append(points[rows, distance.argmax(1)])
        away = (points[:, :, None] - torch.stack(seeds, dim=1)[:, None]).square().sum(-1)  # (B, N, seeds)
        distance = away.amin(-1)
    return away.argmin(-1)
