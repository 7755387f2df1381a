"""The one place where inputs become floating-point tensors, before anything is normalised.

LeRobot's normaliser casts its statistics to the type of what it saw last, and saves them so. After an integer, a minimum of
−0.9 stays 0 for ever. Therefore the pipelines call this first, and so does the policy, which may be used without
pipelines.

| given | becomes |
|---|---|
| bool, integers, half, double, numpy arrays, lists | floating point of the type asked for; a bool is 0 or 1 |
| a feature of shape (1,) as () or (B,) or (B, T), as LeRobot's datasets give it | (B, 1) or (B, T, 1) |
| pictures of bytes: uint8, other integers of 0 … 255, floating point of 0 … 255 | 0 … 1 |
| pictures (…, H, W, 3) where the policy reads (3, H, W) | (…, 3, H, W) |
| text, Python objects, complex numbers | a ValueError that names the feature |

How floating-point pictures of 0 … 255 are told from those of 0 … 1: pictures of 0 … 1 have no value above 2. Normalised
pictures may have larger values, but they also have negative ones, as their mean is 0. Where normalised pictures are
expected, a picture counts as bytes under three conditions. No value is negative. A value is above 2. Either all values
are whole, or one is above 32. A picture whose bytes are all below 3 is black, and stays as it is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lerobot_dp_plus.policies.precision import sampling_dtype

#: No picture of 0 … 1 has a value beyond this, rounding and resizing included.
BRIGHTEST = 2.0
#: No normalised picture without negative values has a value beyond this: it would be 32 standard deviations off.
BRIGHTEST_NORMALISED = 32.0


def to_floats(
    given: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    normalised: bool = False,
) -> dict[str, Any]:
    """`given`, with every feature of `shapes` as a tensor of `dtype`; what else there is stays as it is.

    Args:
        given: features, one frame (B, *shape) or a window (B, T, *shape) each; may lack some of `shapes`.
        shapes: the shape of one frame of every feature that is read; three numbers are a picture (3, H, W).
        device: where tensors go; None leaves them where they are.
        normalised: whether pictures have been normalised already, which decides when they count as bytes.

    Raises:
        ValueError: a feature holds no numbers, or a picture has whole numbers beyond 0 … 255; by name.
    """
    floats = dict(given)
    for key, shape in shapes.items():
        if key not in given:
            continue
        value = as_tensor(key, given[key])
        if device is not None:
            value = value.to(device)
        if len(shape) == 3:
            value = picture(key, channels_first(value, tuple(shape)), normalised)
        elif tuple(shape) == (1,):
            value = _with_last_axis(value)
        floats[key] = value.to(dtype)
    return floats


def as_weights(model: nn.Module, given: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Normalised features on a model's device, in the type it samples in. A policy without pipelines needs it too."""
    device, dtype = sampling_dtype(model)
    return to_floats(given, shapes, dtype=dtype, device=device, normalised=True)


def with_batch_axis(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A single frame as a batch of one, (1, *shape); batches and windows as they are."""
    if value.dim() == 0 and tuple(shape) == (1,):
        return value.reshape(1, 1)
    return value[None] if value.dim() == len(shape) else value


def as_tensor(key: str, value: Any) -> Tensor:
    """A feature's value as a tensor.

    Raises:
        ValueError: it holds no numbers; by name.
    """
    if isinstance(value, Tensor):
        if value.is_complex():
            raise _no_numbers(key, f"complex numbers ({value.dtype})")
        return value
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise _no_numbers(key, f"a {type(value).__name__} that is no array ({error})") from error
    kind = array.dtype.kind
    if kind not in "biuf":
        raise _no_numbers(key, f"{'text' if kind in 'US' else type(value).__name__} (numpy dtype {array.dtype})")
    # Always a copy: otherwise torch would share the memory. It also takes no foreign byte order, negative stride or
    # long double.
    if kind == "f":
        return torch.from_numpy(array.astype(np.float64 if array.itemsize > 4 else np.float32, order="C"))
    if kind == "b" or array.dtype == np.uint8:
        return torch.from_numpy(array.astype(array.dtype, order="C"))
    return torch.from_numpy(array.astype(np.float64 if array.dtype == np.uint64 else np.int64, order="C"))


def _no_numbers(key: str, found: str) -> ValueError:
    return ValueError(
        f"{key} holds {found}; legal are tensors, numpy arrays or lists of bool, integers or real numbers. A feature that is "
        "none is left out of a policy by training it with --policy.input_features={…}, which names those it reads"
    )


def _with_last_axis(value: Tensor) -> Tensor:
    """A feature of one number as (B, 1) or (B, T, 1); LeRobot's datasets drop the last axis of shape (1,)."""
    if value.dim() == 1 or (value.dim() == 2 and value.shape[1] != 1):
        return value[..., None]
    return value


def channels_first(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(…, H, W, C) as (…, C, H, W), if channels come last. H and W may differ from those in `shape`."""
    channels = shape[0]
    if value.dim() < 3 or value.shape[-1] != channels or tuple(value.shape[-3:]) == shape:
        return value
    moved = value.movedim(-1, -3)
    return moved if value.shape[-3] != channels or tuple(moved.shape[-3:]) == shape else value


def picture(key: str, value: Tensor, normalised: bool) -> Tensor:
    """A picture of bytes as 0 … 1, in single precision; any other as it is.

    Raises:
        ValueError: it has whole numbers beyond 0 … 255; by name.
    """
    if value.dtype == torch.bool or not value.numel():
        return value
    if not value.is_floating_point():
        low, high = (0, 255) if value.dtype == torch.uint8 else (int(value.min()), int(value.max()))
        if low < 0 or high > 255:
            raise ValueError(
                f"{key} is a picture of {value.dtype} from {low} to {high}; legal are whole numbers of 0 … 255 and real "
                "numbers of 0 … 1: divide by what white is"
            )
        return value.to(torch.float32) / 255.0
    if value.dtype in (torch.float16, torch.bfloat16):
        value = value.to(torch.float32)
    return value / 255.0 if _is_bytes(value, normalised) else value


def _is_bytes(value: Tensor, normalised: bool) -> bool:
    """Whether a floating-point picture has 0 … 255. The docstring of this module says how this is told."""
    if not normalised:
        return bool(value.amax() > BRIGHTEST)
    if not value.amin() >= 0:  # the one question that nearly every normalised picture is asked
        return False
    brightest = value.amax()
    return bool(brightest > BRIGHTEST and (brightest > BRIGHTEST_NORMALISED or torch.equal(value, value.round())))
