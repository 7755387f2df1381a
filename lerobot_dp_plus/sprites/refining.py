"""Poses made better on the picture itself: least squares by Levenberg and Marquardt, many pictures at once.

    p ← p − (JᵀJ + λ diag JᵀJ)⁻¹ Jᵀ r        r = Î(p) − I,  J = ∂Î/∂p,  p = (x, y, θ)

A step that makes the picture worse is not taken, and the next one is shorter. What is drawn, and how it changes with the
place in the thing's frame, is sampled together. So a step costs one drawing of twelve channels, in a window around the thing.
Source: Marquardt 1963 (doi 10.1137/0111030); aligning a template in this way is Lucas and Kanade's method (1981).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.placing import grid, over, placed, turned
from lerobot_dp_plus.sprites.sprite import Drawn, Pose

#: Where the damping λ starts, and by what it is multiplied after a step that helps and one that does not.
DAMPING, CALMER, WILDER = 1e-2, 0.3, 10.0
#: The window's side over the template's, in whose middle the thing is.
WINDOW = 1.2


class _Window(NamedTuple):
    """What is seen around the thing: first pixel (x, y) (B, 2), pictures and backgrounds (B, 3, w, w), robots' layers."""

    first: Tensor
    pictures: Tensor
    background: Tensor
    front: Tensor | None


@torch.no_grad()
def refined(
    sprite: Drawn, pose: Pose, pictures: Tensor, robots: Tensor | None, background: Tensor, steps: int
) -> tuple[Pose, Tensor]:
    """Poses after some steps, and the mean squared errors (B,) of their pictures.

    Args:
        pictures: (B, 3, h, w) in 0 … 1.
        robots: (B, 2) places of the robot.
        background: (3, h, w), or one for each picture (B, 3, h, w).
    """
    look = with_slopes(sprite.thing(), sprite.thing.side)
    front = sprite.front(robots)
    window = _around(pose.place, math.ceil(WINDOW * sprite.thing.side), pictures, background, front)
    lever = sprite.thing.side / 4  # so that a turn counts in pixels, as a shift does

    parameters = torch.cat([pose.place - window.first, lever * pose.angle[:, None]], 1)
    residual, jacobian = _drawn(look, sprite.thing.side, parameters, lever, window)
    error = residual.square().mean(1)
    damping = torch.full_like(error, DAMPING)
    for _ in range(steps):
        square = jacobian.mT @ jacobian
        diagonal = square.diagonal(dim1=1, dim2=2)
        damped = square + torch.diag_embed(damping[:, None] * diagonal + 1e-6)
        step = torch.linalg.solve(damped, jacobian.mT @ residual[..., None])[..., 0]
        # The picture says where a thing is only near to where it is looked for.
        step = step * (lever / step.norm(dim=1, keepdim=True).clamp_min(1e-6)).clamp(max=1.0)
        tried = parameters - step
        left, slopes = _drawn(look, sprite.thing.side, tried, lever, window)
        worth = left.square().mean(1)
        better = worth < error
        parameters = torch.where(better[:, None], tried, parameters)
        residual = torch.where(better[:, None], left, residual)
        jacobian = torch.where(better[:, None, None], slopes, jacobian)
        error = torch.where(better, worth, error)
        damping = damping * torch.where(better, CALMER, WILDER)
    found = Pose(parameters[:, :2] + window.first, parameters[:, 2] / lever)
    whole = over(placed(look[:4], found.place, found.angle, sprite.thing.side, sprite.size), background)
    whole = whole if front is None else over(front, whole)
    return found, (whole - pictures).square().mean((1, 2, 3))


def with_slopes(look: Tensor, side: float) -> Tensor:
    """A look (4, S, S) and its slopes across and down, a pixel of the picture each: (12, S, S), by central differences."""
    size = look.shape[-1]
    wide = torch.nn.functional.pad(look, (1, 1, 1, 1))
    per_pixel = size / side / 2
    across = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) * per_pixel
    down = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) * per_pixel
    return torch.cat([look, across, down])


def _around(place: Tensor, side: int, pictures: Tensor, background: Tensor, front: Tensor | None) -> _Window:
    """Windows `side` pixels wide, or as wide as the picture, with places (B, 2) in their middle where the edges allow it."""
    limits = torch.tensor(pictures.shape[:-3:-1])  # (W, H)
    sides = limits.clamp(max=side)
    first = torch.minimum((place - sides / 2).round().long().clamp_min(0), limits - sides)
    across, down = (first[:, [axis]] + torch.arange(int(sides[axis])) for axis in (0, 1))  # (B, w) each
    each = torch.arange(len(place))[:, None, None]
    rows, columns = down[:, :, None], across[:, None, :]

    def part(whole: Tensor) -> Tensor:
        return whole.movedim(1, -1)[each, rows, columns].movedim(-1, 1)

    behind = part(background) if background.dim() == 4 else background.movedim(0, -1)[rows, columns].movedim(-1, 1)
    return _Window(first.to(place.dtype), part(pictures), behind, None if front is None else part(front))


def _drawn(look: Tensor, side: float, parameters: Tensor, lever: float, window: _Window) -> tuple[Tensor, Tensor]:
    """Residuals (B, P) and their slopes (B, P, 3) in the parameters (B, 3)."""
    place, angle = parameters[:, :2], parameters[:, 2] / lever
    size = (window.pictures.shape[-2], window.pictures.shape[-1])
    layer = placed(look, place, angle, side, size)  # (B, 12, w, w)
    colours, opacity = layer[:, :3], layer[:, 3:4]
    drawn = colours + (1 - opacity) * window.background
    # How the picture changes with the place in the thing's frame: (B, 2, 3, w, w).
    slopes = torch.stack(
        [layer[:, first : first + 3] - layer[:, first + 3 : first + 4] * window.background for first in (4, 8)], 1
    )
    if window.front is not None:
        seen = 1 - window.front[:, 3:]
        drawn = window.front[:, :3] + seen * drawn
        slopes = slopes * seen[:, None]
    # q = R(−θ)(u − place): ∂q/∂place = −R(−θ), and ∂q/∂θ = R(−θ) turned back by a quarter.
    axes = turned(torch.eye(2).expand(len(place), 2, 2), angle[:, None])  # (B, 2, 2): the frame's axes in the picture
    shift = -torch.einsum("bkd,bkchw->bdchw", axes, slopes)
    offsets = grid(*size) - place[:, None, None]  # (B, w, w, 2)
    along = torch.einsum("bhwd,bkd->bkhw", offsets, axes)  # q
    turn = (along[:, 1] / lever)[:, None] * slopes[:, 0] - (along[:, 0] / lever)[:, None] * slopes[:, 1]
    jacobian = torch.cat([shift, turn[:, None]], 1).flatten(2).mT
    return (drawn - window.pictures).flatten(1), jacobian
