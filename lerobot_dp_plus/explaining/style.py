"""Colours, and a scene to draw on."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import Normal, Stroke

from lerobot_dp_plus.evaluation.arena import AGENT_RADIUS, ARENA
from lerobot_dp_plus.evaluation.moment import COLOURS, LETTERS
from lerobot_dp_plus.hub.files import whole

INK, SOFT, LINE = "#1c2230", "#556070", "#cfd5de"
AGENT, FORBIDDEN, NOISY = "#3f63dd", "#7a1f1f", "#8a94a3"
#: How much of the scene's own colour is kept under what is drawn on it.
FADED = 0.5


def colour(way: int) -> str:
    """The colour of a mode, by its number."""
    return COLOURS[way % len(COLOURS)]


def letter(way: int) -> str:
    """The letter of a mode, for those who see no colours."""
    return LETTERS[way % len(LETTERS)]


def sheet(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return path


def heading(figure: Figure, title: str, said: str) -> None:
    """What a figure says, in a line and in a sentence; both at its top left."""
    height = figure.get_figheight()
    said = fill(said, int(12.3 * figure.get_figwidth()))
    figure.text(0.02, 1 - 0.14 / height, title, size=15, weight="bold", color=INK, va="top")
    figure.text(0.02, 1 - 0.50 / height, said, size=10.5, color=SOFT, va="top", linespacing=1.35)


def scene(axes: Axes, picture: np.ndarray, agent: np.ndarray, window: tuple[float, float, float] | None = None) -> None:
    """The scene, faded, and the agent. `window` (x, y, side) is the part that is shown, from its top left corner."""
    axes.imshow(picture, extent=(0, ARENA, ARENA, 0), interpolation="bilinear", alpha=FADED, zorder=0)
    axes.add_patch(Circle((agent[0], agent[1]), AGENT_RADIUS, facecolor=AGENT, edgecolor="white", lw=1.4, zorder=8))
    x, y, side = (0.0, 0.0, float(ARENA)) if window is None else window
    axes.set(xlim=(x, x + side), ylim=(y + side, y), xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=0.8)


def fan(
    axes: Axes,
    start: np.ndarray,
    paths: np.ndarray,
    colours: str | Sequence[str],
    width: float = 1.1,
    alpha: float = 0.4,
) -> LineCollection:
    """Thin paths (N, S, 2) from one start."""
    lines = LineCollection(list(from_start(start, paths)), colors=colours, linewidths=width, alpha=alpha, zorder=3)
    axes.add_collection(lines)
    return lines


def from_start(start: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """Paths (N, S, 2) with the start before their first point, (N, S + 1, 2)."""
    return np.concatenate([np.broadcast_to(start, (len(paths), 1, 2)), paths], 1)


def thick(axes: Axes, start: np.ndarray, path: np.ndarray, colour: str, label: str = "", width: float = 4.5) -> None:
    """One path that stands out, with a label in a disc at its end."""
    points = from_start(start, path[None])[0]
    around = [Stroke(linewidth=width + 3.5, foreground="white"), Normal()]
    axes.plot(*points.T, color=colour, lw=width, solid_capstyle="round", path_effects=around, zorder=6)
    if label:
        end = points[-1]
        axes.plot(*end, "o", ms=17, color=colour, mec="white", mew=1.6, zorder=9)
        axes.text(
            end[0], end[1], label, color="white", weight="bold", size=10.5, ha="center", va="center_baseline", zorder=10
        )


def window_around(points: np.ndarray, room: float, least: float) -> tuple[float, float, float]:
    """The square (x, y, side) that shows points (..., 2) with some room, inside the arena."""
    flat = points.reshape(-1, 2)
    low, high = flat.min(0), flat.max(0)
    side = float(min(ARENA, max(least, (high - low).max() + 2 * room)))
    x, y = np.clip((low + high) / 2 - side / 2, 0, ARENA - side)
    return float(x), float(y), side
