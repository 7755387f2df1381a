"""What a dataset's owner should know before training, though nothing is refused: several tasks, and odd statistics."""

import copy
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from lerobot.configs import NormalizationMode
from lerobot.configs.types import FeatureType

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.statistics import (
    NEEDED,
    all_features,
    as_array,
    coincide,
    is_constant,
    mode_of,
    reach_of_actions,
    squeezed,
)

logger = logging.getLogger(__name__)

#: Tasks that a message names, and characters of each.
NAMED, LONGEST = 5, 60
#: Episodes that a flag can name: longer lists are left to the reader.
LISTED = 50


def remark_on_tasks(tasks: Mapping[str, Sequence[int]], reading: Sequence[str]) -> None:
    """Warn of several instructions, each with its episodes, that a policy does not read; `reading` networks could."""
    if len(tasks) < 2:
        return
    task, first = next(iter(tasks.items()))
    flag = f", for {_short(task)} --dataset.episodes={str(first).replace(' ', '')}" if 0 < len(first) <= LISTED else ""
    logger.warning(
        "the dataset has %d tasks, and this policy does not read the instruction: it learns a mixture of them, and does the "
        "same whichever it is told. Tasks: %s. --policy.words.type=ngrams reads the instruction (with network.type=%s); "
        "or train one policy for each task, with its episodes%s",
        len(tasks), shown_tasks(tasks), " or ".join(reading), flag,
    )  # fmt: skip


def shown_tasks(tasks: Mapping[str, Sequence[int]]) -> str:
    """The first instructions, each with the episodes that have it, and how many more there are."""
    shown = [f"{_short(task)} ({spans(where)})" if where else _short(task) for task, where in tasks.items()][:NAMED]
    return "; ".join(shown) + (f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else "")


def tasks_of(meta: Any, episodes: Sequence[int] | None = None) -> dict[str, list[int]]:
    """The instructions of the (selected) episodes, each with the episodes that have it, if the metadata tell."""
    table = getattr(meta, "episodes", None)
    found: dict[str, list[int]] = {}
    if table is not None and {"tasks", "episode_index"} <= set(getattr(table, "column_names", ())):
        selected = None if episodes is None else set(episodes)
        for index, tasks in zip(table["episode_index"], table["tasks"], strict=True):
            for task in tasks if selected is None or index in selected else ():
                found.setdefault(task, []).append(int(index))
        return found
    tasks = getattr(meta, "tasks", None)
    return {} if tasks is None else {str(task): [] for task in tasks.index}


def remark_on_statistics(config: DpPlusConfig, stats: Mapping[str, Mapping[str, Any]]) -> None:
    """Warn of outliers that squeeze MIN_MAX and of quantiles that say nothing; mention dimensions that never move."""
    far: dict[FeatureType, list[str]] = {}
    for key, feature in all_features(config).items():
        values, mode = stats.get(key, {}), mode_of(config, feature)
        if feature.type is FeatureType.VISUAL or not set(NEEDED.get(mode, ("?",))) <= set(values):
            continue
        if {"min", "max"} <= set(values) and (
            still := _where(is_constant(*(as_array(values[n]) for n in ("min", "max"))))
        ):
            logger.info("%s%s never moves in the dataset, but for rounding", key, still)
        if mode is NormalizationMode.MIN_MAX and (dimensions := _where(squeezed(values))):
            far.setdefault(feature.type, []).append(f"{key}{dimensions}")
        low, high = NEEDED[mode]
        if mode is not NormalizationMode.MEAN_STD and low != "min":
            blind = coincide(values, (low, high)) & ~is_constant(as_array(values["min"]), as_array(values["max"])) \
                if {"min", "max"} <= set(values) else np.zeros(1, bool)  # fmt: skip
            if dimensions := _where(blind):
                logger.warning(
                    "%s%s: the quantiles %s and %s coincide while min and max do not, so that %s would divide by zero; min and "
                    "max normalise these dimensions",
                    key, dimensions, low, high, mode.value,
                )  # fmt: skip
    if far:
        logger.warning(
            "outliers: the extremes of %s lie more than 10 times as far apart as their quantiles q01 and q99, and MIN_MAX "
            "leaves what happens nearly always less than a tenth of [-1, 1]. Remove these frames, or normalise by quantiles%s",
            ", ".join(name for names in far.values() for name in names),
            offer_quantiles(config, stats, far),
        )


def offer_quantiles(config: DpPlusConfig, stats: Mapping[str, Mapping[str, Any]], kinds: Iterable[FeatureType]) -> str:
    """The flags that make quantiles the normalisation of some types of features; empty if the statistics lack them."""
    mapping = {**config.normalization_mapping, **{kind.value: NormalizationMode.QUANTILES for kind in kinds}}
    changed = copy.copy(config)
    changed.normalization_mapping = mapping
    try:
        reach = reach_of_actions(changed, stats)
    except ValueError:
        return " once they are computed (lerobot-edit-dataset --operation.type=recompute_stats)"
    table = ", ".join(f"{kind}: {NormalizationMode(mode).value}" for kind, mode in mapping.items())
    flags = [f"'--policy.normalization_mapping={{{table}}}'"]
    bound = config.objective.data_bound
    if bound is not None and reach is not None and reach > bound:
        flags.append(f"--policy.objective.clip_range={math.ceil(10 * reach) / 10:g}")
    anew = ", in a training from scratch" if config.pretrained_path is not None else ""
    return f": {' '.join(flags)}{anew}"


def _where(chosen: np.ndarray) -> str:
    """[0, 3] for dimensions that are True; empty if none is."""
    return str(np.flatnonzero(chosen).tolist()) if chosen.any() else ""


def _short(task: str) -> str:
    return repr(task if len(task) <= LONGEST else f"{task[:LONGEST]}…")


def spans(numbers: Iterable[int], what: str = "episode") -> str:
    """episodes 0–4, 9: runs of neighbours by their ends."""
    runs: list[list[int]] = []
    ordered = sorted(numbers)
    for number in ordered:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = [str(low) if low == high else f"{low}–{high}" for low, high in runs[:NAMED]]
    return f"{what}{'s' if len(ordered) > 1 else ''} {', '.join(named)}{', …' if len(runs) > NAMED else ''}"
