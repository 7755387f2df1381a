"""Statistics of a dataset, made fit for normalisation: whatever comes, values stay finite and of the order of one.

What goes wrong with the statistics as they are, and what is done here. v is a value, w = max(1, 10⁻⁴·|v|).

| dimension | LeRobot | here |
|---|---|---|
| a state that is constant up to rounding | divides by 1e-8 or by the rounding error | bounds v ± w, or std = w |
| such an action | MEAN_STD: targets of 1e8, or the constant ± its rounding error | comes back as the constant |
| quantiles that coincide, extremes that do not (a gripper that is nearly always closed) | divides by 1e-8 | extremes |
| std of 0 though extremes differ (cancellation in single precision) | divides by 1e-8 | a quarter of the range |
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lerobot.configs import NormalizationMode
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

#: Statistics each mode of normalisation reads.
NEEDED = {
    NormalizationMode.MEAN_STD: ("mean", "std"),
    NormalizationMode.MIN_MAX: ("min", "max"),
    NormalizationMode.QUANTILES: ("q01", "q99"),
    NormalizationMode.QUANTILE10: ("q10", "q90"),
}
#: A range of less than this part of the value is rounding: eight units in the last place of single precision.
ROUNDING = 1e-6
#: Smaller ranges mean nothing to LeRobot, which adds as much to every standard deviation.
SMALLEST = 1e-8
#: LeRobot reads quantiles off 5000 bins of the range. Quantiles closer than two bins cannot be told apart.
BINS = 2 / 5000
#: If (std/range)² is below this, the far values fill less than a thousandth of the frames. They are a glitch, not a
#: second position.
RARE = 1e-3

type Statistics = dict[str, dict[str, Any]]


def training_statistics(config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]) -> Statistics:
    """Usable statistics of the dataset as the policy's augmentation leaves it; doing it twice changes nothing."""
    return config.augmentation.widen(usable_statistics(config, dataset_stats))


def usable_statistics(
    config: DpPlusConfig,
    dataset_stats: Mapping[str, Mapping[str, Any]],
    features: Mapping[str, PolicyFeature] | None = None,
) -> Statistics:
    """Statistics that normalise `features`, by default all of the policy, as the docstring of this module says.

    Raises:
        ValueError: a statistic is missing or not finite; naming feature and statistic.
    """
    usable = {key: dict(values) for key, values in dataset_stats.items()}
    for key, feature in (all_features(config) if features is None else features).items():
        mode = mode_of(config, feature)
        needed = NEEDED.get(mode, ())
        _check(usable, key, mode, needed)
        if not needed:
            continue
        if mode is NormalizationMode.MEAN_STD:
            first, second = _mean_and_std(usable[key], feature.type)
        else:
            first, second = _bounds(usable[key], needed, feature.type)
        usable[key] |= dict(zip(needed, (first, second), strict=True))
    return usable


def all_features(config: DpPlusConfig) -> dict[str, PolicyFeature]:
    """Everything that is normalised."""
    return {**(config.input_features or {}), **(config.output_features or {})}


def mode_of(config: DpPlusConfig, feature: PolicyFeature) -> NormalizationMode:
    """How a feature is normalised."""
    return config.normalization_mapping.get(feature.type.value, NormalizationMode.IDENTITY)


def normalisation(
    config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(offset, scale) of every state and action, value = offset + scale · normalised, as `make_pipelines` has them."""
    return affine(config, training_statistics(config, dataset_stats))


def affine(config: DpPlusConfig, stats: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same from the statistics of a pipeline, which are usable already; a KeyError if one is missing."""
    found = {}
    for key, feature in all_features(config).items():
        mode = mode_of(config, feature)
        if mode not in NEEDED:
            found[key] = (np.zeros(feature.shape, np.float32), np.ones(feature.shape, np.float32))
            continue
        first, second = (as_array(stats[key][statistic]) for statistic in NEEDED[mode])
        # MEAN_STD has centre and spread; the others the values that become −1 and 1.
        found[key] = (
            (first, second) if mode is NormalizationMode.MEAN_STD else ((first + second) / 2, (second - first) / 2)
        )
    return found


def reach_of_actions(config: DpPlusConfig, dataset_stats: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The largest |normalised action| of the dataset; None if its statistics have no extremes of actions."""
    extremes = [dataset_stats.get(ACTION, {}).get(name) for name in ("min", "max")]
    if any(value is None for value in extremes):
        return None
    # In double precision: between two neighbours of single precision there is no middle.
    exact = {name: as_array(value).astype(np.float64) for name, value in dataset_stats[ACTION].items()}
    offset, scale = normalisation(config, {**dataset_stats, ACTION: exact})[ACTION]
    scale = np.where(scale == 0, np.inf, scale)
    return max(float(np.abs((as_array(value) - offset) / scale).max()) for value in extremes)


def as_array(value: Any) -> np.ndarray:
    """A statistic as floating point, with memory of its own if it was a tensor.

    LeRobot holds ImageNet's mean and deviation as tensors. When its loader hands the dataset to workers, torch moves them into
    shared memory and frees what they were, under any array that still shows it.
    """
    array = value.detach().cpu().numpy().copy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float32)


def is_constant(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which dimensions do not move, rounding aside."""
    return high - low <= np.maximum(ROUNDING * np.maximum(np.abs(low), np.abs(high)), SMALLEST)


def coincide(values: Mapping[str, Any], names: tuple[str, str]) -> np.ndarray:
    """In which dimensions two quantiles cannot be told apart and say nothing of the range; all False without extremes."""
    low, high = (as_array(values[name]) for name in names)
    extremes = _extremes(values)
    if extremes is None or names == ("min", "max"):
        return np.zeros(low.shape, bool)
    span = extremes[1] - extremes[0]
    near = high - low <= BINS * span
    if "std" in values:  # one frame far off is a glitch, which quantiles are there to ignore
        near &= np.square(as_array(values["std"])) >= RARE * np.square(span)
    return is_constant(low, high) | near


def squeezed(values: Mapping[str, Any], factor: float = 10.0) -> np.ndarray:
    """In which dimensions the extremes lie more than `factor` times as far apart as the quantiles q01 and q99."""
    extremes = _extremes(values)
    if extremes is None or "q01" not in values or "q99" not in values:
        return np.zeros(as_array(next(iter(values.values()), 0)).shape, bool)
    apart = ~(coincide(values, ("q01", "q99")) | is_constant(*extremes))
    return apart & (extremes[1] - extremes[0] > factor * (as_array(values["q99"]) - as_array(values["q01"])))


def _extremes(values: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    if "min" not in values or "max" not in values:
        return None
    low, high = as_array(values["min"]), as_array(values["max"])
    return (low, high) if np.isfinite(low).all() and np.isfinite(high).all() else None


def _check(stats: Statistics, key: str, mode: NormalizationMode, needed: tuple[str, ...]) -> None:
    for statistic in needed:
        if statistic not in stats.get(key, {}):
            raise ValueError(
                f"dataset statistics: {key} has no {statistic!r}, which {mode.value} needs; it has "
                f"{sorted(stats.get(key, {}))}. Recompute the dataset's statistics, set normalization_mapping, or give the "
                "feature the name it has in the policy by --rename_map"
            )
        if not np.isfinite(as_array(stats[key][statistic])).all():
            raise ValueError(f"dataset statistics: {statistic} of {key} is not finite: {stats[key][statistic]}")


def _mean_and_std(values: Mapping[str, Any], kind: FeatureType) -> tuple[np.ndarray, np.ndarray]:
    mean, std = as_array(values["mean"]), as_array(values["std"])
    # Pictures may have ImageNet's mean and deviation beside their own extremes.
    extremes = None if kind is FeatureType.VISUAL else _extremes(values)
    if extremes is None:
        still = std <= np.maximum(ROUNDING * np.abs(mean), SMALLEST)
        return mean, std if kind is FeatureType.ACTION else np.where(still, _width(mean), std).astype(std.dtype)
    low, high = extremes
    # The extremes decide: in single precision a constant of 500 has a deviation of up to 0.2.
    still, span = is_constant(low, high), high - low
    std = np.where(~still & (std <= ROUNDING * span), span / 4, std).astype(std.dtype)
    if kind is FeatureType.ACTION:
        middle = np.where(still, low + span / 2, mean).astype(mean.dtype)
        return middle, np.where(still, span / 2, std).astype(std.dtype)
    return mean, np.where(still, _width(mean), std).astype(std.dtype)


def _bounds(values: Mapping[str, Any], names: tuple[str, ...], kind: FeatureType) -> tuple[np.ndarray, np.ndarray]:
    low, high = (as_array(values[name]) for name in names)
    extremes = _extremes(values)
    if extremes is not None:
        useless = coincide(values, (names[0], names[1]))
        low, high = (np.where(useless, extremes[side], own).astype(own.dtype) for side, own in ((0, low), (1, high)))
    if kind is FeatureType.ACTION:
        return low, high  # LeRobot gives the constant back if both are equal, and values between them if nearly so
    still, width = is_constant(low, high), _width(low)
    return np.where(still, low - width, low).astype(low.dtype), np.where(still, high + width, high).astype(high.dtype)


def _width(value: np.ndarray) -> np.ndarray:
    """The deviation from a constant that becomes 1: one unit, or more if single precision is coarser than that."""
    return np.maximum(1.0, 1e-4 * np.abs(value))
