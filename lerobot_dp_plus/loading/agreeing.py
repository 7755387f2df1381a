"""Do the datasets of several robots agree, so that one policy can be trained on them? And what are they padded to?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lerobot_dp_plus.notation import GAZE

PICTURES = ("image", "video")


def read_features(meta: Any) -> dict[str, dict[str, Any]]:
    """The features of a dataset that a policy reads or gives: numbers and pictures, without the gaze."""

    def is_read(key: str, feature: Mapping[str, Any]) -> bool:
        kind = str(feature["dtype"])
        numbers = kind in PICTURES or kind.startswith(("float", "int", "uint", "bool"))
        return (key == "action" or key.startswith("observation.")) and numbers and key != GAZE

    return {key: dict(feature) for key, feature in meta.features.items() if is_read(key, feature)}


def union(parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The features of all datasets, each as wide as the widest."""
    found: dict[str, dict[str, Any]] = {}
    for meta in parts.values():
        for key, feature in read_features(meta).items():
            if key not in found or tuple(feature["shape"]) > tuple(found[key]["shape"]):
                names = feature.get("names") if feature["dtype"] in PICTURES else None
                found[key] = {**feature, "shape": tuple(feature["shape"]), "names": names}
    return found


def check_agreement(parts: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise a ValueError, naming datasets, feature and both values, unless datasets can be trained on together.

    They must have one frame rate, an action, and pictures of one size from cameras of one name. Two datasets under one
    robot's name are refused, with what differs between them if something does.
    """
    if twice := {name for name in names if list(names).count(name) > 1}:
        raise ValueError(
            f"dataset.repo_id: {', '.join(sorted(twice))} names two datasets; give each robot a name of its own, NAME=FOLDER. "
            "Recordings of one robot are merged first, by lerobot-edit-dataset --operation.type=merge, which sees that their units agree"
        )
    (first, one), *others = parts.items()
    for name, meta in parts.items():
        if meta.has_language_columns:
            raise ValueError(
                f"{name}: it has language columns; with several datasets paraphrases come from meta/paraphrases.json"
            )
        if "action" not in meta.features:
            raise ValueError(f"{name}: it has no action")
    for name, meta in others:
        if meta.fps != one.fps:
            raise ValueError(
                f"{name} has {meta.fps} frames a second, and {first} has {one.fps}; they must agree: resample one of them"
            )
    _check_cameras(parts)
    _check_units(parts)


def _check_cameras(parts: Mapping[str, Any]) -> None:
    seen: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, meta in parts.items():
        for key in meta.camera_keys:
            shape = tuple(meta.features[key]["shape"])
            other, before = seen.setdefault(key, (name, shape))
            if shape != before:
                raise ValueError(
                    f"{key} is {shape} in {name} and {before} in {other}; pictures of one camera must agree. Record or convert them "
                    "alike, or give one camera another name"
                )


def _check_units(parts: Mapping[str, Any]) -> None:
    """Refuse a feature whose dimensions have the same names in two datasets, and ranges that only other units explain."""
    for key in sorted({key for meta in parts.values() for key in read_features(meta)}):
        having = [(name, meta) for name, meta in parts.items() if key in meta.features and key not in meta.camera_keys]
        for (name, meta), (other, before) in zip(having[1:], having, strict=False):
            names = [_names(each.features[key]) for each in (meta, before)]
            if names[0] is None or names[0] != names[1]:
                continue
            spans = [_span(each.stats, key) for each in (meta, before)]
            if spans[0] is None or spans[1] is None:
                continue
            factor = float(np.median(spans[0] / spans[1]))
            if not 1 / MOST_APART < factor < MOST_APART:
                raise ValueError(
                    f"{key}: its dimensions have the same names in {name} and {other}, and ranges that differ by a factor of "
                    f"{max(factor, 1 / factor):.3g}; are the units the same? Convert one, or name its dimensions otherwise"
                )


#: Degrees and radians differ by 57, millimetres and metres by 1000.
MOST_APART = 25.0


def _names(feature: Mapping[str, Any]) -> tuple[str, ...] | None:
    names: Any = feature.get("names")
    if isinstance(names, Mapping):
        names = next((value for value in names.values() if isinstance(value, list | tuple)), None)
    return tuple(map(str, names)) if names else None


def _span(stats: Any, key: str) -> np.ndarray | None:
    """How far each dimension reaches; None if that is not known or one never moves."""
    found = (stats or {}).get(key, {})
    if "min" not in found or "max" not in found:
        return None
    span = np.asarray(found["max"], dtype=float) - np.asarray(found["min"], dtype=float)
    return span if (span > 0).all() else None
