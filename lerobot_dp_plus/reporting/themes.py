"""Each chart twice: on light and on dark ground. A page shows the one that fits it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """Colours of a ground. `lines` are told apart by people who confuse red and green (Okabe and Ito 2008)."""

    paper: str
    ink: str
    soft: str
    line: str
    good: str
    bad: str
    lines: tuple[str, ...]


LIGHT = Theme(
    "#ffffff", "#1c2230", "#556070", "#cfd5de", "#00795a", "#b8480a",
    ("#0067a5", "#b8480a", "#00795a", "#a13f83", "#7a6400", "#3d83b8", "#555555"),
)  # fmt: skip
DARK = Theme(
    "#1e232c", "#eceff4", "#a9b3c1", "#3a4250", "#4cc9a4", "#f0915a",
    ("#6cb8ee", "#f0915a", "#4cc9a4", "#e09ac8", "#e6cf5c", "#9ad0f5", "#bbbbbb"),
)  # fmt: skip

#: Draws into a figure's axes in the colours of a theme.
Draw = Callable[[Axes, Theme], None]


class Chart(NamedTuple):
    """A chart in both themes, as data URLs, its point in a line, and a sentence for those who do not see it."""

    title: str
    said: str
    light: str
    dark: str


def chart(title: str, said: str, draw: Draw, height: float = 2.9) -> Chart:
    """`draw` on both grounds; 5.4 inches wide, so that its letters can be read on a phone."""
    return Chart(title, said, *(_drawn(draw, theme, height) for theme in (LIGHT, DARK)))


def _drawn(draw: Draw, theme: Theme, height: float) -> str:
    figure = Figure(figsize=(5.4, height), facecolor=theme.paper, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=theme.paper)
    draw(axes, theme)
    axes.tick_params(labelsize=10, colors=theme.soft, length=3)
    axes.tick_params(which="minor", colors=theme.soft, length=0, labelsize=8)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(size=10.5, color=theme.soft)
    for name, spine in axes.spines.items():
        spine.set(color=theme.line, linewidth=0.9, visible=name in ("left", "bottom"))
    legend = axes.get_legend()
    if legend is not None:
        legend.set_frame_on(False)
        for text in legend.get_texts():
            text.set(color=theme.ink, size=9.5)
    content = BytesIO()
    figure.savefig(content, dpi=160, format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
