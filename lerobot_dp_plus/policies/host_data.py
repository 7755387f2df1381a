"""LeRobot's doors to a training's data, for policies of ours; every other policy passes untouched.

| door | why |
|---|---|
| `TrainPipelineConfig.validate` | LeRobot tells a policy neither the `--rename_map` nor the selected episodes |
| `resolve_delta_timestamps` | LeRobot asks for windows of text columns too, which its loader cannot stack; and it is the first to see a dataset, before its own error for one without statistics |
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lerobot_dp_plus.policies.loading import OUR_TYPES
from lerobot_dp_plus.policies.missing_statistics import refuse_without_statistics
from lerobot_dp_plus.policies.readable import is_numeric

_NOTE, _MARK = "_dp_plus_run", "dp_plus_data_door"


@dataclass(frozen=True)
class Run:
    """What a policy should know of the training it is made for.

    Args:
        rename_map: the dataset's name of a feature -> the policy's.
        episodes: episodes of the dataset that are used; None is all.
    """

    rename_map: Mapping[str, str] = field(default_factory=dict)
    episodes: Sequence[int] | None = None


def run_of(config: Any) -> Run | None:
    """The training that a policy's config belongs to; None if LeRobot's script did not make it."""
    return getattr(config, _NOTE, None)


def note_run(config: Any, run: Run) -> None:
    """Leave with a policy's config what LeRobot does not pass on; it is no field and is not saved."""
    setattr(config, _NOTE, run)


def install() -> None:
    """Put the answers into those modules of LeRobot that are loaded, once each."""
    training = sys.modules.get("lerobot.configs.train")
    if training is not None:
        _replace(training.TrainPipelineConfig, "validate", _validated)
    factory = sys.modules.get("lerobot.datasets.factory")
    if factory is not None:
        _replace(factory, "resolve_delta_timestamps", _windows)


def _replace(owner: Any, name: str, door: Any) -> None:
    stock = getattr(owner, name)
    if not hasattr(stock, _MARK):  # a mark of our own, as others may have wrapped the same function

        @functools.wraps(stock)
        def wrapped(*args: Any, **options: Any) -> Any:
            return door(stock, *args, **options)

        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)


def _is_ours(config: Any) -> bool:
    return str(getattr(config, "type", "")).startswith(OUR_TYPES)


def _validated(stock: Any, self: Any, *args: Any, **options: Any) -> Any:
    result = stock(self, *args, **options)
    if _is_ours(self.policy):
        note_run(self.policy, Run(dict(self.rename_map or {}), getattr(self.dataset, "episodes", None)))
    return result


def _windows(stock: Any, cfg: Any, meta: Any, *args: Any, **options: Any) -> Any:
    windows = stock(cfg, meta, *args, **options)
    if not _is_ours(cfg):
        return windows
    refuse_without_statistics(meta)
    return windows and {key: steps for key, steps in windows.items() if is_numeric(meta.features[key])}
