"""Statistics of relative actions. Those of a dataset are of its actions as they were recorded, which lie elsewhere."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset
from lerobot.utils.constants import ACTION, OBS_STATE

from lerobot_dp_plus.policies.relative import mask

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

logger = logging.getLogger(__name__)
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
#: Quantiles are of so many actions at most, evenly taken; everything else is of all.
MOST = 1_000_000


def relative_statistics(config: "DpPlusConfig", meta: Any, state: str = OBS_STATE) -> dict[str, np.ndarray]:
    """Statistics of the actions in all chunks of a dataset, each relative to its chunk's state; none of padding.

    Also notes in the config how the dataset calls its actions. `state` is the dataset's name of the state.

    Raises:
        ValueError: joints are to stay absolute, and the dataset does not say which they are; or it has no such frames here.
    """
    names = _flat(meta.features[ACTION].get("names"))
    if config.relative_exclude_joints and names is None:
        raise ValueError(
            f"relative_exclude_joints = {config.relative_exclude_joints}: the dataset has no names of actions, so nobody knows "
            "which they are; give --policy.relative_exclude_joints=[] if all joints are relative"
        )
    config.action_feature_names = names
    which = mask(config)
    kept = [name for name, relative in zip(names or [], which, strict=False) if not relative]
    logger.info("actions are relative to %s%s", state, f", but for {', '.join(kept)}" if kept else "")
    table = pyarrow.dataset.dataset(Path(meta.root) / "data", format="parquet").to_table(
        columns=[ACTION, state, "episode_index", "index"]
    )
    table = table.sort_by("index")
    columns = {key: np.asarray(table[key].to_pylist(), np.float64) for key in (ACTION, state)}
    if not len(table):
        raise ValueError(f"{meta.root}: the dataset has no frames here, of which actions could be relative")
    wide = {key: value.reshape(len(value), -1) for key, value in columns.items()}
    episodes = np.asarray(table["episode_index"])
    return of_frames(wide[ACTION], wide[state], episodes, config.windows.predicted, which)


def of_frames(
    actions: np.ndarray, states: np.ndarray, episodes: np.ndarray, steps: Sequence[int], which: Sequence[bool]
) -> dict[str, np.ndarray]:
    """The statistics of a_{t+k} − m·s_t over all frames t and steps k within an episode, each (A,) float32.

    Args:
        actions, states: (F, A) and (F, D), in the order of the frames.
        episodes: of which episode each is, (F,).
        steps: the k.
        which: m.
    """
    count, width = actions.shape
    base = states[:, :width] * np.asarray(which, np.float64)
    per_step, found = max(1, MOST // len(steps)), []
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    total, squares, number = np.zeros(width), np.zeros(width), 0
    for step in steps:
        first, last = max(0, -step), count - max(0, step)
        if last <= first:
            continue
        inside = episodes[first + step : last + step] == episodes[first:last]
        values = (actions[first + step : last + step] - base[first:last])[inside]
        if not len(values):
            continue
        low, high = np.minimum(low, values.min(0)), np.maximum(high, values.max(0))
        total, squares, number = total + values.sum(0), squares + np.square(values).sum(0), number + len(values)
        found.append(values[:: max(1, len(values) // per_step)])
    mean = total / number
    spread = np.sqrt(np.maximum(squares / number - np.square(mean), 0))
    stats = {"min": low, "max": high, "mean": mean, "std": spread}
    kept = np.concatenate(found)
    stats |= {name: np.quantile(kept, share, axis=0) for name, share in QUANTILES.items()}
    return {name: value.astype(np.float32) for name, value in stats.items()} | {"count": np.array([number])}


def _flat(names: Any) -> list[str] | None:
    """Names of a feature as LeRobot's datasets give them: a list, or lists by group."""
    if isinstance(names, dict):
        names = [name for group in names.values() for name in (group if isinstance(group, list) else [group])]
    return [str(name) for name in names] if names else None
