"""`dp-plus see DATASET --root OUT`: where the one thing that moves is, learned from the pictures alone."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from tqdm import tqdm

import lerobot_dp_plus
from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.seeing.charts import draw
from lerobot_dp_plus.seeing.copying import NOTE, copy_with
from lerobot_dp_plus.seeing.footage import camera_of, frames_of, opened
from lerobot_dp_plus.seeing.options import see_parser
from lerobot_dp_plus.seeing.page import write_page
from lerobot_dp_plus.seeing.states import see
from lerobot_dp_plus.sprites import CONTRADICTION, Mirror, Quality, View

#: What to do instead.
WAY_OUT = (
    "Nothing was written. Without states found in pictures a policy sees the pictures themselves: "
    "--policy.state_estimation.type=none --policy.dynamics.type=none --policy.selection.type=first"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Look, learn, find, judge, write.

    Raises:
        ValueError: the recording cannot be looked at, or an assumption does not hold; the page shows which.
        FileExistsError: there is something at root.
    """
    options = see_parser().parse_args(argv)
    view = View(*options.view)
    mirror = Mirror(PushTMirror(), view) if options.mirror == "pusht" else None
    root: Path = options.root
    if root.exists() and not options.overwrite:
        raise FileExistsError(f"root = {root} exists; choose another folder or pass --overwrite")
    console = Console()
    dataset = opened(options.dataset)
    if root.resolve() == Path(dataset.root).resolve():
        raise ValueError(f"root = {root} is the recording itself; choose another folder")
    camera = camera_of(dataset, options.camera)
    name = Path(options.dataset).resolve().name or "dataset"
    output = options.output or Path("outputs/see") / name
    frames = frames_of(dataset, camera, None if options.no_robot else view)
    if mirror and frames.size[0] != frames.size[1]:
        raise ValueError(
            f"mirror = pusht: pictures of {camera} are {frames.size[0]}×{frames.size[1]} when made small, and PushT's are square; "
            "--mirror=none does without"
        )
    with _Bars() as bars:
        seen = see(frames, view, mirror, seed=options.seed, tell=bars)
    figures = told(seen.quality, max(frames.size)) if seen.quality else []
    refused = f"An assumption does not hold: {seen.refused}. {WAY_OUT}" if seen.refused else ""
    command = f"lerobot train --config_path=configs/pusht_pixels.json --dataset.root={root}"
    assumed = assumptions(camera, view, None if options.no_robot else options.view, options.mirror)
    page = write_page(output / "index.html", name, refused, command, figures, assumed, draw(seen, view, output))
    note = {
        "made_by": f"lerobot_dp_plus {lerobot_dp_plus.__version__}, dp-plus see",
        "source": name,
        "camera": camera,
        "view": list(options.view),
        "robot": not options.no_robot,
        "mirror": options.mirror,
        "seed": options.seed,
        "frames": len(frames),
        "quality": asdict(seen.quality) if seen.quality else None,
        "refused": str(seen.refused) if seen.refused else None,
    }
    write_whole(output / NOTE, json.dumps(note, indent=1) + "\n")
    if seen.refused:
        raise ValueError(f"{refused}\npictures that show it: {page}")
    assert seen.points is not None
    copy_with(dataset, root, seen.points.numpy(), note)
    for said, value in figures:
        console.print(f"  {value:>12}  {said}", markup=False, highlight=False)
    console.print(f"\n{root}: {len(frames):,} frames with the states that were found", markup=False, highlight=False)
    console.print(f"  {command}", style="bold cyan", markup=False, highlight=False, soft_wrap=True)
    console.print(f"open {page}", markup=False, highlight=False)
    return 0


def told(quality: Quality, longest: int) -> list[tuple[str, str]]:
    """The figures, each with what it means."""
    figures = [
        ("of what differs from the background is explained", f"{quality.explained:.1%}"),
        ("mean squared error of a picture, colours in 0 … 1", f"{quality.reconstruction:.2g}"),
        ("of the pictures are explained as well by another turn of the thing", f"{quality.turned:.2%}"),
    ]
    if None not in (quality.mirrored, quality.far, quality.apart, quality.contradicted):
        assert quality.mirrored is not None and quality.far is not None
        figures += [
            ("of what differs is explained in mirror images", f"{quality.mirrored:.1%}"),
            ("of the picture's side: median disagreement with the mirror image", f"{quality.far / longest:.3%}"),
            ("median disagreement of the direction", f"{quality.apart:.2f}°"),
            (f"of the pictures disagree by more than {CONTRADICTION:g}°", f"{quality.contradicted:.2%}"),
        ]
    return figures


def assumptions(camera: str, view: View, robot: Any, mirror: str) -> list[str]:
    """What is taken for granted, for the page."""
    lines = [
        f"{camera} stands still, and shows one thing that moves beside the robot.",
        "The thing is rigid, and moves and turns in the picture's plane.",
        f"The picture's edges lie at x = {view.left:g} … {view.right:g} and y = {view.top:g} … {view.bottom:g}, in the units of "
        "observation.state"
        + (", whose first two numbers are the robot's place." if robot else "; the robot is not in sight."),
    ]
    if mirror == "pusht":
        lines.append(
            "Knowledge of the task: it is its own mirror image about the anti-diagonal, and so is the thing about its axis. This "
            "fixes the thing's frame across the axis and its direction; along the axis the frame is that of the thing's look."
        )
    else:
        lines.append("The thing's frame is that of its look: the centre of its opacity and its longest axis.")
    return lines


class _Bars:
    """A progress bar for each thing that is done."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._bars:
            unit = "round" if what == "learning" else "picture"
            self._bars[what] = tqdm(total=total, desc=what, unit=unit)
        self._bars[what].update(done - self._bars[what].n)
