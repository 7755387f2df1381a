"""Proposals that are as symmetric as the task: half of them are made for the mirrored observation, and mirrored back.

A network that was trained with mirror images is not symmetric itself. Let p(A|O) be what a policy proposes and M the mirror.

    p̄(A|O) = ½ p(A|O) + ½ p(MA|MO)        p̄(MA|MO) = p̄(A|O)

This is the average over the group {1, M}, which makes any function equivariant (Murphy et al., arXiv 1811.01900), of a
distribution instead of a mean: a mean of two ways round would be none. Where MO = O the two ways have the same probability.
Halves that start from the same noise then even are mirror images of each other, so the two ways are equally often proposed.
Cost: no more network calls, and no larger ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.augmentation.base import ACTION, Symmetry

#: (name of a feature, its values (..., D)) -> the values in other units.
type Convert = Callable[[str, Tensor], Tensor]


def unchanged(key: str, value: Tensor) -> Tensor:
    """The conversion where values are in the dataset's units already."""
    return value


@dataclass(frozen=True)
class Symmetrised:
    """The mirror for a policy, whose values are normalised where a mirror knows the dataset's units.

        s = Symmetrised(PushTMirror(), units.physical, units.normalised, frozenset(units.keys))
        chunks = s.together(sample(s.both(window), noise, N // 2))      # noise (2B, N/2, H, A) -> chunks (B, N, H, A)

    Args:
        symmetry: the mirror.
        physical: from what the policy sees to the dataset's units; `Units.physical`.
        normalised: the inverse; `Units.normalised`.
        converted: features that have units. Others, such as pictures, are mirrored as they are: their normalisation must
            not depend on the place in the picture.
    """

    symmetry: Symmetry
    physical: Convert = unchanged
    normalised: Convert = unchanged
    converted: frozenset[str] = frozenset()

    def mirrored(self, window: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mirror images of observation windows, each (B, T_o, ...). It is its own inverse."""
        known = {key: self._to(self.physical, key, value) for key, value in window.items()}
        images = self.symmetry.image(known)
        return {key: self._to(self.normalised, key, images[key]).to(value.dtype) for key, value in window.items()}

    def mirrored_back(self, chunks: Tensor) -> Tensor:
        """The mirror images of chunks (..., H, A). It is its own inverse."""
        return self.mirrored({ACTION: chunks})[ACTION]

    def both(self, window: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Windows of B observations, and after them their mirror images: 2B, to be given N/2 candidates each."""
        images = self.mirrored(window)
        return {key: torch.cat([value, images[key]]) for key, value in window.items()}

    def together(self, chunks: Tensor) -> Tensor:
        """The chunks (2B, N/2, H, A) proposed for `both`, as (B, N, H, A): mirrored ones are mirrored back and come last.

        Raises:
            ValueError: an odd number of observations.
        """
        if len(chunks) % 2:
            raise ValueError(
                f"chunks of {len(chunks)} observations; must be an even number: B and their B mirror images"
            )
        straight, images = chunks.chunk(2)
        return torch.cat([straight, self.mirrored_back(images)], dim=1)

    def _to(self, convert: Convert, key: str, value: Tensor) -> Tensor:
        return convert(key, value) if key in self.converted else value
