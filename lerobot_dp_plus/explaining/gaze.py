"""What a policy that learned to reconstruct the target's region makes of it, beside the region itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from lerobot_dp_plus.auxiliary.gaze.reconstruction import GazeReconstructionModel, regions
from lerobot_dp_plus.evaluation.moment import Moment
from lerobot_dp_plus.explaining.attention import told_windows
from lerobot_dp_plus.explaining.style import INK, LINE, heading, save, sheet
from lerobot_dp_plus.policies.acting import Loaded

#: How often each region is drawn, from another noise.
DRAWS = 4


@dataclass(frozen=True)
class Regions:
    """The region around a thing, and how the policy draws it.

    Args:
        sentence: what is said.
        picture: (H, W, 3), from 0 to 1.
        box: middle x and y, and half side, as shares of the picture.
        true: the region, (S, S, 3).
        drawn: what the policy draws from other noises, (D, S, S, 3).
    """

    sentence: str
    picture: np.ndarray
    box: np.ndarray
    true: np.ndarray
    drawn: np.ndarray


@torch.no_grad()
def regions_of(loaded: Loaded, moment: Moment, sentences: Sequence[str], boxes: Sequence[np.ndarray]) -> list[Regions]:
    """Regions for each sentence, whose target is in the box (3,); none if the policy has not learned to draw them."""
    policy = loaded.policy
    model = policy._averaged_model
    members = dict(model.members())
    drawer = members.get("auxiliary")
    if not isinstance(drawer, GazeReconstructionModel) or not bool(drawer.tokenizer.ready):
        return []
    found = []
    with policy._evaluating.of(model):
        for (window, sentence), box in zip(told_windows(loaded, moment, sentences), boxes, strict=True):
            condition = model.network.condition(model.encoder(window))
            torch.manual_seed(0)
            drawn = torch.cat([drawer.redrawn(condition) for _ in range(DRAWS)])
            picture = window[drawer.camera][:, -1]
            true = regions(picture, torch.as_tensor(box, dtype=torch.float32)[None], drawer.side)
            low, high = picture.amin(), picture.amax()

            def shown(values: Tensor, low: Tensor = low, high: Tensor = high) -> np.ndarray:
                return ((values - low) / (high - low).clamp_min(1e-9)).clamp(0, 1).permute(0, 2, 3, 1).numpy()

            found.append(Regions(sentence, shown(picture)[0], box, shown(true)[0], shown(drawn)))
    return found


def crops(found: Sequence[Regions], path: Path) -> tuple[str, str]:
    """A row for each sentence: the picture with the box, the region, and what is drawn of it."""
    title = "What does it say is at the target?"
    said = (
        "It learned to draw the target's region from what its backbone makes of picture and sentence. Left the picture, "
        f"then the true region, then {DRAWS} that it draws, each from another noise. Nothing of this is computed when it acts."
    )
    figure = sheet(10.4, 1.25 + 2.0 * len(found))
    heading(figure, title, said)
    high = figure.get_figheight()
    columns = 2 + DRAWS
    grid = figure.add_gridspec(
        len(found), columns, left=0.02, right=0.98, top=1 - 1.2 / high, bottom=0.1 / high, wspace=0.08, hspace=0.28
    )
    for row, each in enumerate(found):
        shown = [each.picture, each.true, *each.drawn]
        for column, picture in enumerate(shown):
            axes = figure.add_subplot(grid[row, column])
            _picture(axes, picture)
            if column == 0:
                _box(axes, each.box, picture.shape[:2])
                axes.set_title(f"“{each.sentence}”" if each.sentence else "nothing said", size=9, color=INK, loc="left")
    save(figure, path)
    return title, said


def _picture(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(color=LINE)


def _box(axes: Axes, box: np.ndarray, size: tuple[int, ...]) -> None:
    """A square around the middle; its half side is a share of the picture's longer side."""
    high, wide = size
    x, y, half = box[0] * wide - 0.5, box[1] * high - 0.5, box[2] * max(high, wide)
    axes.add_patch(Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, edgecolor="white", lw=2.0))
    axes.add_patch(Rectangle((x - half, y - half), 2 * half, 2 * half, fill=False, edgecolor=INK, lw=1.0))
