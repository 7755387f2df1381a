"""A policy whose selection compares with an earlier checkpoint of it: loaded strictly, fitting, and not saved with it."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_policy_watching import watched
from tiny import ENV_STATE, HORIZON, config, frame

from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy
from lerobot_dp_plus.selection import Bidirectional, Densest

N = 6


def saved(folder: Path, **fields):
    """A checkpoint of a tiny policy with its processors."""
    from lerobot.policies import make_pre_post_processors

    made = watched(**{"selection": Densest(N), **fields})
    made.save_pretrained(folder)
    stats = {"observation.state": {"min": torch.zeros(4), "max": torch.ones(4)}}
    stats["action"] = {"min": torch.zeros(2), "max": torch.ones(2)}
    for pipeline in make_pre_post_processors(made.config, dataset_stats=stats):
        pipeline.save_pretrained(folder)
    return made


@pytest.fixture
def weak(tmp_path):
    return saved(tmp_path / "weak")


def contrasted(tmp_path, **fields):
    return watched(selection=Bidirectional(N, weak=str(tmp_path / "weak")), **fields)


def test_candidates_are_compared_with_the_weak_policys_of_the_same_window(tmp_path, weak) -> None:
    made = contrasted(tmp_path)
    noise = torch.randn(3, N, HORIZON, 2)
    for step in range(2):
        made.predict_action_chunk(frame(made.config), noise=noise, steps_since_last=3)
        replan = made.episode.replan
        expected = weak.propose(replan.window, noise.roll(1, 1), N, energies=()).chunks[:, :, 1:]
        torch.testing.assert_close(replan.proposed.contrast, expected)
        index = made.config.selection.choose(replan.proposed, replan.tail)
        assert torch.equal(replan.chosen.chunks, replan.proposed.at(index).chunks)
        assert (replan.tail is None) == (step == 0)


def test_it_is_neither_saved_nor_trained_nor_copied(tmp_path, weak) -> None:
    made, plain = contrasted(tmp_path), watched(selection=Densest(N))
    made.select_action(frame(made.config))
    assert made.state_dict().keys() == plain.state_dict().keys()
    assert len(list(made.parameters())) == len(list(plain.parameters()))
    made.save_pretrained(tmp_path / "both")
    assert (
        load_file(tmp_path / "both" / "model.safetensors").keys()
        == load_file(tmp_path / "weak" / "model.safetensors").keys()
    )
    again = DpPlusTransformerPolicy.from_pretrained(tmp_path / "both")
    assert again.config.selection == made.config.selection, "its path is saved"
    for each in (again, copy.deepcopy(made)):
        each.select_action(frame(made.config))
        assert each.episode.replan.proposed.contrast.shape == (3, N, HORIZON - 1, 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"horizon": 12}, r"its horizon = 12, and this policy has 8"),
        ({"n_obs_steps": 3}, r"its n_obs_steps = 3, and this policy has 2"),
        (
            {"inputs": ENV_STATE},
            r"its observed_features = .*environment_state.*and this policy has .*observation\.state",
        ),
        ({"stride": 2}, r"its stride = 2, and this policy has 1"),
    ],
)
def test_one_that_does_not_fit_is_named(tmp_path, fields, said) -> None:
    from lerobot.policies import make_pre_post_processors

    from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy as Policy

    other = Policy(config(**fields))
    other.save_pretrained(tmp_path / "weak")
    for pipeline in make_pre_post_processors(other.config, dataset_stats=None):
        pipeline.save_pretrained(tmp_path / "weak")
    made = contrasted(tmp_path)
    with pytest.raises(ValueError, match=rf"selection\.weak = .*weak: {said}"):
        made.select_action(frame(made.config))


def test_other_data_and_nothing_at_all_are_named(tmp_path) -> None:
    made = contrasted(tmp_path)
    with pytest.raises(ValueError, match=r"selection\.weak = .*weak: "):
        made.select_action(frame(made.config))
    other = saved(tmp_path / "weak")
    other.model.units.get_buffer("scale_1").mul_(2)
    other.ema.module.units.get_buffer("scale_1").mul_(2)
    other.save_pretrained(tmp_path / "weak")
    with pytest.raises(ValueError, match="trained on other data, whose values are normalised otherwise"):
        made.select_action(frame(made.config))
