"""Chunks of which a part is decided: a time for every step, and clean actions where it is 1."""

import pytest
import torch
from gaussian_truth import ExactNetwork, Gaussian, describe, objectives
from small_networks import ACTION_DIM, HORIZON, OBSERVATION_STEPS, WIDTH, awake, build, digest
from torch import Tensor

from lerobot_dp_plus.networks import DiTConfig, NetworkConfig, TransformerConfig
from lerobot_dp_plus.objectives import DenoisingObjective, Diffusion, FlowMatching

TRUTH = Gaussian(torch.tensor([0.4, -0.2], dtype=torch.float64), torch.tensor([0.6, 0.2], dtype=torch.float64))
BATCH, DECIDED = 5, 3
every_objective = pytest.mark.parametrize("objective", objectives(), ids=describe)


def draw() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Noise, data, times whose first steps are those of the data, and which steps count."""
    x0, x1 = torch.randn(BATCH, HORIZON, 2, dtype=torch.float64), TRUTH.sample(BATCH, HORIZON)
    t = 0.1 + 0.8 * torch.rand(BATCH, HORIZON, dtype=torch.float64)
    t[:, :DECIDED] = 1
    return x0, x1, t, torch.rand(BATCH, HORIZON) < 0.7


class Witness(ExactNetwork):
    """Remembers what it is shown."""

    def forward(self, x_t: Tensor, time: Tensor, condition: object) -> Tensor:
        self.shown = x_t, time
        return super().forward(x_t, time, None)


def witness(objective: DenoisingObjective) -> Witness:
    return Witness(TRUTH, objective.sampling_path, objective.prediction)


@every_objective
def test_what_is_decided_is_shown_clean_at_its_own_time(objective: DenoisingObjective) -> None:
    (x0, x1, t, valid), network = draw(), witness(objective)
    objective.loss_at(network, x0, x1, t, None, valid)
    x_t, time = network.shown
    assert torch.equal(x_t[:, :DECIDED], x1[:, :DECIDED])
    assert not torch.isclose(x_t[:, DECIDED:], x1[:, DECIDED:]).all()
    assert torch.equal(time, objective.sampling_path.network_time(t))


@every_objective
def test_the_loss_of_every_step_is_that_at_its_time(objective: DenoisingObjective) -> None:
    """Of a network that looks at each action by itself, as the exact one of independent actions does."""
    x0, x1, t, valid = draw()
    if objective.prediction == "epsilon":
        t[:, :DECIDED] = 0.999  # at the data nothing is left that tells the noise
    whole = objective.loss_at(witness(objective), x0, x1, t, None, valid)
    assert whole.shape == x1.shape and not whole[~valid].any()
    for step in range(HORIZON):
        one = slice(step, step + 1)
        alone = objective.loss_at(witness(objective), x0[:, one], x1[:, one], t[:, step], None, valid[:, one])
        torch.testing.assert_close(whole[:, one], alone)


@pytest.mark.parametrize("objective", [Diffusion(), FlowMatching()], ids=describe)
def test_who_is_shown_the_data_need_only_repeat_it(objective: DenoisingObjective) -> None:
    x0, x1, t, _ = draw()
    loss = objective.loss_at(witness(objective), x0, x1, t, None, torch.ones(BATCH, HORIZON, dtype=torch.bool))
    torch.testing.assert_close(loss[:, :DECIDED], torch.zeros(BATCH, DECIDED, 2).double(), rtol=0, atol=1e-12)
    assert (loss[:, DECIDED:].mean((0, 1)) > 1e-3).all()


@pytest.mark.parametrize("objective", [Diffusion(), FlowMatching()], ids=describe)
@pytest.mark.parametrize(
    "config", [TransformerConfig(dim=16, depth=1, num_heads=2), DiTConfig(dim=16, depth=1, num_heads=2)]
)
def test_networks_of_tokens_learn_from_such_chunks(objective: DenoisingObjective, config: NetworkConfig) -> None:
    """Equal times of all steps give the loss of one time, and gradients reach the embedding of times."""
    network = awake(build(config))
    x0, x1 = torch.randn(2, BATCH, HORIZON, ACTION_DIM)
    condition = digest(network, torch.randn(BATCH, OBSERVATION_STEPS, WIDTH))
    valid, one = torch.ones(BATCH, HORIZON, dtype=torch.bool), torch.rand(BATCH)
    found = objective.loss_at(network, x0, x1, one[:, None].expand(-1, HORIZON), condition, valid)
    torch.testing.assert_close(found, objective.loss_at(network, x0, x1, one, condition, valid), rtol=1e-4, atol=1e-5)
    times = torch.rand(BATCH, HORIZON)
    times[:, :DECIDED] = 1
    objective.loss_at(network, x0, x1, times, condition, valid).mean().backward()
    assert all(parameter.grad.any() for parameter in network.embed_time.parameters())
