"""Pictures of a recording: lengths, one episode, delays, ranges, and what the cameras saw."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.doctor.delay import bounded, correlations, delays, furthest, paired
from lerobot_dp_plus.doctor.footage import Look
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.doctor.stillness import still_frames
from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.explaining.style import INK, LINE, SOFT, colour, heading, save, sheet

#: Dimensions that are drawn, and pictures of a camera.
DRAWN, SHOWN = 8, 6


def draw(recording: Recording, looks: list[Look], output: Path) -> list[Chapter]:
    """All pictures that this recording allows."""
    chapters = [lengths(recording, output / "lengths.png"), ranges(recording, output / "ranges.png")]
    if recording.action is not None:
        chapters.append(course(recording, output / "episode.png"))
    if paired(recording):
        chapters.append(lags(recording, output / "delay.png"))
    if looks:
        chapters.append(seen(recording, looks, output / "cameras.png"))
    return chapters


def lengths(recording: Recording, path: Path) -> Chapter:
    """Every episode as a bar, still time in grey."""
    title, said = (
        "How long are the episodes?",
        "Seconds of every episode; grey is time at its start and end in which nothing moves.",
    )
    start, end, _ = still_frames(recording)
    figure = sheet(10.4, 3.2)
    heading(figure, title, said)
    axes = figure.add_axes((0.06, 0.15, 0.92, 0.5))
    fps, across = recording.fps, np.arange(len(recording.episodes))
    axes.bar(across, recording.lengths / fps, 1.0, color=LINE)
    axes.bar(across, (recording.lengths - start - end).clip(0) / fps, 0.9, bottom=start / fps, color=colour(0))
    axes.set_xlim(-0.5, len(across) - 0.5)
    _plain(axes, "episode", "seconds")
    save(figure, path)
    return Chapter(title, said, path, "The length of every episode")


def ranges(recording: Recording, path: Path) -> Chapter:
    """Where values lie between their extremes."""
    title = "What would normalisation do?"
    said = "From the least to the largest value of every dimension; dark is where 98 of 100 values lie. A short dark part is squeezed."
    rows = [(recording.dimension(key, k), recording.columns[key][:, k]) for key in recording.columns for k in range(recording.columns[key].shape[1])][:40]  # fmt: skip
    figure = sheet(10.4, 1.5 + 0.2 * len(rows))
    heading(figure, title, said)
    height = figure.get_figheight()
    axes = figure.add_axes((0.24, 0.35 / height, 0.74, 1 - 1.35 / height))
    for row, (_, values) in enumerate(rows):
        low, high = values.min(), values.max()
        span = (high - low) or 1.0
        axes.barh(row, 2, 0.5, left=-1, color=LINE)
        first, last = (2 * (np.quantile(values, [0.01, 0.99]) - low) / span - 1) if high > low else (0.0, 0.0)
        axes.barh(row, last - first, 0.62, left=first, color=colour(0))
    axes.set(
        yticks=range(len(rows)),
        yticklabels=[name for name, _ in rows],
        ylim=(len(rows) - 0.4, -0.6),
        xlim=(-1.02, 1.02),
    )
    _plain(axes, "", "")
    axes.tick_params(axis="y", labelsize=7.5)
    save(figure, path)
    return Chapter(title, said, path, "The range of every dimension")


def course(recording: Recording, path: Path) -> Chapter:
    """One episode of the middle length, dimension by dimension."""
    position = int(np.argsort(recording.lengths, kind="stable")[len(recording.lengths) // 2])
    rows = slice(int(recording.starts[position]), int(recording.stops[position]))
    title = f"What does an episode look like? Episode {recording.episodes[position]}"
    said = "Dark is the action, light the state that goes with it, over seconds."
    action = recording.columns[ACTION]
    partners = dict(paired(recording))
    shown = min(DRAWN, action.shape[1])
    columns = min(4, shown)
    height = 1.1 + 1.6 * math.ceil(shown / columns)
    figure = sheet(10.4, height)
    heading(figure, title, said)
    grid = figure.add_gridspec(math.ceil(shown / columns), columns, left=0.06, right=0.985, top=1 - 1.05 / height, bottom=0.35 / height, wspace=0.25, hspace=0.55)  # fmt: skip
    time = np.arange(rows.stop - rows.start) / recording.fps
    for index in range(shown):
        axes = figure.add_subplot(grid[index // columns, index % columns])
        if index in partners:
            axes.plot(time, recording.columns[OBS_STATE][rows, partners[index]], color=colour(5), lw=2.2)
        axes.plot(time, action[rows, index], color=INK, lw=0.9)
        axes.set_title(recording.dimension(ACTION, index), size=8.5, color=INK, loc="left", pad=3)
        _plain(axes, "", "")
    save(figure, path)
    return Chapter(title, said, path, "Actions and states of one episode over time")


def lags(recording: Recording, path: Path) -> Chapter:
    """The correlation of action and state at every delay."""
    title = "How long after the action does the robot move?"
    said = "Correlation of the changes of action and state at every delay; the peak is the delay. One line for each dimension."
    found = delays(recording)
    assert found is not None
    left, right = ([pair[side] for pair in found.pairs] for side in (0, 1))
    action = bounded(recording.steps(ACTION)[:, left] if found.places else recording.columns[ACTION][:, left])
    known = recording.follows if found.places else np.ones(len(recording), bool)
    steps, by_dim, _ = correlations(
        recording, action, known, bounded(recording.steps(OBS_STATE)[:, right]), furthest(recording)
    )
    figure = sheet(10.4, 3.6)
    heading(figure, title, said)
    axes = figure.add_axes((0.07, 0.17, 0.9, 0.52))
    for order, (a, _) in enumerate(found.pairs[:DRAWN]):
        axes.plot(
            1000 * steps / recording.fps,
            by_dim[:, order],
            "o-",
            ms=2.5,
            lw=1.2,
            color=colour(order),
            label=recording.dimension(ACTION, a),
        )
    axes.axvline(0, color=LINE, lw=1)
    axes.legend(fontsize=7.5, frameon=False, ncols=2)
    _plain(axes, "milliseconds", "correlation")
    save(figure, path)
    return Chapter(title, said, path, "Correlation of action and state over delays")


def seen(recording: Recording, looks: list[Look], path: Path) -> Chapter:
    """Some frames of every camera."""
    title, said = (
        "What do the cameras see?",
        "Frames of the first episode that was looked at, evenly spread and made small.",
    )
    cameras = list(recording.cameras)
    first = [next(each for each in looks if each.camera == camera and not each.neighbours) for camera in cameras]
    tall = [each.pictures.shape[1] / each.pictures.shape[2] * 1.7 + 0.25 for each in first]
    figure = sheet(10.4, 0.95 + sum(tall))
    heading(figure, title, said)
    height, top = figure.get_figheight(), figure.get_figheight() - 0.9
    for each, high in zip(first, tall, strict=True):
        figure.text(0.02, top / height, each.camera, size=9, color=SOFT, va="top")
        for column, picture in enumerate(each.pictures[:SHOWN]):
            axes = figure.add_axes((0.02 + column * 0.162, (top - high) / height, 0.157, (high - 0.22) / height))
            axes.imshow(picture)
            axes.axis("off")
        top -= high
    save(figure, path)
    return Chapter(title, said, path, "Frames of every camera")


def _plain(axes: Any, across: str, up: str) -> None:
    axes.tick_params(labelsize=7.5, colors=SOFT, length=2)
    axes.set_xlabel(across, size=8.5, color=SOFT)
    axes.set_ylabel(up, size=8.5, color=SOFT)
    for side in axes.spines.values():
        side.set(color=LINE, linewidth=0.8)
