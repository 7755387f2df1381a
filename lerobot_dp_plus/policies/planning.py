"""The next chunk of an episode: proposed, chosen and remembered; and what of it is executed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import asking, candidates, keeping, relative
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.episode import Episode, Replan
from lerobot_dp_plus.policies.holding import held_for, judged, remember, with_plan
from lerobot_dp_plus.policies.narrowing import among, shown, told_apart
from lerobot_dp_plus.policies.real_time import Ongoing, with_ongoing
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.policies.settling import VIOLATION
from lerobot_dp_plus.refinement import CHOSEN
from lerobot_dp_plus.units import ACTION, Units

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy


def see(policy: "DpPlusPolicy", batch: Mapping[str, Any], steps_since_last: int | None) -> None:
    """Take in the frame of this control step; see `ObservationHistory.see`."""
    relative.rebase(policy, policy.episode, batch)
    policy.episode.history.see(batch, steps_since_last)


def next_chunk(
    policy: "DpPlusPolicy", episode: Episode, noise: Tensor | None, executed: int, ongoing: Ongoing | None = None
) -> Tensor:
    """The chosen chunk (B, L, A) for what the episode has observed. The episode remembers how it came about.

    `executed` steps have been done since the chunk before. `ongoing` is the plan that goes on while this is computed; None if
    the robot waits.
    """
    config, selection = policy.config, policy.config.selection
    now = config.n_obs_steps - 1
    seen: Mapping[str, Tensor] = episode.history.window()
    window = seen
    if config.energies.weights:
        window = candidates.with_last_action(seen, episode.chosen, executed)
    steps, reach = None, config.n_action_steps
    if ongoing is not None:
        window, steps, reach = with_ongoing(config, window, ongoing), ongoing.reach, ongoing.reach
    if selection.holds:
        steps = held_for(policy, executed, reach)
    recipe = Recipe.of(config, selection.energies, executed=steps)
    proposed = policy._candidates(recipe, window, noise, selection.candidates)
    tail = held = candidates.unexecuted(episode.chosen, len(proposed.chunks), executed)
    drawn, former = proposed.from_step(now), episode.replan
    if selection.holds:
        proposed, held = with_plan(policy, window, proposed, executed, steps, reach)
    ahead = proposed.from_step(now)
    if selection.contrast:
        ahead = policy._contrast.told(ahead, policy, seen)
    numbers = shown(ahead)
    if selection.needs_modes or config.modes.keeps:
        ahead = told_apart(
            ahead, config.modes, policy._averaged_model.units, keeping.scene_of(policy, seen, config.modes)
        )
        proposed = proposed._replace(mode=ahead.mode)
        numbers = keeping.narrowed(episode, config, ahead, numbers, seen)
    numbers = asking.decided(policy, ahead, numbers, held, seen)
    if episode.chosen is None or former is None or len(former.chosen.chunks) != len(ahead.chunks):
        before = None  # what was planned then was not executed, or in another batch
    else:
        before = replace(former, before=None)
    index = numbers.gather(1, selection.choose(among(ahead, numbers), held)[:, None])[:, 0]
    episode.chosen = refined(policy, window, proposed.at(index)).from_step(now)
    if config.modes.keeps:
        keeping.keep(episode, proposed, index, seen)
    if selection.holds:
        remember(episode, held)
    episode.executed = episode.executed or config.n_action_steps  # a plan that was given is one no longer new
    # Whoever watches how candidates agree with the plan must not see the plan among them.
    watched = drawn if ahead.chunks.shape[1] > selection.candidates else ahead
    episode.replan = Replan(seen, watched, episode.chosen, executed, tail, before)
    return episode.chosen.chunks[:, 0]


def refined(policy: "DpPlusPolicy", window: Mapping[str, Tensor], chosen: Candidates) -> Candidates:
    """The chosen chunks (B, 1, H, A), refined if the config says so of them, with the energies that they have then."""
    if policy.config.refinement.place != CHOSEN:
        return chosen
    asked = tuple(name for name in chosen.energies if name != VIOLATION)
    return judged(policy, asked, window, chosen, CHOSEN)


def refill(policy: "DpPlusPolicy", episode: Episode, noise: Tensor | None) -> None:
    """Put the steps of a new chunk that are to be executed into the episode's queue."""
    units = policy._averaged_model.units
    chunk = blended(policy.config, episode, next_chunk(policy, episode, noise, episode.executed), units)
    episode.executed = steps_to_execute(policy.config, episode, units)
    episode.actions.extend(chunk[:, : episode.executed].unbind(1))


def blended(config: DpPlusConfig, episode: Episode, chunk: Tensor, units: Units) -> Tensor:
    """What is executed of the newest chosen chunk (B, L, A) and those before it. The episode remembers it as its plan.

    Raises:
        ValueError: chunks must be compared in the dataset's units, which this policy does not know.
    """
    execution, executed = config.execution, episode.executed
    if execution.keeps == 1:
        return chunk
    former = [plan[:, executed:] for plan in episode.plans if len(plan) == len(chunk) and executed < plan.shape[1]]
    plans = [*former, chunk]
    episode.plans = plans if execution.keeps is None else plans[-execution.keeps :]

    def physical(actions: Tensor) -> Tensor:
        units.check_known()
        return units.physical(ACTION, actions)

    chunk = execution.blend(episode.plans, physical)
    assert episode.chosen is not None and episode.replan is not None
    episode.chosen = episode.chosen._replace(chunks=chunk[:, None])
    episode.replan = replace(episode.replan, chosen=episode.chosen)
    return chunk


def steps_to_execute(config: DpPlusConfig, episode: Episode, units: Units) -> int:
    """How many steps of the episode's chosen chunk are executed before the next one.

    Raises:
        ValueError: candidates must be compared in the dataset's units, which this policy does not know.
    """
    replan = episode.replan
    assert replan is not None
    chunks, chosen = replan.proposed.chunks, replan.chosen.chunks
    if config.execution.compares:
        units.check_known()
        chunks, chosen = (units.physical(ACTION, each) for each in (chunks, chosen))
    return config.execution.count(chunks, chosen[:, 0], config.n_action_steps)
