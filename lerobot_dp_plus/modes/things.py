"""Modes are things: each candidate is of the thing that it comes nearest to."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lerobot_dp_plus.modes.base import Found, Modes
from lerobot_dp_plus.notation import Scene

#: The state that lists things, one after the other, and the robot's own.
LISTED, OWN = "observation.environment_state", "observation.state"
#: Where things stand beside each other, the first coordinate ascending.
BESIDE = {1: ("",), 2: ("left", "right"), 3: ("left", "middle", "right")}


@Modes.register_subclass("things")
@dataclass(frozen=True)
class Things(Modes):
    """mode_n = argmin_k min_s ‖p_s⁽ⁿ⁾ − q_k‖: where a chunk goes, p, comes nearest to the thing at q_k.

    It is for instructions that fit several things: the ways to go on are then the things, and have names. `observation.environment_state`
    lists them, their places first among the numbers of each. Mode k is thing k in every chunk, whatever its weight. So a choice
    can be kept: once a chunk was chosen, later ones come from candidates of the same thing. It is free again when an episode begins,
    when another sentence is said, when no candidate goes to the thing any more, and after `policy.release()`. Our own. Cost: no
    network call; less than a millisecond.

    Attributes:
        names: what things are called, in their order; a list may go on with others.
        listed: how many things the state lists; 0: as many as have names.
        coordinates: the dimensions of an action that say where to go, or how fast.
        step: how far the robot goes in a step by an action of 1, where actions are velocities; 0: actions are places.
        kept: whether a choice is kept.
    """

    needs_scene: ClassVar[bool] = True

    names: tuple[str, ...] = ()
    listed: int = 0
    coordinates: tuple[int, ...] = (0, 1)
    step: float = 0.0
    kept: bool = True

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise ValueError(
                f"modes.names = {list(self.names)}: must be two or more different names, as --policy.modes.names=[red,green,blue]"
            )
        if self.listed and self.listed < len(self.names):
            raise ValueError(
                f"modes.listed = {self.listed}: must be at least the {len(self.names)} that have names, or 0"
            )
        if not self.coordinates or min(self.coordinates) < 0:
            raise ValueError(
                f"modes.coordinates = {list(self.coordinates)}: must be one or more dimensions of an action"
            )
        if not (math.isfinite(self.step) and self.step >= 0):
            raise ValueError(f"modes.step = {self.step}: must be at least 0")

    @property
    def fewest(self) -> int | None:
        return 2

    @property
    def keeps(self) -> bool:
        return self.kept

    def check(self, action_dim: int, state_dims: dict[str, int]) -> None:
        count, width = self.listed or len(self.names), state_dims.get(LISTED, 0)
        if width < count * len(self.coordinates) or width // count * count != width:
            raise ValueError(
                f"modes.type = things: {LISTED} has {width} numbers, and cannot list the places of {count} things; set modes.listed "
                "to how many it lists, or use modes.type = gaussian_mixture"
            )
        if max(self.coordinates) >= action_dim:
            raise ValueError(
                f"modes.coordinates = {list(self.coordinates)}: an action has the dimensions 0 to {action_dim - 1}"
            )
        if self.step and state_dims.get(OWN, 0) <= max(self.coordinates):
            raise ValueError(
                f"modes.step = {self.step}: velocities begin at {OWN}, which has {state_dims.get(OWN, 0)} numbers"
            )

    def places(self, scene: Scene) -> Tensor:
        """Where the named things are now, (B, K, P)."""
        now = scene.states[LISTED][:, -1]
        return now.unflatten(-1, (self.listed or len(self.names), -1))[:, : len(self.names), : len(self.coordinates)]

    def ways(self, chunks: Tensor, scene: Scene) -> Tensor:
        """Where chunks (B, N, L, A) take the robot, (B, N, L, P)."""
        where = list(self.coordinates)
        ways = chunks[..., where]
        return scene.states[OWN][:, -1, None, None, where] + self.step * ways.cumsum(2) if self.step else ways

    def points(self, chunks: Tensor) -> Tensor:
        """Where chunks (B, N, L, A) go, if actions are places: (B, N, L·P)."""
        return chunks[..., list(self.coordinates)].flatten(2)

    def find(self, points: Tensor) -> Found:
        raise ValueError("modes.type = things tells modes by where things are, and not by the points alone")

    def of(self, chunks: Tensor, scene: Scene | None = None, drawn: Tensor | None = None) -> Found:
        """The things that chunks (B, N, L, A) go to. Unlike others it does not sort: mode k is thing k."""
        if scene is None or LISTED not in scene.states:
            raise ValueError(f"modes.type = things needs {LISTED}, where things are listed, beside the chunks")
        ways = self.ways(chunks, scene)
        places = self.places(scene).to(ways)
        apart = (ways[:, :, :, None] - places[:, None, None]).norm(dim=-1).amin(2)  # (B, N, K)
        mode = apart.argmin(2)
        members = torch.nn.functional.one_hot(mode, len(self.names))
        nearest = apart.masked_fill(members == 0, torch.inf).argmin(1)
        return Found(mode, members.to(apart.dtype).mean(1), places, nearest)

    def called(self, scene: Scene, row: int) -> tuple[str, ...]:
        """By colour and place: `red, left, at (0.21, 0.34)`."""
        places = self.places(scene)[row]
        order = places[:, 0].argsort().argsort().tolist()
        beside = BESIDE.get(len(places), tuple(f"number {k + 1} from the left" for k in range(len(places))))
        at = ["(" + ", ".join(f"{value:.2f}" for value in place) + ")" for place in places.tolist()]
        return tuple(f"{name}, {beside[k]}, at {where}" for name, k, where in zip(self.names, order, at, strict=True))
