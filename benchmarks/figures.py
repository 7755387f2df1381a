"""The pictures of the measurements."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from benchmarks.common import ends

#: Okabe and Ito's colours, told apart by everybody; ours first, then the host's.
BARS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9")
FLOOR = "#555555"
LIGHT = "#9ecae1"


def latency(result: dict[str, Any]) -> Figure:
    """Bars of a chunk's milliseconds with the floor, and how they grow, if that was measured."""
    if "growth" not in result:
        figure = Figure(figsize=(6, 2.6))
        _bars(figure.subplots(), result)
    else:
        figure = Figure(figsize=(9.5, 3.6))
        bars, growth = figure.subplots(1, 2, width_ratios=(3, 2))
        _bars(bars, result)
        _growth(growth, result["growth"])
    figure.tight_layout()
    return figure


def _bars(axes: Axes, result: dict[str, Any]) -> None:
    for row, found in enumerate(result["contenders"].values()):
        took = found["milliseconds"]
        axes.barh(row, took["median"], xerr=_error(took), color=BARS[row % len(BARS)])
        axes.text(ends(took)[1] * 1.15, row, f"{took['median']:,.1f} ms", va="center", fontsize=8)
    limit = result["reading the weights"]["median"]
    axes.axvline(limit, color=FLOOR, ls="--", lw=1)
    axes.set(
        xscale="log",
        xlabel="ms a chunk, batch 1 (log); dashed: reading the weights",
        title="Observation in, action out",
    )
    axes.set_xlim(limit / 2, 8 * max(ends(c["milliseconds"])[1] for c in result["contenders"].values()))
    axes.set_yticks(range(len(result["contenders"])), list(result["contenders"]), fontsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def _error(values: Mapping[str, Any]) -> list[list[float]]:
    low, high = ends(values)
    return [[values["median"] - low], [high - values["median"]]]


def _growth(axes: Axes, sweeps: dict[str, Any]) -> None:
    for name, sweep in sweeps.items():
        factors = [int(value) / int(next(iter(sweep))) for value in sweep]
        costs = [found["times_the_first"]["median"] for found in sweep.values()]
        axes.plot(factors, costs, "o-", ms=3, lw=1, label=name)
    axes.set(xscale="log", yscale="log", xlabel="times the first value (log)", title="Times the first cost (log)")
    for axis, ticks in ((axes.xaxis, (1, 2, 4, 8, 16, 32, 64)), (axes.yaxis, (1, 2, 4, 8, 16))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:.0f}")
        axis.set_minor_locator(NullLocator())
    axes.legend(fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def training(result: dict[str, Any]) -> Figure:
    """Bars of samples a second at every size, with the share of a step that waits for data and that of the limit."""
    figure = Figure(figsize=(4.6 * len(result["sizes"]), 3.6))
    for axes, (name, size) in zip(
        figure.subplots(1, len(result["sizes"]), squeeze=False)[0], result["sizes"].items(), strict=True
    ):
        for row, found in enumerate(size["variants"].values()):
            rate, waiting = found["samples_per_s"], found["share_waiting"]["median"]
            axes.barh(row, rate["median"], xerr=_error(rate), color=BARS[row % len(BARS)])
            axes.text(
                ends(rate)[1] * 1.02,
                row,
                f" {rate['median']:,.0f}; {100 * waiting:.0f} % waiting\n {100 * found['share_of_limit']:.0f} % of the limit",
                va="center",
                fontsize=7,
            )
        axes.set_yticks(range(len(size["variants"])), [f"{v} loader" for v in size["variants"]], fontsize=8)
        axes.set_xlim(0, 1.6 * max(ends(found["samples_per_s"])[1] for found in size["variants"].values()))
        axes.set(xlabel="samples/s through lerobot train", title=f"{name}, batch {size['batch_size']}")
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def loading(result: dict[str, Any], titles: Mapping[str, str]) -> Figure:
    """Bars of samples a second of every loader, and the limit."""
    figure = Figure(figsize=(6.5, 0.9 + 0.4 * len(result["samples_per_s"])))
    axes = figure.subplots()
    found = {name: rate for name, rate in result["samples_per_s"].items() if name != "limit"}
    for row, (name, rate) in enumerate(found.items()):
        axes.barh(row, rate["median"], xerr=_error(rate), color=BARS[2 if name == "host" else 0])
        axes.text(ends(rate)[1] * 1.15, row, f"{rate['median']:,.0f}", va="center", fontsize=8)
    limit = result["samples_per_s"]["limit"]["median"]
    axes.axvline(limit, color=FLOOR, ls="--", lw=1)
    least = min(rate["median"] for rate in found.values())
    axes.set(xscale="log", xlim=(least / 3, 10 * max(limit, *(ends(rate)[1] for rate in found.values()))))
    axes.set_xlabel("samples/s (log); dashed: one gather of as many bytes")
    axes.set_yticks(range(len(found)), [titles[name] for name in found], fontsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def quality(every: Sequence[Sequence[dict[str, Any]]], limit: float) -> Figure:
    """Success with its Wilson interval, and score, of each training seed: ours beside the host's, and the limit."""
    figure = Figure(figsize=(7.5, 3.2))
    success, score = figure.subplots(1, 2)
    width = 0.8 / len(every)
    for number, reports in enumerate(every):
        colour, places = BARS[2 * number], [place + number * width for place in range(len(reports))]
        rates, scores = [r["success_percent"] for r in reports], [r["score"] for r in reports]
        error = [
            [r["success_percent"] - r["interval_percent"][0] for r in reports],
            [r["interval_percent"][1] - r["success_percent"] for r in reports],
        ]
        bars = success.bar(places, rates, width, yerr=error, capsize=3, color=colour, label=reports[0]["name"])
        success.bar_label(bars, fmt="%.1f", fontsize=8, padding=5)
        score.bar_label(score.bar(places, scores, width, color=colour), fmt="%.3f", fontsize=8, padding=5)
    for axes in (success, score):
        ticks = [place + width * (len(every) - 1) / 2 for place in range(len(every[0]))]
        axes.set_xticks(ticks, [f"seed {r['training_seed']}" for r in every[0]])
        axes.spines[["top", "right"]].set_visible(False)
    success.axhline(limit, color=FLOOR, ls="--", lw=1)
    success.set(ylim=(0, 115), ylabel="success, %", yticks=range(0, 101, 20))
    success.set_title("dashed: episodes that some training solved", fontsize=8)
    score.set(ylim=(0, 1.15), ylabel="score", yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    figure.legend(loc="lower center", ncols=2, frameon=False, bbox_to_anchor=(0.5, -0.08))
    figure.tight_layout()
    return figure


def success_curves(panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[dict[str, Any]]]]]) -> Figure:
    """A panel for each x axis: lines of success with their Wilson intervals over (places, reports), by label."""
    figure = Figure(figsize=(5 * len(panels), 4))
    for axes, (label, lines) in zip(figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True):
        for (name, (places, reports)), colour in zip(lines.items(), (BARS[0], *BARS[2:]), strict=False):
            rates = [r["success_percent"] for r in reports]
            low = [r["success_percent"] - r["interval_percent"][0] for r in reports]
            high = [r["interval_percent"][1] - r["success_percent"] for r in reports]
            axes.errorbar(places, rates, yerr=[low, high], color=colour, marker="o", ms=4, capsize=2, label=name)
        axes.set(xscale="log", xlabel=label, ylim=(0, 103))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel("success, % (95 % Wilson interval)")
    figure.tight_layout()
    return figure
