"""The learned outcome: a system with a known law is learned, ends are counted right, energies rank."""

import math

import pytest
import torch

from lerobot_dp_plus.auxiliary.dynamics import Equal, Information, NoDynamics, Outcome
from lerobot_dp_plus.auxiliary.dynamics.ends import FLOOR, Ends
from lerobot_dp_plus.selection import First, LowestEnergy
from lerobot_dp_plus.units import Units

DIMS = {"observation.state": 2}
STEPS = 4


def drift(start, actions):
    """The law to be learned: o_{t+1} = o_t + 0.1·a_t."""
    return start + 0.1 * actions.cumsum(1)


def batch(size: int, generator: torch.Generator):
    start = torch.rand(size, 1, 2, generator=generator) * 2 - 1
    actions = torch.rand(size, STEPS, 2, generator=generator) * 2 - 1
    return {"observation.state": start.expand(-1, 2, -1)}, actions, {"observation.state": drift(start, actions)}


@pytest.fixture(scope="module")
def learned():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = Outcome(steps=STEPS, dim=32, depth=1).build(DIMS, 2)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    valid = torch.ones(256, STEPS, dtype=torch.bool)
    for _ in range(400):
        loss = model.loss(*batch(256, generator), valid).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Episodes ended near (0.5, −0.5): the last observation of samples that reach beyond them.
    ends = torch.tensor([0.5, -0.5]) + 0.02 * torch.randn(500, 2, generator=generator)
    over = torch.zeros(500, STEPS, dtype=torch.bool)
    states, actions, _ = batch(500, generator)
    model.loss(states, actions, {"observation.state": ends[:, None].expand(-1, STEPS, -1)}, over)
    return model.eval()


def test_the_law_is_learned(learned):
    states, actions, future = batch(200, torch.Generator().manual_seed(1))
    error = (learned(states, actions) - future["observation.state"]).abs().mean()
    assert error < 0.01  # of changes of 0.1 on average


def test_a_short_chunk_is_held(learned):
    states, actions, _ = batch(5, torch.Generator().manual_seed(2))
    held = torch.cat([actions[:, :2], actions[:, 1:2], actions[:, 1:2]], 1)
    torch.testing.assert_close(learned(states, actions[:, :2]), learned(states, held))


def test_a_single_observation_is_taken_to_be_at_rest(learned):
    states, actions, _ = batch(5, torch.Generator().manual_seed(3))
    one = {key: value[:, -1:] for key, value in states.items()}
    torch.testing.assert_close(learned(one, actions), learned(states, actions))


def test_the_energy_ranks_as_the_law_does(learned):
    """Among random chunks, the one chosen is among the best by the true law."""
    generator = torch.Generator().manual_seed(4)
    states, _, _ = batch(50, generator)
    chunks = torch.rand(50, 16, STEPS, 2, generator=generator) * 2 - 1
    goal = torch.tensor([0.5, -0.5])
    start = states["observation.state"][:, -1:].repeat_interleave(16, 0)
    true = (drift(start, chunks.flatten(0, 1)) - goal).norm(dim=-1)[:, [1, STEPS - 1]].mean(-1).unflatten(0, (50, 16))
    energy = learned.energy(states, chunks, executed=2)
    chosen = true.gather(1, energy.argmin(1, keepdim=True))[:, 0]
    assert (chosen - true.min(1).values).mean() < 0.01 < (true[:, 0] - true.min(1).values).mean()


def test_lowest_energy_takes_the_cheapest_and_first_does_not_look():
    chunks = torch.arange(6.0).reshape(1, 3, 2, 1)
    cost = torch.tensor([[3.0, 1.0, 2.0]])
    assert LowestEnergy(3).choose(chunks, None, cost).flatten().tolist() == [2.0, 3.0]
    assert First().choose(chunks, None, cost).flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("tolerance", "taken"), [(0.0, 3), (0.4, 3), (0.6, 1), (2.5, 0), (9.0, 0)])
def test_within_the_tolerance_the_first_is_taken(tolerance, taken):
    chunks = torch.arange(5.0).reshape(1, 5, 1, 1).expand(2, -1, -1, -1)
    cost = torch.tensor([[3.0, 1.5, 2.0, 1.0, 1.2]])
    far = torch.full((1, 5), 7.0)  # another observation's energies are no measure of these
    chosen = LowestEnergy(5, tolerance).choose(chunks, None, torch.cat([cost, far]))
    assert chosen.flatten().tolist() == [taken, 0]


def test_the_tolerance_draws_fairly_among_what_is_as_good():
    """Two of five candidates are good; over shuffled orders each is taken as often."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.tensor([1.0, 1.03, 2.0, 3.0, 4.0])
    order = torch.stack([torch.randperm(5, generator=generator) for _ in range(2000)])  # (B, N)
    chosen = LowestEnergy(5, 0.05).choose(order[:, :, None, None].float(), None, cost[order]).flatten()
    assert set(chosen.tolist()) == {0.0, 1.0}
    assert abs(chosen.mean().item() - 0.5) < 0.05  # 4.5 standard errors


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_illegal_tolerances_are_named(tolerance):
    with pytest.raises(ValueError, match=rf"selection\.tolerance = {tolerance}: must be at least 0"):
        LowestEnergy(tolerance=tolerance)


def test_padded_steps_do_not_teach():
    model = Outcome(steps=STEPS, dim=8, depth=1).build(DIMS, 2)
    states, actions, future = batch(6, torch.Generator().manual_seed(5))
    valid = torch.tensor([[True, True, False, False]]).expand(6, -1)
    error = model.loss(states, actions, future, valid)
    assert error[:, :2].min() >= 0 and error[:, :2].sum() > 0
    assert error[:, 2:].abs().sum() == 0


def test_the_weight_scales_the_loss():
    states, actions, future = batch(6, torch.Generator().manual_seed(6))
    valid = torch.ones(6, STEPS, dtype=torch.bool)
    losses = []
    for weight in (1.0, 0.25):
        torch.manual_seed(0)
        losses.append(
            Outcome(steps=STEPS, dim=8, depth=1, weight=weight).build(DIMS, 2).loss(states, actions, future, valid)
        )
    torch.testing.assert_close(losses[1], 0.25 * losses[0])


def test_ends_gathered_in_pieces_are_those_gathered_at_once():
    values = torch.randn(100, 3) * torch.tensor([1.0, 0.1, 5.0]) + torch.tensor([0.0, 2.0, -1.0])
    whole, pieces = Ends(3), Ends(3)
    whole.gather(values)
    for piece in values.split([1, 0, 29, 70]):
        pieces.gather(piece)
    for ends in (whole, pieces):
        torch.testing.assert_close(ends.mean, values.mean(0))
        torch.testing.assert_close((ends.squares / ends.count).sqrt(), values.std(0, correction=0))
    torch.testing.assert_close(whole.distance(values.mean(0), Equal()), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_distance_counts_in_standard_deviations_and_constants_have_a_floor():
    ends = Ends(2)
    ends.gather(torch.tensor([[1.0, 3.0], [1.0, 5.0]]))  # deviations 0 and 1
    expected = ((0.02 / FLOOR) ** 2 / 2 + 2.0**2 / 2) ** 0.5
    found = ends.distance(torch.tensor([1.02, 6.0]), Equal())
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_coordinates_count_by_what_an_end_tells_of_them():
    """Differences of entropy in closed form: a Gaussian's is log(s) and a constant."""
    ends = Ends(3)
    spreads = torch.tensor([0.02, 0.2, 2.0])  # the third varies more than if nothing were known
    ends.gather(torch.stack([spreads, -spreads]))
    nats = [math.log(3**-0.5 / 0.02), math.log(3**-0.5 / 0.2), 0.0]
    for off, expected in (
        ([0.02, 0, 0], nats[0]),
        ([0, 0.2, 0], nats[1]),
        ([0, 0.6, 0], 9 * nats[1]),
        ([0, 0, 2.0], 0),
    ):
        found = ends.distance(torch.tensor(off), Information()).item()
        assert found == pytest.approx((expected / sum(nats)) ** 0.5, abs=2e-3)


def test_where_ends_tell_of_no_coordinate_all_count_alike():
    ends = Ends(2)
    ends.gather(torch.tensor([[1.0, 3.0], [-1.0, -3.0]]))
    observation = torch.tensor([0.5, 2.0])
    torch.testing.assert_close(ends.distance(observation, Information()), ends.distance(observation, Equal()))


def test_a_robot_at_rest_is_no_task_done():
    """Two candidates: one leaves the task a little undone and rests where ends do, one finishes it elsewhere."""
    ends = Ends(2)  # of the task, of the robot
    ends.gather(torch.tensor([[0.02, 0.2], [-0.02, -0.2]]))
    resting, finished = torch.tensor([0.016, 0.0]), torch.tensor([0.0, 0.2])
    assert ends.distance(resting, Equal()) < ends.distance(finished, Equal())
    assert ends.distance(finished, Information()) < ends.distance(resting, Information())


def test_the_energy_is_by_the_weighting_of_the_config():
    generator = torch.Generator().manual_seed(7)
    states, _, _ = batch(4, generator)
    chunks = torch.rand(4, 3, STEPS, 2, generator=generator)
    found = []
    for weighting in (Information(), Equal()):
        model = Outcome(steps=STEPS, dim=8, depth=1, weighting=weighting).build(DIMS, 2)
        width = sum(DIMS.values())
        model.ends.gather(torch.linspace(0.01, 0.9, width) * torch.tensor([[1.0], [-1.0]]))
        expected = model.ends.distance(model(repeated(states, 3), chunks.flatten(0, 1)), weighting)[:, [1, STEPS - 1]]
        found.append(model.energy(states, chunks, executed=2))
        torch.testing.assert_close(found[-1], expected.mean(1).unflatten(0, (4, 3)))
    assert not torch.allclose(*found)


def repeated(states, count):
    return {key: value.repeat_interleave(count, 0) for key, value in states.items()}


def test_without_an_end_there_is_no_energy():
    with pytest.raises(ValueError, match="has seen no end of an episode"):
        Ends(2).check_seen()
    with pytest.raises(ValueError, match="has seen no end of an episode"):
        Outcome(steps=STEPS, dim=8, depth=1).build(DIMS, 2).check_learned()


def test_units_are_those_of_the_new_data_when_fine_tuning():
    saved, fresh, again = Units({"action": 2}), Units({"action": 2}), Units({"action": 2})
    saved.learn({"action": ([1.0, 2.0], [3.0, 4.0])})
    again.learn({"action": ([5.0, 6.0], [7.0, 8.0])})
    fresh.load_state_dict(saved.state_dict())
    again.load_state_dict(saved.state_dict())
    ones = torch.ones(1, 2)
    assert fresh.physical("action", ones).tolist() == [[4.0, 6.0]]
    assert again.physical("action", ones).tolist() == [[12.0, 14.0]]
    torch.testing.assert_close(fresh.normalised("action", fresh.physical("action", ones)), ones)


def test_other_data_ends_where_it_ends():
    """Fine-tuning: an end in the old data's units would be a wrong goal; the same data keeps its ends."""
    units = {key: (torch.zeros(width), torch.ones(width)) for key, width in {**DIMS, "action": 2}.items()}
    others = {key: (offset + 1, 2 * scale) for key, (offset, scale) in units.items()}
    made, same, other = (Outcome(steps=STEPS, dim=8, depth=1).build(DIMS, 2) for _ in range(3))
    made.units.learn(units)
    made.ends.gather(torch.rand(5, len(made.ends.mean)))
    same.units.learn(units)
    same.load_state_dict(made.state_dict())
    other.units.learn(others)
    other.load_state_dict(made.state_dict())
    assert torch.equal(same.ends.mean, made.ends.mean) and same.ends.count == 5
    assert other.ends.count == 0 and not other.ends.mean.any()
    assert torch.equal(other.enter.weight, made.enter.weight)


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("dim", 0), ("depth", 0), ("weight", 0.0)])
def test_illegal_numbers_are_named(field, value):
    with pytest.raises(ValueError, match=rf"foresight\.{field} = {value}: must be"):
        Outcome(**{field: value})


def test_images_cannot_be_foreseen():
    with pytest.raises(ValueError, match=r"foresees states, and the policy sees observation\.image:"):
        Outcome().check(DIMS, {"observation.image": (3, 96, 96)}, 2)
    NoDynamics().check(DIMS, {"observation.image": (3, 96, 96)}, 2)
