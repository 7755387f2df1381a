"""What a training logged, over its steps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.reporting.themes import Chart, Theme, chart

Metrics = Sequence[Mapping[str, Any]]


def curves(metrics: Metrics) -> list[Chart]:
    """Loss, success and pace, as far as they were logged."""
    learned = [each for each in metrics if "loss" in each]
    charts = []
    if len(learned) > 1:
        charts.append(loss(metrics, learned))
    if any("eval_success_percent" in each for each in metrics):
        charts.append(success([each for each in metrics if "eval_success_percent" in each]))
    if len(learned) > 1:
        charts.append(rates(learned))
    return charts


def loss(metrics: Metrics, learned: Metrics) -> Chart:
    """The loss and its parts."""
    names = [name for name in learned[-1] if name == "loss" or name.startswith("loss_")]
    held_out = [each for each in metrics if "eval_loss" in each]
    last = learned[-1]

    def draw(axes: Axes, theme: Theme) -> None:
        for index, name in enumerate(names):
            rows = [each for each in learned if each.get(name) is not None]
            colour = theme.lines[index % len(theme.lines)]
            axes.plot(*_over_steps(rows, name), color=colour, lw=2.2 if name == "loss" else 1.4, label=name)
        if held_out:
            axes.plot(*_over_steps(held_out, "eval_loss"), "o--", ms=4, color=theme.ink, label="eval_loss (held out)")
        axes.set(yscale="log" if _positive(learned, names) else "linear", xlabel="updates")
        axes.legend(ncols=2)

    title = f"The loss went from {learned[0]['loss']:.3g} to {last['loss']:.3g}"
    said = f"The loss and its parts over {last['step']:,} updates, each the mean since the line before."
    return chart(title, said, draw)


def success(evaluated: Metrics) -> Chart:
    """Success of the evaluations in the training, with Wilson's interval."""
    steps = [each["step"] for each in evaluated]
    rates = np.array([each["eval_success_percent"] for each in evaluated])
    counts = [int(each["eval_episodes"]) for each in evaluated]
    ends = np.array([wilson_percent(round(r / 100 * n), n) for r, n in zip(rates, counts, strict=True)])

    def draw(axes: Axes, theme: Theme) -> None:
        around = np.abs(ends - rates[:, None]).T
        axes.errorbar(steps, rates, around, fmt="o-", ms=5, lw=1.6, capsize=3, color=theme.lines[0])
        axes.set(ylim=(0, 102), xlabel="updates", ylabel="success, %")

    said = f"Evaluations of {counts[-1]} episodes in the training; bars are 95 % Wilson intervals."
    return chart(f"Success reached {rates[-1]:.0f} % at update {steps[-1]:,}", said, draw)


def rates(learned: Metrics) -> Chart:
    """Learning rate and size of the gradient, each of its largest value."""
    names = {"lr": "learning rate", "grad_norm": "gradient norm", "updates_per_s": "updates a second"}
    shown = {name: word for name, word in names.items() if all(each.get(name) is not None for each in learned)}

    def draw(axes: Axes, theme: Theme) -> None:
        for index, (name, word) in enumerate(shown.items()):
            steps, values = _over_steps(learned, name)
            most = float(np.max(values)) or 1.0
            label = f"{word}, at most {most:.3g}"
            axes.plot(steps, np.asarray(values) / most, lw=1.6, color=theme.lines[index], label=label)
        axes.set(ylim=(0, 1.45), yticks=(0, 0.5, 1), xlabel="updates", ylabel="of the largest")
        axes.legend(loc="upper right")

    pace = np.median([each["updates_per_s"] for each in learned if each.get("updates_per_s")] or [0.0])
    return chart(f"{pace:.3g} updates a second", "Learning rate, gradient norm and pace, each of its largest.", draw)


def _over_steps(rows: Metrics, name: str) -> tuple[list[int], list[float]]:
    return [each["step"] for each in rows], [each[name] for each in rows]


def _positive(rows: Metrics, names: Sequence[str]) -> bool:
    return all(each[name] > 0 for each in rows for name in names if each.get(name) is not None)
