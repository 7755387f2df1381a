"""The whole step as one module, from raw observations and noise to actions in the data's units."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.policies.candidates import propose
from lerobot_dp_plus.policies.recipe import Recipe

#: Names of the noise that goes in and of the actions that come out.
NOISE, ACTION = "noise", "action"


class Step(nn.Module):
    """actions = postprocess(choice(propose(preprocess(observations), noise))), for one robot.

    It goes through the policy's own pipelines and the function that draws its chunks, so nothing is written twice. There is
    no plan before: every chunk is as the first of an episode.

    Args:
        loaded: a policy that `refusing.check` lets pass, on the CPU.
    """

    def __init__(self, loaded: Loaded):
        super().__init__()
        policy = loaded.policy
        self.config = policy.config
        self.model = copy.deepcopy(policy._averaged_model).eval().float()
        self._recipe = Recipe.of(self.config, self.config.selection.energies)
        self._preprocess, self._postprocess = loaded.preprocess, loaded.postprocess

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every input: observations (1, T_o, D), pictures (1, T_o, H, W, 3), noise (1, N, H, A)."""
        config, steps = self.config, self.config.n_obs_steps
        cameras = {key: (height, width, channels) for key, (channels, height, width) in config.recorded_cameras.items()}
        seen = {key: (1, steps, *cameras.get(key, shape)) for key, shape in config.observed_features.items()}
        return {**seen, NOISE: (1, config.selection.candidates, config.horizon, config.action_feature.shape[0])}

    @property
    def is_picture(self) -> dict[str, bool]:
        """Which inputs are pictures, uint8; the others are float32."""
        return {key: key in self.config.recorded_cameras for key in self.shapes}

    def forward(self, *values: Tensor) -> Tensor:
        """Actions (1, L, A), in the data's units, of the inputs in the order of `shapes`."""
        given = dict(zip(self.shapes, values, strict=True))
        noise = self.config.noise_scale * given.pop(NOISE)
        window = self.seen(given)
        drawn = propose(self.model, self._recipe, window, noise).from_step(self.config.n_obs_steps - 1)
        chosen = drawn.at(self.config.selection.choose(drawn, None))
        return self._postprocess(chosen.chunks[0, 0])[None]

    def seen(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Windows as the policy is given them, of raw ones."""
        made: Mapping[str, Any] = self._preprocess(dict(given))
        return {key: made[key] for key in self.config.observed_features}

    def random(self, generator: torch.Generator) -> list[Tensor]:
        """Inputs drawn over the range of the training data, pictures of random bytes."""
        inputs = []
        for key, shape in self.shapes.items():
            if self.is_picture[key]:
                inputs.append(torch.randint(256, shape, dtype=torch.uint8, generator=generator))
            elif key == NOISE:
                inputs.append(torch.randn(shape, generator=generator))
            else:
                inputs.append(self.model.units.physical(key, 2 * torch.rand(shape, generator=generator) - 1))
        return inputs
