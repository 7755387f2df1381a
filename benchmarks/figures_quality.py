"""Pictures of success on PushT: ours beside LeRobot's, and one change at a time."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.figures import BARS, FLOOR, HOST, LIGHT, OURS, headline, plain
from benchmarks.judged import together

#: What was known in training, by the config of ours.
KNOWN = {
    "pusht_foresight.json": "ours knows the T's frame and the mirror image, LeRobot's neither; both see keypoints",
    "pusht_pixels.json": "ours knows the T's corners in training, its frame and the mirror image, LeRobot's none; both see pictures",
}


def quality(
    every: Sequence[Sequence[dict[str, Any]]],
    limit: float,
    config: str = "",
    longer: dict[str, Any] | None = None,
    longer_name: str = "",
) -> Figure:
    """Success with its Wilson interval, and score, of each training seed: ours beside the host's, and the limit.

    Args:
        every: reports of ours, then of LeRobot's; others are other trainings of LeRobot's and are not drawn.
        limit: percent of the episodes that some training solved.
        config: of ours.
        longer: a report of LeRobot's policy after a longer training, which stands beside; `longer_name` says what it is.
    """
    every = every[:2]
    figure = Figure(figsize=(8.5, 3.2))
    success, score = figure.subplots(1, 2)
    width = 0.8 / len(every)
    labels = ["ours", "LeRobot's diffusion, equal size, as many minutes"]
    for number, reports in enumerate(every):
        colour, places = (OURS, HOST)[number], [place + number * width for place in range(len(reports))]
        _pair(success, score, places, reports, width, colour, labels[number])
    ticks = [place + width * (len(every) - 1) / 2 for place in range(len(every[0]))]
    names = [f"seed {r['training_seed']}" for r in every[0]]
    if longer is not None:
        place = len(every[0])
        _pair(success, score, [place], [longer], width, BARS[3], f"LeRobot's, {longer_name}")
        ticks, names = [*ticks, place], [*names, "longer"]
    for axes in (success, score):
        axes.set_xticks(ticks, names)
        plain(axes)
    success.axhline(limit, color=FLOOR, ls="--", lw=1)
    success.set(ylim=(0, 115), ylabel="success, %", yticks=range(0, 101, 20))
    score.set(ylim=(0, 1.15), ylabel="score (best coverage)", yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    figure.legend(loc="upper center", ncols=3, frameon=False, fontsize=8, bbox_to_anchor=(0.5, 0.02))
    figure.tight_layout()
    rates = [together(reports)[0] for reports in every]
    took = [_minutes(reports) for reports in every]
    point = f"Ours has {rates[0]:.1f} % success"
    if len(every) > 1:
        point += f"; LeRobot's diffusion of equal size {rates[1]:.1f} % after as many minutes"
    if longer is not None:
        point += f", {longer['success_percent']:.0f} % after more"
    told = KNOWN.get(config, "")
    if None not in took:
        through = f", LeRobot's {took[1]:.0f}, through its own loader without workers" if len(took) > 1 else ""
        told += f"\nours {took[0]:.0f} minutes of one thread{through}; 500 episodes a bar; dashed: starts that some training solved"
    headline(figure, point, told.strip())
    return figure


def _pair(success: Any, score: Any, places: Any, reports: Any, width: float, colour: str, label: str) -> None:
    rates, scores = [r["success_percent"] for r in reports], [r["score"] for r in reports]
    error = [
        [r["success_percent"] - r["interval_percent"][0] for r in reports],
        [r["interval_percent"][1] - r["success_percent"] for r in reports],
    ]
    bars = success.bar(places, rates, width, yerr=error, capsize=3, color=colour, label=label)
    success.bar_label(bars, fmt="%.1f", fontsize=8, padding=5)
    score.bar_label(score.bar(places, scores, width, color=colour), fmt="%.3f", fontsize=8, padding=5)


def _minutes(reports: Sequence[dict[str, Any]]) -> float | None:
    seconds = [report.get("seconds") for report in reports]
    return None if None in seconds else sum(seconds) / len(seconds) / 60  # type: ignore[arg-type]


def study(rows: Sequence[Sequence[dict[str, Any]]], conditions: str = "") -> Figure:
    """A bar for each change with its interval, a dot for each training seed, a line at the recipe; the best change first."""
    recipe, *changes = rows
    changes = sorted(changes, key=lambda reports: -together(reports)[0])
    figure = Figure(figsize=(8, 0.6 + 0.32 * len(rows)))
    axes = figure.subplots()
    for place, reports in enumerate([recipe, *changes]):
        rate, low, high = together(reports)
        axes.barh(place, rate, xerr=[[rate - low], [high - rate]], color=OURS if place == 0 else LIGHT, capsize=2)
        axes.plot([r["success_percent"] for r in reports], [place] * len(reports), "o", ms=3, color="black")
    middle = together(recipe)[0]
    axes.axvline(middle, color=OURS, lw=1, ls="--")
    names = [f"{reports[0]['name']} ({len(reports)} seeds)" for reports in (recipe, *changes)]
    axes.set_yticks(range(len(rows)), [name.replace("(1 seeds)", "(1 seed)") for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="success, % (bar: all seeds, 95 % Wilson interval; dots: training seeds)")
    plain(axes)
    figure.tight_layout()
    point = f"The recipe has {middle:.0f} %"
    if changes:
        (best, *_), (worst, *_) = changes[0], changes[-1]
        most, least = together(changes[0])[0], together(changes[-1])[0]
        point = f"One change at a time: from {least:.0f} % ({worst['name']}) to {most:.0f} % ({best['name']})"
    headline(figure, point, conditions or "dashed: the recipe")
    return figure
