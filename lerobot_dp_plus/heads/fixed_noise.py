"""Noise that is the same in every call, so that chunks can be compared by it."""

import torch
from torch import Tensor

SEED = 20_250_213
_KEPT: dict[tuple[tuple[int, ...], torch.dtype, torch.device], Tensor] = {}


def fixed_noise(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Normal noise of a shape, in the type and on the device of `like`: the same one in every call on a device.

    It is drawn once by a generator of its own, which leaves torch's global ones alone, and then kept. Code that is
    compiled finds it there if it has run uncompiled before.
    """
    place = shape, like.dtype, like.device
    if place not in _KEPT:
        # What is made in inference mode could not be differentiated later.
        with torch.inference_mode(False), torch.no_grad():
            generator = torch.Generator(device=like.device).manual_seed(SEED)
            _KEPT[place] = torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)
    return _KEPT[place]
