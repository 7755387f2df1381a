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
from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.seeing.charts import draw
from lerobot_dp_plus.seeing.copying import NOTE, copy_with
from lerobot_dp_plus.seeing.footage import camera_of, frames_of, opened
from lerobot_dp_plus.seeing.options import see_parser
from lerobot_dp_plus.seeing.page import write_page
from lerobot_dp_plus.seeing.several import SeenSeveral, see_several
from lerobot_dp_plus.seeing.several_charts import draw_several
from lerobot_dp_plus.seeing.states import SeenOne, see
from lerobot_dp_plus.sprites import CONTRADICTION, Frames, LayersQuality, Mirror, Quality, View, alike

#: The most things; orders of layers are tried one by one.
MOST = 4
#: How to train on the copy.
ONE = "lerobot train --config_path=configs/pusht_pixels.json --dataset.root={root}"
SEVERAL = (
    "lerobot train policy=dp_plus_transformer dataset={root} --policy.state_estimation.type=regression "
    "--policy.dynamics.type=outcome --policy.selection.type=lowest_energy --policy.image_encoder.type=small_cnn "
    "--policy.image_encoder.crop_ratio=1"
)
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
    if not 1 <= options.things <= MOST:
        raise ValueError(f"things = {options.things}: must be at least 1 and at most {MOST}")
    mirror = Mirror(PushTMirror(), view) if options.mirror == "pusht" and options.things == 1 else None
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
        found = _several if options.things > 1 else _one
        seen, figures, chapters = found(frames, view, mirror, options, output, bars)
    refused = f"An assumption does not hold: {seen.refused}. {WAY_OUT}" if seen.refused else ""
    command = (ONE if options.things == 1 else SEVERAL).format(root=root)
    robot = None if options.no_robot else options.view
    assumed = assumptions(camera, view, robot, "pusht" if mirror else "none", options.things)
    page = write_page(output / "index.html", name, refused, command, figures, assumed, chapters)
    note = {
        "made_by": f"lerobot_dp_plus {lerobot_dp_plus.__version__}, dp-plus see",
        "source": name,
        "camera": camera,
        "view": list(options.view),
        "robot": not options.no_robot,
        "mirror": "pusht" if mirror else "none",
        "things": options.things,
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


def _one(
    frames: Frames, view: View, mirror: Mirror | None, options: Any, output: Path, bars: "_Bars"
) -> tuple[SeenOne | SeenSeveral, list[tuple[str, str]], list[Chapter]]:
    """What was seen of one thing, its figures and its pictures."""
    seen = see(frames, view, mirror, seed=options.seed, tell=bars)
    figures = told(seen.quality, max(frames.size)) if seen.quality else []
    return seen, figures, draw(seen, view, output)


def _several(
    frames: Frames, view: View, mirror: Mirror | None, options: Any, output: Path, bars: "_Bars"
) -> tuple[SeenOne | SeenSeveral, list[tuple[str, str]], list[Chapter]]:
    """The same of several things."""
    seen = see_several(frames, view, options.things, seed=options.seed, tell=bars)
    return seen, told_of_several(seen.quality) if seen.quality else [], draw_several(seen, view, output)


def told_of_several(quality: LayersQuality) -> list[tuple[str, str]]:
    """The figures of several things, each with what it means."""
    figures = [
        ("of what differs from the background is explained", f"{quality.explained:.1%}"),
        ("mean squared error of a picture, colours in 0 … 1", f"{quality.reconstruction:.2g}"),
        ("of the pictures are explained as well with two things in each other's places", f"{quality.swapped:.2%}"),
    ]
    sides = alike(quality)
    for number, explained in enumerate(quality.each):
        thing = f"thing {number + 1}"
        figures += [
            (f"of what {thing} shows is explained", f"{explained:.1%}"),
            (f"of the pictures hide {thing}", f"{quality.hidden[number]:.2%}"),
            (f"of the pictures are explained as well by another turn of {thing}", f"{quality.turned[number]:.2%}"),
        ]
        if sides[number]:
            figures.append((f"{thing} looks alike from several sides: it has a place and", "no direction"))
    return figures


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


def assumptions(camera: str, view: View, robot: Any, mirror: str, things: int = 1) -> list[str]:
    """What is taken for granted, for the page."""
    several = [
        f"{camera} stands still, and shows {things} things that move beside the robot.",
        "Each is rigid, and moves and turns in the picture's plane. They look different from each other, are in sight, and always "
        "lie over each other in the same order.",
    ]
    one = [
        f"{camera} stands still, and shows one thing that moves beside the robot.",
        "The thing is rigid, and moves and turns in the picture's plane.",
    ]
    lines = [
        *(one if things == 1 else several),
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
        whose = "The thing's frame is that of its look" if things == 1 else "Their frames are those of their looks"
        lines.append(f"{whose}: the centre of its opacity and its longest axis.")
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
