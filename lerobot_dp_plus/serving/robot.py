"""What a robot's client sends: does it fit the policy, and what is wrong with an observation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lerobot.utils.constants import OBS_IMAGES, OBS_STATE, OBS_STR
from lerobot.utils.feature_utils import build_dataset_frame

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

#: An observation by the policy's names, in the data's units: numbers (D,), pictures (H, W, 3), "task".
Frame = dict[str, Any]


@dataclass(frozen=True)
class Robot:
    """A robot as its client describes it.

    Args:
        features: what it observes, in LeRobot's form: {"observation.state": {"names": […], …}, "observation.images.top": …}.
        renamed: what the policy calls them, where that differs.
    """

    features: Mapping[str, Mapping[str, Any]]
    renamed: Mapping[str, str] = field(default_factory=dict)

    def named(self, key: str) -> str:
        """What the policy calls a feature of the robot."""
        return self.renamed.get(key, key)

    def fitted(self, config: DpPlusConfig) -> "Robot":
        """The robot with the features that the policy reads.

        Raises:
            ValueError: one of those is missing or of another shape, by name.
        """
        given = {self.named(key): feature for key, feature in self.features.items()}
        wanted = {key: shape for key, shape in config.observed_features.items() if key not in config.camera_features}
        pictures = {key: shape for key, shape in config.recorded_cameras.items() if key in config.observed_features}
        for key, shape in {**wanted, **pictures}.items():
            if key not in given:
                spare = sorted(set(given) - set(config.observed_features))
                rename = f'; --rename-map=\'{{"{spare[0]}": "{key}"}}\' gives it that name' if spare else ""
                raise ValueError(f"the robot has no {key}, which the policy reads; it has {sorted(given)}{rename}")
            has = tuple(given[key]["shape"])
            has = (has[2], *has[:2]) if len(has) == 3 else has
            if has != tuple(shape):
                what = "pictures (channels, height, width)" if len(has) == 3 else f"numbers {given[key].get('names')}"
                raise ValueError(
                    f"{key}: the robot's {what} have shape {has}, and the policy was trained on {tuple(shape)}; "
                    "set the robot up as it was when the data was recorded"
                )
        read = {key: feature for key, feature in self.features.items() if self.named(key) in {**wanted, **pictures}}
        return Robot(read, self.renamed)

    def frame(self, raw: Mapping[str, Any]) -> Frame:
        """An observation as the policy names it.

        Args:
            raw: as a robot's `get_observation` gives it, numbers by joint and pictures by camera, and "task".

        Raises:
            ValueError: a joint or a camera is missing, a number is NaN or infinite, or a picture has another shape; by name.
        """
        for name in self.features.get(OBS_STATE, {}).get("names", ()):
            value = raw.get(name)
            if value is None:
                raise ValueError(f"joint {name} is missing from the observation")
            if not math.isfinite(value):
                raise ValueError(f"joint {name} is {value}; no motor is moved on that")
        for name, feature in self.cameras.items():
            picture, shape = raw.get(name), tuple(feature["shape"])
            if picture is None:
                raise ValueError(f"camera {name} sent no picture")
            if np.shape(picture) != shape:
                raise ValueError(f"camera {name} sent a picture of shape {np.shape(picture)}; it has {shape}")
            if np.asarray(picture).dtype.kind == "f" and not np.isfinite(picture).all():
                raise ValueError(f"camera {name} sent a picture with NaN or infinity in it")
        made = build_dataset_frame({key: dict(each) for key, each in self.features.items()}, dict(raw), OBS_STR)
        return {self.named(key): value for key, value in made.items()} | {"task": str(raw.get("task") or "")}

    @property
    def cameras(self) -> dict[str, Mapping[str, Any]]:
        """Features of the cameras by the robot's names for them."""
        of_cameras = f"{OBS_IMAGES}."
        return {
            key.removeprefix(of_cameras): feature
            for key, feature in self.features.items()
            if key.startswith(of_cameras)
        }
