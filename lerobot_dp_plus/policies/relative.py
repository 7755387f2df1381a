"""Actions relative to the state that the robot is in: how far to go, instead of where to.

    a' = a − m·s     s: the newest observed state; m: 1, and 0 for the joints that `relative_exclude_joints` names

It is LeRobot's `use_relative_actions`, with its processor steps. A recording of another place, or of an arm that is mounted
elsewhere, then shows the same motions. All steps of a chunk are relative to one state. LeRobot's steps add the newest one,
whatever step of the chunk is executed, and so would let actions drift. Therefore whatever a policy remembers of its plan moves
with the state (`rebase`): what it gives is always relative to the state that it was shown last.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.policies.rtc import reanchor_relative_rtc_prefix
from lerobot.processor import (
    NormalizerProcessorStep,
    PolicyProcessorPipeline,
    ProcessorStepRegistry,
    RelativeActionsProcessorStep,
)
from lerobot.utils.constants import OBS_STATE
from torch import Tensor

from lerobot_dp_plus.units import ACTION, Units

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
    from lerobot_dp_plus.policies.episode import Episode
    from lerobot_dp_plus.policies.policy import DpPlusPolicy


@ProcessorStepRegistry.register("dp_plus_relative_actions_processor")
@dataclass
class NewestStateProcessorStep(RelativeActionsProcessorStep):
    """LeRobot's step, for windows of states, too: actions are relative to the newest state of a window (B, T_o, D)."""

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        observation = transition.get(TransitionKey.OBSERVATION)
        state = None if observation is None else observation.get(OBS_STATE)
        if observation is None or state is None or state.dim() < 3:
            return super().__call__(transition)
        newest = transition.copy()
        newest[TransitionKey.OBSERVATION] = {**observation, OBS_STATE: state[:, -1]}
        changed = super().__call__(newest).copy()
        changed[TransitionKey.OBSERVATION] = observation
        return changed


def step_of(config: "DpPlusConfig") -> NewestStateProcessorStep:
    """The step that a config asks for."""
    return NewestStateProcessorStep(True, list(config.relative_exclude_joints), config.action_feature_names)


def mask(config: "DpPlusConfig") -> list[bool]:
    """Which actions are relative, (A,)."""
    return step_of(config)._build_mask(config.action_feature.shape[0])  # type: ignore[union-attr]


def moved(units: Units, which: list[bool], before: Tensor, now: Tensor) -> Tensor:
    """What actions that were relative to one normalised state (B, D) gain relative to another, normalised, (B, A)."""
    width = len(which)
    lost = (units.physical(OBS_STATE, before) - units.physical(OBS_STATE, now))[:, :width] * lost_mask(which, now)
    zero = lost.new_zeros(width)
    scale = units.physical(ACTION, zero + 1) - units.physical(ACTION, zero)
    return torch.where(scale == 0, zero, lost / torch.where(scale == 0, 1.0, scale)).to(now.dtype)


def lost_mask(which: list[bool], like: Tensor) -> Tensor:
    """The mask as numbers."""
    return torch.tensor(which, dtype=torch.float32, device=like.device)


def rebase(policy: "DpPlusPolicy", episode: "Episode", batch: Mapping[str, Any]) -> None:
    """Make the plan of an episode relative to the state in a normalised batch; nothing to do where actions are absolute.

    An illegal state is left to whoever takes it in.
    """
    if not policy.config.use_relative_actions or OBS_STATE not in batch:
        return
    state = batch[OBS_STATE]
    newest = state[:, -1] if state.dim() == 3 else state
    if newest.dim() != 2 or not newest.isfinite().all():
        return
    before, episode.anchor = episode.anchor, newest.clone()
    if before is None or before.shape != newest.shape:
        return
    units = policy._averaged_model.units
    units.check_known()
    shift = moved(units, mask(policy.config), before, newest)
    episode.actions = deque(action + shift.to(action) for action in episode.actions)
    episode.plans = [plan + shift.to(plan)[:, None] for plan in episode.plans]
    if episode.chosen is not None:
        chunks = episode.chosen.chunks
        episode.chosen = episode.chosen._replace(chunks=chunks + shift.to(chunks)[:, None, None])


def absolute(config: "DpPlusConfig", units: Units, window: Mapping[str, Tensor], chunks: Tensor) -> Tensor:
    """Normalised chunks (B, N, L, A) for windows (B, T_o, ...) as actions in the dataset's units."""
    physical = units.physical(ACTION, chunks)
    if not config.use_relative_actions:
        return physical
    which = mask(config)
    state = units.physical(OBS_STATE, window[OBS_STATE][:, -1])[:, : len(which)] * lost_mask(which, physical)
    return physical + state[:, None, None]


def anew(preprocess: PolicyProcessorPipeline[Any, Any], actions: Tensor) -> Tensor:
    """Actions (L, A) in the data's units as the policy knows them, of the state that was preprocessed last.

    It is what LeRobot's engine does with the rest of a plan.
    """
    relative = next(each for each in preprocess.steps if isinstance(each, RelativeActionsProcessorStep))
    normalise = next(each for each in preprocess.steps if isinstance(each, NormalizerProcessorStep))
    state = relative.get_cached_state()
    assert state is not None
    return reanchor_relative_rtc_prefix(actions, state, relative, normalise, "cpu")


def check(config: "DpPlusConfig") -> None:
    """Raise a ValueError that names what cannot be used with relative actions, why, and the way out."""
    if not config.use_relative_actions:
        return
    wrong, where = [], "tells of chunks in places, and relative actions are distances"
    for name in ("dynamics", "auxiliary", "refinement", "projection", "augmentation", "selection"):
        part = getattr(config, name)
        kind = part.get_choice_name(type(part))
        if (name, kind) in ILLEGAL:
            wrong.append(f"{name}.type = {kind} {where}")
    if type(config.forward).__name__ != "Identity":
        wrong.append(f"forward.type = {config.forward.get_choice_name(type(config.forward))} {where}")
    wrong += [f"energies.{name}.weight {where}" for name in config.energies.weights]
    if config.action_feature is not None:  # a config that has met its data
        width, states = config.action_feature.shape[0], config.low_dimensional_features
        if OBS_STATE not in states or OBS_STATE in config.estimated_features:
            wrong.append(f"there is no measured {OBS_STATE} to be relative to")
        elif states[OBS_STATE] < width:
            wrong.append(f"{OBS_STATE} has {states[OBS_STATE]} numbers, fewer than the {width} of an action")
    if wrong:
        raise ValueError(
            f"use_relative_actions = true: {'; '.join(wrong)}. Leave that out, or use_relative_actions = false"
        )


#: Members that know places: of an axis, by name.
ILLEGAL = {
    ("dynamics", "outcome"),
    ("auxiliary", "next_state"),
    ("refinement", "gradient"),
    ("projection", "kaczmarz"),
    ("augmentation", "pusht_mirror"),
    ("selection", "ask"),
}
