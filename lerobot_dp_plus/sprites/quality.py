"""How good found poses are, told without a label."""

from dataclasses import dataclass

import torch

from lerobot_dp_plus.sprites.reading import Reading

#: Picture and mirror image contradict each other if they are further apart, in degrees.
CONTRADICTION = 30.0


@dataclass(frozen=True)
class Quality:
    """Figures of a reading.

    Args:
        reconstruction: mean squared error of a picture in 0 … 1.
        explained: 1 − reconstruction over the error of pictures with the thing left out, both without noise; 1 is perfect.
        turned: the share of pictures that another turn of the thing explains as well.
        mirrored: `explained` of the mirror images, which were not learned from.
        far, apart: the median disagreement of picture and mirror image, in pixels of the explained picture and degrees.
        contradicted: the share of pictures in which they are more than `CONTRADICTION` apart. These four are None
            without a mirror.
    """

    reconstruction: float
    explained: float
    turned: float
    mirrored: float | None
    far: float | None
    apart: float | None
    contradicted: float | None


def quality_of(reading: Reading) -> Quality:
    """The figures of a reading."""
    fit = reading.fit
    own = (float(fit.error.mean()), fit.explained, float(fit.turned.float().mean()))
    if reading.image is None or reading.far is None or reading.apart is None:
        return Quality(*own, None, None, None, None)
    degrees = torch.rad2deg(reading.apart)
    contradicted = float((degrees > CONTRADICTION).float().mean())
    return Quality(*own, reading.image.explained, float(reading.far.median()), float(degrees.median()), contradicted)
