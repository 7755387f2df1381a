"""Choreography of the two ALOHA tasks: which pose each hand takes next, and how long it has for it.

A hand is where its fingertips pinch, how it is turned, and how far it is open. A choreography is a generator of moves
that looks at the objects between moves, as a person would: it corrects how the cube, peg or socket sits in the hand
instead of trusting the plan. Everything a person would do differently from day to day is drawn once per episode, in
`TransferStyle` and `InsertionStyle`.

World: x from left to right, y away from the viewer, z up, metres; the table's surface is z = 0, the left arm stands at
x = −0.47, the right arm at x = +0.47, both at y = 0.5.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from scipy.spatial.transform import Rotation

OPEN, SHUT = 1.0, 0.0
_TIP = 0.019  # fingers reach this far beyond the pinch point,
_SOLE = 0.007  # and this far below it
_BASE_X, _BASE_Y = 0.469, 0.5  # the right arm's foot; the left one's x has the other sign
_DEPTH = 0.02  # of the pin in the socket
_SPAN = 0.06  # half the length of peg and socket

#: () -> (objects, 7): position and quaternion (w, x, y, z) of every object, now.
type Look = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Hand:
    """Pinch point in metres, rotation relative to the arm stretched forward, and opening from 0 to 1."""

    position: np.ndarray
    rotation: Rotation
    grip: float

    def at(self, position: np.ndarray) -> "Hand":
        return replace(self, position=np.asarray(position, dtype=np.float64))

    def by(self, *shift: float) -> "Hand":
        return self.at(self.position + shift)


@dataclass(frozen=True)
class Move:
    """Both hands to their targets within `steps` control steps; `lag` in [0, 1) is the left hand's later start."""

    steps: int
    left: Hand
    right: Hand
    lag: float = 0.0


def turned(side: str, pitch: float, roll: float = 0.0, yaw: float = 0.0) -> Rotation:
    """A hand turned about the vertical, pitched down and rolled about its own axis, radians."""
    sign = 1.0 if side == "left" else -1.0  # the arms face each other
    return Rotation.from_euler("ZYX", [yaw, sign * pitch, roll])


def facing(side: str, position: np.ndarray) -> float:
    """The yaw at which a hand at `position` lies in the plane of its arm.

    Hands are pitched in this plane and turned out of it afterwards: while forearm and hand are in line, any other yaw
    would make the wrist flip.
    """
    sign = 1.0 if side == "left" else -1.0
    return float(np.arctan2(sign * (position[1] - _BASE_Y), sign * (position[0] + sign * _BASE_X)))


def table_height(pitch: float, clearance: float) -> float:
    """Height of the pinch point at which the lowest part of the fingers is `clearance` above the table."""
    return clearance + _TIP * np.sin(pitch) + _SOLE * np.cos(pitch)


def carried(hand: Hand, held: np.ndarray, position: np.ndarray, rotation: Rotation | None = None) -> Hand:
    """The hand pose that brings an object held at `held` (7,) to `position`, and to `rotation` if given."""
    now = Rotation.from_quat(held[3:], scalar_first=True)
    turn = Rotation.identity() if rotation is None else rotation * now.inv()
    return Hand(np.asarray(position) + turn.apply(hand.position - held[:3]), turn * hand.rotation, hand.grip)


def typical(steps: int) -> dict[str, Any]:
    """Metadata of a duration: control steps of a person of ordinary tempo."""
    return {"typical": steps}


@dataclass(frozen=True)
class Pace:
    """How long things take, in control steps of 20 ms."""

    idle: int
    reach: int = field(metadata=typical(46))
    descend: int = field(metadata=typical(24))
    grasp: int = field(metadata=typical(14))
    lift: int = field(metadata=typical(42))
    settle: int = field(metadata=typical(8))
    join: int = field(metadata=typical(30))
    press: int = field(metadata=typical(26))
    release: int = field(metadata=typical(12))
    retreat: int = field(metadata=typical(30))

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Pace":
        tempo = rng.uniform(0.85, 1.2)  # a hasty or a calm person; each part varies by 12 % besides
        idle = int(rng.integers(1, 6))
        parts = {each.name: each.metadata["typical"] for each in fields(cls) if each.metadata}
        return cls(idle, **{name: max(2, round(s * tempo * rng.uniform(0.88, 1.12))) for name, s in parts.items()})


def between(*bounds: Any, degrees: bool = False) -> dict[str, Any]:
    """Metadata of a field that is drawn evenly; `bounds` are what `Generator.uniform` takes."""
    return {"bounds": bounds, "degrees": degrees}


@dataclass(frozen=True)
class Style(ABC):
    """One person's way of doing a task. Lengths are metres, angles radians below the horizontal."""

    pace: Pace

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """The pace first, then the other fields in their order."""
        drawn: dict[str, Any] = {"pace": Pace.draw(rng)}
        for each in (each for each in fields(cls) if each.metadata):
            value = rng.uniform(*each.metadata["bounds"])
            drawn[each.name] = np.radians(value) if each.metadata["degrees"] else value
        return cls(**drawn)

    @abstractmethod
    def moves(self, left: Hand, right: Hand, look: Look) -> Iterator[Move]:
        """The choreography from where the hands are; `look` is asked between moves."""


@dataclass(frozen=True)
class TransferStyle(Style):
    """One person's way of passing the cube on."""

    hover: float = field(metadata=between(0.05, 0.10))  # height above the grasp from which the right hand comes down
    aside: np.ndarray = field(metadata=between(-0.02, 0.02, 2))  # how far the hover point is off the cube's vertical
    pitch: float = field(metadata=between(70, 80, degrees=True))  # of the right hand while it grasps
    offset: np.ndarray = field(metadata=between(-0.003, 0.003, 2))  # (x, y) of the fingers from the cube's centre
    meeting: np.ndarray = field(metadata=between([-0.02, 0.47, 0.20], [0.03, 0.53, 0.27]))  # where it is handed over
    wait: np.ndarray = field(metadata=between([-0.17, 0.47, 0.22], [-0.11, 0.53, 0.30]))  # where the left hand waits
    wait_pitch: float = field(metadata=between(-20, -10, degrees=True))  # of the left hand while it waits, pointing up
    left_pitch: float = field(metadata=between(-6, 8, degrees=True))  # of the left hand while it takes the cube
    bite: float = field(metadata=between(0.0, 0.007))  # the left hand pinches so far short of the cube's centre
    stand_off: float = field(metadata=between(0.07, 0.10))  # from fingers to cube before the left hand closes in
    lag: float = field(metadata=between(0.0, 0.3))  # share of a move by which the left hand starts later

    def moves(self, left: Hand, right: Hand, look: Look) -> Iterator[Move]:
        """The right hand lifts the cube and holds it out, the left hand takes it, the right hand lets go."""
        pace = self.pace
        yield Move(pace.idle, left, right)

        cube = look()[0]
        grasp = Hand(
            np.array([*(cube[:2] + self.offset), table_height(self.pitch, 0.004)]), turned("right", self.pitch), OPEN
        )
        waiting = Hand(self.wait, turned("left", self.wait_pitch, np.pi / 2, facing("left", self.wait)), OPEN)
        above = grasp.by(*self.aside, self.hover)
        above = replace(above, rotation=turned("right", self.pitch, yaw=facing("right", above.position)))
        yield Move(pace.reach, waiting, above, self.lag)
        yield Move(pace.descend, waiting, grasp)
        holding = replace(grasp, grip=SHUT)
        yield Move(pace.grasp, waiting, holding)

        offering = carried(holding, look()[0], self.meeting)
        near = Hand(self.meeting - [self.bite + self.stand_off, 0, 0], turned("left", self.left_pitch, np.pi / 2), OPEN)
        yield Move(pace.lift, near, offering, self.lag)
        yield Move(pace.settle, near, offering)
        # How the cube really sits now decides where the left hand goes.
        taking = near.at(look()[0][:3] - [self.bite, 0, 0])
        yield Move(pace.join, taking, offering)
        taken = replace(taking, grip=SHUT)
        yield Move(pace.grasp, taken, offering)
        freed = replace(offering, grip=OPEN)
        yield Move(pace.release, taken, freed)
        back = freed.rotation.apply([0.09, 0.0, 0.0])  # backwards along the right hand's own axis
        yield Move(pace.retreat, taken, freed.by(*back))
        yield Move(6, taken, freed.by(*back))


@dataclass(frozen=True)
class InsertionStyle(Style):
    """One person's way of putting the peg into the socket. What the two hands have each comes as (left, right)."""

    hover: np.ndarray = field(metadata=between(0.05, 0.10, 2))  # heights above the grasps
    aside: np.ndarray = field(metadata=between(-0.02, 0.02, (2, 2)))  # of the hover points from the objects' verticals
    pitch: np.ndarray = field(metadata=between(70, 80, 2, degrees=True))  # of the hands
    offset: np.ndarray = field(metadata=between([-0.025, 0.01], [-0.01, 0.025]))  # fingers from centres, along x
    meeting: np.ndarray = field(metadata=between([-0.03, 0.47, 0.16], [0.03, 0.53, 0.24]))  # of the socket's open end
    gap: float = field(metadata=between(0.03, 0.05))  # between peg and socket before the insertion
    push: float = field(metadata=between(0.006, 0.012))  # how far the hands press on after the peg has met the pin
    lag: float = field(metadata=between(0.0, 0.3))  # share of a move by which the left hand starts later

    def moves(self, left: Hand, right: Hand, look: Look) -> Iterator[Move]:
        """The right hand lifts the peg, the left hand the socket; they line up in the air and the peg slides in."""
        pace = self.pace
        yield Move(pace.idle, left, right)

        peg, socket = look()
        above, grasps = [], []
        for side, target, i in (("left", socket, 0), ("right", peg, 1)):
            pitch = float(self.pitch[i])
            grasp = np.array([target[0] + self.offset[i], target[1], table_height(pitch, 0.004)])
            hover = grasp + np.array([*self.aside[i], self.hover[i]])
            above.append(Hand(hover, turned(side, pitch, yaw=facing(side, hover)), OPEN))
            grasps.append(Hand(grasp, turned(side, pitch), OPEN))
        yield Move(pace.reach, above[0], above[1], self.lag)
        yield Move(pace.descend, grasps[0], grasps[1])
        left, right = (replace(hand, grip=SHUT) for hand in grasps)
        yield Move(pace.grasp, left, right)

        def lined_up(gap: float) -> tuple[Hand, Hand]:
            """Both objects level and on one axis, their ends `gap` apart, by how they sit in the hands now."""
            peg, socket = look()
            level = Rotation.identity()
            ahead = np.array([_SPAN, 0.0, 0.0])
            return (
                carried(left, socket, self.meeting - ahead, level),
                carried(right, peg, self.meeting + ahead + np.array([gap, 0.0, 0.0]), level),
            )

        left, right = left.by(0, 0, 0.05), right.by(0, 0, 0.05)
        yield Move(pace.release, left, right)
        left, right = lined_up(self.gap)
        yield Move(pace.lift, left, right)
        yield Move(pace.settle, left, right)
        left, right = lined_up(self.gap)
        yield Move(pace.release, left, right)
        yield Move(pace.settle, left, right)
        left, right = lined_up(-0.018)
        yield Move(pace.join, left, right)
        left, right = lined_up(-_DEPTH - self.push)
        yield Move(pace.press, left, right)
