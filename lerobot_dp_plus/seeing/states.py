"""From pictures to states: learn the looks, find the thing in every frame, judge the result without labels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lerobot_dp_plus.sprites import (
    Frames,
    Learning,
    Mirror,
    Patch,
    Quality,
    Reading,
    Scene,
    Sprite,
    Unseeable,
    View,
    check_reading,
    check_scene,
    first_look,
    learn,
    look_at,
    points_of,
    quality_of,
    read,
)

#: Frames that show that an assumption does not hold.
SHOWN = 6

#: (what is done, how much of it, how much in all) -> None.
type Tell = Callable[[str, int, int], None]


@dataclass
class Seen[Looks, Places, Verdict]:
    """What was found, as far as it went.

    Args:
        frames, scene: what was looked at, and what stands still in it.
        looks, reading, quality: what was learned, where the things are, how good that is; None if an assumption failed before.
        points: the states, a row for each frame; None likewise.
        refused: the assumption that failed, if one did.
    """

    frames: Frames
    scene: Scene
    looks: Looks | None = None
    reading: Places | None = None
    quality: Verdict | None = None
    points: Tensor | None = None
    refused: Unseeable | None = None


#: One thing, whose states are (N, 16).
type SeenOne = Seen[Sprite, Reading, Quality]


def see(
    frames: Frames,
    view: View,
    mirror: Mirror | None,
    *,
    learned_from: Tensor | None = None,
    learning: Learning | None = None,
    seed: int = 0,
    tell: Tell = lambda what, done, total: None,
) -> SeenOne:
    """The states of all frames.

    Args:
        view: the units that points are given in.
        mirror: the task's mirror image, if it has one.
        learned_from: rows that looks are learned from; all of them when not given.
        seed: of the order in which pictures are learned from.
    """
    learning = learning or Learning()
    known = frames if learned_from is None else frames.part(learned_from)
    seen: SeenOne = Seen(frames, look_at(known))
    try:
        check_scene(known, seen.scene)
        thing = _first_look(known, seen.scene)
        seen.looks = Sprite(seen.scene.background, thing, seen.scene.robot)
        learn(
            seen.looks, known, seen.scene, learning, torch.Generator().manual_seed(seed),
            lambda progress: tell("learning", progress.round, learning.rounds),
        )  # fmt: skip
        total, done = len(frames) * (2 if mirror else 1), 0

        def count(pictures: int) -> None:
            nonlocal done
            done += pictures
            tell("finding", done, total)

        seen.reading = read(seen.looks, seen.scene, frames, mirror, count)
        seen.quality = quality_of(seen.reading)
        seen.points = points_of(seen.reading.pose, view, frames.size)
        check_reading(seen.reading, seen.quality)
    except Unseeable as refused:
        seen.refused = refused
    return seen


def _first_look(frames: Frames, scene: Scene) -> Patch:
    """What the thing looks like at first.

    Raises:
        Unseeable: it is never seen whole.
    """
    try:
        return first_look(frames, scene)
    except LookupError as error:
        rows = torch.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().long()
        raise Unseeable("the thing is seen whole in some picture", str(error), rows.tolist()) from error
