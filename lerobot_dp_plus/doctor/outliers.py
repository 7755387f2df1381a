"""Rare values so far out that MIN_MAX would squeeze all others together."""

import numpy as np
from lerobot.configs.types import FeatureType
from lerobot.utils.constants import ACTION, OBS_ENV_STATE

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.doctor.recording import Recording
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.dataset_remarks import offer_quantiles
from lerobot_dp_plus.policies.statistics import Statistics, squeezed

NAME = "outliers"


def examine(recording: Recording, config: DpPlusConfig) -> list[Finding]:
    """Squeezed dimensions, where their far values are, and the flags that normalise by quantiles instead."""
    far = squeezed_dimensions(recording)
    if not far:
        return [Finding(NAME, Gravity.FINE, "No rare value squeezes the others: MIN_MAX normalises well.")]
    rows, worst = [], ("", 0.0)
    for key, dims in far.items():
        values = recording.columns[key]
        low, high = np.nanquantile(values, [0.01, 0.99], axis=0)
        out = ((values < low - (high - low)) | (values > high + (high - low)))[:, dims]
        rows.append(np.flatnonzero(out.any(1)))
        for index in np.flatnonzero(dims):
            times = float(np.ptp(values[:, index]) / (high[index] - low[index]))
            worst = max(worst, (recording.dimension(key, index), times), key=lambda each: each[1])
    offer = offer_quantiles(config, recording.stats or computed(recording), {kind_of(key) for key in far})
    return [
        Finding(
            NAME,
            Gravity.GRAVE,
            f"Rare values of {', '.join(recording.listed(key, dims) for key, dims in far.items())} lie far from all others, in "
            f"{recording.places(np.unique(np.concatenate(rows)))}; {worst[0]} reaches {worst[1]:.0f} times as far as 98 of 100 "
            "of its values, which MIN_MAX would squeeze into as small a part of [-1, 1].",
            f"Leave these frames out, or normalise by quantiles{offer}",
            {key: np.flatnonzero(dims).tolist() for key, dims in far.items()},
        )
    ]


def squeezed_dimensions(recording: Recording) -> dict[str, np.ndarray]:
    """The squeezed dimensions (D,) of every column that has some."""
    stats = computed(recording)
    each = {key: squeezed(stats[key]) for key in recording.columns}
    return {key: dims for key, dims in each.items() if dims.any()}


def computed(recording: Recording) -> Statistics:
    """Statistics of the columns themselves."""
    found = {}
    for key, values in recording.columns.items():
        q01, q99 = np.quantile(values, [0.01, 0.99], axis=0)
        found[key] = {
            "min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0), "q01": q01, "q99": q99,
        }  # fmt: skip
    return found


def kind_of(key: str) -> FeatureType:
    """What LeRobot takes a column for."""
    return {ACTION: FeatureType.ACTION, OBS_ENV_STATE: FeatureType.ENV}.get(key, FeatureType.STATE)
