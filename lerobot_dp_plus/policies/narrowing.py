"""Candidates, and some of them alone: the modes that they have, and what is left of these in a part of them."""

import torch
from torch import Tensor

from lerobot_dp_plus.modes import Modes
from lerobot_dp_plus.notation import Candidates, Scene
from lerobot_dp_plus.policies.settling import KEPT, VIOLATION, tell_once
from lerobot_dp_plus.units import ACTION, Units


def told_apart(ahead: Candidates, modes: Modes, units: Units, scene: Scene | None = None) -> Candidates:
    """The candidates, whose chunks begin at the current step, with the modes that they have in the dataset's units.

    `scene` is for modes that must know where things are.

    Raises:
        ValueError: the units are not known.
    """
    units.check_known()
    told = modes.of(units.physical(ACTION, ahead.chunks), scene, ahead.mode)
    return ahead._replace(mode=told.mode, weights=told.weights, representatives=told.nearest)


def dealt(kept: Tensor) -> Tensor:
    """For each candidate the number of one that is kept, (B, N) int64: its own if it is, otherwise another's in turn.

    kept (B, N) bool, with at least one in each row. A selection that is shown these candidates can only choose among them.
    """
    place = torch.arange(kept.shape[1], device=kept.device)
    others = place % kept.sum(1, keepdim=True)
    among = kept.int().argsort(dim=1, descending=True, stable=True).gather(1, others)
    return torch.where(kept, place, among)


def among(candidates: Candidates, index: Tensor) -> Candidates:
    """The candidates that `index` (B, M) names, with what is left of their modes, and what they are compared with.

    Modes keep their numbers. Their weights are those among these candidates, and each is represented by that one of them
    which is nearest to its middle. A mode of which nothing is left has the weight 0.
    """
    rows = candidates.rows(index)._replace(contrast=candidates.contrast)
    if candidates.weights is None or candidates.representatives is None or rows.mode is None:
        return rows
    members = torch.nn.functional.one_hot(rows.mode, candidates.weights.shape[1])  # (B, M, K)
    middle = candidates.rows(candidates.representatives).chunks  # (B, K, L, A)
    distance = (rows.chunks[:, :, None] - middle[:, None]).square().sum((-2, -1))  # (B, M, K)
    nearest = distance.masked_fill(members == 0, torch.inf).argmin(1)
    return rows._replace(weights=members.to(candidates.weights.dtype).mean(1), representatives=nearest)


def feasible(violation: Tensor) -> Tensor:
    """For each candidate the number of one that keeps the constraints, (B, N) int64: its own if it does.

    violation (B, N). If no candidate keeps them, it is the one that breaks them least.
    """
    kept = violation <= KEPT
    return dealt(torch.where(kept.any(1, keepdim=True), kept, violation <= violation.amin(1, keepdim=True)))


def shown(ahead: Candidates) -> Tensor:
    """The numbers of the candidates that a selection is shown, (B, N): not those that break a constraint, if others do not."""
    if VIOLATION not in ahead.energies:
        batch, count = ahead.chunks.shape[:2]
        return torch.arange(count, device=ahead.chunks.device).expand(batch, count)
    violation = ahead.energies[VIOLATION]
    if not (violation <= KEPT).any(1).all():
        tell_once(
            "no candidate keeps the constraints, so the one that breaks them least is executed: something is in "
            "an obstacle already, or nothing legal is left"
        )
    return feasible(violation)
