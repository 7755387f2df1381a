"""The learned outcome: a system with a known law is learned, ends are counted right, energies rank."""

import math
from contextlib import nullcontext

import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

from lerobot_dp_plus.auxiliary import Data, Needs, Surroundings, View
from lerobot_dp_plus.auxiliary.dynamics import Equal, Information, NoDynamics, Observed, Outcome, PushTBlock
from lerobot_dp_plus.auxiliary.dynamics.ends import FLOOR, GaussianEnds
from lerobot_dp_plus.auxiliary.dynamics.outcome import OutcomeModel
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import Candidates, Scene
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.selection import First, LowestEnergy
from lerobot_dp_plus.units import ACTION, Units

STATE = "observation.state"
DIMS = {STATE: 2}
STEPS = 4


def some_units() -> Units:
    """Neither offset nor scale is that of normalised values."""
    units = Units({**DIMS, ACTION: 2})
    units.learn({STATE: ([256.0, -100.0], [200.0, 50.0]), ACTION: ([3.0, 4.0], [10.0, 0.5])})
    return units


UNITS = some_units()


def build(dim: int = 8, **fields) -> OutcomeModel:
    def see():
        raise AssertionError("states are predicted from states")

    return Outcome(steps=STEPS, dim=dim, depth=1, **fields).build(Surroundings(DIMS, {}, 2, 2, see))


def view(states, actions, future, real) -> View:
    """What a batch holds; real (B, K) says which of the future there is."""
    observations = {key: torch.cat([states[key], future[key]], 1) for key in states}
    real = torch.cat([torch.ones(len(real), 2, dtype=torch.bool), real], 1)
    return View(observations, actions, torch.ones(actions.shape[:2], dtype=torch.bool), real)


def energy(model: OutcomeModel, states, chunks, executed: int, now: int = 0):
    """Of normalised states and chunks."""
    scene = Scene(UNITS.all_physical(states), now, executed)
    return model.energies(UNITS)["end"](UNITS.physical(ACTION, chunks), scene)


def drift(start, actions):
    """The law to be learned: o_{t+1} = o_t + 0.1·a_t."""
    return start + 0.1 * actions.cumsum(1)


def batch(size: int, generator: torch.Generator):
    start = torch.rand(size, 1, 2, generator=generator) * 2 - 1
    actions = torch.rand(size, STEPS, 2, generator=generator) * 2 - 1
    return {STATE: start.expand(-1, 2, -1)}, actions, {STATE: drift(start, actions)}


@pytest.fixture(scope="module")
def learned():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build(dim=32)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    valid = torch.ones(256, STEPS, dtype=torch.bool)
    for _ in range(400):
        loss = model.error(*batch(256, generator), valid, UNITS).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # Episodes ended near (0.5, −0.5): the last observation of samples that reach beyond them.
    ends = torch.tensor([0.5, -0.5]) + 0.02 * torch.randn(500, 2, generator=generator)
    over = torch.zeros(500, STEPS, dtype=torch.bool)
    states, actions, _ = batch(500, generator)
    future = {STATE: ends[:, None].expand(-1, STEPS, -1)}
    model.loss(view(states, actions, future, over), (), UNITS, every=False)
    return model.eval()


def test_the_law_is_learned(learned):
    states, actions, future = batch(200, torch.Generator().manual_seed(1))
    error = (learned(states, actions, UNITS) - future[STATE]).abs().mean()
    assert error < 0.01  # of changes of 0.1 on average


def test_a_short_chunk_is_held(learned):
    states, actions, _ = batch(5, torch.Generator().manual_seed(2))
    held = torch.cat([actions[:, :2], actions[:, 1:2], actions[:, 1:2]], 1)
    torch.testing.assert_close(learned(states, actions[:, :2], UNITS), learned(states, held, UNITS))


def test_a_single_observation_is_taken_to_be_at_rest(learned):
    states, actions, _ = batch(5, torch.Generator().manual_seed(3))
    one = {key: value[:, -1:] for key, value in states.items()}
    torch.testing.assert_close(learned(one, actions, UNITS), learned(states, actions, UNITS))


def test_the_energy_ranks_as_the_law_does(learned):
    """Among random chunks, the one chosen is among the best by the true law."""
    generator = torch.Generator().manual_seed(4)
    states, _, _ = batch(50, generator)
    chunks = torch.rand(50, 16, STEPS, 2, generator=generator) * 2 - 1
    goal = torch.tensor([0.5, -0.5])
    start = states[STATE][:, -1:].repeat_interleave(16, 0)
    true = (drift(start, chunks.flatten(0, 1)) - goal).norm(dim=-1)[:, [1, STEPS - 1]].mean(-1).unflatten(0, (50, 16))
    told = energy(learned, states, chunks, executed=2)
    chosen = true.gather(1, told.argmin(1, keepdim=True))[:, 0]
    assert (chosen - true.min(1).values).mean() < 0.01 < (true[:, 0] - true.min(1).values).mean()


def test_lowest_energy_takes_the_cheapest_and_first_does_not_look():
    proposed = Candidates(torch.arange(6.0).reshape(1, 3, 2, 1), {"end": torch.tensor([[3.0, 1.0, 2.0]])})
    assert proposed.at(LowestEnergy(3).choose(proposed, None)).chunks.flatten().tolist() == [2.0, 3.0]
    assert proposed.at(First().choose(proposed, None)).chunks.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("tolerance", "taken"), [(0.0, 3), (0.4, 3), (0.6, 1), (2.5, 0), (9.0, 0)])
def test_within_the_tolerance_the_first_is_taken(tolerance, taken):
    chunks = torch.arange(5.0).reshape(1, 5, 1, 1).expand(2, -1, -1, -1)
    cost = torch.tensor([[3.0, 1.5, 2.0, 1.0, 1.2]])
    far = torch.full((1, 5), 7.0)  # another observation's energies are no measure of these
    chosen = LowestEnergy(5, tolerance).choose(Candidates(chunks, {"end": torch.cat([cost, far])}), None)
    assert chosen.tolist() == [taken, 0]


def test_the_tolerance_draws_fairly_among_what_is_as_good():
    """Two of five candidates are good; over shuffled orders each is taken as often."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.tensor([1.0, 1.03, 2.0, 3.0, 4.0])
    order = torch.stack([torch.randperm(5, generator=generator) for _ in range(2000)])  # (B, N)
    proposed = Candidates(order[:, :, None, None].float(), {"end": cost[order]})
    chosen = proposed.at(LowestEnergy(5, 0.05).choose(proposed, None)).chunks.flatten()
    assert set(chosen.tolist()) == {0.0, 1.0}
    assert abs(chosen.mean().item() - 0.5) < 0.05  # 4.5 standard errors


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_illegal_tolerances_are_named(tolerance):
    with pytest.raises(ValueError, match=rf"selection\.tolerance = {tolerance}: must be at least 0"):
        LowestEnergy(tolerance=tolerance)


def test_padded_steps_do_not_teach():
    model = build()
    states, actions, future = batch(6, torch.Generator().manual_seed(5))
    real = torch.tensor([[True, True, False, False]]).expand(6, -1)
    error = model.error(states, actions, future, real, UNITS)
    assert error[:, :2].min() >= 0 and error[:, :2].sum() > 0
    assert error[:, 2:].abs().sum() == 0


def test_the_loss_of_a_batch_is_the_mean_over_its_real_steps():
    model, (states, actions, future) = build(), batch(6, torch.Generator().manual_seed(8))
    real = torch.arange(STEPS) < torch.tensor([4, 1, 3, 0, 2, 4])[:, None]
    error = model.error(states, actions, future, torch.ones_like(real), UNITS).mean(-1)  # (B, K)
    loss = model.loss(view(states, actions, future, real), (), UNITS, every=False)
    assert loss.weight.tolist() == [4, 1, 3, 0, 2, 4]
    for each, row, counts in zip(loss.each, error, real, strict=True):
        torch.testing.assert_close(each, row[counts].mean() if counts.any() else torch.tensor(0.0))
    torch.testing.assert_close(loss.mean, error[real].mean())


def test_ends_are_gathered_in_training_and_only_where_the_future_reaches_beyond_them():
    model, (states, actions, future) = build(), batch(6, torch.Generator().manual_seed(9))
    real = torch.arange(STEPS) < torch.tensor([4, 1, 3, 0, 2, 4])[:, None]
    seen = view(states, actions, future, real)
    model.eval().loss(seen, (), UNITS, every=False)
    assert model.ends.count == 0
    model.train().loss(seen, (), UNITS, every=False)
    assert model.ends.count == 4
    torch.testing.assert_close(model.ends.mean, future[STATE][1:5, -1].mean(0))


def test_the_weight_scales_the_loss():
    states, actions, future = batch(6, torch.Generator().manual_seed(6))
    real = torch.ones(6, STEPS, dtype=torch.bool)
    losses = []
    for weight in (1.0, 0.25):
        torch.manual_seed(0)
        model = build(weight=weight)
        losses.append(model.error(states, actions, future, real, UNITS))
        loss = model.loss(view(states, actions, future, real), (), UNITS, every=False)
        torch.testing.assert_close(loss.mean, losses[-1].mean())
    torch.testing.assert_close(losses[1], 0.25 * losses[0])


def test_ends_gathered_in_pieces_are_those_gathered_at_once():
    values = torch.randn(100, 3) * torch.tensor([1.0, 0.1, 5.0]) + torch.tensor([0.0, 2.0, -1.0])
    whole, pieces = GaussianEnds(3), GaussianEnds(3)
    whole.gather(values)
    for piece in values.split([1, 0, 29, 70]):
        pieces.gather(piece)
    for ends in (whole, pieces):
        torch.testing.assert_close(ends.mean, values.mean(0))
        torch.testing.assert_close((ends.squares / ends.count).sqrt(), values.std(0, correction=0))
    torch.testing.assert_close(whole.distance(values.mean(0), Equal()), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_distance_counts_in_standard_deviations_and_constants_have_a_floor():
    ends = GaussianEnds(2)
    ends.gather(torch.tensor([[1.0, 3.0], [1.0, 5.0]]))  # deviations 0 and 1
    expected = ((0.02 / FLOOR) ** 2 / 2 + 2.0**2 / 2) ** 0.5
    found = ends.distance(torch.tensor([1.02, 6.0]), Equal())
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_coordinates_count_by_what_an_end_tells_of_them():
    """Differences of entropy in closed form: a Gaussian's is log(s) and a constant."""
    ends = GaussianEnds(3)
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
    ends = GaussianEnds(2)
    ends.gather(torch.tensor([[1.0, 3.0], [-1.0, -3.0]]))
    observation = torch.tensor([0.5, 2.0])
    torch.testing.assert_close(ends.distance(observation, Information()), ends.distance(observation, Equal()))


def test_a_robot_at_rest_is_no_task_done():
    """Two candidates: one leaves the task a little undone and rests where ends do, one finishes it elsewhere."""
    ends = GaussianEnds(2)  # of the task, of the robot
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
        model = build(weighting=weighting)
        width = sum(DIMS.values())
        model.ends.gather(torch.linspace(0.01, 0.9, width) * torch.tensor([[1.0], [-1.0]]))
        outcome = model(repeated(states, 3), chunks.flatten(0, 1), UNITS)
        expected = model.ends.distance(outcome, weighting)[:, [1, STEPS - 1]]
        found.append(energy(model, states, chunks, executed=2))
        torch.testing.assert_close(found[-1], expected.mean(1).unflatten(0, (4, 3)))
    assert not torch.allclose(*found)


def repeated(states, count):
    return {key: value.repeat_interleave(count, 0) for key, value in states.items()}


def test_without_an_end_there_is_no_energy():
    with pytest.raises(ValueError, match="has seen no end of an episode"):
        GaussianEnds(2).check_seen()
    with pytest.raises(ValueError, match="has seen no end of an episode"):
        build().check_learned(UNITS)


def test_a_frame_in_the_datas_units_must_know_them():
    """A frame of normalised values tells the same whatever the units, and need not."""
    dims = {STATE: 2, "observation.environment_state": 16}
    for frame, unknown in (
        (PushTBlock(), pytest.raises(ValueError, match="does not know its data's units")),
        (Observed(), nullcontext()),
    ):
        model = Outcome(steps=STEPS, dim=8, depth=1, frame=frame).build(Surroundings(dims, {}, 2, 18, None))
        units = Units({**dims, ACTION: 2})
        model.ends.gather(torch.randn(3, 18))
        with unknown:
            model.check_learned(units)
        units.learn({key: (torch.zeros(width), torch.ones(width)) for key, width in {**dims, ACTION: 2}.items()})
        model.check_learned(units)


def test_other_data_ends_where_it_ends():
    """Fine-tuning: an end in the old data's units would be a wrong goal; the same data keeps its ends."""
    units = {key: (torch.zeros(width), torch.ones(width)) for key, width in {**DIMS, ACTION: 2}.items()}
    others = {key: (offset + 1, 2 * scale) for key, (offset, scale) in units.items()}
    config = DpPlusConfig(
        device="cpu",
        input_features={STATE: PolicyFeature(FeatureType.STATE, (2,))},
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (2,))},
        network=TransformerConfig(dim=16, depth=1, num_heads=2),
        dynamics=Outcome(steps=STEPS, dim=8, depth=1),
    )
    made, same, other = (ChunkModel(config) for _ in range(3))
    ends = [model.auxiliary.dynamics.ends for model in (made, same, other)]
    made.units.learn(units)
    ends[0].gather(torch.rand(5, len(ends[0].mean)))
    same.units.learn(units)
    same.load_state_dict(made.state_dict())
    other.units.learn(others)
    other.load_state_dict(made.state_dict())
    assert torch.equal(ends[1].mean, ends[0].mean) and ends[1].count == 5
    assert ends[2].count == 0 and not ends[2].mean.any()
    assert torch.equal(other.auxiliary.dynamics.enter.weight, made.auxiliary.dynamics.enter.weight)
    assert torch.equal(other.network.position, made.network.position)


def test_the_energy_sees_a_chunk_from_now_on():
    """Rows before `now` are past; all that is judged begins there."""
    model, generator = build(), torch.Generator().manual_seed(10)
    torch.nn.init.normal_(model.leave[1].weight)
    model.ends.gather(torch.randn(5, 2, generator=generator))
    states, _, _ = batch(3, generator)
    chunks = torch.rand(3, 2, 3 + STEPS, 2, generator=generator)
    told = energy(model, states, chunks, executed=1, now=2)
    torch.testing.assert_close(told, energy(model, states, chunks[:, :, 2:], executed=1))
    assert not torch.allclose(told, energy(model, states, chunks, executed=1))


@pytest.mark.parametrize("length", [2, STEPS])
@pytest.mark.parametrize("executed", [1, 2, STEPS, STEPS + 3])
def test_the_energy_is_the_mean_of_the_distances_when_it_was_executed_and_at_its_end(executed, length):
    """The row of what follows k steps is k − 1; a chunk that is shorter than the prediction ends before it."""
    model, generator = build(), torch.Generator().manual_seed(12)
    torch.nn.init.normal_(model.leave[1].weight)
    model.ends.gather(torch.randn(5, 2, generator=generator))
    states, _, _ = batch(3, generator)
    chunks = torch.rand(3, 1, length, 2, generator=generator)
    distance = model.ends.distance(model(states, chunks[:, 0], UNITS), model.weighting)  # (B, K)
    assert (distance.diff(dim=1).abs() > 1e-3).all(), "every row has another"
    expected = (distance[:, min(executed, length) - 1] + distance[:, length - 1]) / 2
    torch.testing.assert_close(energy(model, states, chunks, executed)[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_the_energy_has_a_gradient_in_what_is_done():
    """By finite differences."""
    model, generator = build(), torch.Generator().manual_seed(11)
    torch.nn.init.normal_(model.leave[1].weight)
    model.ends.gather(torch.randn(5, 2, generator=generator))
    states, _, _ = batch(2, generator)
    scene = Scene(UNITS.all_physical(states), 0, 2)
    chunks = UNITS.physical(ACTION, torch.rand(2, 3, STEPS, 2, generator=generator)).requires_grad_()
    told = model.energies(UNITS)["end"]
    (gradient,) = torch.autograd.grad(told(chunks, scene).sum(), chunks)
    step = UNITS.get_buffer("scale_1") * 1e-2 * torch.randn(chunks.shape, generator=generator)  # the action's scale
    rise = told(chunks + step, scene) - told(chunks - step, scene)
    torch.testing.assert_close(rise, 2 * (gradient * step).sum((2, 3)), rtol=0.02, atol=5e-5)
    assert rise.abs().max() > 0.005


def test_it_needs_the_frames_that_it_looks_at():
    """Two observations as far apart as the policy's, what follows each of the data's own steps, and the actions between."""
    assert Outcome(steps=3).needs(2, 1) == Needs((-1, 0, 1, 2, 3), (0, 1, 2))
    assert Outcome(steps=2).needs(4, 5) == Needs((-5, 0, 1, 2), (0, 1))
    assert Outcome(steps=2).needs(1, 5) == Needs((0, 1, 2), (0, 1))


def test_a_training_that_sees_no_end_is_refused():
    Outcome(steps=5).check_training(4)
    with pytest.raises(ValueError, match=r"dynamics\.steps = 5: must be more than 5"):
        Outcome(steps=5).check_training(5)


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("dim", 0), ("depth", 0), ("weight", 0.0)])
def test_illegal_numbers_are_named(field, value):
    with pytest.raises(ValueError, match=rf"dynamics\.{field} = {value}: must be"):
        Outcome(**{field: value})


def test_what_follows_in_images_cannot_be_predicted_unless_states_are_read_off_them():
    seen = DIMS, {"observation.image": (3, 96, 96)}, 2
    with pytest.raises(ValueError, match=r"predicts states, and the policy sees observation\.image:"):
        Outcome().check(Data(*seen))
    Outcome().check(Data(*seen, estimated=True))
    NoDynamics().check(Data(*seen))
