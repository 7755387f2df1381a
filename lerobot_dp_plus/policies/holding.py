"""The plan as one more candidate, for a selection that holds it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import candidates
from lerobot_dp_plus.policies.episode import Episode
from lerobot_dp_plus.policies.precision import copied_for_gradients, sampling_dtype
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.policies.settling import VIOLATION
from lerobot_dp_plus.units import ACTION

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

#: The place of a plan that is judged again; no refinement is done there.
PLAN = "plan"


def held_for(policy: "DpPlusPolicy", executed: int, reach: int) -> int:
    """For how many steps what is chosen now will be held: those that are left of the plan, or of a new one if none is.

    What is chosen now is executed for `reach` steps, so a plan with fewer left is none.

    There candidates and plan are judged. Judged where the policy looks next, the one that acts later and better would
    always win, and be put off again.
    """
    config, episode = policy.config, policy.episode
    length, steps = config.chunk_length, config.n_action_steps
    if episode.chosen is not None:
        left = int(planned(episode, episode.chosen.chunks).max()) - executed
        length = left if left >= reach else length
    return length // steps * steps


def with_plan(
    policy: "DpPlusPolicy",
    window: Mapping[str, Tensor],
    proposed: Candidates,
    executed: int,
    steps: int | None,
    reach: int,
) -> tuple[Candidates, Tensor | None]:
    """The candidates (B, N, H, A) and, as number N, the plan after `executed` steps more; and what is held, (B, L, A).

    Beyond what was planned, the plan's last action is repeated, and what is held is NaN. An observation whose plan is used up
    has its first candidate once more, and holds nothing. Without a plan that is left, the candidates are as they were, and
    None. Energies tell where the plan leads in so many `steps`. A plan with fewer than `reach` steps left is used up, as so
    many will be executed before the next choice.
    """
    config, episode = policy.config, policy.episode
    tail = candidates.unexecuted(episode.chosen, len(proposed.chunks), executed)
    if tail is None or episode.chosen is None:
        return proposed, None
    left = planned(episode, tail) - executed  # (B,)
    usable = left >= reach
    if not usable.any():
        return proposed, None
    whole = _whole(episode.chosen.chunks[:, 0], executed, config.n_obs_steps - 1, config.horizon)
    asked = tuple(name for name in proposed.energies if name != VIOLATION)
    plan = judged(policy, asked, window, Candidates(whole[:, None]), PLAN, steps)
    first = proposed.at(torch.zeros_like(left))

    def joined(drawn: Tensor, planned: Tensor, instead: Tensor) -> Tensor:
        return torch.cat([drawn, torch.where(usable.view(-1, *(1,) * (drawn.dim() - 1)), planned, instead)], 1)

    energies = {
        name: joined(value, plan.energies[name], first.energies[name]) for name, value in proposed.energies.items()
    }
    step = torch.arange(tail.shape[1], device=tail.device)
    held = torch.where(((step < left[:, None]) & usable[:, None])[..., None], tail, torch.nan)
    chunks = joined(proposed.chunks, plan.chunks, first.chunks)
    return Candidates(chunks, energies, mode=_read(policy, proposed, first, usable)), held


def _read(policy: "DpPlusPolicy", proposed: Candidates, first: Candidates, usable: Tensor) -> Tensor | None:
    """The readings of the candidates, and as number N that of the plan, (B, N + 1); None if candidates have none.

    A plan that came from elsewhere is of the first reading.
    """
    if proposed.mode is None or first.mode is None:
        return None
    chosen = policy.episode.chosen
    of = first.mode if chosen is None or chosen.mode is None else chosen.mode
    return torch.cat([proposed.mode, torch.where(usable[:, None], of, first.mode)], 1)


def judged(
    policy: "DpPlusPolicy",
    energies: tuple[str, ...],
    window: Mapping[str, Tensor],
    chunks: Candidates,
    place: str,
    steps: int | None = None,
) -> Candidates:
    """Chunks (B, 1, H, A), refined if the config says so at this `place` and projected, with these energies.

    They tell where the chunks lead in so many `steps`, the config's n_action_steps if None.
    """
    config, model = policy.config, policy._averaged_model
    recipe = Recipe.of(config, energies, executed=steps)
    if recipe.differentiates and torch.is_inference_mode_enabled():
        with copied_for_gradients(window) as copies:
            return judged(policy, energies, copies, chunks._replace(chunks=chunks.chunks.clone()), place, steps)
    seen = candidates.with_obstacles(window, policy.obstacles, config)
    with policy._evaluating.of(model):
        seen = candidates.beside_the_weights(model, seen)
        return candidates.settle(model, recipe, seen, chunks, place)


def planned(episode: Episode, plan: Tensor) -> Tensor:
    """How many steps of each chosen chunk were planned and are no repetition, (B,)."""
    if episode.planned is not None:
        return episode.planned
    assert episode.chosen is not None
    return torch.full((len(plan),), episode.chosen.chunks.shape[2], device=plan.device)


def remember(episode: Episode, held: Tensor | None) -> None:
    """Note for how many steps the chosen chunks are held: as long as the plan was, or if none was, for all of them."""
    assert episode.chosen is not None
    chunks = episode.chosen.chunks
    length = torch.full((len(chunks),), chunks.shape[2], device=chunks.device)
    if held is not None:
        left = (~held.isnan().any(-1)).sum(1)  # (B,)
        length = torch.where(left > 0, left, length)
    episode.planned = length


def _whole(chunks: Tensor, executed: int, now: int, horizon: int) -> Tensor:
    """The chunk (B, H, A) that goes on with `chunks` (B, L, A), of which `executed` steps are done; `now` rows are past."""
    row = torch.arange(horizon, device=chunks.device) + executed - now
    return chunks[:, row.clamp(0, chunks.shape[1] - 1)]


@torch.no_grad()
def hold(self: "DpPlusPolicy", chunk: Tensor) -> None:
    """Take this chunk (B, L, A) for the plan of this thread's episode, from its next step on.

    It is in the dataset's units and begins at the current step, as `candidates` gives it. What was still to be executed is
    forgotten.

    Raises:
        ValueError: the selection holds no plan, or the chunk has another shape or is not finite.
    """
    config = self.config
    if not config.selection.holds:
        name = config.selection.get_choice_name(type(config.selection))
        raise ValueError(f"selection.type = {name} holds no plan; set selection.type=hold_mode")
    legal = config.chunk_length, *config.action_feature.shape  # type: ignore[union-attr]
    if chunk.dim() != 3 or chunk.shape[1:] != legal:
        raise ValueError(f"chunk has shape {tuple(chunk.shape)}; must be (B, {legal[0]}, {legal[1]})")
    if not chunk.isfinite().all():
        raise ValueError("chunk: there is a NaN or an infinity in it")
    units = self._averaged_model.units
    units.check_known()
    device, dtype = sampling_dtype(self._averaged_model)
    plan = units.normalised(ACTION, chunk.to(device, dtype))
    self.drop_queued_actions()
    self.episode.chosen, self.episode.executed = Candidates(plan[:, None]), 0


def release(self: "DpPlusPolicy") -> None:
    """Hold no plan and no mode any longer: the next choice of this thread's episode is free. What is being executed goes on."""
    self.episode.mode = None
    if self.episode.chosen is not None:
        self.episode.planned = self.episode.chosen.chunks.new_zeros(len(self.episode.chosen.chunks), dtype=torch.int64)
