"""Where demonstrations end: in one of several places."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary.dynamics.ends.base import FLOOR, Ends, EndsModel, spread_distance
from lerobot_dp_plus.auxiliary.dynamics.ends.context import NOTHING, Context
from lerobot_dp_plus.auxiliary.dynamics.ends.known import Known
from lerobot_dp_plus.auxiliary.dynamics.weighting import Weighting
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.modes.gaussian_mixture import POINTS_EACH, REGULARISATION, size, whitened
from lerobot_dp_plus.modes.mixtures import fit
from lerobot_dp_plus.modes.points import principal

#: Directions in which groups are told apart: those along which ends differ most.
DIRECTIONS = 6
#: Different ends that are kept.
KEPT = 512
#: Two groups are two goals if in some number no end lies between them for so long, normalised, and for so many spreads of
#: the wider one. Groups with a smaller share of the ends are none.
GAP, SPREADS, LEAST = 0.1, 2.0, 0.05


@Ends.register_subclass("mixture")
@dataclass(frozen=True)
class Mixture(Ends):
    """d(o) = min_k √(Σ_d w_kd ((o_d − μ_kd) / s_kd)² / Σ_d w_kd): how far from the nearest of several goals.

    Groups are the components of a Gaussian mixture, as many as the Bayesian information criterion says: McLachlan & Peel,
    Finite Mixture Models, 2000; `modes/` has the fit. They are told apart in the six directions along which ends differ
    most, and fewer than 16 different ends are always one group. Components that do not lie apart are one group, so that
    one goal with an odd shape stays one. With one group this is `gaussian` of the different ends.
    Cost: a fit of 0.1 s whenever a tenth more ends are known, some forty in a training; in use nothing to speak of.

    Args:
        most: K, the most goals.
    """

    most: int = 6

    def __post_init__(self) -> None:
        at_least("dynamics.ends", self, most=1)

    def build(self, dim: int) -> "MixtureEnds":
        return MixtureEnds(dim, self.most)


def groups_of(ends: Tensor, most: int) -> Tensor:
    """How much of each end (N, C) belongs to each of at most `most` groups, the heaviest first, (N, K)."""
    points = whitened(principal(ends[None].double().cpu(), min(DIRECTIONS, ends.shape[1])))
    fits = fit(points, min(most, max(1, len(ends) // POINTS_EACH)), REGULARISATION)
    chosen = int(size(fits, points.shape[-1])[0])
    shares = fits.log_joint[0, chosen].softmax(-1)[:, : chosen + 1]
    ends = ends.double().cpu()
    linked = torch.linalg.matrix_power(_near(ends, shares).double(), shares.shape[1]) > 0
    shares = shares @ torch.unique(linked, dim=0).to(shares).mT
    shares = shares[:, shares.sum(0).argsort(descending=True)]
    heavy = int((shares.mean(0) >= LEAST).sum())
    centres = described(ends, shares)[0]
    nearest = torch.cdist(centres[heavy:], centres[:heavy]).argmin(1)
    return shares[:, :heavy].index_add(1, nearest, shares[:, heavy:])


def _near(ends: Tensor, shares: Tensor) -> Tensor:
    """Which components have no gap between them, (K, K) bool."""
    member = torch.nn.functional.one_hot(shares.argmax(1), shares.shape[1]).bool()  # (N, K)
    inside = member.mT[..., None]
    low = ends.where(inside, torch.inf).amin(1)  # (K, C)
    high = ends.where(inside, -torch.inf).amax(1)
    spread = described(ends, shares)[1]
    gap = torch.maximum(low[:, None] - high[None], low[None] - high[:, None])
    wider = torch.maximum(spread[:, None], spread[None])
    return ~((gap > GAP) & (gap > SPREADS * wider)).any(-1) | torch.eye(len(gap), dtype=torch.bool)


def described(ends: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each group, two (K, C), of ends (N, C) with shares (N, K)."""
    weight = shares.sum(0).clamp_min(1e-9)[:, None]
    mean = shares.mT @ ends / weight
    square = (shares.mT[..., None] * (ends - mean[:, None]).square()).sum(1) / weight
    return mean, square.sqrt().clamp_min(FLOOR)


class MixtureEnds(EndsModel):
    """The ends of the recording, and the mean and spread of each group of them."""

    rows: Tensor
    held: Tensor
    fitted: Tensor
    share: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, dim: int, most: int):
        super().__init__()
        self.register_buffer("rows", torch.zeros(KEPT, dim))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.int64))
        self.register_buffer("share", torch.zeros(most))
        self.register_buffer("mean", torch.zeros(most, dim))
        self.register_buffer("spread", torch.ones(most, dim))

    @property
    def seen(self) -> Tensor:
        return self.held

    @torch.no_grad()
    def gather(self, last: Tensor, context: Context = NOTHING) -> None:
        if Known(self.rows, self.held, self.fitted, self.rows.shape[1]).add(last):
            self._fit(self.rows[: int(self.held)])

    def _fit(self, ends: Tensor) -> None:
        shares = groups_of(ends, len(self.share)).to(ends)  # (N, K)
        groups = shares.shape[1]
        self.share.zero_()
        self.share[:groups] = shares.mean(0)
        self.mean[:groups], self.spread[:groups] = described(ends, shares)

    def distance(self, observation: Tensor, weighting: Weighting, context: Context = NOTHING) -> Tensor:
        off = observation[..., None, :] - self.mean
        square = spread_distance(off, self.spread, weighting)
        return square.masked_fill(self.share == 0, torch.inf).amin(-1).sqrt()
