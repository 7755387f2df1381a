"""In which coordinates outcomes are predicted: what a frame factors out need not be learned."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import draccus
import torch
from torch import Tensor

STATE, ENVIRONMENT_STATE = "observation.state", "observation.environment_state"

#: The T's corners in its own frame in pixels, (8, 2), as gym-pusht orders them; symmetric under x → −x.
CORNERS = ((-60, 0), (60, 0), (60, 30), (-60, 30), (-15, 30), (15, 30), (15, 120), (-15, 120))


class Moment(NamedTuple):
    """What is known when a chunk is judged: states by name, each (B, T, D), newest last; actions (B, K, A)."""

    states: Mapping[str, Tensor]
    actions: Tensor


@dataclass(frozen=True)
class Frame(draccus.ChoiceRegistry, ABC):
    """Coordinates: `look` for the model's input, `change` for its target, and `place`, the inverse of `change`."""

    #: Whether moments come in the dataset's units rather than normalised.
    in_units: ClassVar[bool]

    @abstractmethod
    def check(self, state_dims: Mapping[str, int], action_dim: int) -> None:
        """Raise a ValueError unless states and actions are what this frame is about."""

    @abstractmethod
    def look(self, moment: Moment) -> Tensor:
        """The model's input (B, F), of order one."""

    @abstractmethod
    def change(self, moment: Moment, future: Mapping[str, Tensor]) -> Tensor:
        """The change (B, K, O), of order one, from t to each of the states to come, each (B, K, D)."""

    @abstractmethod
    def place(self, moment: Moment, change: Tensor) -> dict[str, Tensor]:
        """The states to come, each (B, K, D), from their change (B, K, O)."""


@Frame.register_subclass("observed")
@dataclass(frozen=True)
class Observed(Frame):
    """As observed and normalised: o, 10·(o_t − o_{t−1}) and the actions; the target is 10·(o_{t+k} − o_t)."""

    in_units: ClassVar[bool] = False
    gain: ClassVar[float] = 10.0

    def check(self, state_dims: Mapping[str, int], action_dim: int) -> None:
        pass

    def look(self, moment: Moment) -> Tensor:
        states = torch.cat(list(moment.states.values()), -1)  # (B, T, C)
        velocity = self.gain * (states[:, 1:] - states[:, :-1])
        return torch.cat([states[:, -1], velocity.flatten(1), moment.actions.flatten(1)], -1)

    def change(self, moment: Moment, future: Mapping[str, Tensor]) -> Tensor:
        return self.gain * torch.cat([future[key] - state[:, -1:] for key, state in moment.states.items()], -1)

    def place(self, moment: Moment, change: Tensor) -> dict[str, Tensor]:
        widths = [state.shape[-1] for state in moment.states.values()]
        parts = (change / self.gain).split(widths, -1)
        return {key: state[:, -1:] + part for (key, state), part in zip(moment.states.items(), parts, strict=True)}


class Pose(NamedTuple):
    """A T's origin (B, K, 2) in pixels and angle (B, K) in radians; hand (B, K) is −1 if left and right are swapped."""

    origin: Tensor
    angle: Tensor
    hand: Tensor


@Frame.register_subclass("pusht_block")
@dataclass(frozen=True)
class PushTBlock(Frame):
    """The frame of the block. There PushT's physics is the same wherever the T lies and however it is turned.

    The T equals its mirror image. So left and right are swapped when the agent is on the left, and half as much is to
    be learned. This is exact except at the walls. Points are (x, y) in pixels. The target is Δ(x, y)/20 px and 3·Δθ of
    the block and Δ(x, y)/50 px of the agent, all in the block's frame at t.
    """

    in_units: ClassVar[bool] = True

    def check(self, state_dims: Mapping[str, int], action_dim: int) -> None:
        legal = {STATE: 2, ENVIRONMENT_STATE: 16}
        if dict(state_dims) != legal or action_dim != 2:
            raise ValueError(
                f"dynamics.frame.type=pusht_block: states {dict(state_dims)} and an action of {action_dim}; "
                f"PushT's are {legal} and 2. For other tasks use dynamics.frame.type=observed"
            )

    def look(self, moment: Moment) -> Tensor:
        agent, block = moment.states[STATE], pose_of(moment.states[ENVIRONMENT_STATE])  # (B, T, ·)
        here = self._here(moment)
        turned = here.hand * _wrapped(block.angle - here.angle)  # (B, T), 0 at t
        points = torch.cat([agent, block.origin[:, :-1], moment.actions], 1)
        return torch.cat([_into(points - here.origin, here).flatten(1) / 100, 10 * turned[:, :-1]], -1)

    def change(self, moment: Moment, future: Mapping[str, Tensor]) -> Tensor:
        here, then = self._here(moment), pose_of(future[ENVIRONMENT_STATE])
        moved = _into(then.origin - here.origin, here) / 20
        turned = 3 * here.hand * _wrapped(then.angle - here.angle)
        agent = _into(future[STATE] - moment.states[STATE][:, -1:], here) / 50
        return torch.cat([moved, turned[..., None], agent], -1)

    def place(self, moment: Moment, change: Tensor) -> dict[str, Tensor]:
        here = self._here(moment)
        origin = here.origin + _out_of(20 * change[..., :2], here)
        angle = here.angle + here.hand * change[..., 2] / 3
        agent = moment.states[STATE][:, -1:] + _out_of(50 * change[..., 3:], here)
        return {STATE: agent, ENVIRONMENT_STATE: corners_of(origin, angle)}

    def _here(self, moment: Moment) -> Pose:
        """The block's pose at t, (B, 1, ·), with `hand` chosen so that the agent is on the right."""
        here = pose_of(moment.states[ENVIRONMENT_STATE][:, -1:])
        right = _into(moment.states[STATE][:, -1:] - here.origin, here)[..., 0] >= 0
        return here._replace(hand=torch.where(right, 1.0, -1.0))


def pose_of(corners: Tensor) -> Pose:
    """The T's pose from its corners (B, K, 16) in pixels."""
    points = corners.unflatten(-1, (8, 2))
    left, right = points[..., 0, :], points[..., 1, :]  # the ends of the crossbar's upper edge
    along = right - left
    return Pose((left + right) / 2, torch.atan2(along[..., 1], along[..., 0]), torch.ones_like(along[..., 0]))


def corners_of(origin: Tensor, angle: Tensor) -> Tensor:
    """Corners (..., 16) of a T at origin (..., 2) and angle (...)."""
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y = torch.tensor(CORNERS, dtype=origin.dtype, device=origin.device).unbind(-1)
    points = torch.stack([origin[..., :1] + x * cos - y * sin, origin[..., 1:] + x * sin + y * cos], -1)
    return points.flatten(-2)


def _into(vector: Tensor, pose: Pose) -> Tensor:
    """Vectors (B, K, 2) of the arena in the frame of `pose`."""
    cos, sin, (x, y) = pose.angle.cos(), pose.angle.sin(), vector.unbind(-1)
    return torch.stack([pose.hand * (cos * x + sin * y), cos * y - sin * x], -1)


def _out_of(vector: Tensor, pose: Pose) -> Tensor:
    """The inverse of `_into`."""
    cos, sin, (x, y) = pose.angle.cos(), pose.angle.sin(), vector.unbind(-1)
    x = pose.hand * x
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
