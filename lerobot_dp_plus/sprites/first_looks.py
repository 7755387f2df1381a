"""What several things look like at first: cut out one after the other, each where those before do not explain the picture."""

import torch

from lerobot_dp_plus.sprites.layers import Layers
from lerobot_dp_plus.sprites.scene import Frames, Scene, blobs
from lerobot_dp_plus.sprites.sprite import Patch
from lerobot_dp_plus.sprites.start import cut_out, whole_parts
from lerobot_dp_plus.sprites.unexplained import found_all, left_over

#: The smallest thing, over the picture's area.
LEAST = 0.002
#: So many of the pictures must show all things apart from each other, and at most so many are looked at.
SHARE, LOOKED_AT = 0.05, 64


def first_looks(frames: Frames, scene: Scene, count: int) -> Layers:
    """Layers of `count` things, the largest at the bottom.

    Pictures are looked at in which just so many parts differ from the background: there no thing touches another.

    Raises:
        LookupError: too few pictures show them apart, or one is never whole and away from the robot.
    """
    some = frames.spread()
    foreground = scene.foreground(some.bright, some.robots)
    least = LEAST * foreground[0].numel()
    parts = torch.tensor([sum(part.sum() >= least for part in blobs(each)) for each in foreground.numpy()])
    apart = (parts == count).nonzero()[:, 0]
    if len(apart) < max(2, SHARE * len(some)):
        raise LookupError(
            f"{len(apart)} of {len(some)} pictures show {count} things apart from each other; most of them show "
            f"{int(parts.mode().values)}"
        )
    clear = some.part(apart).spread(LOOKED_AT)
    layers = Layers(scene.background, [], scene.robot)
    things: list[Patch] = []
    for number in range(count):
        poses = found_all(layers, scene, clear.bright, clear.robots, 3) if number else []
        left = scene.foreground(clear.bright, clear.robots)
        if number:
            left = left_over(layers, scene, poses, clear.bright, clear.robots)
        found = [part for part in whole_parts(left, clear, scene) if part[1].sum() >= least]
        if not found:
            raise LookupError(f"no picture shows thing {number + 1} of {count} whole and away from the robot")
        # The largest may be two that touch, or what an error left; of a rigid thing the usual size is the right one.
        row, mask = found[len(found) // 2]
        things.append(cut_out(clear.bright[row], mask))
        layers = Layers(scene.background, things, scene.robot)
    return layers
