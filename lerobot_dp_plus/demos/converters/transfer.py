"""A recording into a LeRobotDataset that appears complete and checked, or not at all."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

import lerobot_dp_plus
from lerobot_dp_plus.demos.converters.common import Columns, Recording
from lerobot_dp_plus.demos.converters.survival import compare
from lerobot_dp_plus.demos.writer import write_dataset
from lerobot_dp_plus.hub.files import take_place

NOTE = "conversion.json"


def transfer(
    recording: Recording, root: Path | str, *, repo_id: str | None, overwrite: bool, min_psnr: float
) -> dict[str, Any]:
    """Write `recording` to a dataset at `root` and compare every frame before the folder gets its name.

    With `overwrite` a dataset that is there is replaced at the very end: until the new one is complete and checked the
    old one stays.

    Returns:
        what is stored beside the data in conversion.json: where each feature comes from, and how the check went.

    Raises:
        FileExistsError: `root` exists and may not be replaced.
        ValueError: something in the source is not legal, or did not survive; file and key are named.
    """
    root = Path(root).absolute()
    check_target(root, recording.source, overwrite)
    fresh = root.with_name(f".{root.name}.new")
    scratch = root.parent
    scratch.mkdir(parents=True, exist_ok=True)
    repo_id = repo_id or f"local/{root.name}"
    note: dict[str, Any] = {}

    def episodes() -> Iterator[Columns]:
        for episode in tqdm(range(len(recording.lengths)), desc="writing", unit="episode"):
            yield recording.read(episode, scratch)

    def check(folder: Path) -> None:
        note.update(
            {
                "source": recording.source.name,
                "episodes": len(recording.lengths),
                "frames": sum(recording.lengths),
                "carried": recording.carried,
                "left_out": recording.left_out,
                **recording.notes,
                "compared": compare(folder, repo_id, recording, scratch, min_psnr),
                "converter": f"lerobot_dp_plus {lerobot_dp_plus.__version__}",
            }
        )
        (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n")

    if fresh.exists():
        shutil.rmtree(fresh)
    write_dataset(
        fresh,
        repo_id,
        recording.fps,
        recording.features,
        episodes(),
        recording.task,
        recording.robot_type,
        extras=check,
    )
    take_place(fresh, root)
    return note


def check_target(root: Path, source: Path, overwrite: bool) -> None:
    """Raise FileExistsError or ValueError if a dataset may not be written at `root`."""
    inside = root.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(root.resolve())
    if inside:
        raise ValueError(f"root={root} and the source {source} lie one within the other; choose another folder")
    if not root.exists():
        return
    if not overwrite:
        raise FileExistsError(f"root={root} already exists; choose another folder or pass --overwrite")
    if not (root / "meta" / "info.json").is_file():
        raise FileExistsError(
            f"root={root} is no LeRobotDataset, so --overwrite leaves it alone; choose another folder"
        )
