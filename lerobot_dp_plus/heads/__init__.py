"""What a network's output means: how it is trained, and how chunks are drawn with it.

| head | objectives | chunks | file |
|---|---|---|---|
| `denoising` | `diffusion`, `flow_matching`, `shortcut` | noise carried to data by a sampler, bent by guidance | `denoising.py` |
| `regression` | `regression` | one call, always the same | `regression.py` |
| `mixture_density` | `mixture_density` | one call: a component of a Gaussian mixture | `mixture_density.py` |
| `implicit` | `implicit` | found where a learned energy is low | `implicit.py`, `contrasting.py`, `search.py` |
| `discretised` | `discretised` | one call: a bin of chunks and an offset | `discretised.py` |

`objective.type` selects both: an objective names its head. A head puts network, objective, sampler and guidance together,
and checks that they fit. Its `build` makes the network that it needs. `at_once.py` asks a network once. `compiled.py` makes
one graph of what proposes chunks. `showing.py` shows the network what is decided, for real-time chunking.
"""

from lerobot_dp_plus.guidance import Guidance
from lerobot_dp_plus.heads.base import ElementwiseHead, Given, Head, Plan, decided, mean_error
from lerobot_dp_plus.heads.contrasting import Contrast, Near, Uniform
from lerobot_dp_plus.heads.denoising import Denoising
from lerobot_dp_plus.heads.discretised import Discretised, DiscretisedHead
from lerobot_dp_plus.heads.implicit import Implicit, ImplicitHead
from lerobot_dp_plus.heads.mixture_density import MixtureDensity, MixtureDensityHead
from lerobot_dp_plus.heads.regression import Regression, RegressionHead
from lerobot_dp_plus.heads.search import DerivativeFree, Langevin, Search, Smooth
from lerobot_dp_plus.notation import Network
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.samplers import Sampler

#: The heads by the name that objectives have for them.
HEADS: dict[str, type[Head]] = {
    "denoising": Denoising,
    "regression": RegressionHead,
    "mixture_density": MixtureDensityHead,
    "implicit": ImplicitHead,
    "discretised": DiscretisedHead,
}

#: Fields of a policy's config that some head uses.
USED = frozenset().union(*(head.uses for head in HEADS.values()))


def head_of(objective: Objective) -> type[Head]:
    """The head that an objective belongs to."""
    return HEADS[objective.head]


def make(network: Network, objective: Objective, sampler: Sampler, guidance: Guidance) -> Head:
    """The head of `objective` over a network."""
    return head_of(objective)(network, objective, sampler, guidance)


__all__ = [
    "HEADS",
    "USED",
    "Contrast",
    "Denoising",
    "DerivativeFree",
    "Discretised",
    "DiscretisedHead",
    "ElementwiseHead",
    "Given",
    "Head",
    "Implicit",
    "ImplicitHead",
    "Langevin",
    "MixtureDensity",
    "MixtureDensityHead",
    "Near",
    "Plan",
    "Regression",
    "RegressionHead",
    "Search",
    "Smooth",
    "Uniform",
    "decided",
    "head_of",
    "make",
    "mean_error",
]
