"""How long a chunk is if no length is given: a span of seconds, in steps of the data's rate.

    horizon = 1.6 s, n_action_steps = half of it, observation_stride = 0.1 s

At PushT's 10 frames a second that is Diffusion Policy's 16, 8 and 1 (arXiv 2303.04137, table of hyperparameters); at
ALOHA's 50 it is 80, 40 and 5. If a chunk had sixteen steps at every rate, it would be a third of a second there.
"""

from typing import TYPE_CHECKING, Any

#: Seconds that a chunk spans, and seconds from one observation to the next.
CHUNK_SECONDS, OBSERVATION_SECONDS = 1.6, 0.1
#: Frames a second that are assumed where there are no data: PushT's.
USUAL_RATE = 10.0
#: Fields of a config that follow the rate unless they are given.
FOLLOWING = ("horizon", "n_action_steps", "observation_stride")

# Such a field may be given as null. It is a number once the config is made.
if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

    Following = int
else:
    Following = int | None
#: Not given. It is typed here, because help would show a type comment on a field's own line.
BY_RATE: Any = None


def steps_at(
    fps: float | None, stride: int, n_obs_steps: int, multiple: int, horizon: int | None = None
) -> dict[str, int]:
    """The fields of `FOLLOWING` for data of `fps` frames a second, `USUAL_RATE` if None, of which every `stride`-th is a step.

    `multiple` is what a horizon must be a multiple of; `horizon` is the one that is given, if one is.
    """
    rate = (fps or USUAL_RATE) / max(stride, 1)
    horizon = chunk_steps(rate, multiple) if horizon is None else horizon
    return {
        "horizon": horizon,
        "n_action_steps": executed_steps(horizon, n_obs_steps),
        "observation_stride": steps_between_observations(rate),
    }


def chunk_steps(rate: float, multiple: int = 1) -> int:
    """Steps of a chunk at `rate` steps a second: the nearest multiple of `multiple`, at least one."""
    return max(1, round(CHUNK_SECONDS * rate / multiple)) * multiple


def executed_steps(horizon: int, n_obs_steps: int) -> int:
    """Half of a chunk of `horizon` steps, of which the first n_obs_steps − 1 lie in the past."""
    return max(1, min(horizon // 2, horizon - n_obs_steps + 1))


def steps_between_observations(rate: float) -> int:
    """Steps from one observation to the next at `rate` steps a second, at least one."""
    return max(1, round(OBSERVATION_SECONDS * rate))


def left_out(config: "DpPlusConfig") -> int:
    """Frames at an episode's end that are not trained on: of their chunk, fewer actions are real than LeRobot asks for.

    A policy that is trained to be late, by `max_delay`, leaves out no frame. It plans long and executes little, so the rule
    would cost it the last seconds of every episode, where precision counts. Padding has no part in its loss.
    """
    if config.max_delay and config.mask_padded_actions:
        return 0
    return config.stride * (config.chunk_length - config.n_action_steps)
