"""How a person's wish bends the policy: five ways, one switch.

| way | what happens to a wish for a path or a place | obstacles | source |
|---|---|---|---|
| `ranking` | the candidate that comes nearest is taken | those that keep clear come first | ITPS, arXiv 2411.16627 |
| `biased_start` | sampling begins at the wish with noise on it | as `ranking` | ITPS; SDEdit, arXiv 2108.01073 |
| `guided` | every estimate is moved down the energy | the same | ITPS; Chung et al., arXiv 2209.14687 |
| `stochastic` | the same, with Langevin steps between | the same | ITPS; Song et al., arXiv 2011.13456 |
| `projection` | as `guided` if it is a place, else as `ranking` | every candidate is moved out, exactly | `projection/kaczmarz.py` |

Each is built of parts of the policy, which one can also switch on by flags.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.energies import Path
from lerobot_dp_plus.evaluation.arena import AGENT_RADIUS
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.projection import Kaczmarz, NoProjection
from lerobot_dp_plus.samplers import PredictorCorrector
from lerobot_dp_plus.steering.options import WAYS
from lerobot_dp_plus.units import ACTION

RANKING, BIASED_START, GUIDED, STOCHASTIC, PROJECTION = WAYS
#: What the page says of each.
SAID = {
    RANKING: ("Ranking", "Of the drawn candidates the one that comes nearest to the wish is executed."),
    BIASED_START: ("Biased start", "Sampling begins at the wished path with some noise on it, not at pure noise."),
    GUIDED: ("Guided diffusion", "At every denoising step the chunk is moved towards the wish and out of obstacles."),
    STOCHASTIC: (
        "Stochastic sampling",
        "The same, with Langevin steps between, which lead back to what the policy knows; slower.",
    ),
    PROJECTION: ("Projection", "Candidates are moved out of obstacles exactly, and guided only towards a goal."),
}
#: Pixels left free around the agent's disc: by a projection, which is exact, and by what is soft.
EXACT, SOFT = 3.0, 5.0
#: Pixels a step of a way to a goal; demonstrators are seldom faster.
FASTEST = 30.0
#: Where between noise and the wish a biased start begins.
START_TIME = 0.85
#: Langevin steps after each step of the sampler.
CORRECTIONS = 2
GUIDANCE = Gradient(strength=0.5, inner_steps=3)


@dataclass(frozen=True)
class Wish:
    """What a person wants the robot to do next.

    Args:
        actions: from now on, (L, A), in the dataset's units.
        places: where the robot should be at the end of each step, (L, P).
        end: where that leads, (P,).
    """

    actions: Tensor
    places: Tensor
    end: Tensor


def free(way: str) -> float:
    """What is left free around the agent, in pixels."""
    return EXACT if way == PROJECTION else SOFT


def legal(config: Any) -> tuple[str, ...]:
    """The ways that a policy of this config can be bent in."""
    samples = "sampler" in heads.head_of(config.objective).uses
    return WAYS if samples else (RANKING, PROJECTION)


def bent(base: Mapping[str, Any], way: str, wish: Wish | None, obstacles: bool) -> dict[str, Any]:
    """The fields of a config that bend a policy in this way; `base` holds them as they were loaded.

    Args:
        base: `energies`, `guidance`, `projection` and `sampler`.
        obstacles: whether there are any.
    """
    follows = way in (GUIDED, STOCHASTIC)
    keeps = replace(base["energies"].obstacles, weight=1.0, clearance=AGENT_RADIUS + free(way))
    wished = wish is not None and way in (GUIDED, STOCHASTIC, PROJECTION)
    points = tuple(map(tuple, wish.places.tolist())) if wished else ()  # type: ignore[union-attr]
    sampler = base["sampler"]
    return {
        "energies": replace(base["energies"], obstacles=keeps, path=Path(float(wished), points)),
        "guidance": GUIDANCE if wished or (follows and obstacles) else base["guidance"],
        "projection": Kaczmarz() if way == PROJECTION else NoProjection(),
        "sampler": PredictorCorrector(sampler.num_steps, CORRECTIONS) if way == STOCHASTIC else sampler,
    }


def start_of(policy: Any, way: str, wish: Wish | None, last: Tensor) -> Tensor | None:
    """The chunk (1, H, A), normalised, that a biased start begins at; None in other ways, or without a wish.

    last (A,) stands for the actions of the past, in the dataset's units.
    """
    if way != BIASED_START or wish is None:
        return None
    now = policy.config.n_obs_steps - 1
    chunk = torch.cat([last.to(wish.actions).expand(now, -1), wish.actions])
    return policy.model.units.normalised(ACTION, chunk)[None].to(torch.float32)


def straight(here: Tensor, there: Tensor, length: int) -> Tensor:
    """Places (L, 2) on the straight way from `here` to `there`, no faster than `FASTEST`."""
    way = there - here
    share = min(1.0, FASTEST * length / max(float(way.norm()), 1e-6))
    return here + share * torch.linspace(0, 1, length + 1)[1:, None].to(here) * way
