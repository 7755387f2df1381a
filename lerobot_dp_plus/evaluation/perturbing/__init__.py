"""What is made worse for a policy, to see how much of it it bears: `dp-plus evaluate --perturb NAME=LEVEL,LEVEL,…`.

| member | level | what is done | file |
|---|---|---|---|
| `brightness` | factor | pictures times the factor, at most white | `brightness.py` |
| `delay` | d steps | the policy sees what was observed d control steps before | `lateness.py` |
| `dropped_frames` | p | with probability p an observation is lost, and the policy sees the one before again | `lateness.py` |
| `observation_noise` | σ | N(0, σ²) is added to every state, normalised as the policy sees it | `noise.py` |
| `action_noise` | σ | the same to every action, before it is turned into the data's units | `noise.py` |
| `push` | d | the thing of the task is moved by d in a random direction, `@30` before step 30, `@0.02` at random | `pushes.py` |
| `turn` | degrees | the same, turned either way | `pushes.py` |
| `n_action_steps` | T_a | so many steps of a chunk are executed before the policy looks again | `switches.py` |
| `network_calls` | calls | the sampler's steps | `switches.py` |

A perturbation is a frozen dataclass with a `level`; `begin` makes what acts in one batch of episodes. Its random numbers are
its own: those of the policy stay as they are without it. Only `pushes.py` knows that there are environments;
what can be moved in them is known by `environments/moving.py`.
"""

from lerobot_dp_plus.evaluation.perturbing.base import PERTURBATIONS, Perturbation, parsed
from lerobot_dp_plus.evaluation.perturbing.brightness import Brightness
from lerobot_dp_plus.evaluation.perturbing.lateness import Delay, DroppedFrames
from lerobot_dp_plus.evaluation.perturbing.noise import ActionNoise, ObservationNoise
from lerobot_dp_plus.evaluation.perturbing.pushes import Push, Turn
from lerobot_dp_plus.evaluation.perturbing.switches import ActionSteps, NetworkCalls

__all__ = [
    "PERTURBATIONS",
    "ActionNoise",
    "ActionSteps",
    "Brightness",
    "Delay",
    "DroppedFrames",
    "NetworkCalls",
    "ObservationNoise",
    "Perturbation",
    "Push",
    "Turn",
    "parsed",
]
