"""Poses made better on the picture itself: least squares by Levenberg and Marquardt, many pictures at once.

    p ← p − (JᵀJ + λ diag JᵀJ)⁻¹ Jᵀ r        r = Î(p) − I,  J = ∂Î/∂p,  p = (x, y, θ)

A step that makes the picture worse is not taken, and the next one is shorter. What is drawn, and how it changes with the
place in the thing's frame, is sampled together. So a step costs one drawing of twelve channels.
Source: Marquardt 1963 (doi 10.1137/0111030); aligning a template in this way is Lucas and Kanade's method (1981).
"""

import torch
from torch import Tensor

from lerobot_dp_plus.sprites.placing import grid, placed, turned
from lerobot_dp_plus.sprites.sprite import Pose, Sprite

#: Where the damping λ starts, and by what it is multiplied after a step that helps and one that does not.
DAMPING, CALMER, WILDER = 1e-2, 0.3, 10.0


@torch.no_grad()
def refined(
    sprite: Sprite, pose: Pose, pictures: Tensor, robots: Tensor | None, background: Tensor, steps: int
) -> tuple[Pose, Tensor]:
    """Poses after some steps, and the mean squared errors (B,) of their pictures.

    Args:
        pictures: (B, 3, h, w) in 0 … 1.
        robots: (B, 2) places of the robot.
        background: (3, h, w).
    """
    look = with_slopes(sprite.thing(), sprite.thing.side)
    front = sprite.front(robots)
    lever = sprite.thing.side / 4  # so that a turn counts in pixels, as a shift does

    def at(parameters: Tensor) -> tuple[Tensor, Tensor]:
        return _drawn(look, sprite, parameters, lever, pictures, background, front)

    parameters = torch.cat([pose.place, lever * pose.angle[:, None]], 1)
    residual, jacobian = at(parameters)
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
        left, slopes = at(tried)
        worth = left.square().mean(1)
        better = worth < error
        parameters = torch.where(better[:, None], tried, parameters)
        residual = torch.where(better[:, None], left, residual)
        jacobian = torch.where(better[:, None, None], slopes, jacobian)
        error = torch.where(better, worth, error)
        damping = damping * torch.where(better, CALMER, WILDER)
    return Pose(parameters[:, :2], parameters[:, 2] / lever), error


def with_slopes(look: Tensor, side: float) -> Tensor:
    """A look (4, S, S) and its slopes across and down, a pixel of the picture each: (12, S, S), by central differences."""
    size = look.shape[-1]
    wide = torch.nn.functional.pad(look, (1, 1, 1, 1))
    per_pixel = size / side / 2
    across = (wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]) * per_pixel
    down = (wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]) * per_pixel
    return torch.cat([look, across, down])


def _drawn(
    look: Tensor,
    sprite: Sprite,
    parameters: Tensor,
    lever: float,
    pictures: Tensor,
    background: Tensor,
    front: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Residuals (B, P) and their slopes (B, P, 3) in the parameters (B, 3)."""
    place, angle = parameters[:, :2], parameters[:, 2] / lever
    layer = placed(look, place, angle, sprite.thing.side, sprite.size)  # (B, 12, h, w)
    colours, opacity = layer[:, :3], layer[:, 3:4]
    residual = colours + (1 - opacity) * background - pictures
    # How the picture changes with the place in the thing's frame: (B, 2, 3, h, w).
    slopes = torch.stack(
        [layer[:, first : first + 3] - layer[:, first + 3 : first + 4] * background for first in (4, 8)], 1
    )
    if front is not None:
        seen = 1 - front[:, 3:]
        residual = front[:, :3] + seen * (residual + pictures) - pictures
        slopes = slopes * seen[:, None]
    # q = R(−θ)(u − place): ∂q/∂place = −R(−θ), and ∂q/∂θ = R(−θ) turned back by a quarter.
    axes = turned(
        torch.eye(2).expand(len(place), 2, 2), angle[:, None]
    )  # (B, 2, 2): each axis of the frame in the picture
    shift = -torch.einsum("bkd,bkchw->bdchw", axes, slopes)
    offsets = grid(*sprite.size) - place[:, None, None]  # (B, h, w, 2)
    along = torch.einsum("bhwd,bkd->bkhw", offsets, axes)  # q
    turn = (along[:, 1] / lever)[:, None] * slopes[:, 0] - (along[:, 0] / lever)[:, None] * slopes[:, 1]
    jacobian = torch.cat([shift, turn[:, None]], 1).flatten(2).mT
    return residual.flatten(1), jacobian
