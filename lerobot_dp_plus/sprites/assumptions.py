"""What is assumed of a recording, and how it shows in the pictures that an assumption does not hold.

| assumption | it fails if |
|---|---|
| the camera stands still | a shifted background explains more than `SHIFTED` of the pictures better |
| the robot is where states say | nothing is seen there: contrast under `CONTRAST` |
| something moves | fewer than `MOVING` of the pictures differ from the median picture |
| one thing moves | more than `TWO` of the pictures show a second part, at least `SECOND` as large as the thing usually is |
| it is seen whole | no picture shows it away from the robot and the picture's edges |
| it is rigid, and turns in the picture's plane | placing it explains less than `EXPLAINED` of what differs from the background |
| it looks different from each side | another turn explains more than `TURNED` of the pictures as well |
| it is its own mirror image, as the task is | much more of mirror images, which were not learned from, stays unexplained |
| the same | more than `CONTRADICTED` of them contradict the picture's direction |
"""

from itertools import product

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.quality import Quality
from lerobot_dp_plus.sprites.reading import Reading
from lerobot_dp_plus.sprites.scene import Frames, Scene, blobs

SHIFTED, CONTRAST, MOVING, TWO, SECOND = 0.25, 0.1, 0.5, 0.25, 0.25
EXPLAINED, TURNED, CONTRADICTED = 0.9, 0.1, 0.05
#: Of mirror images at most so many times as much may stay unexplained as of pictures, and so much more.
TIMES, MORE = 1.5, 0.02
#: Pictures that are tried with a shifted background; by how many pixels; how much better it must explain them.
TRIED, SHIFTS, BETTER = 128, (1, 2, 3), 0.1
#: The smallest thing, over the picture's area.
LEAST = 0.002
#: Pictures that show why.
SHOWN = 6


class Unseeable(ValueError):
    """An assumption does not hold.

    Args:
        assumption: which, in a few words.
        said: what was found, with the figure.
        rows: frames that show it.
    """

    def __init__(self, assumption: str, said: str, rows: list[int]):
        super().__init__(f"{assumption}: {said}")
        self.assumption, self.said, self.rows = assumption, said, rows


def check_scene(frames: Frames, scene: Scene, things: int = 1) -> None:
    """Raise `Unseeable` for what shows before anything is learned, if so many things are assumed."""
    count = min(TRIED, len(frames))
    at = torch.linspace(0, len(frames) - 1, count).round().long()
    some = frames.part(at)
    moved = shifted_better(some.bright, scene.background)
    if (share := float(moved.float().mean())) > SHIFTED:
        raise Unseeable(
            "the camera stands still",
            f"{share:.0%} of the pictures are explained better if the background is shifted",
            some_of(at[moved]),
        )
    if some.robots is not None and scene.contrast < CONTRAST:
        raise Unseeable(
            "the robot is seen where states say it is",
            f"nothing differs from the background there (contrast {scene.contrast:.2f}). --view says which states lie at the "
            "picture's edges; --no-robot if it is not in sight",
            some_of(at),
        )
    foreground = scene.foreground(some.bright, some.robots)
    areas = [[int(part.sum()) for part in blobs(each)] for each in foreground.numpy()]
    least = LEAST * foreground[0].numel()
    first = torch.tensor([parts[0] if parts else 0 for parts in areas])
    second = torch.tensor([parts[1] if len(parts) > 1 else 0 for parts in areas])
    differs = first >= least
    if (share := float(differs.float().mean())) < MOVING:
        raise Unseeable(
            "something moves beside the robot",
            f"only {share:.0%} of the pictures differ from the median picture",
            some_of(at[~differs]),
        )
    two = second >= torch.clamp(SECOND * first[differs].float().median(), min=least)
    if things == 1 and (share := float(two.float().mean())) > TWO:
        raise Unseeable(
            "one thing moves beside the robot",
            f"{share:.0%} of the pictures show a second one. --things says how many there are",
            some_of(at[two]),
        )


def check_reading(reading: Reading, quality: Quality) -> None:
    """Raise `Unseeable` for what shows in poses that were found."""
    fit = reading.fit
    if quality.explained < EXPLAINED:
        worst = (fit.error / fit.without.clamp_min(1e-12)).argsort(descending=True)
        raise Unseeable(
            "what moves is one rigid thing in the picture's plane",
            f"placing it explains {quality.explained:.0%} of what differs from the background, and should {EXPLAINED:.0%}",
            worst[:SHOWN].tolist(),
        )
    if quality.turned > TURNED:
        raise Unseeable(
            "the thing looks different from each side",
            f"{quality.turned:.0%} of the pictures are explained as well if it is turned",
            some_of(fit.turned.nonzero()[:, 0]),
        )
    if quality.mirrored is None or quality.contradicted is None or reading.apart is None:
        return
    unexplained = 1 - quality.mirrored
    if unexplained > TIMES * (1 - quality.explained) + MORE or quality.contradicted > CONTRADICTED:
        raise Unseeable(
            "the thing is its own mirror image",
            f"{quality.explained:.1%} is explained in pictures and {quality.mirrored:.1%} in their mirror images, and "
            f"{quality.contradicted:.1%} of these say another direction. --mirror=none does without; frame and augmentation "
            "of the policy must not assume it then either",
            reading.apart.argsort(descending=True)[:SHOWN].tolist(),
        )


def shifted_better(pictures: Tensor, background: Tensor) -> Tensor:
    """Whether a shifted background explains pictures (B, 3, h, w) better than the one that is not, (B,)."""
    room = max(SHIFTS)

    def error(down: int, across: int) -> Tensor:
        moved = background.roll((down, across), (-2, -1))
        inner = (pictures - moved)[..., room:-room, room:-room]
        return inner.abs().mean((1, 2, 3))

    still = error(0, 0)
    steps = sorted({0, *SHIFTS, *(-shift for shift in SHIFTS)})
    best = torch.stack([error(down, across) for down, across in product(steps, steps) if down or across]).amin(0)
    return best < (1 - BETTER) * still


def some_of(rows: Tensor) -> list[int]:
    """At most `SHOWN` rows, evenly spread."""
    return rows[torch.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).round().long()].tolist()
