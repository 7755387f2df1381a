"""Noise becomes plans, and one of them is done: a short film."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.utils.io_utils import write_video
from matplotlib.figure import Figure

from lerobot_dp_plus.evaluation.arena import Arena
from lerobot_dp_plus.explaining.material import Estimates, Seen
from lerobot_dp_plus.explaining.scenes import around, call_said, of_way
from lerobot_dp_plus.explaining.style import INK, NOISY, SOFT, colour, fan, from_start, letter, scene, sheet, thick

FPS = 12
type Window = tuple[float, float, float]
#: Frames between two calls, and for which a picture stands still.
BETWEEN, STILL = 8, 14
PIXELS = 96  # an inch


def film(seen: Seen, agent: np.ndarray, arena: Arena, executed: int, path: Path) -> None:
    """Write the film. The arena is where the moment is; afterwards it is `executed` steps further."""
    window = around(seen, agent)
    frames = [*_planning(seen, agent, window), *_ways(seen, agent, window), *_doing(seen, arena, executed, window)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, FPS)


def _figure(title: str, picture: np.ndarray, agent: np.ndarray, window: Window) -> tuple[Figure, Any, Any]:
    figure = sheet(6.0, 6.5)
    figure.set_dpi(PIXELS)
    figure.text(0.02, 0.975, title, size=16, weight="bold", color=INK, va="top")
    said = figure.text(0.02, 0.928, "", size=12, color=SOFT, va="top")
    axes = figure.add_axes((0.02, 0.015, 0.96, 0.96 * 6.0 / 6.5))
    scene(axes, picture, agent, window)
    return figure, axes, said


def _frame(figure: Figure, moving: Sequence[tuple[Any, Any]] = (), behind: Any = None) -> np.ndarray:
    """The figure as a picture. With `behind`, what was drawn before, only (axes, artist) of `moving` are drawn anew."""
    canvas: Any = figure.canvas
    if behind is None:
        canvas.draw()
    else:
        canvas.restore_region(behind)
        for drawer, artist in moving:
            drawer.draw_artist(artist)
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _still(figure: Figure, moving: Sequence[tuple[Any, Any]]) -> Any:
    """What stands still behind what moves: the scene takes a hundred times as long to draw as the lines."""
    canvas: Any = figure.canvas
    for _, artist in moving:
        artist.set_animated(True)
    canvas.draw()
    return canvas.copy_from_bbox(figure.bbox)


def _planning(seen: Seen, agent: np.ndarray, window: Window) -> list[np.ndarray]:
    calls: Sequence[Estimates] = seen.calls
    if not calls:
        return []
    colours = [colour(each) for each in seen.moment.modes.mode[0].tolist()]
    figure, axes, said = _figure(f"1  Noise becomes {len(colours)} plans", seen.picture, agent, window)
    lines = fan(axes, agent, calls[0].chunks.numpy(), NOISY, 1.2, 0.35)
    said.set_text(call_said(calls[0], calls[-1].number))
    moving = (axes, lines), (figure, said)
    behind = _still(figure, moving)
    frames = [_frame(figure, moving, behind)] * (STILL // 2)
    for before, after in pairwise(calls):
        said.set_text(call_said(after, calls[-1].number))
        if after.number:
            lines.set(color=colours, alpha=0.5)
        for share in np.linspace(0, 1, BETWEEN + 1)[1:]:
            smooth = share * share * (3 - 2 * share)
            between = (1 - smooth) * before.chunks.numpy() + smooth * after.chunks.numpy()
            lines.set_segments(list(from_start(agent, between)))
            frames.append(_frame(figure, moving, behind))
    return frames + [frames[-1]] * (STILL // 2)


def _ways(seen: Seen, agent: np.ndarray, window: Window) -> list[np.ndarray]:
    moment = seen.moment
    figure, axes, said = _figure("2  Plans that do the same are one way", seen.picture, agent, window)
    weights, paths = moment.modes.weights[0].tolist(), moment.positions.numpy()
    said.set_text(", ".join(f"{letter(way)}: {100 * weights[way]:.0f} %" for way in moment.ways))
    fan(axes, agent, paths, [colour(each) for each in moment.modes.mode[0].tolist()], 1.2, 0.45)
    for way in reversed(moment.ways):
        thick(axes, agent, paths[int(moment.modes.nearest[0, way])], colour(way), letter(way))
    return [_frame(figure)] * (2 * STILL)


def _doing(seen: Seen, arena: Arena, executed: int, window: Window) -> list[np.ndarray]:
    index = seen.choice.index
    way = of_way(seen.moment, index)
    path, chunk = seen.moment.positions[index].numpy(), seen.moment.chunks[index].numpy()
    start, frames = arena.agent.copy(), []
    for step in range(executed + 1):
        figure, axes, said = _figure("3  One plan is taken, and done in part", arena.picture(), arena.agent, window)
        said.set_text(f"{step} of {len(chunk)} steps; after {executed} it looks and plans anew")
        thick(axes, start, path, colour(way), letter(way))
        frames += [_frame(figure)] * (STILL if step in (0, executed) else 5)
        if step < executed and not arena.over:
            arena.step(chunk[step])
    return frames
