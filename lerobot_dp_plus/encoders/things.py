"""A state that lists several things as one token for each of them, so that a word can find the thing that it names."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lerobot_dp_plus.notation import PATCHES, Span, Tokens

#: The state that lists things, one after the other, with equally many numbers of each.
LISTED = "observation.environment_state"


def check_things(count: int, state_dims: Mapping[str, int]) -> None:
    """Raise a ValueError, naming the field and what is legal, unless the state can be cut into so many things; 0 is none."""
    width = state_dims.get(LISTED)
    if count < 0:
        raise ValueError(f"things = {count}: must be at least 0, which is none")
    if count and width is None:
        raise ValueError(f"things = {count}: they are listed in {LISTED}, and there are only {sorted(state_dims)}")
    if count and width % count:  # type: ignore[operator]
        legal = [number for number in range(1, width + 1) if width % number == 0]  # type: ignore[operator]
        raise ValueError(f"things = {count}: must divide the {width} numbers of {LISTED}; legal are {legal}")


def span_of(count: int, state_dims: Mapping[str, int], n_obs_steps: int) -> Span:
    """How many tokens they make, and how wide."""
    others = sum(width for key, width in state_dims.items() if key != LISTED)
    return Span(count, n_obs_steps * (state_dims[LISTED] // count + others) + count)


def thing_tokens(observation: Mapping[str, Tensor], state_dims: Mapping[str, int], count: int) -> Tokens:
    """States (B, T_o, D) -> a token for each thing, of the kind of places, (B, K, …).

    It holds the thing's own numbers and the other states, so that where it is for the robot is a linear function of it; of
    every step, side by side; and a one for which thing it is.
    """
    listed = observation[LISTED].unflatten(-1, (count, -1)).transpose(1, 2)  # (B, K, T_o, P)
    others = [observation[key] for key in state_dims if key != LISTED]
    around = [value[:, None].expand(-1, count, -1, -1) for value in others]
    each = torch.cat([listed, *around], dim=-1).flatten(2)
    which = torch.eye(count, dtype=each.dtype, device=each.device).expand(len(each), -1, -1)
    return Tokens(torch.cat([each, which], dim=-1), None, PATCHES)
