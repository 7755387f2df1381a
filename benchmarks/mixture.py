"""Numbers x₁ ~ Σ w·N(m, s²): what a perfect network says of them, where the flow leads, and how good a set of samples is."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Prediction, per_sample
from lerobot_dp_plus.paths import Path

#: Bisections until float64 knows no better.
HALVINGS = 60
#: Widths from the nearest mode beyond which a sample belongs to none.
FAR = 4.0


@dataclass(frozen=True)
class Judgement:
    """Samples against the truth: `weights` and `spreads` of each mode, `stray` share of samples that belong to none, and
    the mean distance to the true quantiles in standard deviations of the data.

    `spreads` are ratios to what the truth has between the same borders, those halfway between modes; 0 where at most one
    sample fell.
    """

    weights: tuple[float, ...]
    spreads: tuple[float, ...]
    stray: float
    distance: float


@dataclass(frozen=True)
class Mixture:
    """Weights w, means m in ascending order and widths s of the modes; every element of a chunk is one such number."""

    weights: tuple[float, ...]
    means: tuple[float, ...]
    widths: tuple[float, ...]

    def _modes(self) -> tuple[Tensor, Tensor, Tensor]:
        weights, means, widths = (
            torch.tensor(value, dtype=torch.float64) for value in (self.weights, self.means, self.widths)
        )
        return weights, means, widths

    def _marginal(self, path: Path, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Of each mode of x_t the distance x_t − α·m and the variance, with an axis for modes at the end."""
        _, means, widths = self._modes()
        alpha, sigma = (per_sample(weight, x_t)[..., None] for weight in (path.alpha(t), path.sigma(t)))
        return x_t[..., None] - alpha * means, ((alpha * widths) ** 2 + sigma**2).expand(*x_t.shape, -1)

    def ends(self, path: Path, x_t: Tensor, t: Tensor) -> Prediction:
        """E[x₀ | x_t] and E[x₁ | x_t], each like x_t (B, H, A); t (B,)."""
        weights, means, widths = self._modes()
        distance, variance = self._marginal(path, x_t, t)
        share = (weights.log() - 0.5 * variance.log() - 0.5 * distance**2 / variance).softmax(dim=-1)
        alpha, sigma = (per_sample(weight, x_t) for weight in (path.alpha(t), path.sigma(t)))
        surprise = share * distance / variance
        x1 = (share * means).sum(-1) + alpha * (surprise * widths**2).sum(-1)
        return Prediction(sigma * surprise.sum(-1), x1)

    def _cdf(self, path: Path, x_t: Tensor, t: Tensor) -> Tensor:
        distance, variance = self._marginal(path, x_t, t)
        return (self._modes()[0] * torch.special.ndtr(distance / variance.sqrt())).sum(-1)

    def flow(self, path: Path, x_t: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """Where the probability flow carries x at t by u: on a line it keeps the order of points, so P(x_u < x) as well."""
        share = self._cdf(path, x_t, t)
        low, high = torch.full_like(x_t, -20.0), torch.full_like(x_t, 20.0)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = self._cdf(path, middle, u) < share
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2

    @cache  # noqa: B019  (a handful of truths)
    def quantiles(self, count: int) -> Tensor:
        """The (i + ½)/count quantiles of the data, (count,)."""
        _, means, widths = self._modes()
        wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        low, high = (
            torch.full_like(wanted, means[0] - 9 * widths.max()),
            torch.full_like(wanted, means[-1] + 9 * widths.max()),
        )
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            share = (self._modes()[0] * torch.special.ndtr((middle[:, None] - means) / widths)).sum(-1)
            low, high = torch.where(share < wanted, middle, low), torch.where(share < wanted, high, middle)
        return (low + high) / 2

    def judge(self, samples: Tensor) -> Judgement:
        """All samples of a tensor of any shape, as many as there are."""
        _, means, widths = self._modes()
        found, truth = samples.flatten().sort().values, self.quantiles(samples.numel())
        borders = (means[1:] + means[:-1]) / 2
        regions = [torch.bucketize(values, borders) for values in (found, truth)]
        spreads = []
        for mode in range(len(self.means)):
            inside, expected = (values[region == mode] for values, region in zip((found, truth), regions, strict=True))
            spreads.append((inside.std() / expected.std()).item() if len(inside) > 1 else 0.0)
        far = ((found[:, None] - means).abs() > FAR * widths).all(dim=-1)
        return Judgement(
            weights=tuple((regions[0] == mode).double().mean().item() for mode in range(len(self.means))),
            spreads=tuple(spreads),
            stray=far.double().mean().item(),
            distance=((found - truth).abs().mean() / truth.std()).item(),
        )


def gaussian(mean: float, width: float) -> Mixture:
    """One mode."""
    return Mixture((1.0,), (mean,), (width,))


def even_noise(count: int) -> Tensor:
    """Noise without chance: the (i + ½)/count quantiles of N(0, 1), (count, 1, 1)."""
    share = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.special.ndtri(share).reshape(count, 1, 1)
