"""`dp-plus convert`: data of other projects as a LeRobotDataset, checked frame by frame before it appears."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from lerobot_dp_plus.demos.convert_options import convert_parser
from lerobot_dp_plus.demos.converters import replay
from lerobot_dp_plus.demos.converters.aloha_hdf5 import open_aloha
from lerobot_dp_plus.demos.converters.common import Recording, existing
from lerobot_dp_plus.demos.converters.npz import open_npz
from lerobot_dp_plus.demos.converters.robomimic import open_robomimic
from lerobot_dp_plus.demos.converters.transfer import check_target, transfer
from lerobot_dp_plus.demos.converters.zarr import open_zarr


def main(argv: list[str] | None = None) -> int:
    """Command line of `dp-plus convert`; returns the exit status.

    Raises:
        ValueError, FileNotFoundError, FileExistsError: with a complete message; nothing has been written then.
    """
    given = vars(convert_parser().parse_args(argv))
    target = {name: given.pop(name) for name in ("repo_id", "overwrite", "min_psnr")}
    opened, root = OPENED[given.pop("format")], given.pop("root").absolute()
    check_target(root, existing(given["source"]), target["overwrite"])
    with opened(**given) as recording:
        print(
            f"{recording.source}: {len(recording.lengths)} episodes, {sum(recording.lengths):,} frames, {recording.fps} fps"
        )
        for feature, keys in recording.carried.items():
            shape = "×".join(map(str, recording.features[feature]["shape"]))
            print(f"  {feature} ({recording.features[feature]['dtype']} {shape}) from {', '.join(keys)}")
        if recording.left_out:
            print(f"  left out: {', '.join(recording.left_out)}")
        note = transfer(recording, root, **target)
    worst = note["compared"]["least_psnr_db"]
    lossy = "".join(f"; {key} is video, every frame within {decibels:.1f} dB" for key, decibels in worst.items())
    exact = "everything else" if worst else "all"
    print(
        f"{root}: {note['episodes']} episodes, {note['frames']:,} frames compared with the source{lossy}; {exact} equal"
    )
    return 0


@contextmanager
def _zarr(
    source: Path,
    allow_missing_chunks: bool,
    layout: str,
    map: list[str],
    images: bool | None,
    corners: bool | None,
    **options: Any,
) -> Iterator[Recording]:
    with open_zarr(source, allow_missing_chunks) as buffer:
        if layout == "pusht" or (layout == "auto" and not map and replay.is_pusht(buffer)):
            if map:
                raise ValueError(f"--map {map[0]}: --layout pusht has its own names; legal with --layout plain")
            images = "img" in buffer.arrays if images is None else images
            yield replay.pusht_recording(buffer, images=images, corners=corners, **options)
            return
        mapping = _mapping(map) or [pair for pair in replay.PLAIN.items() if pair[0] in buffer.arrays]
        if images is not None or corners is not None:
            raise ValueError("--images and --corners are PushT's; --map chooses the keys of any other buffer")
        if not options["fps"] or not options["task"]:
            raise ValueError(
                f"--fps={options['fps']} --task={options['task']}: both are needed, the buffer says neither"
            )
        yield replay.plain_recording(buffer, mapping=mapping, **options)


@contextmanager
def _npz(source: Path, images: bool | None, **options: Any) -> Iterator[Recording]:
    with open_npz(source) as buffer:
        yield replay.pusht_recording(buffer, images=bool(images), **options)


#: Format -> what opens a source of it, given the command's options by name.
OPENED: dict[str, Callable[..., AbstractContextManager[Recording]]] = {
    "zarr": _zarr,
    "pusht-npz": _npz,
    "aloha-hdf5": open_aloha,
    "robomimic": open_robomimic,
}


def _mapping(pairs: list[str]) -> list[tuple[str, str]]:
    found = []
    for pair in pairs:
        key, equals, feature = pair.partition("=")
        if not (key and equals and feature):
            raise ValueError(f"--map {pair}: legal is KEY=FEATURE, for example robot_eef_pose=observation.state")
        found.append((key, feature))
    return found
