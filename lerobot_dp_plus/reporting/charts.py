"""How episodes ended, how long they were, how far they came, and how late decisions are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from lerobot_dp_plus.evaluation.failures import IN_WORDS
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.reporting.themes import Chart, Theme, chart

#: Kinds of failure that say something.
NAMED = tuple(kind for kind in IN_WORDS if kind not in ("success", "failed"))

Episodes = Sequence[Mapping[str, Any]]


def charts(episodes: Episodes, latency: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """All that these episodes allow."""
    found = [endings(episodes)]
    if all("steps" in each for each in episodes):
        found.append(lengths(episodes))
    if all("best" in each for each in episodes):
        found.append(reached(episodes))
    if latency:
        found.append(lateness(latency))
    return found


def endings(episodes: Episodes) -> Chart:
    """The share of each way to end, with its interval."""
    counts = Counter(each["kind"] for each in episodes)
    kinds = [kind for kind in IN_WORDS if counts[kind]]
    total = len(episodes)

    def draw(axes: Axes, theme: Theme) -> None:
        for row, kind in enumerate(kinds):
            share = 100 * counts[kind] / total
            low, high = wilson_percent(counts[kind], total)
            axes.barh(row, share, 0.62, color=theme.good if kind == "success" else theme.bad)
            axes.plot([low, high], [row, row], color=theme.ink, lw=1.4)
            said = f"{counts[kind]}:  {share:.1f} % ({low:.1f} to {high:.1f})"
            axes.text(106, row, said, color=theme.ink, size=10, va="center")
        axes.set(yticks=range(len(kinds)), yticklabels=[IN_WORDS[kind] for kind in kinds])
        axes.set(xlim=(0, 212), xticks=(0, 25, 50, 75, 100), ylim=(len(kinds) - 0.4, -0.6), xlabel="% of episodes")

    title = f"{counts['success']} of {total} succeed"
    first, *others = sorted((kind for kind in kinds if kind != "success"), key=lambda kind: -counts[kind]) or [""]
    if first in NAMED and all(counts[first] > counts[other] for other in others):
        title += f"; most failures: {IN_WORDS[first]}"
    return chart(title, "How episodes ended; lines are 95 % Wilson intervals.", draw, 1.0 + 0.45 * len(kinds))


def lengths(episodes: Episodes) -> Chart:
    """Steps of episodes that succeeded, and of those that did not."""
    good = [each["steps"] for each in episodes if each["success"]]
    bad = [each["steps"] for each in episodes if not each["success"]]
    edges = np.linspace(0, max(each["steps"] for each in episodes), 25)

    def draw(axes: Axes, theme: Theme) -> None:
        shown = [(each, colour, word) for each, colour, word in
                 ((good, theme.good, "succeeded"), (bad, theme.bad, "failed")) if each]  # fmt: skip
        axes.hist(
            [each for each, _, _ in shown],
            edges.tolist(),
            stacked=True,
            color=[colour for _, colour, _ in shown],
            label=[word for _, _, word in shown],
        )
        axes.set(xlabel="control steps", ylabel="episodes")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    title = f"Half of the successes take at most {np.median(good):.0f} steps" if good else "No episode succeeded"
    return chart(title, "How long episodes were, in control steps.", draw)


def reached(episodes: Episodes) -> Chart:
    """How far episodes came at best and where they ended: the share that came at least so far."""
    best, final = (np.sort([each[name] for each in episodes]) for name in ("best", "final"))

    def draw(axes: Axes, theme: Theme) -> None:
        above = 100 * (1 - np.arange(len(best)) / len(best))
        for values, colour, word in ((best, theme.lines[0], "at best"), (final, theme.lines[1], "at the end")):
            axes.step(values, above, where="pre", color=colour, lw=2, label=word)
        axes.set(xlabel="coverage, or share of the task's reward", ylabel="% of episodes", ylim=(0, 103))
        axes.legend(loc="lower left")

    title = f"Half of the episodes reach {np.median(best):.2f} or more"
    return chart(title, "The share of episodes that came at least so far.", draw)


def lateness(latency: Sequence[Mapping[str, Any]]) -> Chart:
    """The percentiles of each episode's decisions."""

    def draw(axes: Axes, theme: Theme) -> None:
        names = ("p50", "p95", "p99")
        values = [np.array([each[name] for each in latency]) for name in names]
        parts = axes.boxplot(values, orientation="horizontal", widths=0.5, patch_artist=True, whis=(0, 100))
        for box in parts["boxes"]:
            box.set(facecolor=theme.lines[0], edgecolor=theme.ink)
        for name in ("medians", "whiskers", "caps"):
            for line in parts[name]:
                line.set(color=theme.ink)
        least, most = (float(end([end(each) for each in values])) for end in (np.min, np.max))
        if least > 0 and most > 20 * least:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        for row, each in enumerate(values, 1):
            said = f"{np.median(each):.3g}"
            axes.annotate(said, (each.max(), row), (6, 0), textcoords="offset points", color=theme.ink, va="center")
        axes.set(yticklabels=names, xlabel="milliseconds", ylim=(3.6, 0.4))
        axes.margins(x=0.16)

    middle = float(np.median([each["p99"] for each in latency]))
    said = "From observation to action, of all episodes of a batch together; boxes are quartiles over episodes, figures medians. Most steps take the next action of a plan that is there."
    return chart(f"The slowest decision in a hundred takes {middle:.0f} ms", said, draw, 2.3)


def robustness(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A curve of success over the levels of each perturbation, with Wilson's band."""
    names = dict.fromkeys(row["name"] for row in rows)
    return [
        _curve(name, sorted((r for r in rows if r["name"] == name), key=lambda row: row["level"])) for name in names
    ]


def _curve(name: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    levels, rates = ([row[key] for row in rows] for key in ("level", "percent"))
    low, high = zip(*(row["interval_percent"] for row in rows), strict=True)

    def draw(axes: Axes, theme: Theme) -> None:
        axes.fill_between(levels, low, high, color=theme.lines[0], alpha=0.25, lw=0)
        axes.plot(levels, rates, "o-", color=theme.lines[0], lw=2, ms=5)
        axes.set(ylim=(0, 102), xlabel=rows[0]["unit"], ylabel="success, %")

    words = name.replace("_", " ")
    title = f"{words.capitalize()}: success from {rates[0]:.0f} % to {rates[-1]:.0f} %"
    return chart(
        title, f"Success under {words}; the band is the 95 % Wilson interval of {rows[0]['of']} episodes.", draw
    )
