"""Choreography of the two ALOHA tasks: which pose each hand takes next, and how long it has for it.

A hand is where its fingertips pinch, how it is turned, and how far it is open. A choreography is a generator of moves
that looks at the objects between moves, as a person would: it corrects how the cube, peg or socket sits in the hand
instead of trusting the plan. Everything a person would do differently from day to day is drawn once per episode, in
`TransferStyle` and `InsertionStyle`.

World: x from left to right, y away from the viewer, z up, metres; the table's surface is z = 0, the left arm stands at
x = −0.47, the right arm at x = +0.47, both at y = 0.5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Pace:
    """How long things take, in control steps of 20 ms."""

    idle: int
    reach: int
    descend: int
    grasp: int
    lift: int
    settle: int
    join: int
    press: int
    release: int
    retreat: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Pace":
        tempo = rng.uniform(0.85, 1.2)  # a hasty or a calm person; each part varies besides

        def steps(typical: float, spread: float = 0.12) -> int:
            return max(2, round(typical * tempo * rng.uniform(1 - spread, 1 + spread)))

        return cls(
            idle=int(rng.integers(1, 6)),
            reach=steps(46),
            descend=steps(24),
            grasp=steps(14),
            lift=steps(42),
            settle=steps(8),
            join=steps(30),
            press=steps(26),
            release=steps(12),
            retreat=steps(30),
        )


@dataclass(frozen=True)
class TransferStyle:
    """One person's way of passing the cube on. Lengths are metres, angles radians below the horizontal."""

    pace: Pace
    hover: float  # height above the grasp from which the right hand comes down
    aside: np.ndarray  # (2,) how far the hover point is off the cube's vertical
    pitch: float  # of the right hand while it grasps
    offset: np.ndarray  # (2,) from the cube's centre to where the fingers close, (x, y)
    meeting: np.ndarray  # (3,) where the cube is handed over
    wait: np.ndarray  # (3,) where the left hand waits
    wait_pitch: float  # of the left hand while it waits, pointing up
    left_pitch: float  # of the left hand while it takes the cube
    bite: float  # how far the left hand's pinch point stays short of the cube's centre
    stand_off: float  # between waiting fingers and the cube before the left hand closes in
    lag: float  # share of a move by which the left hand starts later

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "TransferStyle":
        return cls(
            pace=Pace.draw(rng),
            hover=rng.uniform(0.05, 0.10),
            aside=rng.uniform(-0.02, 0.02, 2),
            pitch=np.radians(rng.uniform(70, 80)),
            offset=rng.uniform(-0.003, 0.003, 2),
            meeting=rng.uniform([-0.02, 0.47, 0.20], [0.03, 0.53, 0.27]),
            wait=rng.uniform([-0.17, 0.47, 0.22], [-0.11, 0.53, 0.30]),
            wait_pitch=np.radians(rng.uniform(-20, -10)),
            left_pitch=np.radians(rng.uniform(-6, 8)),
            bite=rng.uniform(0.0, 0.007),
            stand_off=rng.uniform(0.07, 0.10),
            lag=rng.uniform(0.0, 0.3),
        )

    def moves(self, left: Hand, right: Hand, look: Look) -> Iterator[Move]:
        """The right hand picks the cube up and holds it out, the left hand takes it, the right hand lets go and leaves."""
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
class InsertionStyle:
    """One person's way of putting the peg into the socket. Lengths are metres, angles radians below the horizontal.

    What the two hands have each comes as (left, right).
    """

    pace: Pace
    hover: np.ndarray  # (2,) heights above the grasps
    aside: np.ndarray  # (2, 2) how far the hover points are off the objects' verticals
    pitch: np.ndarray  # (2,) of the hands
    offset: np.ndarray  # (2,) along x from the objects' centres to where the fingers close
    meeting: np.ndarray  # (3,) where the open end of the socket waits for the peg
    gap: float  # between peg and socket before the insertion
    push: float  # how far the hands press on after the peg has met the pin
    lag: float  # share of a move by which the left hand starts later

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "InsertionStyle":
        return cls(
            pace=Pace.draw(rng),
            hover=rng.uniform(0.05, 0.10, 2),
            aside=rng.uniform(-0.02, 0.02, (2, 2)),
            pitch=np.radians(rng.uniform(70, 80, 2)),
            offset=np.array([rng.uniform(-0.025, -0.01), rng.uniform(0.01, 0.025)]),
            meeting=rng.uniform([-0.03, 0.47, 0.16], [0.03, 0.53, 0.24]),
            gap=rng.uniform(0.03, 0.05),
            push=rng.uniform(0.006, 0.012),
            lag=rng.uniform(0.0, 0.3),
        )

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
            """Both objects level and on one axis, their ends `gap` apart; where they sit in the hands is seen afresh."""
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
