"""Modes are Gaussians, as many as the Bayesian information criterion says."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.modes.base import Found, Modes, check_points, described
from lerobot_dp_plus.modes.mixtures import Fits, fit
from lerobot_dp_plus.modes.points import END, SPACES, points_of

#: Added to variances, where those of all candidates together are 1.
REGULARISATION = 1e-3
#: Directions narrower than this, relative to the widest one, are scaled as if they had this width, and so count for less.
THINNEST = 1e-2
#: By how much several modes must have the better criterion. Less is "not worth more than a bare mention" (Kass & Raftery,
#: JASA 90, 1995, where it is twice the logarithm of a Bayes factor).
EVIDENCE = 2.0
#: A component for every so many candidates, at most. Fewer show modes where there are none.
POINTS_EACH = 8


@Modes.register_subclass("gaussian_mixture")
@dataclass(frozen=True)
class GaussianMixture(Modes):
    """argmax_k 2 log L_k − p_k log N over mixtures of k = 1 … max_modes Gaussians, p_k = k(1 + D + D(D + 1)/2) − 1.

    Number of components by the Bayesian information criterion: Fraley & Raftery, The Computer Journal 41(8), 1998. Fits by
    expectation maximisation: McLachlan & Peel, Finite Mixture Models, 2000. Covariances are full. Each is drawn towards
    the pooled one, see `mixtures.py`. A candidate belongs to the component that most probably made it. A component with a
    share of candidates below `min_weight` is no mode. Its candidates belong to their second choice.

    Candidates are scaled to unit covariance first. So modes do not depend on the units of the coordinates. Of single
    Gaussians at most 2 % are said to have several modes, for N = 16, 32, 64 and D = 1, 2, 3; a test measures it. Fewer than
    16 candidates are always one mode, fewer than 24 at most two. Cost: no network call; 4 ms for 16 candidates, 10 ms for
    64, on one thread.

    Attributes:
        space: what is compared, `end` or `whole`; see `points_of`.
        components: the most numbers that a point has.
        max_modes: K, the most modes that are told apart.
        min_weight: the least share of the candidates that makes a mode.
    """

    space: str = END
    components: int = 3
    max_modes: int = 3
    min_weight: float = 0.1

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise ValueError(f"modes.space = {self.space!r}: legal are {', '.join(map(repr, SPACES))}")
        at_least("modes", self, components=1, max_modes=1)
        if not 0 <= self.min_weight <= 0.5:
            raise ValueError(f"modes.min_weight = {self.min_weight}: must be in [0, 0.5], a share of the candidates")

    @property
    def fewest(self) -> int | None:
        return None if self.max_modes == 1 else 2 * POINTS_EACH

    def points(self, chunks: Tensor) -> Tensor:
        return points_of(chunks, self.space, self.components)

    @torch.no_grad()
    def find(self, points: Tensor) -> Found:
        check_points(points)
        points, device = points.cpu(), points.device  # many steps with small matrices, for which a GPU has no use
        scaled = whitened(points.double())
        fits = fit(scaled, min(self.max_modes, max(1, points.shape[1] // POINTS_EACH)), REGULARISATION)
        rows = torch.arange(len(points))
        log_joint = fits.log_joint[rows, size(fits, points.shape[-1])]  # (B, N, K)
        members = torch.nn.functional.one_hot(log_joint.argmax(2), log_joint.shape[2]).sum(1)  # (B, K)
        light = members < max(1, self.min_weight * points.shape[1])
        light[rows, members.argmax(1)] = False
        labels = log_joint.masked_fill(light[:, None], -math.inf).argmax(2)
        return Found(*(value.to(device) for value in described(points, labels, self.max_modes)))


def size(fits: Fits, dim: int) -> Tensor:
    """Number of components less one, (B,): the highest Bayesian information criterion, one unless there is evidence."""
    count, most = fits.log_joint.shape[2:]
    parameters = torch.arange(1, most + 1) * (1 + dim + dim * (dim + 1) // 2) - 1
    criterion = 2 * fits.log_likelihood - math.log(count) * parameters
    criterion[:, 0] += EVIDENCE
    return criterion.argmax(1)


def whitened(points: Tensor) -> Tensor:
    """Points (B, N, D) turned and scaled so that their covariance is the identity, but for directions of hardly any width."""
    centred = points - points.mean(1, keepdim=True)
    variance, axes = torch.linalg.eigh(centred.mT @ centred / points.shape[1])  # ascending
    width = variance.clamp_min(0).sqrt()
    floor = torch.maximum(THINNEST * width[:, -1:], torch.full_like(width[:, -1:], torch.finfo(width.dtype).tiny))
    return (centred @ axes) / torch.maximum(width, floor)[:, None]
