"""A mixture of Gaussians over chunks, said in one call."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Unpack

import torch
from torch import Tensor
from torch.distributions import Normal

from lerobot_dp_plus.heads.at_once import at_once, given_at_once
from lerobot_dp_plus.heads.base import NOTHING, Given, Head, decided
from lerobot_dp_plus.legal import at_least, positive
from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.networks import NetworkConfig, Shape, Widened
from lerobot_dp_plus.notation import Candidates, Condition, Network
from lerobot_dp_plus.objectives import Objective

#: Standard deviation of the chunks that are drawn with low noise, normalised (robomimic's).
LOW = 1e-4


@Objective.register_subclass("mixture_density")
@dataclass(frozen=True)
class MixtureDensity(Objective):
    """L = −log p(a | o),  p(a | o) = Σ_k π_k(o) ∏_{h,d} N(a_hd; μ_khd(o), σ_khd(o)²).

    A mixture density network (Bishop 1994), as in the LSTM-GMM of robomimic, Mandlekar et al., arXiv 2108.03298, with its
    σ = softplus(·) + least. There is one mixture for each action there. Here one component is a whole chunk: steps that chose
    their components by themselves would mix two ways. With `horizon` = 1 both are the same. Means are not squashed by tanh.
    """

    head: ClassVar[str] = "mixture_density"

    # Components of the mixture.
    num_modes: int = 5
    # Least standard deviation of an action, normalised.
    min_std: float = 1e-4
    # Whether chunks are the means of components with next to no noise, and not draws of the whole density.
    low_noise: bool = True

    def __post_init__(self) -> None:
        at_least("objective", self, num_modes=1)
        positive("objective", self, "min_std")


class Mixture(NamedTuple):
    """Densities of B chunks: log_weights (B, K), means and standard deviations (B, K, H, A)."""

    log_weights: Tensor
    means: Tensor
    stds: Tensor

    def of_components(self, chunks: Tensor, counted: Tensor) -> Tensor:
        """log N_k of chunks (B, N, H, A), over the numbers `counted`, bool, 1 where it broadcasts: (B, N, K).

        What does not count is integrated out. It may be anything, also NaN.
        """
        known = chunks.where(counted, 0.0)[:, :, None]
        each = Normal(self.means[:, None], self.stds[:, None], validate_args=False).log_prob(known)
        return (each * counted[:, :, None]).sum((3, 4))

    def log_prob(self, chunks: Tensor, counted: Tensor) -> Tensor:
        """log p of chunks (B, N, H, A) over what is counted, (B, N)."""
        return (self.log_weights[:, None] + self.of_components(chunks, counted)).logsumexp(2)


@dataclass(frozen=True, eq=False)
class MixtureDensityHead(Head):
    """The network says weights, means and standard deviations; a chunk is drawn from a component that is drawn by weight.

    What is decided of a chunk changes the weights: each is multiplied by how likely its component finds that, which is exact,
    as numbers are independent within a component. Cost: one network call for all candidates.
    """

    stochastic: ClassVar[bool] = True

    objective: MixtureDensity

    @classmethod
    def build(cls, objective: Objective, config: NetworkConfig, **shape: Unpack[Shape]) -> Network:
        """For each step and component a weight, A means and A standard deviations. Means start apart."""
        assert isinstance(objective, MixtureDensity)
        horizon, action_dim = shape["horizon"], shape["action_dim"]
        bias = torch.zeros(horizon, objective.num_modes, 1 + 2 * action_dim)
        bias[..., 1 : 1 + action_dim] = torch.rand(objective.num_modes, action_dim) - 0.5  # the same in every step
        return Widened(config, bias.flatten(1), shape["observation"])

    def _mixture(self, said: Tensor, action_dim: int) -> Mixture:
        """What the network's output (B, H, K·(1 + 2A)) means."""
        said = said.to(torch.promote_types(said.dtype, torch.float32))
        each = said.unflatten(2, (self.objective.num_modes, 1 + 2 * action_dim)).transpose(1, 2)  # (B, K, H, 1 + 2A)
        logits, means, spread = each.split((1, action_dim, action_dim), 3)
        stds = torch.nn.functional.softplus(spread) + self.objective.min_std
        return Mixture(logits.mean((2, 3)).log_softmax(1), means, stds)

    def loss(self, condition: Condition, chunk: Tensor, valid: Tensor, shown: Tensor | None = None) -> Tensor:
        """−log p in nats, divided by the numbers that count; steps that do not are integrated out."""
        counted = valid if shown is None else valid & ~shown
        mixture = self._mixture(at_once(self.network, condition, chunk, shown), chunk.shape[2])
        surprise = -mixture.log_prob(chunk[:, None], counted[:, None, :, None])[:, 0]
        return surprise / (counted.sum(1) * chunk.shape[2]).clamp_min(1)

    def propose(self, condition: Condition, noise: Tensor, given: Given = NOTHING) -> Candidates:
        mixture = self._mixture(given_at_once(self.network, condition, noise, given), noise.shape[3])
        log_weights = mixture.log_weights[:, None].expand(*noise.shape[:2], -1)
        if given.fixed is not None:
            log_weights = log_weights + mixture.of_components(given.fixed, ~given.fixed.isnan())
        weights = log_weights.softmax(2).flatten(0, 1)
        drawn = torch.multinomial(weights, 1, generator=given.generator).view(noise.shape[:2])  # (B, N)
        rows = torch.arange(len(noise), device=noise.device)[:, None]
        stds = mixture.stds[rows, drawn]
        chunks = mixture.means[rows, drawn] + noise * (torch.full_like(stds, LOW) if self.objective.low_noise else stds)
        chunks = chunks.to(noise.dtype)
        return Candidates(chunks if given.fixed is None else decided(given.fixed, chunks), noise=noise)

    def log_prob(self, condition: Condition, chunks: Tensor, likelihood: Likelihood) -> Tensor:
        """log p in closed form; nothing of `likelihood` is needed. Chunks with low noise are judged by the whole density too."""
        mixture = self._mixture(at_once(self.network, condition, chunks[:, 0]), chunks.shape[3])
        return mixture.log_prob(chunks, torch.ones_like(chunks, dtype=torch.bool)).to(chunks.dtype)

    def imitation(self, condition: Condition, chunks: Tensor, draws: int = 8, valid: Tensor | None = None) -> Tensor:
        """−log p, divided by the numbers that count. Cost: one network call."""
        counted = torch.ones_like(chunks[:, 0, :, 0], dtype=torch.bool) if valid is None else valid
        mixture = self._mixture(at_once(self.network, condition, chunks[:, 0]), chunks.shape[3])
        surprise = -mixture.log_prob(chunks, counted[:, None, :, None])
        return surprise / (counted.sum(1) * chunks.shape[3]).clamp_min(1)[:, None]
