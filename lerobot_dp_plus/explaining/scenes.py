"""The pictures of PushT. Each returns what it shows in a title and a sentence, which its page repeats."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from lerobot_dp_plus.evaluation.arena import ARENA
from lerobot_dp_plus.evaluation.moment import Moment, in_words
from lerobot_dp_plus.explaining.material import Bent, Choice, Estimates, Seen
from lerobot_dp_plus.explaining.style import (
    FORBIDDEN,
    INK,
    LINE,
    NOISY,
    SOFT,
    colour,
    fan,
    heading,
    letter,
    save,
    scene,
    sheet,
    thick,
    window_around,
)

#: Pale where an energy is high, green where it is low.
GOOD = ListedColormap(colormaps["Greens_r"](np.linspace(0.3, 1, 256)))
#: What a name of an energy means, in a word or two.
MEANS = {
    "end": "how far from done it leads",
    "imitation": "how badly the policy knows it",
    "obstacles": "how deep in obstacles",
    "goal": "how far from the goal",
    "total": "all energies, weighted",
}


def fans(seen: Seen, agent: np.ndarray, path: Path) -> tuple[str, str]:
    """All candidates over the scene, each in the colour of its way."""
    moment = seen.moment
    paths, weights = moment.positions.numpy(), moment.modes.weights[0].tolist()
    ways = moment.ways
    count = len(paths)
    title = f"What might it do? It draws {count} plans"
    said = f"{in_words(weights)} Thin: every plan. Thick: the middle one of each way."
    figure = sheet(7.6, 7.0)
    heading(figure, title, said)
    axes = figure.add_axes((0.02, 0.02, 0.76, 0.825))
    scene(axes, seen.picture, agent, around(seen, agent))
    for way in reversed(ways):
        fan(axes, agent, paths[moment.members(way).numpy()], colour(way))
    for way in reversed(ways):
        thick(axes, agent, paths[int(moment.modes.nearest[0, way])], colour(way), letter(way))
    _shares(figure.add_axes((0.80, 0.30, 0.18, 0.5)), ways, weights)
    save(figure, path)
    return title, said


def around(seen: Seen, agent: np.ndarray) -> tuple[float, float, float]:
    """The part of the arena that all plans lie in, with room for the T."""
    return window_around(np.concatenate([seen.moment.positions.numpy().reshape(-1, 2), agent[None]]), 45, 300)


def _shares(axes: Axes, ways: Sequence[int], weights: Sequence[float]) -> None:
    """How likely each way is, as bars that stand on each other's shoulders."""
    axes.set(xlim=(0, 1), ylim=(3.2, -0.6))
    axes.axis("off")
    axes.text(0, -0.45, "share of the plans", size=10, color=SOFT)
    for row, way in enumerate(ways):
        axes.barh(row, 1, 0.22, color=LINE)
        axes.barh(row, weights[way], 0.22, color=colour(way))
        axes.text(0, row - 0.2, f"{letter(way)}  {100 * weights[way]:.0f} %", size=12, weight="bold", color=colour(way))


def denoising(seen: Seen, agent: np.ndarray, path: Path) -> tuple[str, str]:
    """Noise becomes plans: what is expected at each call of the network."""
    calls = shown(seen.calls, 10)
    columns = 5
    rows = math.ceil(len(calls) / columns)
    last = seen.calls[-1].number
    title = f"How does it plan? Noise becomes {len(seen.moment.chunks)} plans in {last} network calls"
    said = (
        "Every line is a plan. At each call the network says what plan is behind the noise: first the average of what is "
        "possible, and the less noise is left, the more they part."
    )
    figure = sheet(10.4, 1.12 + 2.2 * rows)
    heading(figure, title, said)
    top = 1 - 1.12 / figure.get_figheight()
    grid = figure.add_gridspec(rows, columns, left=0.02, right=0.98, top=top, bottom=0.015, wspace=0.05, hspace=0.13)
    mode = seen.moment.modes.mode[0].tolist()
    for index, call in enumerate(calls):
        axes = figure.add_subplot(grid[index // columns, index % columns])
        scene(axes, seen.picture, agent, around(seen, agent))
        colours = NOISY if call.number == 0 else [colour(each) for each in mode]
        fan(axes, agent, call.chunks.numpy(), colours, 0.9, 0.3 if call.number == 0 else 0.45)
        axes.set_title(call_said(call, last), size=9.5, color=INK, loc="left", pad=4)
    save(figure, path)
    return title, said


def shown(calls: Sequence[Estimates], most: int) -> list[Estimates]:
    """At most so many of the calls, the first and the last among them."""
    kept = np.unique(np.linspace(0, len(calls) - 1, min(most, len(calls))).round().astype(int))
    return [calls[index] for index in kept]


def call_said(call: Estimates, last: int) -> str:
    """What an estimate is, in a few words."""
    if call.number == 0:
        return "pure noise"
    if call.noise == 0:
        return "the plans"
    noise = f"{100 * call.noise:.0f} % noise"
    return f"call {call.number}, the last" if call.number == last else f"call {call.number} of {last}, {noise}"


def steering(bent: Bent, seen: Seen, agent: np.ndarray, path: Path) -> tuple[str, str]:
    """The same noise with a disc on the way: as drawn, guided, projected."""
    *centre, radius = bent.obstacle
    through = {name: int((each.violation > 1.0).sum()) for name, each in bent.moments.items()}
    title = "What if something is in the way? Plans can be bent around it"
    said = (
        "Red: the energy of being there, 0 where the agent is clear of the disc. Guidance goes down its slope while planning; "
        "projection moves finished plans out of it. Dark lines still pass through; while there are others none of them is taken."
    )
    figure = sheet(10.4, 4.55)
    heading(figure, title, said)
    window = window_around(
        np.concatenate([each.positions.numpy().reshape(-1, 2) for each in bent.moments.values()] + [agent[None]]),
        25,
        200,
    )
    count = len(seen.moment.chunks)
    for index, (name, moment) in enumerate(bent.moments.items()):
        axes = figure.add_axes((0.02 + 0.327 * index, 0.02, 0.307, 0.307 * 10.4 / 4.55))
        scene(axes, seen.picture, agent, window)
        high = float(bent.landscape.max())
        side = np.linspace(0, ARENA, len(bent.landscape))
        levels = high * np.array([0.0005, 0.06, 0.15, 0.28, 0.43, 0.6, 0.8, 1.0])
        axes.contourf(side, side, bent.landscape, levels=levels, cmap="Reds", alpha=0.65, zorder=1, vmin=-0.3 * high)
        axes.contour(
            side, side, bent.landscape, levels=levels[1:-1], colors=FORBIDDEN, linewidths=0.5, alpha=0.5, zorder=2
        )
        axes.add_patch(Circle((centre[0], centre[1]), radius, facecolor="none", edgecolor=FORBIDDEN, lw=2, zorder=7))
        hits = (moment.violation > 1.0).numpy()
        paths = moment.positions.numpy()
        mode = seen.moment.modes.mode[0].numpy()
        fan(axes, agent, paths[~hits], [colour(each) for each in mode[~hits]], 1.1, 0.55)
        fan(axes, agent, paths[hits], INK, 1.2, 0.7)
        axes.set_title(f"{name}: {_of(through[name], count)} pass through", size=11, color=INK, loc="left", pad=5)
    save(figure, path)
    return title, said


def _of(part: int, count: int) -> str:
    return f"{'none' if part == 0 else 'all' if part == count else part} of {count}"


def choosing(seen: Seen, agent: np.ndarray, landscape: np.ndarray | None, path: Path) -> tuple[str, str]:
    """The choice, and the energies that it was made by."""
    choice, moment = seen.choice, seen.moment
    title = "Which plan does it take?"
    said = why(choice)
    figure = sheet(10.4, 5.6)
    heading(figure, title, said)
    axes = figure.add_axes((0.02, 0.09, 0.76 * 5.6 / 10.4, 0.76))
    window = around(seen, agent)
    scene(axes, seen.picture, agent, window)
    if landscape is not None:
        x, y, side = window
        low, high = np.percentile(landscape, [1, 90])
        across, down = (np.linspace(edge, edge + side, len(landscape)) for edge in (x, y))
        levels = np.linspace(low, high, 10)
        axes.contourf(across, down, landscape, levels=levels, cmap=GOOD, alpha=0.55, extend="both", zorder=1)
    paths = moment.positions[: choice.count].numpy()
    mode = moment.modes.mode[0].tolist()
    fan(axes, agent, paths, [colour(each) for each in mode[: choice.count]], 1.4, 0.75)
    thick(axes, agent, paths[choice.index], colour(mode[choice.index]))
    end = paths[choice.index, -1]
    axes.plot(*end, "*", ms=19, color=INK, mec="white", mew=1.3, zorder=10)
    note = "★ the plan that is taken."
    if landscape is not None:
        note += "  Greener: going straight there leads nearer to done."
    figure.text(0.02, 0.03, note, size=10, color=INK)
    bars(figure.add_axes((0.5, 0.17, 0.47, 0.67)), choice, mode)
    save(figure, path)
    return title, said


def why(choice: Choice) -> str:
    """What the policy's selection does, in a sentence."""
    if choice.by is None:
        if choice.count == 1:
            return "It takes the first plan that it draws. Nothing is ranked; the plans differ by their noise alone."
        return f"Of {choice.count} plans it takes the one that its selection names, by no energy."
    energy = f"{choice.by}, {MEANS[choice.by]}," if choice.by in MEANS else choice.by
    return f"Of {choice.count} plans it takes the one of the lowest energy: {energy} as the policy itself predicts it."


def bars(axes: Axes, choice: Choice, mode: Sequence[int]) -> None:
    """The energies of the candidates, the lowest first."""
    name = choice.by or next(iter(choice.energies), None)
    if name is None:
        axes.axis("off")
        axes.text(0, 0.5, "This policy knows no energy\nto tell its plans apart.", size=11, color=SOFT)
        return
    values = choice.energies[name].numpy()
    least = float(values.min())
    values = values - least
    order = np.argsort(values, kind="stable")
    for row, index in enumerate(order):
        taken = index == choice.index
        axes.barh(row, values[index], 0.72, color=colour(mode[index]), alpha=1 if taken else 0.55)
        above = f"+{values[index]:.3g}" if values[index] > 0 else "lowest"
        said = f"{'★ ' if taken else ''}{letter(mode[index])}  {above}"
        axes.text(values[index], row, f" {said}", size=9, va="center", color=INK, weight="bold" if taken else "normal")
    high = float(values.max()) or 1.0
    axes.set(xlim=(0, 1.25 * high), ylim=(len(order) - 0.4, -0.6), yticks=[])
    means = f", {MEANS[name]}" if name in MEANS else ""
    axes.set_xlabel(f"energy “{name}”{means}: above the lowest, {least:.4g}", size=10, color=INK)
    axes.tick_params(axis="x", labelsize=8.5, colors=SOFT)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)


def of_way(moment: Moment, index: int) -> int:
    """The way that a candidate belongs to."""
    return int(moment.modes.mode[0, index])
