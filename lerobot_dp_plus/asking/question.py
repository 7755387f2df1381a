"""What a person is asked: several ways to go on, and a picture of them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Question:
    """Which of K modes? They are numbered from 0, all of them are there, and the heaviest comes first.

    Arrays of float64, in the dataset's units, of chunks from the current step on.

    Args:
        weights: share of the candidates in each mode, (K,); they add up to 1.
        representatives: the chunk in the middle of each mode, (K, L, A).
        chunks: all candidates, (N, L, A).
        mode: the mode of each, (N,).
        scene: what the camera sees, (H, W, 3) bytes; None without one.
        view: left, right, top and bottom edge of the scene in units of the action; empty if they are not known.
        number, of: which observation of the batch this is, from 0, and how many there are.
        names: what each mode is called, if they have names: `red, left, at (0.21, 0.34)`.
    """

    weights: np.ndarray
    representatives: np.ndarray
    chunks: np.ndarray
    mode: np.ndarray
    scene: np.ndarray | None = None
    view: tuple[float, ...] = ()
    number: int = 0
    of: int = 1
    names: tuple[str, ...] = ()

    def called(self, mode: int) -> str:
        """What a mode is called in a picture: its name, or its number."""
        return self.names[mode].split(",")[0] if self.names else str(mode)

    def named(self, word: str) -> int | None:
        """The mode whose name has this word; None if none or several have."""
        found = [mode for mode, name in enumerate(self.names) if word.strip().lower() in words_of(name)]
        return found[0] if len(found) == 1 else None

    @property
    def ends(self) -> np.ndarray:
        """Where each mode leads: its last action, (K, A)."""
        return self.representatives[:, -1]

    def picture(self) -> np.ndarray:
        """All ways, coloured and numbered by mode, (H, W, 3) bytes; it is drawn when this is called.

        Raises:
            ImportError: matplotlib is missing.
        """
        canvas = self._figure().canvas
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def save(self, path: Path) -> Path:
        """Write the picture as a PNG; returns the file. Raises as `picture`."""
        self._figure().savefig(path)
        return path

    def _figure(self) -> Any:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        count = self.chunks.shape[2]
        flat = count == 2
        apart = self.scene is not None and not (flat and self.view)  # nobody knows where the ways are in it
        panels = (1 if flat else count) + apart
        figure = Figure(figsize=(4.2 * min(panels, 4), 4.2 * -(-panels // 4)), dpi=90, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(-(-panels // 4), min(panels, 4), squeeze=False).flatten().tolist()
        for unused in axes[panels:]:
            unused.set_axis_off()
        if apart:
            seen = axes.pop(0)
            seen.imshow(self.scene)
            seen.set_axis_off()
        self._plane(axes[0]) if flat else self._rows(axes)
        return figure

    def _plane(self, axes: Any) -> None:
        """Ways in the plane of two-dimensional actions, over the scene if its edges are known."""
        if self.view:
            left, right, top, bottom = self.view
            if self.scene is not None:
                axes.imshow(self.scene, extent=(left, right, bottom, top))
            axes.set(xlim=(left, right), ylim=(bottom, top))
        for chunk, mode in zip(self.chunks, self.mode, strict=True):
            axes.plot(*chunk.T, color=f"C{mode}", alpha=0.35, linewidth=1)
        for k, chunk in enumerate(self.representatives):
            axes.plot(
                *chunk.T,
                color=f"C{k}",
                linewidth=3,
                marker=".",
                label=f"{self.called(k)}: {100 * self.weights[k]:.0f} %",
            )
            axes.annotate(str(k), chunk[-1], color=f"C{k}", fontsize=18, weight="bold")
        axes.set_aspect("equal")
        axes.legend(loc="upper right")

    def _rows(self, panels: list[Any]) -> None:
        """Each dimension of the action over the steps."""
        for dimension, axes in enumerate(panels[: self.chunks.shape[2]]):
            for chunk, mode in zip(self.chunks, self.mode, strict=True):
                axes.plot(chunk[:, dimension], color=f"C{mode}", alpha=0.35, linewidth=1)
            for k, chunk in enumerate(self.representatives):
                axes.plot(
                    chunk[:, dimension],
                    color=f"C{k}",
                    linewidth=3,
                    label=f"{self.called(k)}: {100 * self.weights[k]:.0f} %",
                )
            axes.set_title(f"action {dimension}")
        panels[0].legend()


def words_of(name: str) -> set[str]:
    """The words of a name, in small letters."""
    return set(re.findall(r"[^\W\d_]+", name.lower()))
