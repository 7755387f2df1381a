"""What LeRobot does not tell a policy of its data, and does not ask it; for policies of ours.

`windows` answers for `resolve_delta_timestamps` (`lerobot_dp_plus/patches.py` puts it there). `note_training` is called
when a training's config is validated: LeRobot tells a policy neither the `--rename_map` nor the selected episodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lerobot_dp_plus.host_hooks import is_ours
from lerobot_dp_plus.policies.missing_statistics import refuse_without_statistics
from lerobot_dp_plus.policies.readable import PICTURES, is_numeric

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


def note_training(training: Any) -> None:
    """Leave with the policy of a training's config what a policy should know of it."""
    note_run(training.policy, Run(dict(training.rename_map or {}), getattr(training.dataset, "episodes", None)))


def windows(stock: Any, cfg: Any, meta: Any, **others: Any) -> Any:
    """Seconds of every feature's frames around a sample, {name: [s, …]} or None, for policy `cfg` on the dataset `meta`.

    It is LeRobot's first call that sees both. So the steps that follow the data's rate are settled here, and a dataset
    without statistics is refused before LeRobot fails at it. LeRobot also asks for windows of text, which its loader
    cannot stack, and for all observations alike: a policy that looks ahead in its states would decode, move and divide by
    255 pictures that nobody reads.

    Raises:
        ValueError: the steps do not fit each other at this rate, or there are no statistics.
    """
    if not is_ours(cfg):
        return stock(cfg, meta, **others)
    cfg.follow(meta.fps)
    found = stock(cfg, meta, **others)
    refuse_without_statistics(meta)
    if not found:
        return found
    looked = [step / meta.fps for step in cfg.camera_delta_indices]
    numeric = {key: steps for key, steps in found.items() if is_numeric(meta.features[key])}
    return {key: looked if meta.features[key]["dtype"] in PICTURES else steps for key, steps in numeric.items()}
