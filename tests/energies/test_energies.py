"""Energies: closed forms, zero where nothing is wrong, and gradients that are those of the formula."""

import dataclasses
import json

import draccus
import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.energies import (
    TOTAL,
    Bounds,
    Constraint,
    Energies,
    EnergyTerm,
    Function,
    Goal,
    Learned,
    Obstacles,
    Path,
    Smoothness,
    Speed,
    StayAbove,
    added,
)
from lerobot_dp_plus.forward_maps import Identity
from lerobot_dp_plus.notation import Scene

B, N, H, A = 2, 3, 6, 3


def sine(chunks: Tensor, scene: Scene) -> Tensor:
    """What a user might write."""
    return chunks[:, :, scene.now :].sin().sum((2, 3))


MEMBERS = [
    Smoothness(),
    Smoothness(order=3),
    StayAbove(dimension=1, limit=0.2),
    StayAbove(dimension=2, limit=-0.1, below=True),
    Bounds(low=(-0.5, -0.5, -0.5), high=(0.5, 0.4, 0.3), margin=0.1),
    Bounds(low=(-0.5, -0.5, -0.5)),
    Bounds(high=(0.5, 0.5, 0.5)),
    Speed(weight=1, limit=1.5),
    Obstacles(circles=((0.1, 0.2, 0.3, 0.9), (1, 1, 1, 0.4, 0.1, 0.2, 0.3)), clearance=0.1, margin=0.05),
    Obstacles(boxes=((-0.7, -0.6, -0.8, 0.7, 0.8, 0.5),), clearance=0.2),
    Goal(target=(0.3, 0.1, 0.2)),
    Path(points=((0.3, 0.1, 0.2), (0.1, 0.0, -0.4))),
    Function(path=f"{__name__}:sine"),
]
CONSTRAINTS = [member for member in MEMBERS if isinstance(member, Constraint)]
every_member = pytest.mark.parametrize("energy", MEMBERS, ids=repr)
every_constraint = pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
LAST = {"action": torch.full((B, 1, A), 0.3, dtype=torch.float64)}
SCENES = [Scene(now=1), Scene(LAST, now=2, forward=Identity(steps_between=3))]


def chunks() -> Tensor:
    return torch.randn(B, N, H, A, dtype=torch.float64)


def test_there_is_a_test_for_every_member() -> None:
    assert set(map(type, MEMBERS)) == set(EnergyTerm.get_known_choices().values())


def test_every_member_has_a_place_in_the_sum_under_its_name() -> None:
    stated = {
        each.name: type(getattr(Energies(), each.name))
        for each in dataclasses.fields(Energies)
        if each.name not in ("end", "imitation")
    }
    assert stated == EnergyTerm.get_known_choices()


@pytest.mark.parametrize("horizon", [3, 4, 9])
def test_smoothness_is_half_the_squared_second_difference(horizon: int) -> None:
    some, scene = torch.randn(B, N, horizon, A, dtype=torch.float64), Scene()
    jerks = [some[:, :, j + 1] - 2 * some[:, :, j] + some[:, :, j - 1] for j in range(1, horizon - 1)]
    torch.testing.assert_close(Smoothness()(some, scene), sum(0.5 * jerk.square().sum(-1) for jerk in jerks))
    # x = j² bends by 2 at every step, in each of A dimensions.
    parabola = torch.arange(float(horizon)).square()[:, None].expand(1, 1, horizon, A)
    assert Smoothness()(parabola, scene).item() == 0.5 * (horizon - 2) * A * 4


def test_a_parabola_has_no_jerk_and_a_cubic_six_a_step() -> None:
    steps = torch.arange(8.0, dtype=torch.float64)[:, None].expand(1, 1, 8, A)
    assert Smoothness(order=3)(steps**2, Scene()).item() == pytest.approx(0, abs=1e-18)
    assert Smoothness(order=3)(steps**3, Scene()).item() == pytest.approx(0.5 * 5 * A * 36)
    assert Smoothness(order=1)(steps, Scene()).item() == pytest.approx(0.5 * 7 * A)


@pytest.mark.parametrize("horizon", [1, 2, 9])
def test_straight_lines_and_chunks_too_short_to_bend_are_smooth(horizon: int) -> None:
    line = torch.randn(B, N, 1, A) + torch.arange(horizon)[:, None] * torch.randn(B, N, 1, A)
    torch.testing.assert_close(Smoothness()(line, Scene()), torch.zeros(B, N), rtol=0, atol=1e-9)


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("now", [0, 2, H - 1])
def test_a_limit_costs_half_the_square_of_how_far_it_is_passed_from_now_on(below: bool, now: int) -> None:
    some, energy = chunks(), StayAbove(dimension=1, limit=0.2, below=below)
    expected = torch.zeros(B, N, dtype=torch.float64)
    for b in range(B):
        for n in range(N):
            for value in some[b, n, now:, 1].tolist():
                over = value - 0.2 if below else 0.2 - value
                expected[b, n] += 0.5 * over**2 if over > 0 else 0
    torch.testing.assert_close(energy(some, Scene(now=now)), expected)
    assert expected.min() < expected.max()


@pytest.mark.parametrize("below", [False, True])
def test_a_limit_that_is_kept_costs_nothing(below: bool) -> None:
    energy, some = StayAbove(dimension=2, limit=0.5, below=below), chunks()
    kept = 0.5 - some[..., 2].abs() if below else 0.5 + some[..., 2].abs()
    some[..., 2] = kept
    assert not energy(some, Scene()).any()
    some[..., 2] = 1 - kept  # as far on the other side
    assert (energy(some, Scene()) > 0).all()
    torch.testing.assert_close(energy(some, Scene()), 0.5 * (kept - 0.5).square().sum(-1))


def depths_by_hand(constraint: Constraint, positions: Tensor, substeps: int) -> Tensor:
    """One chunk's depths, rule by rule; positions (S, P)."""
    found = []
    for number, p in enumerate(positions):
        if isinstance(constraint, Bounds):
            for axis, value in enumerate(p):
                sides = [constraint.low[axis] - value] if constraint.low else []
                sides += [value - constraint.high[axis]] if constraint.high else []
                found.append(max(sides))
        elif isinstance(constraint, Speed):
            if number:
                found.append((p - positions[number - 1]).norm() - constraint.limit / substeps)
        else:
            deep = []
            for *centre, radius in (row[:4] for row in constraint.circles):
                moved = torch.tensor(centre, dtype=p.dtype)
                moving = next(row for row in constraint.circles if row[:3] == tuple(centre))[4:]
                if moving:
                    moved = moved + torch.tensor(moving, dtype=p.dtype) * (number + 1) / substeps
                deep.append(radius + constraint.clearance - (p - moved).norm())
            for box in constraint.boxes:
                low, high = (torch.tensor(box[i : i + 3], dtype=p.dtype) for i in (0, 3))
                nearest = p.clamp(low, high)
                inside = torch.minimum(p - low, high - p).amin()
                distance = (p - nearest).norm() if (p != nearest).any() else -inside
                deep.append(constraint.clearance - distance)
            found.append(max(deep))
    return torch.stack([torch.as_tensor(each, dtype=positions.dtype) for each in found])


@pytest.mark.parametrize("scene", SCENES, ids=["way points", "sub-steps"])
@every_constraint
def test_a_constraint_costs_half_the_square_of_how_far_each_rule_is_broken(constraint: Constraint, scene) -> None:
    some = 0.8 * chunks()
    positions = scene.positions(some)
    depths = torch.stack(
        [torch.stack([depths_by_hand(constraint, positions[b, n], scene.substeps) for n in range(N)]) for b in range(B)]
    )
    torch.testing.assert_close(constraint.depths(positions, scene), depths)
    expected = (depths + constraint.margin).clamp_min(0).square().sum(-1) / 2
    torch.testing.assert_close(constraint(some, scene), expected)
    assert (expected > 0).any() and (depths < 0).any()


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("scene", SCENES, ids=["way points", "sub-steps"])
@every_constraint
def test_the_worst_rule_and_its_gradient_are_those_of_the_depths(constraint: Constraint, scene, first: int) -> None:
    positions = scene.positions(0.8 * chunks())
    positions = (positions + 1e-3 * torch.randn_like(positions)).requires_grad_()  # no two rules are equally broken
    depths = constraint.depths(positions, scene)
    skipped = first * (A if isinstance(constraint, Bounds) else 1)
    worst = depths[..., skipped:].amax(-1)
    (gradient,) = torch.autograd.grad(worst.sum(), positions)
    found = constraint.worst(positions.detach(), scene, first)
    torch.testing.assert_close(found.depth, worst.detach())
    torch.testing.assert_close(found.gradient, gradient)


def test_a_goal_costs_half_the_squared_distance_of_the_last_position() -> None:
    some = chunks()
    expected = 0.5 * (some[:, :, -1] - torch.tensor([0.3, 0.1, 0.2])).square().sum(-1)
    torch.testing.assert_close(Goal(target=(0.3, 0.1, 0.2))(some, SCENES[1]), expected)


@pytest.mark.parametrize("length", [1, 4, 20])
def test_a_path_costs_half_the_squared_distances_at_the_end_of_every_step(length: int) -> None:
    some, scene = chunks(), SCENES[1]  # three positions for each of the steps from 2 on, the last of them the action
    points = torch.randn(length, A, dtype=torch.float64)
    expected = torch.zeros(B, N, dtype=torch.float64)
    for step, point in zip(range(scene.now, some.shape[2]), points, strict=False):
        expected += 0.5 * (some[:, :, step] - point).square().sum(-1)
    energy = Path(points=tuple(map(tuple, points.tolist())))
    torch.testing.assert_close(energy(some, scene), expected)


@every_member
def test_gradients_are_those_of_finite_differences(energy: EnergyTerm) -> None:
    scene = Scene(now=1)
    some = chunks().requires_grad_()
    assert torch.autograd.gradcheck(lambda each: energy(each, scene), (some,))
    (gradient,) = torch.autograd.grad(energy(some, scene).sum(), some)
    assert gradient.any()


@every_member
def test_every_candidate_is_judged_by_itself(energy: EnergyTerm) -> None:
    some, scene = chunks(), Scene()
    told = energy(some, scene)
    assert told.shape == (B, N) and told.dtype == some.dtype
    for b in range(B):
        for n in range(N):
            torch.testing.assert_close(energy(some[b : b + 1, n : n + 1], scene), told[b : b + 1, n : n + 1])


def test_the_sum_is_that_of_the_weights() -> None:
    group = Energies(end=Learned(0.5), smoothness=Smoothness(2.0), goal=Goal(3.0, (0.0, 0.0, 0.0)))
    assert group.weights == {"end": 0.5, "smoothness": 2.0, "goal": 3.0}
    assert group.names == ("smoothness", "goal", TOTAL) and set(group.terms) == {"smoothness", "goal"}
    some, scene = chunks(), Scene()

    def learned(chunks: Tensor, scene: Scene) -> Tensor:
        return chunks.square().sum((2, 3))

    told = group.sum({**group.terms, "end": learned})(some, scene)
    parts = {"end": learned(some, scene), "smoothness": Smoothness()(some, scene)}
    parts["goal"] = 0.5 * some[:, :, -1].square().sum(-1)
    expected = 0.5 * parts["end"] + 2 * parts["smoothness"] + 3 * parts["goal"]
    torch.testing.assert_close(told, expected)
    torch.testing.assert_close(added(group.weights, parts), expected)
    assert Energies().names == () and Energies().weights == {}


def test_only_constraints_with_a_weight_are_kept() -> None:
    obstacles = Obstacles(1.0, circles=((0.0, 0.0, 1.0),))
    assert Energies(smoothness=Smoothness(1.0), obstacles=obstacles).constraints == [obstacles]


def flat(chunks: Tensor, scene: Scene) -> Tensor:
    return chunks.detach().sum((2, 3))


def misshapen(chunks: Tensor, scene: Scene) -> Tensor:
    return chunks.sum(3)


def test_a_users_function_that_cannot_be_used_is_named() -> None:
    some = chunks().requires_grad_()
    group = Energies(function=Function(1.0, f"{__name__}:flat"), smoothness=Smoothness(1.0))
    with pytest.raises(ValueError, match=r"energies\.function cannot be differentiated"):
        group.sum(group.terms)(some, Scene())
    group.sum(group.terms)(some.detach(), Scene())
    with pytest.raises(
        ValueError, match=r"energies\.function\.path = .*misshapen: it gave shape \(2, 3, 6\).*\(2, 3\)"
    ):
        Function(1.0, f"{__name__}:misshapen")(some, Scene())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", r'"module:name"'),
        ("no_such_module_of_anybody:f", r"no_such_module_of_anybody.*PYTHONPATH"),
        (f"{__name__}:missing", "missing"),
        (f"{__name__}:B", "is no function but int"),
    ],
)
def test_a_function_that_is_not_there_is_refused_before_use(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=rf"energies\.function\.path = .*{said}"):
        Function(1.0, path).check(2, 2)
    Function(0.0, path).check(2, 2)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Smoothness(-1.0), r"energies\.smoothness\.weight = -1\.0: must be"),
        (lambda: Smoothness(float("nan")), r"energies\.smoothness\.weight = nan"),
        (lambda: Smoothness(order=4), r"energies\.smoothness\.order = 4: legal are 1"),
        (lambda: Learned(-1), r"weight = -1"),
        (lambda: StayAbove(dimension=3).check(3, 3), r"energies\.stay_above\.dimension = 3: legal are 0 to 2"),
        (lambda: StayAbove(dimension=-1).check(3, 3), r"energies\.stay_above\.dimension = -1: legal are 0 to 2"),
        (lambda: Bounds(margin=-0.1), r"energies\.bounds\.margin = -0\.1"),
        (lambda: Bounds(1, low=(0, 1), high=(1, 1)), r"energies\.bounds\.low = \[0, 1\].*contradict"),
        (lambda: Bounds(1), r"energies\.bounds\.weight = 1, and there are no bounds"),
        (lambda: Bounds(1, low=(0,)).check(2, 2), r"energies\.bounds\.low = \[0\]: must have one number.*2"),
        (lambda: Speed(1), r"energies\.speed\.limit = 0\.0: must be a number above 0"),
        (
            lambda: Obstacles(circles=((1, float("nan"), 2),)),
            r"energies\.obstacles\.circles = .*must be finite numbers",
        ),
        (
            lambda: Obstacles(circles=((1, 2),)).check(2, 2),
            r"circles has the row \[1, 2\]: must be 2 coordinates, a radius",
        ),
        (lambda: Obstacles(circles=((1, 2, -3),)).check(2, 2), r"circles has the row \[1, 2, -3\].*at least 0"),
        (lambda: Obstacles(1, boxes=((1, 2, 0, 3),)), r"boxes has the row \[1, 2, 0, 3\].*every low below its high"),
        (lambda: Obstacles(1, boxes=((1, 2),)).check(2, 2), r"boxes has the row \[1, 2\]: must be 2 low and 2 high"),
        (lambda: Path(1).check(2, 2), r"energies\.path\.points = \[\]: must have at least one point"),
        (lambda: Path(1, ((1, 2), (3,))).check(2, 2), r"energies\.path\.points has the row \[3\]: must be 2 finite"),
        (lambda: Goal(1, (1,)).check(2, 2), r"energies\.goal\.target = \[1\]: must have one number.*2"),
    ],
)
def test_illegal_fields_are_refused_by_name(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_a_group_goes_through_files() -> None:
    group = Energies(obstacles=Obstacles(2.0, circles=((1.0, 2.0, 3.0),), boxes=((0.0, 0.0, 1.0, 1.0),)))
    assert draccus.decode(Energies, json.loads(json.dumps(draccus.encode(group)))) == group


def test_what_is_seen_counts_like_what_was_given_and_each_observation_has_its_own() -> None:
    positions = SCENES[1].positions(chunks())
    seen = torch.tensor([[[0.1, 0.2, 0.3, 0.9]], [[-0.4, 0.0, 0.1, 0.5]]], dtype=torch.float64)
    told = Obstacles().depths(positions, dataclasses.replace(SCENES[1], obstacles=seen))
    for b in range(B):
        given = Obstacles(circles=(tuple(seen[b, 0].tolist()),))
        torch.testing.assert_close(told[b], given.depths(positions[b : b + 1], SCENES[1])[0])
    moving = torch.tensor([[[0.1, 0.2, 0.3, 0.9, 0.1, 0.0, -0.2]]], dtype=torch.float64)  # the same for all
    given = Obstacles(circles=(tuple(moving[0, 0].tolist()),))
    both = Obstacles().depths(positions, dataclasses.replace(SCENES[1], obstacles=moving))
    torch.testing.assert_close(both, given.depths(positions, SCENES[1]))


def test_where_nothing_is_in_the_way_nothing_is_wrong() -> None:
    some, nothing = chunks().requires_grad_(), Obstacles(1.0)
    assert not nothing(some, SCENES[0]).any() and (nothing.depths(some, SCENES[0]) < 0).all()
    assert not nothing.worst(some, SCENES[0]).gradient.any()
    assert not torch.autograd.grad(
        Energies(obstacles=nothing).sum({"obstacles": nothing})(some, SCENES[0]).sum(), some
    )[0].any()
