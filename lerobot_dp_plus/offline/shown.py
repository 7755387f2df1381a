"""Table and picture of a policy against held-out actions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from lerobot_dp_plus.explaining.style import INK, LINE, SOFT, colour, heading, save, sheet
from lerobot_dp_plus.offline.scores import Scores
from lerobot_dp_plus.offline.verdict import by_step

#: Steps of a chunk that the table shows, and dimensions that the picture draws by themselves.
SHOWN, DRAWN = 3, 6


def table(scores: Scores, names: Sequence[str]) -> Table:
    """One row for each dimension, in the data's units."""
    length = len(scores.error)
    steps = np.unique(np.linspace(0, length - 1, SHOWN).round().astype(int)).tolist()
    made = Table(title="error of one draw, in the data's units", title_style="bold", title_justify="left")
    columns = (*(f"step {step}" for step in steps), "all", "spread", "÷ spread", "spread ÷ error")
    made.add_column("dimension", no_wrap=True)
    for name in columns:
        made.add_column(name, justify="right")
    for index, name in enumerate(names):
        mean = scores.error[:, index].mean()
        share = f"{100 * mean / scores.spread[index]:.0f} %" if scores.moving[index] else "still"
        ratio = "" if np.isnan(scores.ratios[index]) else f"{scores.ratios[index]:.2f}"
        values = [scores.error[step, index] for step in steps]
        told = (f"{each:.3g}" for each in (*values, mean, scores.spread[index]))
        made.add_row(name, *told, share, ratio)
    return made


def picture(scores: Scores, names: Sequence[str], seconds: float, executed: int, title: str, path: Path) -> Path:
    """Error by step, best of n, and what intervals hold."""
    figure = sheet(12.0, 4.7)
    heading(
        figure,
        title,
        "An error of 100 % is as far off as actions usually differ. Intervals on the dotted line hold what they say.",
    )
    places = [figure.add_axes((left, 0.14, 0.25, 0.56)) for left in (0.06, 0.39, 0.72)]
    _steps(places[0], scores, names, seconds, executed)
    axes = places[1]
    axes.plot(np.arange(1, len(scores.best) + 1), scores.best, "o-", ms=3.5, color=colour(0))
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _labelled(axes, "best of n candidates", "n", "distance in spreads")
    axes = places[2]
    axes.plot([0, 100], [0, 100], ":", color=SOFT)
    axes.plot(100 * scores.nominal, 100 * scores.coverage, "o-", ms=3.5, color=colour(0), label="all")
    axes.set(xlim=(0, 100), ylim=(0, 100))
    _labelled(
        axes, f"calibration (spread ÷ error {scores.ratio:.2f})", "central interval, %", "of true actions inside, %"
    )
    return save(figure, path)


def _steps(axes: Any, scores: Scores, names: Sequence[str], seconds: float, executed: int) -> None:
    time = np.arange(len(scores.error)) * seconds
    shown = np.flatnonzero(scores.moving)[:DRAWN]
    for order, index in enumerate(shown):
        axes.plot(
            time,
            100 * scores.error[:, index] / scores.spread[index],
            color=colour(order),
            lw=1,
            alpha=0.7,
            label=names[index],
        )
    axes.plot(time, 100 * by_step(scores), color=INK, lw=2.2, label="all")
    if scores.repeating is not None:
        again = (scores.repeating / np.where(scores.moving, scores.spread, np.inf))[:, scores.moving].mean(1)
        axes.plot(time, 100 * again, "--", color=SOFT, lw=1.4, label="repeating")
    axes.axvspan(0, (executed - 1) * seconds, color=LINE, alpha=0.35, lw=0)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, frameon=False, ncols=2)
    _labelled(axes, "error by step (grey: executed)", "seconds ahead", "% of the spread")


def _labelled(axes: Any, title: str, across: str, up: str) -> None:
    axes.set_title(title, size=10.5, color=INK, loc="left")
    axes.set_xlabel(across, size=9, color=SOFT)
    axes.set_ylabel(up, size=9, color=SOFT)
    axes.tick_params(labelsize=8, colors=SOFT)
    for side in axes.spines.values():
        side.set(color=LINE, linewidth=0.8)
