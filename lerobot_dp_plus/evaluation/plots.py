"""What a policy wants to do: sampled chunks of actions drawn into the scene they were sampled for."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lerobot_dp_plus.evaluation.scenes import ARENA, Scene
from lerobot_dp_plus.hub.files import whole

AGENT_RADIUS = 15  # of gym-pusht's agent, in the environment's units
INK = "#22262e"


#: plasma without its palest end, which would be lost on a white table.
COLOURS = ListedColormap(colormaps["plasma"](np.linspace(0.02, 0.86, 256)), name="plasma_on_white")


def plot_action_distribution(
    scenes: Sequence[Scene],
    chunks: Sequence[np.ndarray],
    path: Path,
    title: str = "What the policy may do next",
    seconds_per_step: float = 0.1,
    columns: int = 3,
) -> None:
    """Draws `chunks[i]` (N, H, 2), positions in the arena, over `scenes[i]` and writes a PNG to `path`.

    Every line is one sampled chunk, starting at the agent; its colour runs with time.

    Raises:
        ValueError: no scenes, not one array of chunks per scene, or a shape other than (N, H, 2).
    """
    if not scenes or len(scenes) != len(chunks):
        raise ValueError(
            f"{len(scenes)} scenes and {len(chunks)} arrays of chunks: expected as many, and at least one."
        )
    for scene, sampled in zip(scenes, chunks, strict=True):
        if sampled.ndim != 3 or sampled.shape[-1] != 2:
            raise ValueError(
                f"chunks of scene {scene.title!r} have shape {sampled.shape}; expected (samples, steps, 2)."
            )
    columns = min(columns, len(scenes))
    rows = math.ceil(len(scenes) / columns)
    figure = Figure(figsize=(3.5 * columns, 3.72 * rows + 1.15), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, columns, left=0.015, right=0.985, wspace=0.04, hspace=0.1)
    grid.update(top=1 - 0.78 / figure.get_figheight(), bottom=0.72 / figure.get_figheight())
    for index, (scene, sampled) in enumerate(zip(scenes, chunks, strict=True)):
        _draw(figure.add_subplot(grid[index // columns, index % columns]), scene, sampled)
    figure.text(0.015, 1 - 0.16 / figure.get_figheight(), title, size=15, weight="bold", color=INK, va="top")
    _time_bar(figure, max(sampled.shape[1] for sampled in chunks) * seconds_per_step)
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _draw(axes: Axes, scene: Scene, sampled: np.ndarray) -> None:
    axes.imshow(scene.image, extent=(0, ARENA, ARENA, 0), interpolation="lanczos", alpha=0.55, zorder=0)
    count, steps, _ = sampled.shape
    start = np.broadcast_to(scene.agent, (count, 1, 2))
    points = np.concatenate([start, sampled], axis=1)  # (N, 1 + H, 2)
    segments = np.stack([points[:, :-1], points[:, 1:]], axis=2).transpose(1, 0, 2, 3)  # (H, N, 2, 2), by time
    ages = np.repeat(np.linspace(0, 1, steps), count)
    opacity = float(np.clip(14 / count, 0.08, 0.9))
    axes.add_collection(
        LineCollection(
            list(segments.reshape(-1, 2, 2)),
            colors=COLOURS(ages),
            linewidths=1.5,
            alpha=opacity,
            capstyle="round",
            zorder=2,
        )
    )
    dots = sampled.transpose(1, 0, 2).reshape(-1, 2)
    axes.scatter(
        dots[:, 0], dots[:, 1], s=5, color=COLOURS(ages), alpha=min(1.0, 1.5 * opacity), linewidths=0, zorder=3
    )
    axes.add_patch(Circle(tuple(scene.agent), AGENT_RADIUS, facecolor="#3f63dd", edgecolor="white", lw=1.4, zorder=4))
    axes.set(xlim=(0, ARENA), ylim=(ARENA, 0), xticks=[], yticks=[], aspect="equal")
    axes.set_title(scene.title, size=10, color=INK, loc="left", pad=5)
    for spine in axes.spines.values():
        spine.set(color="#c9ced8", linewidth=0.8)


def _time_bar(figure: Figure, seconds: float) -> None:
    axes = figure.add_axes((0.3, 0.43 / figure.get_figheight(), 0.4, 0.12 / figure.get_figheight()))
    bar = figure.colorbar(ScalarMappable(Normalize(0, seconds), COLOURS), cax=axes, orientation="horizontal")
    bar.set_label("seconds into the chunk", size=9, color=INK, labelpad=2)
    bar.ax.tick_params(labelsize=8, length=2, color=INK)
    bar.outline.set_visible(False)  # type: ignore[operator]
