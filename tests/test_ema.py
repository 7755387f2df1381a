"""The average of the weights against its closed form."""

import copy
import math

import pytest
import torch
from torch import nn

from lerobot_dp_plus.ema import EmaConfig


def train(config: EmaConfig, values: list[float]) -> tuple[nn.Linear, nn.Module]:
    """A model of one weight set to each value in turn, averaged after each."""
    model = nn.Linear(1, 1, bias=False).double()
    average = config.build(model)
    for value in values:
        with torch.no_grad():
            model.weight.fill_(value)
        average.update_parameters(model)
    return model, average


def weight(average: nn.Module) -> float:
    return average.module.weight.item()


def test_warm_up_then_decay() -> None:
    """Seen from one update: the first copies, the n-th keeps (1 + n)/(10 + n), later ones the decay."""
    config = EmaConfig(decay=0.5)
    kept = {0: 0.0, 1: 2 / 11, 2: 3 / 12, 5: 6 / 15, 8: 0.5, 9: 0.5, 50: 0.5}
    for before, share in kept.items():
        # A weight of 1 until the last update, 0 at it: what is left of the 1 is the share kept.
        _, average = train(config, [1.0] * before + [0.0])
        assert weight(average) == pytest.approx(share, abs=1e-12), before


def test_updates_equal_the_closed_form() -> None:
    """Σ_i (1 − d_i)·θ_i·∏_{j>i} d_j."""
    values = torch.randn(40, dtype=torch.float64).tolist()
    decays = [0.0] + [min(0.7, (1 + n) / (10 + n)) for n in range(1, 40)]
    expected = sum((1 - decays[i]) * values[i] * math.prod(decays[i + 1 :]) for i in range(40))
    _, average = train(EmaConfig(decay=0.7), values)
    assert weight(average) == pytest.approx(expected, rel=1e-12)


def test_a_resumed_average_equals_an_uninterrupted_one() -> None:
    config, values = EmaConfig(decay=0.9), torch.randn(30, dtype=torch.float64).tolist()
    _, whole = train(config, values)
    _, first = train(config, values[:12])
    model = nn.Linear(1, 1, bias=False).double()
    second = config.build(model)
    second.load_state_dict(copy.deepcopy(first.state_dict()), strict=True)
    for value in values[12:]:
        with torch.no_grad():
            model.weight.fill_(value)
        second.update_parameters(model)
    assert weight(second) == weight(whole)
    assert second.n_averaged == 30


def test_the_average_is_a_frozen_copy_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    average = EmaConfig().build(model)
    assert not average.training and not average.module[1].training and model.training
    assert all(not p.requires_grad for p in average.parameters()) and all(p.requires_grad for p in model.parameters())
    before = model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight.add_(1)
    assert torch.equal(average.module[0].weight, before)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_illegal_decay_is_named(decay: float) -> None:
    with pytest.raises(ValueError, match=rf"ema\.decay = {decay}: must be in \[0, 1\)"):
        EmaConfig(decay=decay)
