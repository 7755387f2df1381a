"""Candidate chunks for observation windows: in which type, from which noise, and checked on the way in and out."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.compiled import Proposal
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.precision import sampling_dtype
from lerobot_dp_plus.policies.randomness import fresh_noise, generator_of
from lerobot_dp_plus.policies.windows import check_chunks, check_finite


def beside_the_weights(model: ChunkModel, window: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Windows on the weights' device, of any floating type, in the type that sampling has."""
    device, dtype = sampling_dtype(model)
    return {key: value.to(device, dtype if value.is_floating_point() else None) for key, value in window.items()}


def draw(
    propose: Callable[..., Proposal],
    model: ChunkModel,
    config: DpPlusConfig,
    window: Mapping[str, Tensor],
    noise: Tensor | None,
    count: int,
    foresee: bool,
) -> Proposal:
    """`count` chunks for each of the windows (B, T_o, ...), which are beside the weights.

    noise (B, N, H, A), or (B, H, A) where N = 1, is drawn if None; `foresee` asks for energies.

    Raises:
        ValueError: noise of another shape, NaN or infinity in a state or in pictures that states are read off, or foresight
            that has seen no end of an episode.
        FloatingPointError: a chunk is not finite though the observations are.
    """
    device, dtype = sampling_dtype(model)
    batch = next(iter(window.values())).shape[0]
    shape = (batch, count, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
    generator = None
    if noise is None:
        noise = config.noise_scale * fresh_noise(shape, device)
    else:
        if noise.numel() != torch.Size(shape).numel() or noise.shape[-2:] != shape[-2:]:
            legal = shape if count > 1 else (shape[0], *shape[2:])
            raise ValueError(f"noise has shape {tuple(noise.shape)}; must be {legal}")
        noise = noise.to(device)
        if config.sampler.order is None:
            # A stochastic sampler takes its further draws from the noise, so that equal noise means equal actions.
            generator = generator_of(noise)
    read = config.training_features if config.estimated_features else config.low_dimensional_features
    check_finite(window, [key for key in read if key in window])
    if foresee and model.foresight is not None:
        model.foresight.check_learned()
    proposal = propose(model, config, window, noise.to(dtype).reshape(shape), foresee, generator)
    check_chunks(proposal.chunks, window, config.observed_features)
    return proposal
