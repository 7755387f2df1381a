"""What the thing looks like, from a single picture: where learning starts.

From an empty template one learns the average over several turns instead, when a thing nearly looks alike in them: a T's
three arms lie about 120° apart.
"""

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.placing import cut, grid
from lerobot_dp_plus.sprites.scene import Frames, Scene, blobs
from lerobot_dp_plus.sprites.sprite import TEMPLATE, Patch

#: The template's half side over the thing's largest radius.
ROOM = 1.25
#: Free pixels that a thing must have around it.
MARGIN = 1


def first_look(frames: Frames, scene: Scene) -> Patch:
    """The largest thing in any of some pictures that lies free: whole, and away from the robot.

    Raises:
        LookupError: there is none.
    """
    some = frames.spread()
    found = whole_parts(scene.foreground(some.bright, some.robots), some, scene)
    if not found:
        raise LookupError("no picture shows a thing whole and away from the robot")
    row, mask = found[0]
    return cut_out(some.bright[row], mask)


def whole_parts(foreground: Tensor, some: Frames, scene: Scene) -> list[tuple[int, Tensor]]:
    """The largest part of each of the foregrounds (B, h, w) that lies free: row and mask (h, w), the largest first."""
    found = []
    for row, each in enumerate(foreground.numpy()):
        parts = blobs(each)
        if not parts:
            continue
        mask = torch.from_numpy(parts[0])
        if _is_whole(mask) and _is_free(mask, None if some.robots is None else some.robots[row], scene.reach):
            found.append((row, mask))
    return sorted(found, key=lambda part: -int(part[1].sum()))


def cut_out(picture: Tensor, mask: Tensor) -> Patch:
    """What a picture (3, h, w) shows within a mask (h, w)."""
    places = grid(*mask.shape)[mask]
    centre = places.mean(0)
    side = 2 * ROOM * float((places - centre).norm(dim=-1).max() + 0.5)
    still = torch.zeros(1)
    colours = cut(picture[None], centre[None], still, side, TEMPLATE)[0]
    opacity = cut(mask[None, None].float(), centre[None], still, side, TEMPLATE)[0, 0]
    return Patch(colours, opacity, side)


def _is_whole(mask: torch.Tensor) -> bool:
    """Whether a mask (h, w) keeps off the picture's edges."""
    inner = torch.zeros_like(mask)
    inner[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    return not bool((mask & ~inner).any())


def _is_free(mask: torch.Tensor, robot: torch.Tensor | None, reach: float) -> bool:
    """Whether the robot at (2,) hides nothing of a mask (h, w)."""
    if robot is None:
        return True
    places = grid(mask.shape[0], mask.shape[1])[mask]
    return bool((places - robot).norm(dim=-1).min() > reach + 1)
