"""The pictures of the measurements: each says its point above it, and under that the conditions in which it holds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from benchmarks.common import ends

#: Okabe and Ito's colours, told apart by everybody.
BARS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9")
OURS, HOST = BARS[0], BARS[2]
FLOOR = "#555555"
LIGHT = "#9ecae1"
#: Whose bar it is, in words, by the names that results have.
PLAIN = {
    "ours": "ours",
    "ours, compiled": "ours, compiled",
    "its DDIM-10, small": "LeRobot's diffusion, small",
    "its DDIM-10, small, compiled": "LeRobot's diffusion, small, compiled",
    "LeRobot's diffusion": "LeRobot's diffusion as it ships",
}
AS_IT_SHIPS = "LeRobot's diffusion"
POLICIES = {"ours": ("our policy", OURS), "host": ("LeRobot's policy", HOST)}
LOADERS = {"memory": "our loader", "host": "LeRobot's, no workers", "host4": "LeRobot's, 4 workers"}


def headline(figure: Figure, point: str, conditions: str) -> None:
    """The point of a picture above it, and in small letters the conditions; both from its left edge."""
    height = figure.get_figheight()
    figure.text(0.01, 1 + (0.3 + 0.16 * conditions.count("\n")) / height, point, fontsize=12, fontweight="bold")
    figure.text(0.01, 1 + 0.08 / height, conditions, fontsize=8, color=FLOOR)


def plain(axes: Axes) -> None:
    """Without what says nothing."""
    axes.spines[["top", "right"]].set_visible(False)


def latency(result: dict[str, Any]) -> Figure:
    """Bars of a chunk's milliseconds with the floor, and how they grow, if that was measured.

    LeRobot's policy as it ships is another size by orders of magnitude: it is told in words, and has no bar.
    """
    found = {name: each for name, each in result["contenders"].items() if name != AS_IT_SHIPS}
    if "growth" not in result:
        figure = Figure(figsize=(6.5, 0.9 + 0.45 * len(found)))
        _bars(figure.subplots(), result, found)
    else:
        figure = Figure(figsize=(10.5, 3.4))
        bars, growth = figure.subplots(1, 2, width_ratios=(3, 2))
        _bars(bars, result, found)
        _growth(growth, result["growth"])
    figure.tight_layout()
    mine, other = found.get("ours"), found.get("its DDIM-10, small")
    point = "What a chunk takes"
    if mine and other:
        took = [each["milliseconds"]["median"] for each in (mine, other)]
        alike = 0.9 < other["parameters"] / mine["parameters"] < 1.1
        size = "of equal size" if alike else "made small"
        point = f"A chunk takes {took[0]:.1f} ms, one of LeRobot's diffusion {size} {took[1]:.0f}"
    told = "observation in, action out, batch 1; dashed: the time to read our weights once"
    if ships := result["contenders"].get(AS_IT_SHIPS):
        told += (
            f"\nnot drawn, as it is another size: LeRobot's diffusion as it ships, {ships['parameters'] / 1e6:.0f} M weights and "
            f"{ships['calls']} calls, {ships['milliseconds']['median'] / 1000:.0f} s"
        )
    headline(figure, point, told)
    return figure


def _bars(axes: Axes, result: dict[str, Any], contenders: Mapping[str, Any]) -> None:
    for row, (name, found) in enumerate(contenders.items()):
        took = found["milliseconds"]
        axes.barh(row, took["median"], xerr=_error(took), color=OURS if name.startswith("ours") else HOST)
        axes.text(ends(took)[1] * 1.03, row, f" {took['median']:,.1f} ms", va="center", fontsize=8)
    axes.axvline(result["reading the weights"]["median"], color=FLOOR, ls="--", lw=1)
    axes.set(xlabel="ms a chunk", xlim=(0, 1.2 * max(ends(c["milliseconds"])[1] for c in contenders.values())))
    labels = [
        f"{PLAIN.get(name, name)}\n{each['parameters'] / 1e6:.1f} M weights, {each['calls']} calls"
        for name, each in contenders.items()
    ]
    axes.set_yticks(range(len(contenders)), labels, fontsize=8)
    axes.invert_yaxis()
    plain(axes)


def _error(values: Mapping[str, Any]) -> list[list[float]]:
    low, high = ends(values)
    return [[values["median"] - low], [high - values["median"]]]


def _growth(axes: Axes, sweeps: dict[str, Any]) -> None:
    steepness, ended = {}, []
    for (name, sweep), colour in zip(sweeps.items(), BARS, strict=False):
        factors = [int(value) / int(next(iter(sweep))) for value in sweep]
        costs = [found["times_the_first"]["median"] for found in sweep.values()]
        axes.plot(factors, costs, "o-", ms=3, lw=1, color=colour)
        taken = [other for other in ended if other[0] == factors[-1] and 0.9 < other[1] / costs[-1] < 1.1]
        ended.append((factors[-1], costs[-1]))
        below = (4, -8 * len(taken))  # a label that would lie on another one
        axes.annotate(name, ended[-1], below, textcoords="offset points", fontsize=7, va="center", color=colour)
        steepness[name] = math.log(max(costs[-1], 1e-9)) / math.log(factors[-1]) if factors[-1] > 1 else 0.0
    dearest, cheapest = max(steepness, key=steepness.__getitem__), min(steepness, key=steepness.__getitem__)
    axes.set(xscale="log", yscale="log", xlabel="times the first value", ylabel="times the first cost")
    axes.set_title(f"{dearest} costs most, {cheapest} least", fontsize=9)
    for axis, ticks in ((axes.xaxis, (1, 2, 4, 8, 16, 32, 64)), (axes.yaxis, (1, 2, 4, 8, 16))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:.0f}")
        axis.set_minor_locator(NullLocator())
    plain(axes)


def training(result: dict[str, Any]) -> Figure:
    """Bars of samples a second at every size, like beside like: both policies through one loader, then through the next."""
    figure = Figure(figsize=(5.2 * len(result["sizes"]), 3.4))
    points = []
    panels = figure.subplots(1, len(result["sizes"]), squeeze=False)[0]
    for axes, (name, size) in zip(panels, result["sizes"].items(), strict=True):
        rates = {each: found["samples_per_s"] for each, found in size["variants"].items()}
        order = [f"{who} + {loader}" for loader in LOADERS for who in POLICIES if f"{who} + {loader}" in rates]
        for row, each in enumerate(order):
            found, colour = size["variants"][each], POLICIES[each.split(" + ")[0]][1]
            waiting = (
                f" {rates[each]['median']:,.0f}, {100 * found['share_waiting']['median']:.0f} % of it waiting for data"
            )
            axes.barh(row, rates[each]["median"], xerr=_error(rates[each]), color=colour)
            axes.text(ends(rates[each])[1] * 1.02, row, waiting, va="center", fontsize=7)
        labels = [f"{POLICIES[who][0]},\n{LOADERS[loader]}" for who, loader in (each.split(" + ") for each in order)]
        axes.set_yticks(range(len(order)), labels, fontsize=8)
        axes.set_xlim(0, 1.9 * max(ends(rate)[1] for rate in rates.values()))
        axes.set(xlabel="samples/s through lerobot train", title=f"{name}, batch {size['batch_size']}")
        axes.invert_yaxis()
        plain(axes)
        theirs = "ours + host4" if "ours + host4" in rates else "ours + host"
        if {"ours + memory", theirs, "host + memory"} <= rates.keys():
            mine = rates["ours + memory"]["median"]
            by_loader, by_policy = (mine / rates[each]["median"] for each in (theirs, "host + memory"))
            points.append(f"{name}: loader {by_loader:.1f}×, policy {by_policy:.1f}×")
    figure.tight_layout()
    point = f"What ours are worth in samples a second; {'; '.join(points)}" if points else "Samples a second"
    headline(
        figure, point, "each against LeRobot's, its loader with 4 workers, the other part ours; equally many weights"
    )
    return figure


def loading(result: dict[str, Any], titles: Mapping[str, str]) -> Figure:
    """Bars of samples a second of every loader, and the limit."""
    figure = Figure(figsize=(6.5, 0.9 + 0.4 * len(result["samples_per_s"])))
    axes = figure.subplots()
    found = {name: rate for name, rate in result["samples_per_s"].items() if name != "limit"}
    for row, (name, rate) in enumerate(found.items()):
        # A bar on a logarithmic axis has no length that means anything.
        axes.errorbar(
            rate["median"], row, xerr=_error(rate), fmt="o", color=HOST if name == "host" else OURS, capsize=3
        )
        axes.text(ends(rate)[1] * 1.25, row, f"{rate['median']:,.0f}", va="center", fontsize=8)
    limit = result["samples_per_s"]["limit"]["median"]
    axes.axvline(limit, color=FLOOR, ls="--", lw=1)
    least = min(rate["median"] for rate in found.values())
    axes.set(xscale="log", xlim=(least / 3, 10 * max(limit, *(ends(rate)[1] for rate in found.values()))))
    axes.set_xlabel("samples/s (log); dashed: one gather of as many bytes")
    axes.set_yticks(range(len(found)), [titles[name] for name in found], fontsize=8)
    axes.set_ylim(len(found) - 0.4, -0.6)
    plain(axes)
    figure.tight_layout()
    times = result["ratio"]["memory"]["median"]
    told = f"the same batches bit for bit; batch {result['loader']['batch_size']}, one thread, no workers"
    headline(figure, f"Held in memory, data comes {times:,.0f} times as fast as from LeRobot's loader", told)
    return figure


def success_curves(panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[dict[str, Any]]]]]) -> Figure:
    """A panel for each x axis: lines of success with their Wilson intervals over (places, reports), by label.

    A label "policy, loader": lines of one policy have its colour, and one style for each loader.
    """
    figure = Figure(figsize=(5 * len(panels), 4))
    styles = ("-", "--", ":")
    for axes, (label, lines) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        of_colour: dict[str, int] = {}
        for name, (places, reports) in lines.items():
            colour = OURS if name.startswith("ours") else HOST
            style = styles[of_colour.setdefault(colour, 0) % len(styles)]
            of_colour[colour] += 1
            rates = [r["success_percent"] for r in reports]
            low = [r["success_percent"] - r["interval_percent"][0] for r in reports]
            high = [r["interval_percent"][1] - r["success_percent"] for r in reports]
            axes.errorbar(places, rates, [low, high], color=colour, ls=style, marker="o", ms=4, capsize=2, label=name)
        axes.set(xscale="log", xlabel=label, ylim=(0, 103))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter("{x:,g}")
        plain(axes)
        axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel("success, % (95 % Wilson interval)")
    figure.tight_layout()
    return figure
