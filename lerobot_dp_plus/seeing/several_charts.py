"""What was looked at, in pictures, where several things were looked for."""

from pathlib import Path

import torch

from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.seeing.charts import SHOWN, drawn_frames, shown_looks, why_not
from lerobot_dp_plus.seeing.several import SeenSeveral
from lerobot_dp_plus.sprites import View


def draw_several(seen: SeenSeveral, view: View, output: Path) -> list[Chapter]:
    """All pictures that there are."""
    scene, layers = seen.scene, seen.looks
    title = "What stands still, and what moves?"
    said = (
        "The median picture; the looks of the robot and of the things that were learned, from the one at the bottom up."
    )
    looks = [] if layers is None else [layers.look(number) for number in range(len(layers))]
    robot = scene.robot if layers is None else layers.robot
    chapters = [shown_looks(title, said, scene.background, robot, looks, output / "still.png")]
    if seen.refused is not None and seen.refused.rows:
        chapters.insert(0, why_not(seen.refused, seen.frames, scene, output / "refused.png"))
    if seen.reading is not None:
        spread = torch.linspace(0, len(seen.frames) - 1, SHOWN).round().long()
        worst = seen.reading.error.argsort(descending=True)[:SHOWN]
        said = "Frames evenly spread over the recording."
        chapters += [
            _frames(seen, view, spread, "What does it see?", said, output / "frames.png"),
            _frames(
                seen, view, worst, "Where is it worst?", "The frames with the largest error.", output / "worst.png"
            ),
        ]
    return chapters


def _frames(seen: SeenSeveral, view: View, rows: torch.Tensor, title: str, said: str, path: Path) -> Chapter:
    assert seen.looks is not None and seen.reading is not None and seen.points is not None
    some = seen.frames.part(rows)
    with torch.no_grad():
        drawn = seen.looks([pose.rows(rows) for pose in seen.reading.poses], some.robots)
    each = seen.points[rows].unflatten(-1, (len(seen.looks), -1, 2))
    points = view.pixels(each, seen.frames.size).numpy()  # (B, K, 1 or 2, 2)
    lines = [points[:, number] for number in range(points.shape[1])]
    return drawn_frames(some.bright, drawn, rows, lines, title, said, path)
