"""What the thing looks like, from a single picture: where learning starts.

From an empty template one learns the average over several turns instead, when a thing nearly looks alike in them: a T's
three arms lie about 120° apart.
"""

import torch

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
    some, size = frames.spread(), frames.size
    pictures = some.bright
    found = scene.foreground(pictures, some.robots)
    best, chosen = 0, None
    for row, foreground in enumerate(found.numpy()):
        parts = blobs(foreground)
        if not parts or (area := int(parts[0].sum())) <= best:
            continue
        mask = torch.from_numpy(parts[0])
        if _is_whole(mask) and _is_free(mask, None if some.robots is None else some.robots[row], scene.reach):
            best, chosen = area, (row, mask)
    if chosen is None:
        raise LookupError("no picture shows a thing whole and away from the robot")
    row, mask = chosen
    places = grid(*size)[mask]
    centre = places.mean(0)
    side = 2 * ROOM * float((places - centre).norm(dim=-1).max() + 0.5)
    still = torch.zeros(1)
    colours = cut(pictures[row : row + 1], centre[None], still, side, TEMPLATE)[0]
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
