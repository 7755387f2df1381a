"""The step that gives the policy its pictures at the size of its training, whoever loads or takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lerobot.configs import PipelineFeatureType, PolicyFeature
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import ProcessorStep, ProcessorStepRegistry
from torch import Tensor

from lerobot_dp_plus.encoders import shrunk
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.numbers import as_tensor, channels_first, picture

Shapes = Mapping[str, Sequence[int]]


@ProcessorStepRegistry.register("dp_plus_pictures_processor")
@dataclass
class PicturesProcessorStep(ProcessorStep):
    """Shrinks pictures as `encoders/resize.py` says. Those that have their size already, as from the in-memory loader, pass.

    It comes before everything that changes values, so that it sees the bytes of the camera.

    Args:
        recorded: the shape (3, H, W) of every camera's pictures that are shrunk.
        sizes: the (height, width) that they are shrunk to.
    """

    recorded: Shapes = field(default_factory=dict)
    sizes: Shapes = field(default_factory=dict)

    @classmethod
    def of(cls, config: DpPlusConfig) -> "PicturesProcessorStep":
        """The step of a config; it shrinks nothing where pictures stay as they are."""
        seen, recorded = config.camera_features, config.recorded_cameras
        smaller = [key for key in recorded if seen[key] != recorded[key]]
        return cls({key: recorded[key] for key in smaller}, {key: seen[key][1:] for key in smaller})

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        observation = transition.get(TransitionKey.OBSERVATION)
        if observation is None:
            return transition
        changed = transition.copy()
        changed[TransitionKey.OBSERVATION] = {**observation, **self.shrink(observation)}
        return changed

    def shrink(self, values: Mapping[str, Any]) -> dict[str, Tensor]:
        """The cameras among `values` that are shrunk, as the policy sees them; raises what `_seen` does."""
        return {key: self._seen(key, values[key]) for key in self.sizes if key in values}

    def _seen(self, key: str, value: Any) -> Tensor:
        """One camera's pictures, (..., H, W, 3) or (..., 3, H, W), as (..., 3, h, w).

        Raises:
            ValueError: they have neither the recorded size nor that of training, or hold NaN or infinity; by name.
        """
        recorded, (height, width) = tuple(self.recorded[key]), self.sizes[key]
        size = (height, width)
        given = channels_first(as_tensor(key, value), recorded)
        if given.dim() >= 3 and tuple(given.shape[-2:]) == size:
            return given
        if tuple(given.shape[-3:]) != recorded:
            raise ValueError(
                f"{key} has shape {tuple(given.shape)}; must end in {recorded}, as it was recorded, or in {(recorded[0], *size)}, "
                "to which the policy shrinks it"
            )
        if given.dtype == torch.uint8:
            return shrunk(given, size)
        if given.is_floating_point():
            low, high = given.aminmax()
            if not torch.isfinite(high - low):
                bad = int((~torch.isfinite(given)).sum())
                raise ValueError(f"{key}: {bad} of {given.numel()} values of its picture are NaN or infinite")
        return shrunk(picture(key, given, normalised=False), size)

    def get_config(self) -> dict[str, Any]:
        return {name: {key: list(each) for key, each in getattr(self, name).items()} for name in ("recorded", "sizes")}

    def transform_features(
        self, features: dict[PipelineFeatureType, dict[str, PolicyFeature]]
    ) -> dict[PipelineFeatureType, dict[str, PolicyFeature]]:
        return {
            kind: {key: self._feature(key, made) for key, made in group.items()} for kind, group in features.items()
        }

    def _feature(self, key: str, made: PolicyFeature) -> PolicyFeature:
        size = self.sizes.get(key)
        return made if size is None else PolicyFeature(made.type, (made.shape[0], *size))
