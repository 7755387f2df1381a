"""A state that lists several things as one token for each of them, so that a word can find the thing that it names."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lerobot_dp_plus.encoders.robots import Robots
from lerobot_dp_plus.notation import PATCHES, Span, Tokens

#: The state that lists things, one after the other, with equally many numbers of each.
LISTED = "observation.environment_state"


def check_things(count: int, state_dims: Mapping[str, int], robots: Robots | None = None) -> None:
    """Raise a ValueError, naming the field and what is legal, unless the state can be cut into so many things; 0 is none.

    Of several robots at least one must list so many. The others then have no tokens of things.
    """
    width = state_dims.get(LISTED)
    if count < 0:
        raise ValueError(f"things = {count}: must be at least 0, which is none")
    if count and width is None:
        raise ValueError(f"things = {count}: they are listed in {LISTED}, and there are only {sorted(state_dims)}")
    if count and not lists(count, state_dims, robots):
        widths = {width} if robots is None else {each[LISTED][0] for each in robots.features.values() if LISTED in each}
        legal = [number for number in range(1, width + 1) if any(each % number == 0 for each in widths)]  # type: ignore[operator, union-attr]
        raise ValueError(
            f"things = {count}: must divide the {' or '.join(map(str, sorted(widths)))} numbers of {LISTED}; legal are {legal}"  # type: ignore[type-var]
        )


def lists(count: int, state_dims: Mapping[str, int], robots: Robots | None) -> dict[str | None, int]:
    """How many numbers each robot has of a thing, of those that list so many; without robots under None."""
    if robots is None:
        return {None: state_dims[LISTED] // count} if state_dims[LISTED] % count == 0 else {}
    widths = {name: each[LISTED][0] for name, each in robots.features.items() if LISTED in each}
    return {name: width // count for name, width in widths.items() if width % count == 0}


def span_of(count: int, state_dims: Mapping[str, int], n_obs_steps: int, robots: Robots | None = None) -> Span:
    """How many tokens they make, and how wide."""
    others = sum(width for key, width in state_dims.items() if key != LISTED)
    each = max(lists(count, state_dims, robots).values())
    return Span(count, n_obs_steps * (each + others) + count)


def thing_tokens(
    observation: Mapping[str, Tensor],
    state_dims: Mapping[str, int],
    count: int,
    robots: Robots | None = None,
    index: Tensor | None = None,
) -> Tokens:
    """States (B, T_o, D) -> a token for each thing, of the kind of places, (B, K, …).

    It holds the thing's own numbers and the other states, so that where it is for the robot is a linear function of it; of
    every step, side by side; and a one for which thing it is. Of several robots, `index` (B,) says which each sample is of.
    """
    listing = lists(count, state_dims, robots)
    widest = max(listing.values())
    found, valid = None, None
    for name, width in listing.items():
        each = _tokens(observation, state_dims, count, width, widest)
        if robots is None or index is None:
            return Tokens(each, None, PATCHES)
        rows = torch.eq(index, list(robots.features).index(name))  # type: ignore[arg-type]
        found = each if found is None else torch.where(rows[:, None, None], each, found)
        valid = rows if valid is None else valid | rows
    assert found is not None and valid is not None
    return Tokens(found, valid[:, None].expand(-1, count), PATCHES)


def _tokens(
    observation: Mapping[str, Tensor], state_dims: Mapping[str, int], count: int, width: int, widest: int
) -> Tensor:
    """Tokens of things of `width` numbers each, padded to `widest`."""
    listed = observation[LISTED][..., : count * width].unflatten(-1, (count, width)).transpose(1, 2)  # (B, K, T_o, P)
    listed = torch.nn.functional.pad(listed, (0, widest - width))
    others = [observation[key] for key in state_dims if key != LISTED]
    around = [value[:, None].expand(-1, count, -1, -1) for value in others]
    each = torch.cat([listed, *around], dim=-1).flatten(2)
    which = torch.eye(count, dtype=each.dtype, device=each.device).expand(len(each), -1, -1)
    return torch.cat([each, which], dim=-1)
