"""A learning rate of their own for the image encoders' backbones."""

from dataclasses import replace

import pytest
import torch
from tiny import OBSERVATIONS, policy, step, training_batch

from lerobot_dp_plus.policies.chunk_model import is_backbone


def moved(made, rate: float | None) -> dict[str, float]:
    """How far each trained parameter goes in the first step of the preset's own optimizer (Adam's is ± its rate)."""
    made.config.optimizer_lr_backbone = rate
    before = {name: weight.detach().clone() for name, weight in made.model.named_parameters()}
    optimizer = replace(made.config.get_optimizer_preset(), weight_decay=0.0).build(made.get_optim_params())
    torch.nn.init.normal_(made.model.network.head.weight)  # it starts at zero and would pass no gradient on
    before["network.head.weight"] = made.model.network.head.weight.detach().clone()
    step(made, optimizer)
    return {name: (weight - before[name]).abs().max().item() for name, weight in made.model.named_parameters()}


@pytest.mark.parametrize("inputs", ["image", "mix"])
def test_backbones_move_at_their_own_rate(inputs):
    distances = moved(policy(inputs=OBSERVATIONS[inputs], optimizer_lr=1e-3), rate=1e-5)
    backbones = {name for name in distances if is_backbone(name)}
    assert len({name.split(".backbone.")[0] for name in backbones}) == (1 if inputs == "image" else 2)
    assert max(distances[name] for name in backbones) == pytest.approx(1e-5, rel=0.05)
    assert max(distances[name] for name in distances if name not in backbones) == pytest.approx(1e-3, rel=0.05)


def test_a_rate_of_zero_keeps_the_backbone():
    distances = moved(policy(inputs=OBSERVATIONS["image"]), rate=0.0)
    assert all((distance == 0) == is_backbone(name) for name, distance in distances.items() if "head.bias" not in name)


def test_every_parameter_is_trained_once():
    made = policy(inputs=OBSERVATIONS["mix"], optimizer_lr_backbone=1e-5)
    given = [id(weight) for group in made.get_optim_params() for weight in group["params"]]
    assert sorted(given) == sorted(id(weight) for weight in made.model.parameters())


@pytest.mark.parametrize("rate", [None, 1e-5])
def test_without_cameras_or_rate_there_is_one_group(rate):
    made = policy(optimizer_lr_backbone=rate)
    assert all(isinstance(weight, torch.nn.Parameter) for weight in made.get_optim_params())
    assert made(training_batch(made.config))[0].isfinite()


def test_a_negative_rate_is_refused():
    with pytest.raises(ValueError, match=r"optimizer_lr_backbone = -1e-05: must be at least 0"):
        policy(optimizer_lr_backbone=-1e-5).get_optim_params()
