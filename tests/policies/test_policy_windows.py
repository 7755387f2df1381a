"""Which frames a sample holds, and that each reader gets its own."""

import pytest
import torch
from tiny import config

from lerobot_dp_plus.auxiliary import Needs, NextState
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.policies.windows import Windows
from lerobot_dp_plus.selection import LowestEnergy


def coded(steps: list[int], base: float) -> torch.Tensor:
    """(2, T, 1): the value of a frame says which it is."""
    return torch.tensor(steps, dtype=torch.float32)[None, :, None].expand(2, -1, -1) + base


def steps_of(value: torch.Tensor, base: float) -> list[int]:
    return (value[0, :, 0] - base).int().tolist()


def ahead(reach: int, n_obs_steps: int) -> dict[str, Needs]:
    """What a dynamics model asks for that predicts `reach` frames."""
    return {"dynamics": Outcome(steps=reach).needs(n_obs_steps, 1)}


@pytest.mark.parametrize(
    ("windows", "observations", "actions"),
    [
        (Windows(2, 4), [-1, 0], [-1, 0, 1, 2]),
        (Windows(2, 4, stride=3), [-3, 0], [-3, 0, 3, 6]),
        (Windows(2, 4, others=ahead(2, 2)), [-1, 0, 1, 2], [-1, 0, 1, 2]),
        (Windows(2, 3, stride=2, others=ahead(3, 2)), [-2, -1, 0, 1, 2, 3], [-2, 0, 1, 2]),
        (Windows(1, 2, others=ahead(3, 1)), [0, 1, 2, 3], [0, 1, 2]),
        (Windows(3, 5, stride=2, others=ahead(1, 3)), [-4, -2, -1, 0, 1], [-4, -2, 0, 2, 4]),
        (Windows(2, 4, stride=3, others={"auxiliary": NextState().needs(2, 1)}), [-3, 0, 1], [-3, 0, 3, 6]),
        (Windows(2, 3, others={"a": Needs((4,), (9,)), "b": Needs((-7,))}), [-7, -1, 0, 4], [-1, 0, 1, 9]),
    ],
)
def test_a_sample_holds_what_its_readers_read_and_no_more(windows, observations, actions):
    assert windows.observations == observations
    assert windows.actions == actions
    batch = {
        "observation.state": coded(observations, 100),
        "action": coded(actions, 200),
        "action_is_pad": torch.tensor([step > 2 for step in actions]).expand(2, -1),
        "observation.state_is_pad": torch.tensor([step > 1 for step in observations]).expand(2, -1),
    }
    split = windows.split(batch, {"observation.state": (1,)}, 1, masked=True)
    readers = [
        (windows.policy, split.policy),
        *((windows.others[name], split.auxiliary[name]) for name in windows.others),
    ]
    for needs, view in readers:
        assert steps_of(view.observations["observation.state"], 100) == list(needs.observations)
        assert view.real[0].tolist() == [step <= 1 for step in needs.observations]
        assert view.actions.shape[1] == len(needs.actions)
        if needs.actions:
            assert steps_of(view.actions, 200) == list(needs.actions)
        assert view.valid[0].tolist() == [step <= 2 for step in needs.actions]
    assert list(windows.policy.actions) == windows.predicted and split.auxiliary.keys() == windows.others.keys()


def test_pictures_are_held_for_who_looks_at_them():
    looks = {"state_estimation": Needs((0,), (), (0,))}
    windows = Windows(2, 4, reads_pictures=True, others=looks | ahead(2, 2))
    assert windows.observations == [-1, 0, 1, 2] and windows.pictures == [0]
    shapes = {"observation.state": (1,), "observation.image": (3, 1, 1)}
    batch = {
        "observation.state": coded([-1, 0, 1, 2], 100),
        "action": coded([-1, 0, 1, 2], 200),
        "observation.image": torch.zeros(2, 1, 3, 1, 1),
    }
    split = windows.split(batch, shapes, 1, masked=True)
    assert "observation.image" not in split.policy.observations, "the policy sees states in place of pictures"
    assert split.auxiliary["state_estimation"].observations["observation.image"].shape[1] == 1
    assert "observation.image" not in split.auxiliary["dynamics"].observations
    assert Windows(2, 4).pictures == [-1, 0]


def test_lerobot_reads_the_indices_of_the_config():
    made = config(stride=2, dynamics=Outcome(steps=9), selection=LowestEnergy())
    assert made.observation_delta_indices == list(range(-2, 10))
    assert made.action_delta_indices == [-2, *range(9), 10, 12]
    assert made.drop_n_last_frames == 2 * (made.horizon - 1 - made.n_action_steps)


def test_a_policy_that_is_late_learns_from_the_last_frames_too():
    """Unless copies of the last action count, which say to stand still."""
    assert config(max_delay=2, horizon=16, n_action_steps=2).drop_n_last_frames == 0
    assert config(max_delay=2, horizon=16, n_action_steps=2, mask_padded_actions=False).drop_n_last_frames == 13


@pytest.mark.parametrize(
    ("key", "message"),
    [("observation.state", r"observation\.state has 3 frames a sample; must be 2"), ("action", r"must be \(B, 4, 1\)")],
)
def test_another_number_of_frames_is_refused_by_name(key, message):
    batch = {"observation.state": torch.zeros(2, 2, 1), "action": torch.zeros(2, 4, 1)}
    batch[key] = torch.zeros(2, batch[key].shape[1] + 1, 1)
    with pytest.raises(ValueError, match=message):
        Windows(2, 4).split(batch, {"observation.state": (1,)}, 1, masked=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stride": 0}, "stride = 0: must be at least 1"),
        ({"selection": LowestEnergy()}, r"selection\.type = lowest_energy needs the energy end, and there is none"),
        ({"selection": LowestEnergy(energy="far")}, r"needs the energy far.*selection\.energy then names"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        config(**fields)
