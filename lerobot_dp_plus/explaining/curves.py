"""Actions over time, where there is no scene to draw them in: one small picture for each dimension."""

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.collections import LineCollection

from lerobot_dp_plus.evaluation.moment import in_words
from lerobot_dp_plus.explaining.material import Seen
from lerobot_dp_plus.explaining.scenes import bars, call_said, shown, why
from lerobot_dp_plus.explaining.style import INK, LINE, NOISY, SOFT, colour, heading, letter, save, sheet

#: Dimensions of which it is shown how noise becomes actions.
FOLLOWED = 3


def _axes(axes, low: float, high: float, length: int) -> None:
    room = 0.08 * (high - low or 1)
    axes.set(xlim=(0, length - 1), ylim=(low - room, high + room))
    axes.tick_params(labelsize=7.5, colors=SOFT, length=2)
    for side in axes.spines.values():
        side.set(color=LINE, linewidth=0.8)


def _lines(axes, values: np.ndarray, colours, width: float = 0.9, alpha: float = 0.45) -> None:
    time = np.arange(values.shape[1])
    segments = [np.column_stack([time, each]) for each in values]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=width, alpha=alpha))


def fans(seen: Seen, path: Path) -> tuple[str, str]:
    """All candidates, dimension by dimension, each in the colour of its way."""
    moment = seen.moment
    chunks = moment.chunks.numpy()
    weights = moment.modes.weights[0].tolist()
    count, length, width = chunks.shape
    title = f"What might it do? It draws {count} plans"
    said = f"{in_words(weights)} One picture for each of {width} dimensions of an action, over the steps of the plan."
    columns = min(4, width)
    rows = math.ceil(width / columns)
    figure = sheet(10.4, 1.55 + 1.75 * rows)
    heading(figure, title, said)
    height = figure.get_figheight()
    grid = figure.add_gridspec(
        rows, columns, left=0.05, right=0.98, top=1 - 1.4 / height, bottom=0.4 / height, wspace=0.24, hspace=0.5
    )
    colours = [colour(each) for each in moment.modes.mode[0].tolist()]
    for dim in range(width):
        axes = figure.add_subplot(grid[dim // columns, dim % columns])
        _lines(axes, chunks[:, :, dim], colours)
        for way in moment.ways:
            middle = chunks[int(moment.modes.nearest[0, way]), :, dim]
            axes.plot(middle, color=colour(way), lw=2.6)
        _axes(axes, chunks[:, :, dim].min(), chunks[:, :, dim].max(), length)
        axes.set_title(f"dimension {dim}", size=9, color=INK, loc="left", pad=3)
    told = ",   ".join(f"{letter(way)} {100 * weights[way]:.0f} %" for way in moment.ways)
    figure.text(0.02, 1 - 0.92 / height, f"share of the plans:  {told}", size=10, color=INK, va="top")
    save(figure, path)
    return title, said


def denoising(seen: Seen, path: Path) -> tuple[str, str]:
    """Noise becomes plans, for the dimensions in which they move most."""
    calls = shown(seen.calls, 5)
    chunks = seen.moment.chunks
    moved = torch.argsort((chunks.amax(1) - chunks.amin(1)).mean(0), descending=True)[:FOLLOWED].tolist()
    last = seen.calls[-1].number
    title = f"How does it plan? Noise becomes {len(chunks)} plans in {last} network calls"
    said = "Every line is a plan. Shown are the dimensions in which the plans move most."
    figure = sheet(10.4, 1.1 + 1.9 * len(moved))
    heading(figure, title, said)
    top = 1 - 1.05 / figure.get_figheight()
    grid = figure.add_gridspec(
        len(moved), len(calls), left=0.06, right=0.98, top=top, bottom=0.08, wspace=0.28, hspace=0.3
    )
    mode = seen.moment.modes.mode[0].tolist()
    for row, dim in enumerate(sorted(moved)):
        for column, call in enumerate(calls):
            axes = figure.add_subplot(grid[row, column])
            values = call.chunks[..., dim].numpy()
            _lines(axes, values, NOISY if call.number == 0 else [colour(each) for each in mode])
            _axes(axes, values.min(), values.max(), values.shape[1])
            if row == 0:
                axes.set_title(call_said(call, last), size=9, color=INK, loc="left", pad=4)
            if column == 0:
                axes.set_ylabel(f"dimension {dim}", size=9, color=INK)
    save(figure, path)
    return title, said


def choosing(seen: Seen, path: Path) -> tuple[str, str]:
    """The energies of the candidates, and which is taken."""
    title, said = "Which plan does it take?", why(seen.choice)
    figure = sheet(7.6, 4.6)
    heading(figure, title, said)
    bars(figure.add_axes((0.04, 0.13, 0.9, 0.66)), seen.choice, seen.moment.modes.mode[0].tolist())
    save(figure, path)
    return title, said
