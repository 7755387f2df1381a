"""How far an observation is from the usual ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: What is added to the correlations' diagonal: a hundredth of a standard deviation in every direction.
REGULARISATION = 1e-4


def side_by_side(observed: Mapping[str, Tensor]) -> Tensor | None:
    """States by name, each (B, T, D), as one vector for each window, (B, T·ΣD), sorted by name; None if there are none.

    A window of several frames shows motion. A body that jumps from one frame to the next is strange in no single frame.
    """
    return torch.cat([observed[name] for name in sorted(observed)], -1).flatten(1) if observed else None


@dataclass(frozen=True)
class Usual:
    """A Gaussian of usual observations.

    Args:
        mean, scale: of every coordinate, (D,).
        correlation: (D, D), regularised.
    """

    mean: Tensor
    scale: Tensor
    correlation: Tensor

    @classmethod
    def fit(cls, observations: Tensor, regularisation: float = REGULARISATION) -> "Usual":
        """Mean and covariance of observations (n, D), such as those of the training data as its augmentation leaves them.

        States often determine each other, as the corners of a rigid body do. Then the covariance has no inverse, and
        `regularisation` says how far from their common subspace, in variances, is far.

        Raises:
            ValueError: fewer than two observations, one that is not finite, or a regularisation that is not positive.
        """
        if observations.dim() != 2 or len(observations) < 2:
            raise ValueError(
                f"observations have shape {tuple(observations.shape)}; must be (n, D) with n of at least 2"
            )
        if not torch.isfinite(observations).all():
            raise ValueError("observations: there is a NaN or an infinity among them")
        if not regularisation > 0:
            raise ValueError(f"regularisation = {regularisation}: must be positive")
        values = observations.double()
        mean, spread = values.mean(0), values.std(0)
        # A coordinate that never changed has no scale of its own.
        scale = torch.where(spread > 1e-6 * mean.abs().clamp_min(1), spread, 1.0)
        centred = (values - mean) / scale
        correlation = centred.T @ centred / (len(values) - 1)
        return cls(mean, scale, correlation + regularisation * torch.eye(len(mean), dtype=torch.float64))

    def strangeness(self, observations: Tensor) -> Tensor:
        """D²/D of observations (B, D), (B,), D² the squared Mahalanobis distance: 1 on average for usual ones.

        Source: Mahalanobis (1936). As a detector of what a network was not trained on: Lee et al., arXiv 1807.03888.

        Raises:
            ValueError: the observations have another width.
        """
        if observations.shape[-1] != len(self.mean):
            raise ValueError(f"observations have {observations.shape[-1]} coordinates; {len(self.mean)} were fitted")
        centred = (observations.double().cpu() - self.mean) / self.scale
        factor = torch.linalg.cholesky(self.correlation)
        whitened = torch.linalg.solve_triangular(factor, centred.T, upper=False)
        return whitened.square().mean(0)

    def to_json(self) -> dict[str, Any]:
        """Lists of numbers."""
        return {name: getattr(self, name).tolist() for name in ("mean", "scale", "correlation")}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Usual":
        """The inverse of `to_json`."""
        return cls(*(torch.tensor(stored[name], dtype=torch.float64) for name in ("mean", "scale", "correlation")))
