"""robomimic's HDF5: `data/demo_*` with `obs/KEY`, `actions`, `rewards`, `dones`; `mask/NAME` lists demonstrations.

Source: robomimic's documentation of its dataset format (robomimic.github.io, "Dataset Structure").
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.utils.constants import ACTION, DONE, OBS_ENV_STATE, OBS_IMAGES, OBS_STATE, REWARD

from lerobot_dp_plus.demos.converters import common
from lerobot_dp_plus.demos.converters.common import Array, Columns, Recording, Sources
from lerobot_dp_plus.demos.converters.hdf5 import array, layout, open_hdf5
from lerobot_dp_plus.demos.features import OUTCOME
from lerobot_dp_plus.hub.files import by_number

COMMAND = "convert robomimic"
DEFAULT_FPS = 20  # robosuite's control frequency
#: What a robot knows of itself; taken for every robot of the file unless state keys are given.
PROPRIOCEPTION = ("eef_pos", "eef_quat", "gripper_qpos")
OBJECT = "object"


@contextmanager
def open_robomimic(
    source: Path | str,
    *,
    task: str | None = None,
    fps: int = 0,
    video: bool = False,
    filter_key: str | None = None,
    state_keys: Sequence[str] | None = None,
    environment_keys: Sequence[str] | None = None,
    image_keys: Sequence[str] | None = None,
    action_key: str = "actions",
) -> Iterator[Recording]:
    """The demonstrations of a file; every header is read here, and the file stays open.

    Args:
        task: the instruction; None takes the environment's name.
        fps: frames per second; 0 takes env_args' control frequency, or 20.
        video: cameras as video instead of PNG.
        filter_key: name of a mask: only its demonstrations.
        state_keys: observations concatenated, in this order, to observation.state; None takes position, orientation
            and gripper of every robot.
        environment_keys: likewise for observation.environment_state; None takes `object` where there are no pictures.
        image_keys: cameras; None takes every observation of pictures in uint8.
        action_key: `actions`, or another array of the demonstrations such as `actions_abs`.

    Raises:
        ValueError, FileNotFoundError: a key, mask or demonstration that is missing, damaged or unlike the first.
    """
    source = common.existing(source)
    with open_hdf5(source, COMMAND) as file:
        data = file.get("data")
        if data is None or not hasattr(data, "keys"):
            raise ValueError(f"{source}: the group data is missing; the file has {sorted(file)}")
        demos = _demos(file, source, filter_key)
        environment = _environment(data, source)
        offered = _offered(file, source, f"data/{demos[0]}/obs")
        images = list(image_keys) if image_keys is not None else [k for k, a in offered.items() if _is_picture(a)]
        if state_keys is None:
            robots = sorted({key.split("_")[0] for key in offered if key.startswith("robot") and key[5:6].isdigit()})
            state_keys = [
                f"{robot}_{name}" for robot in robots for name in PROPRIOCEPTION if f"{robot}_{name}" in offered
            ]
        if environment_keys is None:
            environment_keys = [OBJECT] if OBJECT in offered and not images else []
        carried = {
            **({OBS_STATE: [f"obs/{key}" for key in state_keys]} if state_keys else {}),
            **({OBS_ENV_STATE: [f"obs/{key}" for key in environment_keys]} if environment_keys else {}),
            **{f"{OBS_IMAGES}.{key.removesuffix('_image')}": [f"obs/{key}"] for key in images},
            ACTION: [action_key],
        }
        if not (state_keys or environment_keys or images):
            raise ValueError(f"{source}: no observation chosen; --state-keys may name {sorted(offered)}")
        first = file[f"data/{demos[0]}"]
        carried |= {feature: [key] for feature, key in ((REWARD, "rewards"), (DONE, "dones")) if key in first}
        headers = [_header(file, source, demo, carried) for demo in demos]
        for demo, (_, features) in zip(demos, headers, strict=True):
            if features != headers[0][1]:
                raise ValueError(
                    f"{source}: data/{demo} has {features}, data/{demos[0]} has {headers[0][1]}; all must agree"
                )
        features = common.features_of(_sources(file, source, demos[0], carried), video)
        features |= {feature: OUTCOME[feature] for feature in features if feature == DONE}

        def read(episode: int, scratch: Path) -> Columns:
            return common.columns_of(_sources(file, source, demos[episode], carried), scratch)

        yield Recording(
            source,
            fps or int(environment.get("env_kwargs", {}).get("control_freq", DEFAULT_FPS)),
            task or str(environment.get("env_name", "")),
            features,
            [length for length, _ in headers],
            read,
            carried,
            sorted({f"obs/{key}" for key in offered}.difference(*carried.values())),
            _robot(environment),
            {"filter_key": filter_key, "demos": demos, "env_args": environment},
        )


def _demos(file: Any, source: Path, filter_key: str | None) -> list[str]:
    present = sorted(file["data"], key=by_number)
    if filter_key is None:
        demos = present
    else:
        masks = sorted(file["mask"]) if "mask" in file else []
        if filter_key not in masks:
            raise ValueError(f"{source}: mask/{filter_key} is missing; legal for --filter-key are {masks}")
        with common.reading(f"{source}: mask/{filter_key}"):
            names = file[f"mask/{filter_key}"].asstr()[:]
        demos = sorted(map(str, names), key=by_number)
        if unknown := sorted(set(demos) - set(present)):
            raise ValueError(f"{source}: mask/{filter_key} names {unknown[:5]}, which are not in data")
        if len(set(demos)) < len(demos):
            raise ValueError(f"{source}: mask/{filter_key} names a demonstration twice")
    if not demos:
        raise ValueError(f"{source}: no demonstrations" + (f" in mask/{filter_key}" if filter_key else " in data"))
    return demos


def _environment(data: Any, source: Path) -> dict[str, Any]:
    text = data.attrs.get("env_args", "{}")
    with common.reading(f"{source}: attribute env_args of data"):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError(f"it is a {type(found).__name__}, no mapping")
    return found


def _robot(environment: dict[str, Any]) -> str | None:
    robots = environment.get("env_kwargs", {}).get("robots")
    return "+".join(robots) if isinstance(robots, list) else robots


def _offered(file: Any, source: Path, key: str) -> dict[str, Any]:
    group = file.get(key)
    if group is None or not hasattr(group, "keys"):
        raise ValueError(
            f"{source}: {key} is missing; extract observations with robomimic's dataset_states_to_obs first"
        )
    return {name: group[name] for name in sorted(group) if hasattr(group[name], "shape")}


def _is_picture(found: Any) -> bool:
    return found.ndim == 4 and found.shape[-1] == 3 and found.dtype == np.uint8


def _header(file: Any, source: Path, demo: str, carried: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
    """Frames of a demonstration, and width or picture shape of every key."""
    sources = _sources(file, source, demo, carried)
    for found in (each for feature in (REWARD, DONE) for each in sources.get(feature, [])):
        if found.data.ndim != 1:
            raise ValueError(f"{found.where} has shape {found.data.shape}; legal is (T,)")
    length, shapes = layout(sources, f"{source}: data/{demo}", f"data/{demo}/")
    stated = file[f"data/{demo}"].attrs.get("num_samples", length)
    if int(stated) != length:
        raise ValueError(f"{source}: data/{demo} has {length} frames and num_samples={stated}; must agree")
    return length, shapes


def _sources(file: Any, source: Path, demo: str, carried: dict[str, list[str]]) -> Sources:
    sources = {
        feature: [array(file, source, f"data/{demo}/{key}") for key in keys] for feature, keys in carried.items()
    }
    if DONE in sources:
        sources[DONE] = [Flags(found.data, source, found.key) for found in sources[DONE]]
    return sources


class Flags(Array):
    """An array of 0 and 1."""

    def numbers(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Rows first … last − 1 as booleans (T, 1); ValueError if any is neither 0 nor 1."""
        values = self.rows(first, len(self) if last is None else last)
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{self.where} holds {sorted(set(values.tolist()) - {0, 1})[:3]}; legal are 0 and 1")
        return values.astype(bool)[:, None]
