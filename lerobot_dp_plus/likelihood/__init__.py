"""How likely a denoiser finds a chunk, given the observation: log p by the change of variables along the flow.

| part | what it says | source | file |
|---|---|---|---|
| `Likelihood` | log p(chunk) in nats, of any denoiser on any path | arXiv 2011.13456 §4.3 | `flow.py` |
| `Trace` | tr ∂x̂₁/∂x, estimated with random signs, or exact | arXiv 1810.01367 | `trace.py` |

It knows a denoiser and a path, never a network. The head of denoising offers it as `log_prob`.
"""

from lerobot_dp_plus.likelihood.flow import Likelihood
from lerobot_dp_plus.likelihood.trace import Trace

__all__ = ["Likelihood", "Trace"]
