"""LeRobot's pipelines around the policy."""

import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies import make_pre_post_processors
from tiny import PRESETS, STATE, TWO_CAMERAS, config

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.policies.statistics import usable_statistics

PUSHT = {
    "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
    "observation.environment_state": PolicyFeature(FeatureType.ENV, (16,)),
    "observation.image": PolicyFeature(FeatureType.VISUAL, (3, 32, 32)),
}


def statistics(made, low=-3.0, high=5.0):
    found = {}
    for key, feature in {**made.input_features, **made.output_features}.items():
        shape = (3, 1, 1) if feature.type is FeatureType.VISUAL else feature.shape
        full = {"min": low, "max": high, "mean": 0.5, "std": 0.25}
        found[key] = {name: np.full(shape, value, dtype=np.float32) for name, value in full.items()}
    return found


def batch(made, size=4):
    given = {}
    for key, feature in made.input_features.items():
        given[key] = torch.rand(size, made.n_obs_steps, *feature.shape)
    return {**given, "action": torch.rand(size, made.horizon, 2) * 8 - 3, "task": ["push"] * size}


def names(pipeline):
    return [getattr(type(step), "_registry_name", type(step).__name__) for step in pipeline.steps]


@pytest.mark.parametrize("preset", PRESETS)
def test_step_names_are_lerobots_but_for_the_numbers(preset):
    made = config(preset)
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made))
    assert names(before) == [
        "rename_observations_processor",
        "dp_plus_numbers_processor",
        "to_batch_processor",
        "device_processor",
        "normalizer_processor",
    ]
    assert names(after) == ["dp_plus_numbers_processor", "unnormalizer_processor", "device_processor"]
    assert (before.name, after.name) == ("policy_preprocessor", "policy_postprocessor")


def test_ranges_and_the_way_back():
    made = config(inputs={**STATE, **TWO_CAMERAS})
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made))
    given = batch(made)
    given["observation.state"][0, 0] = torch.tensor([-3.0, 5.0, 1.0, 3.0])
    untouched = {key: value.clone() for key, value in given.items() if isinstance(value, torch.Tensor)}
    normal = before(given)
    torch.testing.assert_close(normal["observation.state"][0, 0], torch.tensor([-1.0, 1.0, 0.0, 0.5]))
    for key in TWO_CAMERAS:
        torch.testing.assert_close(normal[key], (given[key] - 0.5) / 0.25)
    assert normal["action"].min() >= -1 and normal["action"].max() <= 1
    torch.testing.assert_close(after(normal["action"]), given["action"])
    assert all(torch.equal(given[key], value) for key, value in untouched.items())


def test_a_single_frame_gets_its_batch_axis():
    made = config()
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made))
    assert before({"observation.state": torch.zeros(4)})["observation.state"].shape == (1, 4)
    assert after(torch.zeros(1, 2)).shape == (1, 2)


@pytest.mark.parametrize("mode", [NormalizationMode.MIN_MAX, NormalizationMode.MEAN_STD])
def test_dimensions_that_never_moved(mode):
    made = config()
    made.normalization_mapping = {"STATE": mode, "ACTION": NormalizationMode.MIN_MAX}
    stats = statistics(made)
    stats["observation.state"]["min"][2] = stats["observation.state"]["max"][2] = 1.5
    stats["observation.state"]["mean"][2], stats["observation.state"]["std"][2] = 1.5, 0.0
    stats["action"]["min"][1] = stats["action"]["max"][1] = 0.7
    before, after = make_pre_post_processors(made, dataset_stats=stats)
    state = torch.full((1, 4), 1.5)
    assert before({"observation.state": state})["observation.state"][0, 2] == 0
    state[0, 2] = 1.6  # a first deviation, in deployment
    assert before({"observation.state": state})["observation.state"][0, 2].item() == pytest.approx(0.1, abs=1e-4)
    # Whatever the policy says about a constant action, the constant comes out.
    torch.testing.assert_close(after(torch.tensor([[0.0, -0.9]]))[0, 1], torch.tensor(0.7))
    assert before(batch(made))["action"].isfinite().all()


def test_missing_statistics_are_named():
    made = config()
    for key, statistic in (("action", "max"), ("observation.state", "min")):
        stats = statistics(made)
        del stats[key][statistic]
        with pytest.raises(ValueError, match=rf"{key} has no '{statistic}', which MIN_MAX needs; it has \['m"):
            make_pre_post_processors(made, dataset_stats=stats)
    stats = statistics(made)
    del stats["observation.state"]
    with pytest.raises(ValueError, match=r"observation\.state has no 'min', which MIN_MAX needs; it has \[\]"):
        make_pre_post_processors(made, dataset_stats=stats)
    stats = statistics(made)
    stats["action"]["max"][0] = np.nan
    with pytest.raises(ValueError, match="max of action is not finite"):
        make_pre_post_processors(made, dataset_stats=stats)


def test_tensors_and_whole_numbers_are_statistics_too():
    made = config()
    stats = {
        "observation.state": {"min": torch.zeros(4), "max": torch.ones(4)},
        "action": {"min": np.array([0, 0]), "max": [4, 4]},
    }
    before, _ = make_pre_post_processors(made, dataset_stats=stats)
    assert before(batch(made))["action"].isfinite().all()


def test_usable_statistics_leave_the_dataset_alone_and_are_done_once():
    made = config()
    stats = statistics(made)
    stats["observation.state"]["min"][:] = stats["observation.state"]["max"]
    once = usable_statistics(made, stats)
    assert (stats["observation.state"]["min"] == stats["observation.state"]["max"]).all()
    twice = usable_statistics(made, once)
    assert all(np.array_equal(once[key][name], twice[key][name]) for key in once for name in once[key])


def test_augmentation_only_in_training_and_saved_with_the_pipeline(tmp_path):
    made = config(inputs=PUSHT, augmentation=PushTMirror())
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made, 0.0, 512.0))
    before.save_pretrained(tmp_path)
    after.save_pretrained(tmp_path)
    loaded, _ = make_pre_post_processors(made, tmp_path)
    assert names(loaded) == names(before)
    assert names(before)[4:] == ["dp_plus_augmentation_processor", "normalizer_processor"]
    training = {**batch(made, 32), "action": torch.rand(32, made.horizon, 2) * 512}
    observed = {key: value for key, value in training.items() if key not in ("action", "task")}
    for pipeline in (before, loaded):
        plain = pipeline({**observed, "task": training["task"]})
        mirrored = pipeline(training)
        changed = (mirrored["observation.state"] - plain["observation.state"]).abs().amax((1, 2)) > 1e-3
        assert changed.any() and not changed.all()
        # Action and observation of a sample are mirrored together: (x, y) → (512 − y, 512 − x).
        expected = torch.where(changed[:, None, None], 512 - training["action"].flip(-1), training["action"])
        torch.testing.assert_close(mirrored["action"], expected / 256 - 1, rtol=1e-4, atol=1e-4)
        again = pipeline({**observed, "task": training["task"]})
        assert all(torch.equal(again[key], plain[key]) for key in observed)
        stream = pipeline.steps[4].state_dict()["stream"]
        with torch.no_grad():  # as LeRobot's held-out loss
            held_out = pipeline(training)
        assert all(torch.equal(held_out[key], plain[key]) for key in observed)
        assert torch.equal(pipeline.steps[4].state_dict()["stream"], stream)


def test_augmentation_goes_on_where_it_was_saved(tmp_path):
    made = config(inputs=PUSHT, augmentation=PushTMirror())
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made, 0.0, 512.0))
    given = batch(made, 32)
    first = before(given)["action"]
    before.save_pretrained(tmp_path)
    after.save_pretrained(tmp_path)
    stream = torch.get_rng_state()
    second = before(given)["action"]
    assert torch.equal(torch.get_rng_state(), stream) and not torch.equal(first, second)
    loaded, _ = make_pre_post_processors(made, tmp_path)
    assert torch.equal(loaded(given)["action"], second)


def test_mirrored_actions_stay_within_the_range():
    made = config(inputs=PUSHT, augmentation=PushTMirror())
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made, 100.0, 400.0))
    given = {**batch(made, 32), "action": torch.rand(32, made.horizon, 2) * 300 + 100}
    normal = before(given)["action"]
    assert normal.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(after(torch.ones(1, 2)), torch.full((1, 2), 412.0))
