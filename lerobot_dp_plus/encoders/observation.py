"""Every state and camera of an observation side by side in one vector."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.image import ImageEncoderConfig


class ObservationEncoder(nn.Module):
    """concat(states as they are, one feature per camera) -> (B, T_o, C), in the order the shapes were given.

    States pass unchanged: the networks' first layer is linear anyway, so a state-only encoder has no weights.
    Cost: one pass of the image encoder per camera and chunk.

    Attributes:
        output_dim: C.
    """

    def __init__(
        self,
        state_dims: Mapping[str, int],
        image_shapes: Mapping[str, tuple[int, int, int]],
        image_encoder: ImageEncoderConfig,
        *,
        fetch_pretrained: bool = True,
    ):
        """Names and sizes of what will come; `fetch_pretrained=False` when a checkpoint will fill the weights.

        Raises:
            ValueError: nothing to observe, an empty state, or an image the encoder cannot take; each by name.
        """
        super().__init__()
        if not state_dims and not image_shapes:
            raise ValueError("no observation: give at least one state in state_dims or one image in image_shapes")
        for key, dim in state_dims.items():
            if dim < 1:
                raise ValueError(f"{key} has {dim} dimensions; a state needs at least 1")
        image_encoder.check(image_shapes)
        self.state_dims = dict(state_dims)
        self.image_shapes = {key: tuple(shape) for key, shape in image_shapes.items()}
        self.share_across_cameras = image_encoder.share_across_cameras
        names = dict.fromkeys(map(self._encoder_of, image_shapes))  # each name once, in order
        self.image_encoders = nn.ModuleDict(
            {name: image_encoder.build(fetch_pretrained=fetch_pretrained) for name in names}
        )
        self.output_dim = sum(state_dims.values()) + len(image_shapes) * image_encoder.feature_dim

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """States (B, T_o, S) and images (B, T_o, 3, H, W), normalised -> (B, T_o, C); other keys are ignored.

        Raises:
            ValueError: a key is missing, or has another shape than was announced.
        """
        states = [_take(observation, key, (dim,)) for key, dim in self.state_dims.items()]
        features = [
            self.image_encoders[self._encoder_of(key)](_take(observation, key, shape))
            for key, shape in self.image_shapes.items()
        ]
        return torch.cat([*states, *features], dim=-1)

    def _encoder_of(self, key: str) -> str:
        """Name of a camera's encoder; module names may not hold dots, nor feature keys slashes."""
        return "shared" if self.share_across_cameras else key.replace(".", "/")


def _take(observation: Mapping[str, Tensor], key: str, shape: tuple[int, ...]) -> Tensor:
    """The entry `key`, (B, T_o, *shape), or an error that says what is wrong with it."""
    if key not in observation:
        raise ValueError(f"observation {key} is missing; got {', '.join(sorted(observation)) or 'nothing'}")
    value = observation[key]
    if value.dim() != 2 + len(shape) or tuple(value.shape[2:]) != shape:
        expected = ", ".join(map(str, ("B", "T_o", *shape)))
        raise ValueError(f"observation {key} has shape {tuple(value.shape)}; expected ({expected})")
    if not value.is_floating_point():
        raise ValueError(f"observation {key} is {value.dtype}; expected normalised floating-point values")
    return value
