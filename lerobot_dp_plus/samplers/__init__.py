"""How noise becomes a chunk: n steps on a grid of times that suits the path. The last step goes to the predicted data.

| member | update | order | calls | source | file |
|---|---|---|---|---|---|
| `ancestral` | sample q(x_u given x_t, x₁) | stochastic | n | DDPM, arXiv 2006.11239 eq. 7 | `ancestral.py` |
| `ddim` | x_u = α_u·x₁ + σ_u·x₀ | 1 | n | DDIM, arXiv 2010.02502 eq. 12, η = 0 | `ddim.py` |
| `euler` | x_u = x_t + (u − t)·v where the path is straight: `ddim` | 1 | n | | `euler.py` |
| `heun` | trapezoidal rule on v where the path is straight | 2 | 2n − 1 | EDM, arXiv 2206.00364 alg. 1 | `heun.py` |
| `dpmpp_2m` | exponential two-step in λ = log α/σ | 2 | n | DPM-Solver++, arXiv 2211.01095 alg. 2 | `dpmpp_2m.py` |
| `jump` | x_u = α_u·x₁ + σ_u·x₀ with the ends of a learned chord to x_u | that of the map | n | arXiv 2410.12557 | `jump.py` |
| `predictor_corrector` | `ddim`, then x ← x − h·x₀/σ + √(2h)·noise | stochastic | (n − 1)(1 + m) + 1 | arXiv 2011.13456 alg. 1 | `predictor_corrector.py` |
| `langevin` | x ← x − h·x₀/σ + √(2h)·noise at each level of noise | stochastic | (n − 1)·m + 1 | arXiv 1907.05600 alg. 1 | `langevin.py` |
| `ancestral_leading` | that of `ancestral` on the grid of diffusers | stochastic | n | arXiv 2006.11239 eq. 7 | `leading.py` |
| `ddim_leading` | that of `ddim`, x₀ untouched by clipping, on the grid of diffusers | 1 | n | arXiv 2010.02502 eq. 12 | `leading.py` |

`jump` needs an objective that gives a flow map (`shortcut`). The others can use it too, as a plain denoiser.
"""

from lerobot_dp_plus.samplers.ancestral import Ancestral
from lerobot_dp_plus.samplers.base import ReverseSampler, Sampler
from lerobot_dp_plus.samplers.ddim import DDIM
from lerobot_dp_plus.samplers.dpmpp_2m import DPMpp2M
from lerobot_dp_plus.samplers.euler import Euler
from lerobot_dp_plus.samplers.heun import Heun
from lerobot_dp_plus.samplers.jump import Jump
from lerobot_dp_plus.samplers.langevin import Langevin
from lerobot_dp_plus.samplers.leading import AncestralLeading, DDIMLeading
from lerobot_dp_plus.samplers.predictor_corrector import PredictorCorrector

__all__ = [
    "DDIM",
    "Ancestral",
    "AncestralLeading",
    "DDIMLeading",
    "DPMpp2M",
    "Euler",
    "Heun",
    "Jump",
    "Langevin",
    "PredictorCorrector",
    "ReverseSampler",
    "Sampler",
]
