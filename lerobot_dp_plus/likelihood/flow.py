"""The log-density of chunks along the probability flow."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.likelihood.trace import TRACES, Trace, probes, value_and_trace
from lerobot_dp_plus.notation import Denoiser
from lerobot_dp_plus.paths import Path

#: Variance c of actions that fill [−1, 1] evenly. It enters at `s_max` alone, by some H·A·c/s_max² nats: hundredths.
DATA_VARIANCE = 1 / 3


@dataclass(frozen=True)
class Likelihood:
    """log p(x) = log N(y(s_max); m, (s_max² + c)·I) + ∫ tr(I − ∂D/∂y) dλ,  dy/dλ = y − D(y; s), λ = log s, y(s_min) = x.

    D is the predicted data at y = x_t/α and s = σ/α. In these coordinates every path is the same flow, and it has no
    singular end. Instantaneous change of variables: Chen et al., arXiv 1806.07366; of the probability flow, Song et al.,
    arXiv 2011.13456, eq. 39; coordinates as in EDM, arXiv 2206.00364. At s_max noise hides the data, so that a normal
    density of variance c about their mean m stands for them. D tells m there: y − m = (y − D)·(1 + c/s²).

    What it is the density of: the data x₁ plus noise of standard deviation `s_min` in every action. It is evaluated at
    the chunk itself, all of whose rows count. In nats for a normalised chunk. A density for chunks in the dataset's
    units differs by a constant, H·Σ log(units of one normalised action), so differences between chunks stay.

    `s_min` decides the number, so state it beside every figure. An error of the network's x̂₁ enters as error/s². So
    below some s the network is no score, and there a few chunks get figures that say nothing. On the published PushT
    policy the standard deviation over human chunks is 23 nats at 0.02, 4.6 at 0.05 and 1.8 at 0.1. A larger s_min sees
    less of small disturbances. At a good one, figures with `steps` and with twice as many agree
    (`benchmarks.likelihood`).

    The flow is followed by the exponential two-step rule of `dpmpp_2m` in the other direction. The integral is the
    trapezoidal rule on the same points. Both have order 2, and the first is exact where D does not change. Heun's rule
    for y takes twice as many calls for a larger error, because y grows with s while D settles.
    Cost: steps + 1 network calls, each with one backward pass. The exact trace takes H·A of these in one batch.

    Attributes:
        s_min, s_max: the ratio σ/α where the chunk lies, and where its noise hides the data.
        steps: of λ, evenly spaced.
        trace: "hutchinson" estimates it with random signs, "exact" computes it.
        probes: vectors of signs for each step, in an estimate. Steps have signs of their own, whose errors cancel in
            part. All chunks share the signs. They shift all figures alike, by tenths of a nat.
        seed: of the signs.
    """

    s_min: float = 0.05
    s_max: float = 50.0
    steps: int = 16
    trace: Trace = field(default="hutchinson", metadata={"choices": TRACES})
    probes: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.s_min < self.s_max < math.inf:
            raise ValueError(
                f"likelihood.s_min = {self.s_min}, likelihood.s_max = {self.s_max}: must be 0 < s_min < s_max, and finite"
            )
        at_least("likelihood", self, steps=1)
        if self.trace not in TRACES:
            raise ValueError(f"likelihood.trace = {self.trace!r}: legal are {', '.join(TRACES)}")
        at_least("likelihood", self, probes=1)

    def check(self, path: Path) -> None:
        """Raise a ValueError, naming the field and what is legal, if the path does not reach so much noise."""
        start = torch.zeros(1, dtype=torch.float64)
        reach = (path.sigma(start) / path.alpha(start)).item()
        if self.s_max > reach:
            raise ValueError(
                f"likelihood.s_max = {self.s_max}: the path's largest σ/α is {reach:.4g}, so at most that is legal; "
                "below 10 the density far from the data is a guess"
            )

    def log_prob(self, denoise: Denoiser, path: Path, chunks: Tensor) -> Tensor:
        """Log-density (M,) of chunks (M, H, A), in their type; see the class for its meaning.

        Works in every gradient or inference mode of torch, and gives no gradient. What `denoise` holds must not be
        inference tensors, because it is differentiated. It must not clip the data.

        Raises:
            ValueError: see `check`.
        """
        self.check(path)
        with torch.inference_mode(False), torch.no_grad():
            y = chunks.detach().clone()
            size, step = y[0].numel(), math.log(self.s_max / self.s_min) / self.steps
            ratios = self.s_min * torch.exp(step * torch.arange(self.steps + 1, dtype=torch.float64))
            times = path.time_at(ratios).to(y.dtype).to(y.device)
            signs = probes(len(times), self.probes, y, self.seed) if self.trace == "hutchinson" else [None] * len(times)
            growth, total, before = math.exp(step), y.new_zeros(len(y)), None
            for level, (time, vectors) in enumerate(zip(times, signs, strict=True)):

                def data_at(y: Tensor, time: Tensor = time) -> Tensor:
                    return denoise(path.alpha(time) * y, time.expand(len(y))).x1

                data, trace = value_and_trace(data_at, y, vectors)
                last = level == self.steps
                total += (0.5 if level == 0 or last else 1.0) * step * (size - trace)
                if not last:
                    ahead = data if before is None else data + 0.5 * (data - before)  # in the middle of the step
                    y, before = growth * y - (growth - 1) * ahead, data
            variance = self.s_max**2 + DATA_VARIANCE
            squares = (y - data).square().flatten(1).sum(1) * variance / self.s_max**4
            return total - 0.5 * (squares + size * math.log(2 * math.pi * variance))
