"""What was looked at, in pictures: what stands still, what was learned, what was made of single frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.explaining.style import INK, LINE, SOFT, colour, heading, save, sheet
from lerobot_dp_plus.seeing.states import SeenOne
from lerobot_dp_plus.sprites import Frames, Patch, Scene, Unseeable, View

#: Frames in a row of pictures.
SHOWN = 8
#: The order in which the eight points go around.
RING = [0, 1, 2, 5, 6, 7, 4, 3, 0]


def draw(seen: SeenOne, view: View, output: Path) -> list[Chapter]:
    """All pictures that there are."""
    chapters = [still(seen, output / "still.png")]
    if seen.refused is not None and seen.refused.rows:
        chapters.insert(0, why_not(seen.refused, seen.frames, seen.scene, output / "refused.png"))
    if seen.reading is not None:
        spread = torch.linspace(0, len(seen.frames) - 1, SHOWN).round().long()
        worst = seen.reading.fit.error.argsort(descending=True)[:SHOWN]
        chapters.append(
            frames(
                seen,
                view,
                spread,
                "What does it see?",
                "Frames evenly spread over the recording.",
                output / "frames.png",
            )
        )
        chapters.append(
            frames(seen, view, worst, "Where is it worst?", "The frames with the largest error.", output / "worst.png")
        )
        chapters.append(figures(seen, output / "figures.png"))
    return chapters


def still(seen: SeenOne, path: Path) -> Chapter:
    """The background, the robot's look and the thing's."""
    title = "What stands still, and what moves?"
    said = "The median picture; the looks of the robot and of the thing that were learned, over a checked ground where they are transparent."
    robot = seen.scene.robot if seen.looks is None else seen.looks.robot
    return shown_looks(title, said, seen.scene.background, robot, [seen.looks.thing] if seen.looks else [], path)


def shown_looks(
    title: str, said: str, background: Tensor, robot: Patch | None, things: Sequence[Patch], path: Path
) -> Chapter:
    """A background (3, h, w), and the looks that were learned."""
    figure = sheet(10.4, 3.9)
    heading(figure, title, said)
    looks = {"background": _shown(background)}
    if robot is not None:
        looks["robot"] = _on_checks(robot)
    for number, thing in enumerate(things):
        looks[f"thing {number + 1}" if len(things) > 1 else "thing"] = _on_checks(thing)
    width = min(0.25, 0.98 / len(looks))
    for column, (name, picture) in enumerate(looks.items()):
        axes = figure.add_axes((0.02 + column * width, 0.02, width - 0.02, 0.62))
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name, size=9, color=SOFT, loc="left", pad=3)
        axes.axis("off")
    save(figure, path)
    return Chapter(title, said, path, "The background and what was learned")


def frames(seen: SeenOne, view: View, rows: Tensor, title: str, said: str, path: Path) -> Chapter:
    """Some frames: as recorded with the pose drawn, as the model draws them, and the difference."""
    assert seen.looks is not None and seen.reading is not None and seen.points is not None
    some = seen.frames.part(rows)
    with torch.no_grad():
        drawn = seen.looks(seen.reading.fit.pose.rows(rows), some.robots)
    points = view.pixels(seen.points[rows].unflatten(-1, (-1, 2)), seen.frames.size).numpy()
    return drawn_frames(some.bright, drawn, rows, [points[:, RING]], title, said, path)


def drawn_frames(
    recorded: Tensor, drawn: Tensor, rows: Tensor, lines_of: Sequence[np.ndarray], title: str, said: str, path: Path
) -> Chapter:
    """Frames (B, 3, h, w) as recorded with lines in them, each (B, P, 2) in pixels; as drawn; and the difference."""
    said += " Above as recorded, with the points that are written; then as it is drawn from the pose alone; below four times the difference."
    count = len(rows)
    figure = sheet(10.4, 5.0)
    heading(figure, title, said)
    height, width = recorded.shape[-2:]
    lines = [recorded, drawn, (0.5 + 4 * (drawn - recorded))]
    for line, pictures in enumerate(lines):
        for column, picture in enumerate(pictures):
            axes = figure.add_axes((0.02 + column * 0.96 / count, 0.52 - 0.25 * line, 0.94 / count, 0.24))
            axes.imshow(_shown(picture), extent=(0, width, height, 0), interpolation="nearest")
            if line == 0:
                for number, line_of in enumerate(lines_of):
                    dot = "o" if len(line_of[column]) <= 2 else ""
                    axes.plot(
                        *line_of[column].T, color=colour(1 + number), lw=0.9, marker=dot, ms=3, markeredgecolor="white"
                    )
                axes.set_title(f"{int(rows[column])}", size=7.5, color=SOFT, pad=2)
                axes.set(xlim=(0, width), ylim=(height, 0))
            axes.axis("off")
    save(figure, path)
    return Chapter(title, said, path, "Frames as recorded and as the model draws them")


def figures(seen: SeenOne, path: Path) -> Chapter:
    """How the figures without labels are spread over the frames."""
    assert seen.reading is not None
    title, said = "How sure is it?", "Every frame counts. Nothing here was compared with a label."
    values = {"root of the mean squared error of a picture": seen.reading.fit.error.sqrt()}
    if seen.reading.far is not None and seen.reading.apart is not None:
        values["picture against mirror image, pixels"] = seen.reading.far
        values["picture against mirror image, degrees"] = torch.rad2deg(seen.reading.apart)
    figure = sheet(10.4, 3.3)
    heading(figure, title, said)
    for column, (name, each) in enumerate(values.items()):
        axes = figure.add_axes((0.05 + column * 0.325, 0.2, 0.27, 0.48))
        axes.hist(each.numpy(), 40, color=colour(0))
        axes.set_yscale("log")
        axes.set_title(name, size=8.5, color=INK, loc="left", pad=3)
        axes.tick_params(labelsize=7.5, colors=SOFT, length=2)
        for side in axes.spines.values():
            side.set(color=LINE, linewidth=0.8)
    save(figure, path)
    return Chapter(title, said, path, "Histograms of the figures without labels")


def why_not(refused: Unseeable, all_frames: Frames, scene: Scene, path: Path) -> Chapter:
    """The frames that show which assumption failed, and what differs from the background in them."""
    rows = torch.tensor(refused.rows)
    some = all_frames.part(rows)
    title, said = (
        f"Not so: {refused.assumption}",
        f"{refused.said}. Below, what differs from the median picture.",
    )
    figure = sheet(10.4, 4.6)
    heading(figure, title, said)
    difference = scene.foreground(some.bright, some.robots)
    for column, (picture, differs) in enumerate(zip(some.bright, difference, strict=True)):
        for line, shown in enumerate((_shown(picture), differs.clamp(0, 1).numpy())):
            axes = figure.add_axes((0.02 + column * 0.162, 0.37 - 0.35 * line, 0.157, 0.33))
            axes.imshow(shown, interpolation="nearest", cmap="gray", vmin=0, vmax=1)
            axes.axis("off")
            if line == 0:
                axes.set_title(f"{int(rows[column])}", size=7.5, color=SOFT, pad=2)
    save(figure, path)
    return Chapter(title, said, path, "Frames that show which assumption failed")


def _on_checks(patch: Patch) -> np.ndarray:
    """A look over a checked ground, (S, S, 3)."""
    look = patch().detach()
    size = look.shape[-1]
    cell = torch.arange(size) // 2 % 2
    ground = 0.75 + 0.2 * (cell[:, None] ^ cell[None]).float()
    return _shown(look[:3] + (1 - look[3:]) * ground)


def _shown(picture: Tensor) -> np.ndarray:
    """(3, h, w) in 0 … 1 -> (h, w, 3)."""
    return picture.detach().clamp(0, 1).movedim(0, -1).numpy()
