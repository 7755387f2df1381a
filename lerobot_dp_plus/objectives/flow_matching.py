"""Conditional flow matching."""

from dataclasses import dataclass, field

from lerobot_dp_plus.objectives.base import DenoisingObjective, Objective, check_clip_range, check_flow_prediction
from lerobot_dp_plus.objectives.times import BetaTimes, TimeDensity
from lerobot_dp_plus.paths import FLOW_PARAMETRISATIONS, Parametrisation, Path, StraightPath


@Objective.register_subclass("flow_matching")
@dataclass(frozen=True)
class FlowMatching(DenoisingObjective):
    """L = E‖net(x_t, t) − target‖², target v = x₁ − x₀ or x₁, x_t = t·x₁ + (1 − t)·x₀.

    Lipman et al., arXiv 2210.02747, eq. 23 with σ_min = 0; times as in π0, arXiv 2410.24164. Their clocks agree with
    ours. Write-ups of π0 that state the target as ε − A have the sign of the opposite clock. A network that predicts x₁
    gives the same flow, v = (x̂₁ − x_t)/(1 − t) (Li & He, arXiv 2511.13720). It need not carry the noise to its output.
    Cost: one network call per loss.
    """

    prediction: Parametrisation = field(default="x1", metadata={"choices": FLOW_PARAMETRISATIONS})
    times: TimeDensity = field(default_factory=BetaTimes)
    clip_range: float | None = None

    def __post_init__(self) -> None:
        check_flow_prediction("flow_matching", self.prediction)
        check_clip_range(self.clip_range)

    @property
    def sampling_path(self) -> Path:
        return StraightPath()
