"""Real-time chunking behind LeRobot's interface: a chunk is drawn while the plan before is executed.

LeRobot's engine (`lerobot-rollout --inference.type=rtc`) asks `supports_rtc`, calls `init_rtc_processor` once, and then
`predict_action_chunk(batch, inference_delay=d, prev_chunk_left_over=rest)` for every chunk. Three things it does not say are
found out here:

- How many steps were executed since the call before. The rest is looked up in the chunk that was given then. So frames of
  the history have their true age, and the steps just executed are known.
- Which rows of the rest are real. The engine pads it with zeros, which are actions in the middle of the data's range.
- How long computing really takes. Its delay is the longest ever seen, but none is longer than the steps just executed.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from lerobot.configs import RTCAttentionSchedule
from lerobot.policies.rtc.configuration_rtc import RTCConfig
from torch import Tensor

from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import continuing, relative
from lerobot_dp_plus.policies.episode import Episode
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.policies.settling import tell_once
from lerobot_dp_plus.real_time import Guided, RealTime, Trained

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

logger = logging.getLogger(__name__)
#: A rest is part of a plan if they differ by no more than this, normalised.
SAME = 1e-4
#: What the engine's schedules are here.
OF_SCHEDULES: dict[RTCAttentionSchedule, dict[str, Any]] = {
    RTCAttentionSchedule.EXP: {"schedule": "exponential"},
    RTCAttentionSchedule.LINEAR: {"schedule": "linear"},
    RTCAttentionSchedule.ONES: {"schedule": "ones"},
    RTCAttentionSchedule.ZEROS: {"overlap": 0},
}


class Ongoing(NamedTuple):
    """A plan that is executed while the next chunk is computed.

    Args:
        ahead: what it says from the current step on, (B, L, A), normalised.
        past: what it said of the T_o − 1 steps before, (B, T_o − 1, A); NaN where that is not known.
        delay: after how many steps the next chunk takes over.
        reach: for how many steps from now on what is planned now will be executed, as far as anybody can tell.
    """

    ahead: Tensor
    past: Tensor
    delay: int
    reach: int


def supports_rtc(self: "DpPlusPolicy") -> bool:
    """LeRobot's engine asks this before it uses a policy in real time."""
    return True


@torch.no_grad()
def init_rtc_processor(self: "DpPlusPolicy") -> None:
    """LeRobot's engine calls this before the robot moves: heed its settings, and draw chunks of nothing.

    The first call of a policy loads and compiles what later calls find, and the engine never forgets its slowest call. The
    episode and torch's random numbers stay as they are.

    Raises:
        ValueError: the engine's settings ask for what this policy was not trained for.
    """
    config = self.config
    settings = getattr(config, "rtc_config", None)
    if settings is not None:
        config.real_time = heeded(config, settings)
    weight = next(self.model.parameters())
    nothing = {
        key: weight.new_zeros((1, config.n_obs_steps, *shape)) for key, shape in config.observed_features.items()
    }
    if config.spoken_features:
        said = config.words.ids([""])
        nothing |= {key: value.to(weight.device) for key, value in zip(config.spoken_features, said, strict=True)}
    with torch.random.fork_rng():
        chunk = self.propose(nothing, energies=()).chunks[:, 0, config.n_obs_steps - 1 :]
        plan = Ongoing(chunk, chunk.new_full((1, config.n_obs_steps - 1, chunk.shape[2]), torch.nan), 1, 1)
        recipe = Recipe.of(config, config.selection.energies)
        self._candidates(recipe, with_ongoing(config, nothing, plan), None, config.selection.candidates)


def heeded(config: "DpPlusConfig", settings: RTCConfig) -> RealTime:
    """The config's `real_time`, changed by what the engine's settings say otherwise than by default.

    Raises:
        ValueError: they ask for a policy that was trained for delays, and this one was not.
    """
    usual, how = RTCConfig(), config.real_time.chosen(config.max_delay)
    mode = str(getattr(settings, "mode", "")).lower()  # of a newer LeRobot
    if mode.endswith("trained") and not config.max_delay:
        raise ValueError(
            "inference.rtc.mode = trained: this policy has max_delay = 0, so it was not trained to be shown what is "
            "decided; train one with --policy.max_delay=4, or use mode = guided"
        )
    if settings.execution_horizon != usual.execution_horizon:
        logger.warning(
            "inference.rtc.execution_horizon = %s changes nothing: how far a new chunk is held to the plan is said by "
            "--policy.real_time.overlap",
            settings.execution_horizon,
        )
    if not isinstance(how, Guided):
        return config.real_time
    if settings.max_guidance_weight != usual.max_guidance_weight:
        how = replace(how, weight=settings.max_guidance_weight)
    schedule = settings.prefix_attention_schedule
    if schedule != usual.prefix_attention_schedule:
        how = replace(how, **OF_SCHEDULES[schedule])
    return config.real_time if how == config.real_time.chosen(config.max_delay) else how


def observe(
    policy: "DpPlusPolicy",
    episode: Episode,
    batch: Mapping[str, Tensor],
    steps_since_last: int | None,
    inference_delay: Any,
    rest: Tensor | None,
) -> tuple[Ongoing | None, int | None]:
    """Take in an observation while a plan is executed; the plan, if there is one, and the steps since the chunk before.

    The episode's plan becomes the one that is really executed.

    Args:
        policy, episode: who plans, and what is remembered.
        batch: the observation, as for `ObservationHistory.glance`.
        steps_since_last: how many steps were executed, if the caller knows.
        inference_delay: after how many steps the new chunk will take over.
        rest: what is left of the plan, (L, A) or (B, L, A), normalised, perhaps with rows of zeros after it.

    Raises:
        ValueError: a delay that is no number of steps, a rest of another shape or not finite, or chunks that are too short
            for the delay.
    """
    config = policy.config
    delay = _checked_delay(inference_delay)
    settings = getattr(config, "rtc_config", None)
    if settings is not None and not settings.enabled:
        rest = None  # the engine executes its plan to the end, and then this chunk
    width = config.action_feature.shape[0]  # type: ignore[union-attr]
    relative.rebase(policy, episode, batch)
    before = episode.chosen
    executed, ahead = steps_since_last, None
    if rest is not None:
        ahead = _checked_rest(rest, width)
        plan = None if before is None else before.chunks[:, 0].to(ahead)
        found = None if plan is None or len(plan) != len(ahead) else looked_up(plan, ahead)
        if found is not None and plan is not None:
            executed, ahead = found if executed is None else executed, plan[:, found:]
        else:
            ahead = without_padding(ahead)
            before = episode.chosen = None
    episode.history.glance(batch, executed)
    if ahead is not None and len(ahead) != (rows := len(next(iter(episode.history.window().values())))):
        raise ValueError(f"prev_chunk_left_over is of {len(ahead)} robots, and the observation of {rows}")
    if ahead is None or not ahead.shape[1]:
        return None, executed
    if executed is not None:
        delay = min(delay, executed)  # the engine never forgets its slowest call
    if 2 * delay > config.chunk_length:
        raise ValueError(
            f"inference_delay = {delay}: chunks of {config.chunk_length} steps are too short, as {delay} steps are over when "
            f"one is ready and as many more when the next is. Train with --policy.horizon={2 * delay + config.n_obs_steps - 1} "
            "or more, or compute less: fewer sampler.num_steps, fewer candidates (`dp-plus budget` measures)"
        )
    if delay > config.max_delay > 0 and isinstance(config.real_time.chosen(config.max_delay), Trained):
        tell_once(
            f"inference_delay = {delay} is more than max_delay = {config.max_delay}, which this policy was trained with; "
            "its chunks may not go on well"
        )
    # Energies tell where a chunk leads until the next takes over. A compiled graph is for one such number.
    until = config.n_action_steps if config.compile_sampler else delay + (executed or config.n_action_steps)
    reach = min(until, config.chunk_length)
    ongoing = Ongoing(ahead, _past(before, executed, ahead, config.n_obs_steps - 1), delay, reach)
    if before is None:
        episode.chosen = Candidates(ahead[:, None])
        return ongoing, 0
    return ongoing, executed


def with_ongoing(config: "DpPlusConfig", window: Mapping[str, Tensor], plan: Ongoing) -> Mapping[str, Tensor]:
    """The window, with what is known of the plan that is being executed."""
    how = config.real_time.chosen(config.max_delay)
    return continuing.with_plan(how, window, plan.past, plan.ahead, plan.delay, config.horizon)


def looked_up(plan: Tensor, rest: Tensor) -> int | None:
    """At which step of a plan (B, L, A) the rest (B, R, A) of it begins, zeros after it aside; None if at none.

    The rest may be cut. If several steps fit, as where the robot is to stay, the one after which exactly the rest is left
    comes first, then the earliest.
    """
    length, rows = plan.shape[1], rest.shape[1]

    def fits(step: int) -> bool:
        count = min(rows, length - step)
        same = torch.allclose(plan[:, step : step + count], rest[:, :count], rtol=0, atol=SAME)
        return same and not rest[:, count:].any()

    exact = [length - rows] if rows <= length else []
    return next((step for step in (*exact, *range(length + 1)) if fits(step)), None)


def without_padding(rest: Tensor) -> Tensor:
    """The rest (B, R, A) of a plan without the rows of zeros after it."""
    real = rest.ne(0).any(-1).any(0).nonzero()
    return rest[:, : int(real.max()) + 1] if len(real) else rest[:, :0]


def _past(before: Candidates | None, executed: int | None, ahead: Tensor, count: int) -> Tensor:
    """The `count` actions executed last, (B, count, A), NaN where they are not known."""
    batch, _, width = ahead.shape
    unknown = ahead.new_full((batch, count, width), torch.nan)
    if before is None or executed is None:
        return unknown
    done = before.chunks[:, 0, :executed].to(ahead)
    return torch.cat([unknown, done], 1)[:, -count:] if count else unknown


def _checked_delay(delay: Any) -> int:
    if delay is None:
        return 0
    if isinstance(delay, bool) or not isinstance(delay, int) or delay < 0:
        raise ValueError(f"inference_delay = {delay!r}: must be 0 or more control steps")
    return delay


def _checked_rest(rest: Tensor, width: int) -> Tensor:
    rest = torch.as_tensor(rest)
    whole = rest[None] if rest.dim() == 2 else rest
    if whole.dim() != 3 or whole.shape[2] != width:
        raise ValueError(
            f"prev_chunk_left_over has shape {tuple(rest.shape)}; must be (L, {width}) or (B, L, {width}): what is left of the "
            "chunk before, normalised"
        )
    if not whole.isfinite().all():
        raise ValueError("prev_chunk_left_over: there is a NaN or an infinity in it")
    return whole
