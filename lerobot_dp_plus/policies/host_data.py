"""LeRobot's doors to a training's data, for policies of ours; every other policy passes untouched.

| door | why |
|---|---|
| `TrainPipelineConfig.validate` (held by `host_training.py`) | LeRobot tells a policy neither the `--rename_map` nor the selected episodes |
| `resolve_delta_timestamps` | it is the first to see a dataset: steps that follow the data's rate are settled here, and a dataset without statistics is refused before LeRobot's own error. LeRobot asks for windows of text columns too, which its loader cannot stack |
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lerobot_dp_plus.policies.host_hooks import demand, is_ours, rebind
from lerobot_dp_plus.policies.missing_statistics import refuse_without_statistics
from lerobot_dp_plus.policies.readable import is_numeric

_NOTE = "_dp_plus_run"


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
    """Put the answer into that module of LeRobot, if it is loaded, once."""
    factory = sys.modules.get("lerobot.datasets.factory")
    if factory is not None:
        lost = "a policy would be trained on windows of another rate than its data's, and text columns would end a training"
        stock = demand(factory, "resolve_delta_timestamps", lost, None, None)
        if not hasattr(stock, "stock"):

            @functools.wraps(stock)
            def wrapped(*args: Any, **options: Any) -> Any:
                return _windows(stock, *args, **options)

            wrapped.stock = stock  # type: ignore[attr-defined]
            rebind(stock, wrapped)


def note_training(training: Any) -> None:
    """Leave with the policy of a training's config what a policy should know of it."""
    note_run(training.policy, Run(dict(training.rename_map or {}), getattr(training.dataset, "episodes", None)))


def _windows(stock: Any, cfg: Any, meta: Any, *args: Any, **options: Any) -> Any:
    if not is_ours(cfg):
        return stock(cfg, meta, *args, **options)
    cfg.follow(meta.fps)  # the first that a policy's config hears of its dataset
    windows = stock(cfg, meta, *args, **options)
    refuse_without_statistics(meta)
    return windows and {key: steps for key, steps in windows.items() if is_numeric(meta.features[key])}
