"""From pictures to states of several things: learn the looks, find them in every frame, judge the result without labels."""

import torch

from lerobot_dp_plus.seeing.states import Seen, Tell
from lerobot_dp_plus.sprites import (
    Frames,
    Layers,
    LayersQuality,
    LayersReading,
    Learning,
    Scene,
    Unseeable,
    View,
    alike,
    apart,
    check_layers,
    check_scene,
    first_looks,
    layers_quality,
    learn_layers,
    look_at,
    read_layers,
    things_of,
)

#: Several things, whose states are (N, 4 K), or (N, 2 K) where no thing has a direction.
type SeenSeveral = Seen[Layers, LayersReading, LayersQuality]


def see_several(
    frames: Frames,
    view: View,
    count: int,
    *,
    learning: Learning | None = None,
    seed: int = 0,
    tell: Tell = lambda what, done, total: None,
) -> SeenSeveral:
    """The states of `count` things in all frames; `view` has the units of states, `seed` is of the order of learning."""
    learning = learning or Learning()
    seen: SeenSeveral = Seen(frames, look_at(frames))
    try:
        check_scene(frames, seen.scene, things=count)
        layers = _first_looks(frames, seen.scene, count)
        seen.looks = learn_layers(
            layers, frames, seen.scene, learning, torch.Generator().manual_seed(seed),
            lambda progress: tell("learning", progress.round, learning.rounds),
        )  # fmt: skip
        done = 0

        def told(pictures: int) -> None:
            nonlocal done
            done += pictures
            tell("finding", done, len(frames))

        seen.reading = read_layers(seen.looks, seen.scene, frames, told)
        seen.quality = layers_quality(seen.reading)
        seen.points = things_of(seen.looks, seen.reading.fixed, alike(seen.quality), view, frames.size)
        check_layers(seen.reading, seen.quality)
    except Unseeable as refused:
        seen.refused = refused
    return seen


def _first_looks(frames: Frames, scene: Scene, count: int) -> Layers:
    """What the things look like at first.

    Raises:
        Unseeable: they never lie apart.
    """
    try:
        return first_looks(frames, scene, count)
    except LookupError as error:
        raise apart(str(error), torch.arange(len(frames))) from error
