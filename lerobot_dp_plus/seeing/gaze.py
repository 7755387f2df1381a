"""`dp-plus gaze DATASET --root OUT`: where the target is in every frame of a recording."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from lerobot.datasets import LeRobotDataset
from rich.console import Console
from tqdm import tqdm

import lerobot_dp_plus
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.seeing.boxes import Found, gaze_of
from lerobot_dp_plus.seeing.copying import copy_with_state
from lerobot_dp_plus.seeing.detector import Detector
from lerobot_dp_plus.seeing.footage import camera_of, opened
from lerobot_dp_plus.seeing.gaze_options import gaze_parser
from lerobot_dp_plus.seeing.masks import Masks

#: What was found, beside the data.
NOTE = "gaze.json"


class Finder(Protocol):
    """Who finds targets in a sample of a dataset."""

    def __call__(self, sample: Mapping[str, Any]) -> list[Found]: ...

    def size(self, sample: Mapping[str, Any]) -> tuple[int, int]: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Look at every frame, write the copy, say how many frames have a target.

    Raises:
        ValueError: options do not fit the recording or each other, or no frame shows a target; nothing is written.
        FileExistsError: there is something at root.
    """
    options = gaze_parser().parse_args(argv)
    root: Path = options.root
    if root.exists() and not options.overwrite:
        raise FileExistsError(f"root = {root} exists; choose another folder or pass --overwrite")
    dataset = opened(options.dataset)
    if root.resolve() == Path(dataset.root).resolve():
        raise ValueError(f"root = {root} is the recording itself; choose another folder")
    counts: Counter[str] = Counter()
    values = gazes(dataset, finder_of(options, dataset), options.several, counts)
    frames = len(values)
    if counts["none"] == frames:
        what = (
            "every frame that shows one shows several; take --several best"
            if counts["several"]
            else ("lower --threshold, or give another --label, --query, --value or --camera")
        )
        raise ValueError(f"no frame of {options.dataset} shows one target, so nothing was written: {what}")
    given = {
        name: value for name, value in vars(options).items() if name not in ("root", "overwrite") and value is not None
    }
    note = {
        "made_by": f"lerobot_dp_plus {lerobot_dp_plus.__version__}, dp-plus gaze",
        **given,
        "frames": frames,
        **counts,
    }
    copy_with_state(dataset, root, GAZE, values, ("x", "y", "half_side"), note, NOTE)
    say = Console().print
    say(
        f"{root}: {frames - counts['none']:,} of {frames:,} frames have a target",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    meant = {
        "several": f"show several, of which {'the surest was taken' if options.several == 'best' else 'none was taken'}",
        "cut": "have a box that was cut at the picture's edge",
        "outside": "have a box beyond the picture, which was left out",
    }
    for name, words in meant.items():
        if counts[name]:
            say(f"  {counts[name]:,} {words}", markup=False, highlight=False)
    if 2 * counts["none"] > frames:
        say("  more than half have none, and will teach nothing: is it the right target?", style="yellow", markup=False)
    train = f"lerobot train policy=dp_plus_pi0 --policy.auxiliary.type=gaze_reconstruction --dataset.root={root}"
    say(f"  {train}", style="bold cyan", markup=False, highlight=False, soft_wrap=True)
    return 0


def finder_of(options: argparse.Namespace, dataset: LeRobotDataset) -> Finder:
    """Who finds targets, by the options.

    Raises:
        ValueError: options do not fit the recording or each other; or as `Detector`.
    """
    if options.mask is not None:
        return Masks(_mask_of(options.mask, dataset), options.value, options.smallest)
    if (options.label is None) == (options.query is None):
        raise ValueError("--detector needs one of --label, a class that it knows, and --query, words")
    if not 0 <= options.threshold <= 1:
        raise ValueError(f"threshold = {options.threshold}: must be from 0 to 1")
    camera = camera_of(dataset, options.camera)
    return Detector(options.detector, camera, options.label, options.query, options.threshold, options.revision)


def _mask_of(key: str, dataset: LeRobotDataset) -> str:
    features = dataset.meta.features
    if key not in features:
        raise ValueError(f"mask = {key!r}: {dataset.root} has {', '.join(features)}")
    if key not in dataset.meta.camera_keys and len(features[key]["shape"]) != 2:
        raise ValueError(
            f"mask = {key!r} has shape {tuple(features[key]['shape'])}; must be a picture, or numbers (H, W)"
        )
    return key


def gazes(dataset: LeRobotDataset, find: Finder, several: str, counts: Counter[str]) -> np.ndarray:
    """The gaze of every frame, (N, 3)."""
    made = []
    for row in tqdm(range(len(dataset)), desc="looking", unit="frame"):
        sample = dataset[row]
        made.append(gaze_of(find(sample), *find.size(sample), several, counts))
    return np.array(made, dtype=np.float32)
