"""What is known of a chunk before it is drawn: what is fixed by a caller, and what a plan that is being executed decides.

It is part of what is compiled: what differs from call to call is in tensors of the window.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lerobot_dp_plus.heads import Plan, decided
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.real_time import RealTime

#: Where a window holds what is decided of the chunks, (B, H, A) normalised, with NaN for what is not.
FIXED = "fixed"
#: Where a window holds what the plan decides, likewise; what the plan says, (B, H, A), 0 where it says nothing; and how
#: firmly chunks are held to each of its steps, (B, H).
COMMITTED, PLAN, PLAN_WEIGHTS = "committed", "plan", "plan_weights"


class Known(NamedTuple):
    """What a head is told of chunks, as in `heads.Given`, and what is decided in the end, (B, N, H, A) with NaN elsewhere."""

    fixed: Tensor | None
    shown: Tensor | None
    plan: Plan | None
    decided: Tensor | None


def known(how: RealTime, window: Mapping[str, Tensor], like: Tensor) -> Known:
    """What a window says of chunks, for N of them as in `like` (B, N, H, A)."""

    def repeated(key: str) -> Tensor | None:
        return None if key not in window else window[key][:, None].expand_as(like)

    fixed, committed = repeated(FIXED), repeated(COMMITTED)
    if committed is None:
        return Known(fixed, None, None, fixed)
    both = committed if fixed is None else decided(fixed, committed)
    shown = ~committed.isnan().any(-1) if how.shows else None
    plan, actions = None, repeated(PLAN)
    if how.bends and actions is not None:
        plan = Plan(how, actions, window[PLAN_WEIGHTS][:, None].expand(like.shape[:3]))
    return Known(both if how.fixes else fixed, shown, plan, both)


def with_decided(drawn: Candidates, known: Tensor | None) -> Candidates:
    """The candidates, with what is decided in place. It is not drawn by every way to go on from a plan."""
    if known is None:
        return drawn
    return Candidates(decided(known, drawn.chunks), drawn.energies, drawn.log_prob, drawn.mode, drawn.noise)


def with_plan(
    how: RealTime, window: Mapping[str, Tensor], past: Tensor, ahead: Tensor, delay: int, horizon: int
) -> dict[str, Tensor]:
    """The window, with a plan that goes on while the chunk is computed.

    Args:
        how: how the chunk is to go on from it.
        window: the observations, each (B, T_o, ...).
        past: actions that were executed, (B, T_o − 1, A), the newest last; NaN where they are not known. There the plan's
            first one stands for them.
        ahead: what the plan says from the current step on, (B, L, A).
        delay: d, steps after which the chunk takes over; the first d of the plan are decided.
        horizon: H.
    """
    batch, left, width = ahead.shape
    past = torch.where(past.isnan(), ahead[:, :1], past)
    rows = torch.cat([past, ahead[:, : horizon - past.shape[1]]], 1)
    rows = torch.cat([rows, rows.new_full((batch, horizon - rows.shape[1], width), torch.nan)], 1)
    step = torch.arange(horizon, device=rows.device) - past.shape[1]
    committed = torch.where((step < min(delay, left))[:, None], rows, torch.nan)
    told = {**window, COMMITTED: committed}
    if how.bends:
        soft = torch.tensor(how.weights(delay, left), dtype=rows.dtype, device=rows.device)[: horizon - past.shape[1]]
        weights = torch.cat([soft.new_ones(past.shape[1]), soft])
        weights = torch.cat([weights, weights.new_zeros(horizon - len(weights))])
        weights = torch.where(rows.isnan().any(-1), 0, weights)
        told |= {PLAN: rows.nan_to_num(0.0), PLAN_WEIGHTS: weights}
    return told
