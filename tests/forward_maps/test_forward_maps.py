"""Forward maps: PushT's against its physics, the others against straight ways written out."""

import gym_pusht  # noqa: F401  registers the environment
import gymnasium
import numpy as np
import pytest
import torch

from lerobot_dp_plus.forward_maps import ForwardMap, Identity, JointLimits, PushT
from lerobot_dp_plus.notation import Scene
from lerobot_dp_plus.units import ACTION

B, N, L = 2, 3, 4
MEMBERS = [
    Identity(),
    Identity(steps_between=1, dimensions=(2, 0)),
    JointLimits(low=(0, 0, 0), high=(1, 1, 1)),
    PushT(),
]


def actions(dim: int) -> torch.Tensor:
    return torch.rand(B, N, L, dim, dtype=torch.float64)


def scene(dim: int, known: bool) -> Scene:
    states = {"observation.state": torch.rand(B, 2, 2, dtype=torch.float64)}
    if known:
        states[ACTION] = torch.rand(B, 1, dim, dtype=torch.float64)
    return Scene(states)


def test_there_is_a_test_for_every_member() -> None:
    assert set(map(type, MEMBERS)) == set(ForwardMap.get_known_choices().values())


@pytest.fixture(scope="module")
def rollout() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(actions (T, 2), positions at the start of each step (T + 1, 2), positions at every sub-step (T, 10, 2))."""
    env = gymnasium.make("gym_pusht/PushT-v0", obs_type="state")
    env.reset(seed=7)
    inner = env.unwrapped
    # In the midst of the block for some of the time: the agent goes on as if it were not there.
    told = np.array(
        [[200, 300], [260, 240], [300, 330], [120, 90], [400, 200], [256, 300], [250, 250], [500, 20]], float
    )
    starts, ways, subs = [np.array(inner.agent.position)], [], []
    step = inner.space.step
    for action in told:

        class Spy:
            def __getattr__(self, name, space=inner.space):
                return getattr(space, name)

            def step(self, dt):
                step(dt)
                subs.append(np.array(inner.agent.position))

        space, inner.space = inner.space, Spy()
        env.step(action.astype(np.float32))
        inner.space = space
        starts.append(np.array(inner.agent.position))
        ways.append(np.array(subs))
        subs.clear()
    return told, np.array(starts), np.array(ways)


@pytest.mark.parametrize("now", range(1, 6))
def test_the_agent_goes_where_the_map_says_whatever_it_touches(rollout, now: int) -> None:
    told, starts, ways = rollout
    states = {
        "observation.state": torch.tensor(starts[None, now - 1 : now + 1]),
        ACTION: torch.tensor(told[None, now - 1 : now]),
    }
    length = len(told) - now
    found = PushT().positions(torch.tensor(told[None, None, now:]), Scene(states))
    assert found.shape == (1, 1, 10 * length, 2)
    np.testing.assert_allclose(found[0, 0], ways[now:].reshape(-1, 2), atol=1e-6)


def test_at_the_start_of_an_episode_the_agent_is_at_rest(rollout) -> None:
    told, starts, ways = rollout
    states = {"observation.state": torch.tensor(starts[None, [0, 0]])}
    found = PushT().positions(torch.tensor(told[None, None]), Scene(states))
    np.testing.assert_allclose(found[0, 0], ways.reshape(-1, 2), atol=1e-6)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_straight_way_is_cut_into_equal_parts(steps: int, known: bool) -> None:
    some, around = actions(3), scene(3, known)
    found = Identity(steps_between=steps, dimensions=(2, 0)).positions(some, around)
    for b in range(B):
        for n in range(N):
            at = around.states[ACTION][b, 0] if known else some[b, n, 0]
            expected = []
            for action in some[b, n]:
                expected += [at + (action - at) * (k + 1) / steps for k in range(steps)]
                at = action
            torch.testing.assert_close(found[b, n], torch.stack(expected)[:, [2, 0]])


def test_joints_stop_at_their_limits() -> None:
    some = actions(2) * 4 - 2
    free, held = (made.positions(some, Scene()) for made in (Identity(), JointLimits(low=(-0.5, 0.0), high=(0.5, 9.0))))
    torch.testing.assert_close(held, free.clamp(torch.tensor([-0.5, 0.0]), torch.tensor([0.5, 9.0])))
    assert (held != free).any()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("member", [each for each in MEMBERS if not isinstance(each, JointLimits)], ids=repr)
def test_positions_are_start_and_gains(member: ForwardMap, known: bool) -> None:
    dim = 2 if isinstance(member, PushT) else 3
    some, around = actions(dim), scene(dim, known)
    coordinates = list(member.coordinates(dim))
    jacobian = torch.autograd.functional.jacobian(lambda each: member.positions(each, around)[0, 0], some)
    gains = torch.tensor(member.gains(L, around), dtype=torch.float64)
    for number, coordinate in enumerate(coordinates):
        torch.testing.assert_close(jacobian[:, number, 0, 0, :, coordinate], gains)
    assert jacobian[:, :, 1].count_nonzero() == 0, "another observation moves nothing"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Identity(steps_between=0), r"forward\.steps_between = 0: must be at least 1"),
        (lambda: Identity(dimensions=(0, 3)).check(3, {}, 1, 1), r"forward\.dimensions = \[0, 3\]: legal are.*0 to 2"),
        (lambda: Identity(dimensions=(1, 1)).check(3, {}, 1, 1), r"forward\.dimensions = \[1, 1\]"),
        (lambda: PushT().check(3, {"observation.state": 2}, 2, 1), r"forward\.type = pusht: it needs actions of 2"),
        (lambda: PushT().check(2, {}, 2, 1), r"it needs actions of 2 dimensions and observation\.state of 2"),
        (lambda: PushT().check(2, {"observation.state": 2}, 1, 1), r"n_obs_steps = 1, observation_stride = 1"),
        (
            lambda: PushT().check(2, {"observation.state": 2}, 2, 3),
            r"observation_stride = 3; it needs at least 2, and 1",
        ),
        (lambda: JointLimits(low=(1,)).check(2, {}, 1, 1), r"forward\.low = \[1\]: must have 2 numbers"),
        (lambda: JointLimits(low=(1,), high=(0,)).check(1, {}, 1, 1), r"forward\.low = \[1\], forward\.high = \[0\]"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(made, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made()
