"""Units: what LeRobot's normalisation took away is given back exactly, and stays with the weights."""

import pytest
import torch
from torch import nn

from lerobot_dp_plus.units import ACTION, Statistics, Units

STATE = "observation.state"
AFFINE = {STATE: ([256.0, -3.0, 0.001], [1e3, 0.5, 1e-3]), ACTION: ([70_000.0, 2.0], [1e4, 3.0])}


def learned() -> Units:
    units = Units({STATE: 3, ACTION: 2})
    units.learn(AFFINE)
    return units


@pytest.mark.parametrize("key", AFFINE)
def test_a_value_is_its_offset_and_scale_times_what_is_normalised(key: str) -> None:
    units = learned()
    offset, scale = (torch.tensor(values) for values in AFFINE[key])
    value = torch.randn(4, 2, len(offset))
    torch.testing.assert_close(units.physical(key, value), offset + scale * value)
    torch.testing.assert_close(units.normalised(key, offset + scale), torch.ones_like(offset), rtol=0, atol=1e-5)
    torch.testing.assert_close(units.normalised(key, units.physical(key, value)), value, rtol=0, atol=1e-5)


def test_physical_values_of_half_precision_have_all_digits() -> None:
    found = learned().physical(ACTION, torch.ones(1, 2, dtype=torch.bfloat16))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor([[80_000.0, 5.0]]))


def test_physical_values_of_double_precision_stay_double() -> None:
    value = torch.randn(4, 2, dtype=torch.float64)
    found = learned().physical(ACTION, value)
    offset, scale = (torch.tensor(numbers, dtype=torch.float64) for numbers in AFFINE[ACTION])
    torch.testing.assert_close(found, offset + scale * value, rtol=1e-12, atol=0)


def test_all_that_has_units_is_told_in_them_and_nothing_else() -> None:
    units, values = learned(), {STATE: torch.randn(2, 3), "observation.image": torch.randn(2, 3, 4, 4)}
    told = units.all_physical(values)
    assert set(told) == {STATE}
    assert torch.equal(told[STATE], units.physical(STATE, values[STATE]))


def test_they_are_known_once_a_dataset_or_a_checkpoint_has_told() -> None:
    fresh = Units({STATE: 3, ACTION: 2})
    assert not fresh.known
    with pytest.raises(ValueError, match="does not know its data's units"):
        fresh.check_known()
    value = torch.randn(2, 3)
    assert torch.equal(fresh.physical(STATE, value), value), "until then they are those of normalised values"
    fresh.load_state_dict(learned().state_dict())
    fresh.check_known()
    assert torch.equal(fresh.physical(STATE, value), learned().physical(STATE, value))
    learned().check_known()


@pytest.mark.parametrize(
    "change", [nn.Module.half, nn.Module.bfloat16, nn.Module.double, lambda module: module.to(torch.float16)]
)
def test_they_keep_their_digits_whatever_the_weights_become(change) -> None:
    model = nn.ModuleDict({"units": learned(), "weights": nn.Linear(2, 2)})
    before = {name: value.clone() for name, value in model["units"].state_dict().items()}
    change(model)
    assert model["weights"].weight.dtype != torch.float32
    for name, value in model["units"].state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
    assert model["units"].physical(ACTION, torch.ones(2)).tolist() == pytest.approx([80_000.0, 5.0], rel=1e-6)


def test_they_go_where_the_weights_go() -> None:
    assert {value.device.type for value in learned().to("meta").buffers()} == {"meta"}


def test_counts_stay_counts() -> None:
    class Counts(Statistics):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.tensor(100_001))

    assert Counts().half().count == 100_001


def test_units_are_those_of_the_new_data_when_fine_tuning() -> None:
    saved, fresh, again = Units({ACTION: 2}), Units({ACTION: 2}), Units({ACTION: 2})
    saved.learn({ACTION: ([1.0, 2.0], [3.0, 4.0])})
    again.learn({ACTION: ([5.0, 6.0], [7.0, 8.0])})
    fresh.load_state_dict(saved.state_dict())
    again.load_state_dict(saved.state_dict())
    ones = torch.ones(1, 2)
    assert fresh.physical(ACTION, ones).tolist() == [[4.0, 6.0]]
    assert again.physical(ACTION, ones).tolist() == [[12.0, 14.0]]
    torch.testing.assert_close(fresh.normalised(ACTION, fresh.physical(ACTION, ones)), ones)


def test_they_say_whether_they_replace_those_of_a_checkpoint() -> None:
    """Only units that a dataset told here do, and only others than the checkpoint's."""
    saved = {f"model.units.{name}": value for name, value in learned().state_dict().items()}
    other = learned()
    other.learn({**AFFINE, ACTION: ([0.0, 0.0], [1.0, 1.0])})
    loaded = Units({STATE: 3, ACTION: 2})
    assert other.replaces(saved, "model.units.")
    assert not learned().replaces(saved, "model.units.")
    assert not loaded.replaces(saved, "model.units.")
    loaded.load_state_dict(other.state_dict())
    assert not loaded.replaces(saved, "model.units.")
    assert not other.replaces({}, "model.units."), "a checkpoint older than units has none to replace"
