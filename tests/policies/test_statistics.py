"""Whatever a dataset's statistics are, values are normalised to the order of one, and actions come back."""

import logging
import shlex
from multiprocessing.reduction import ForkingPickler
from types import SimpleNamespace

import draccus
import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.datasets.compute_stats import aggregate_stats, get_feature_stats
from lerobot.policies import make_pre_post_processors
from tiny import config

from lerobot_dp_plus.encoders import NoWords
from lerobot_dp_plus.policies.dataset_check import adopt_dataset
from lerobot_dp_plus.policies.statistics import coincide, squeezed, training_statistics

MODES = ("MIN_MAX", "MEAN_STD", "QUANTILES", "QUANTILE10")


def lerobots(*columns):
    """The statistics that LeRobot computes of episodes (T, D) and merges."""
    return aggregate_stats([{"x": get_feature_stats(column, axis=0, keepdims=False)} for column in columns])["x"]


def pipelines(mode, **stats):
    """Pipelines of a state and an action with these statistics."""
    width = {key: np.size(values["min"]) for key, values in stats.items()}
    made = config(inputs={"observation.state": PolicyFeature(FeatureType.STATE, (width["state"],))})
    made.output_features = {"action": PolicyFeature(FeatureType.ACTION, (width["action"],))}
    made.normalization_mapping = {"STATE": NormalizationMode(mode), "ACTION": NormalizationMode(mode)}
    named = {"observation.state": stats["state"], "action": stats["action"]}
    twice = training_statistics(made, training_statistics(made, named))
    for key, values in training_statistics(made, named).items():
        assert all(np.array_equal(values[name], twice[key][name]) for name in values)
    before, after = make_pre_post_processors(made, dataset_stats=named)
    still = torch.zeros(1, width["state"])
    return (
        lambda state: before({"observation.state": torch.as_tensor(state).float()})["observation.state"].numpy(),
        lambda action: before({"observation.state": still, "action": torch.as_tensor(action).float()})[
            "action"
        ].numpy(),
        lambda action: after(torch.as_tensor(action).float()).numpy(),
    )


def episodes(values, rounding, dtype, seed=0):
    """Two episodes in which every dimension is constant, but for some units in the last place."""
    rng = np.random.default_rng(seed)
    exact = np.tile(np.asarray(values, dtype), (50, 1))
    return [(exact * (1 + rounding * rng.uniform(-1, 1, exact.shape))).astype(dtype) for _ in range(2)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rounding", [0, 2e-7])
def test_what_never_moves_but_for_rounding(mode, dtype, rounding):
    values = np.array([0.0, 0.3, -500.0, 1e5, 3e7], dtype)
    columns = episodes(values, rounding, dtype)
    normal, normal_action, real = pipelines(mode, state=lerobots(*columns), action=lerobots(*columns))
    everything = np.concatenate(columns)
    assert np.abs(normal(everything)).max() < 0.1
    # A first deviation, in deployment: no more than itself, where single precision can tell it.
    moved = normal(everything + np.array([0.5, 0.5, 0.5, 0.5, 8]))
    assert np.abs(moved).max() < 1.1 and (np.abs(moved).max(0)[:3] > 0.4).all()
    targets = normal_action(everything[:, None].repeat(8, 1))
    assert np.isfinite(targets).all() and np.abs(targets).max() < 1.5
    for said in (-1.0, -0.3, 0.8):  # whatever the policy says
        np.testing.assert_allclose(real(np.full((1, 5), said))[0], values, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_small_units_and_small_ranges_are_no_rounding(mode):
    """Micrometres, and centimetres a kilometre off, are told apart as they are."""
    rng = np.random.default_rng(1)
    scale, offset = np.array([1e-6, 1e-2, 1.0]), np.array([0.0, 1e3, 0.0])
    columns = [offset + scale * rng.uniform(-1, 1, (200, 3)) for _ in range(2)]
    normal, _, _ = pipelines(mode, state=lerobots(*columns), action=lerobots(*columns))
    reach = np.abs(normal(np.concatenate(columns))).max(0)
    assert (reach > 0.9).all() and (reach < 3).all()


@pytest.mark.parametrize("mode", ["QUANTILES", "QUANTILE10"])
@pytest.mark.parametrize("closed", [0.0, 1.0, -3.0])
def test_a_gripper_that_is_nearly_always_closed(mode, closed):
    frames = np.random.default_rng(2).normal(size=(1000, 2)).astype(np.float32)
    frames[:, 1] = closed
    frames[::200, 1] = closed + 2  # open in half a percent of the frames
    stats = lerobots(frames)
    assert coincide(stats, ("q01", "q99")).tolist() == [False, True]
    normal, normal_action, real = pipelines(mode, state=stats, action=stats)
    got = normal(frames)
    assert np.abs(got[:, 1]).max() <= 1 + 1e-5 and np.ptp(got[:, 1]) == pytest.approx(2, abs=1e-4)
    assert np.quantile(np.abs(got[:, 0]), 0.97 if mode == "QUANTILES" else 0.77) < 1.1
    np.testing.assert_allclose(real(normal_action(frames[:, None])[:, 0]), frames, atol=1e-4)


def test_a_glitch_is_what_quantiles_ignore():
    frames = np.random.default_rng(3).normal(size=(1000, 1))
    bad = [frames.copy() for _ in range(30)]
    bad[0][7] = 1e5
    stats = lerobots(*bad)
    assert not coincide(stats, ("q01", "q99")).any() and squeezed(stats).all()
    normal, _, _ = pipelines("QUANTILES", state=stats, action=stats)
    assert np.abs(normal(frames)).max() > 0.3  # and not a hundred thousandth


def test_a_deviation_lost_to_single_precision():
    frames = np.random.default_rng(4).uniform(499.9, 500.1, (500, 1))
    stats = {**lerobots(frames), "std": np.zeros(1)}
    normal, normal_action, _ = pipelines("MEAN_STD", state=stats, action=stats)
    assert 0.5 < np.abs(normal(frames)).max() < 4
    assert np.abs(normal_action(frames[:, None])).max() < 4


def test_pictures_keep_the_statistics_they_are_given():
    """LeRobot puts ImageNet's beside the dataset's own extremes, black ones for a camera that saw nothing."""
    made = config(inputs={"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 32, 32))})
    shape = np.zeros((3, 1, 1), np.float32)
    image = {"min": shape, "max": shape, "mean": shape + 0.45, "std": shape + 0.225}
    kept = training_statistics(made, {"observation.image": image, "action": {"min": np.zeros(2), "max": np.ones(2)}})
    assert all(np.array_equal(kept["observation.image"][name], value) for name, value in image.items())


def test_a_dataset_that_goes_to_workers_keeps_its_statistics():
    """LeRobot gives its workers the dataset, and torch then frees the memory of its tensors, ImageNet's statistics among them."""
    made = config(inputs={"observation.image": PolicyFeature(FeatureType.VISUAL, (3, 32, 32))})
    image = {"mean": torch.full((3, 1, 1), 0.45), "std": torch.full((3, 1, 1), 0.225)}
    stats = {"observation.image": image, "action": {"min": np.zeros(2), "max": np.ones(2)}}
    before, _ = make_pre_post_processors(made, dataset_stats=stats)
    ForkingPickler.dumps(stats)  # what a worker that is spawned is given
    assert image["mean"].is_shared()
    for value in image.values():
        value.fill_(1e27)
    left = before({"observation.image": torch.full((1, 3, 32, 32), 0.9)})["observation.image"]
    torch.testing.assert_close(left, torch.full_like(left, 2.0))


def test_a_nearly_constant_action_is_within_its_bound():
    """Two neighbours of single precision have no middle there; computed in it, one of them would be 2 away from it."""
    action = {"min": np.full(2, 0.3, np.float32), "max": np.nextafter(np.full(2, 0.3, np.float32), np.float32(1))}
    adopt_dataset(config(), meta({"observation.state": {"min": -np.ones(4), "max": np.ones(4)}, "action": action}))


# What is said before training


def meta(stats, **changes):
    features = {key: {"dtype": "float32", "shape": (np.size(values["min"]),)} for key, values in stats.items()}
    return SimpleNamespace(**{"features": features, "fps": 10, "stats": stats, **changes})


def outliers():
    frames = np.random.default_rng(5).uniform(-1, 1, (2000, 4))
    frames[3, 2] = 80
    return lerobots(frames), lerobots(frames[:, 1:3])


def test_outliers_are_named_with_the_flags_that_help(caplog):
    state, action = outliers()
    with caplog.at_level(logging.WARNING):
        adopt_dataset(config(), meta({"observation.state": state, "action": action}))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "observation.state[2], action[1]" in message and "MIN_MAX" in message
    flags = dict(
        word.removeprefix("--policy.").split("=", 1) for word in shlex.split(message[message.index(": '--") + 2 :])
    )
    assert flags.keys() == {"normalization_mapping", "objective.clip_range"}
    mapping = draccus.decode(
        dict[str, NormalizationMode], draccus.load(dict, __import__("io").StringIO(flags["normalization_mapping"]))
    )
    assert mapping["ACTION"] is NormalizationMode.QUANTILES and mapping["VISUAL"] is NormalizationMode.MEAN_STD
    caplog.clear()
    made = config()
    made.normalization_mapping = mapping
    with pytest.raises(ValueError, match=r"objective\.clip_range = 1\.0: actions of the dataset reach"):
        adopt_dataset(made, meta({"observation.state": state, "action": action}))
    object.__setattr__(made.objective, "clip_range", float(flags["objective.clip_range"]))
    adopt_dataset(made, meta({"observation.state": state, "action": action}))
    assert not caplog.records
    # Only a state is squeezed, or nothing bounds the actions: the flag of the bound is not asked for.
    calm = lerobots(np.random.default_rng(6).uniform(-1, 1, (2000, 2)))
    with caplog.at_level(logging.WARNING):
        adopt_dataset(config(), meta({"observation.state": state, "action": calm}))
        adopt_dataset(config("dp_plus_flow"), meta({"observation.state": state, "action": action}))
    assert len(caplog.records) == 2 and "clip_range" not in caplog.text
    assert "ACTION: MIN_MAX" in caplog.records[0].getMessage() and "ACTION: QUANTILES" in caplog.records[1].getMessage()


def test_quantiles_that_say_nothing_are_named(caplog):
    frames = np.random.default_rng(7).uniform(-1, 1, (2000, 4))
    frames[:, 3] = 0
    frames[::300, 3] = 1
    made = config("dp_plus_flow")
    made.normalization_mapping = {"STATE": NormalizationMode.QUANTILES, "ACTION": NormalizationMode.MIN_MAX}
    with caplog.at_level(logging.WARNING):
        adopt_dataset(made, meta({"observation.state": lerobots(frames), "action": lerobots(frames[:, :2])}))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("observation.state[3]: the quantiles q01 and q99 coincide")


def test_a_dataset_without_statistics():
    found = meta(
        {"observation.state": {"min": np.zeros(4)}, "action": {"min": np.zeros(2)}}, root="/data/x", repo_id="me/x"
    )
    found.stats = None
    with pytest.raises(ValueError, match=r"no statistics.*restore\('/data/x'\).*--repo_id=me/x .*--root=/data/x"):
        adopt_dataset(config(), found)


class Table(dict):
    column_names = ("episode_index", "tasks")


def test_several_tasks_are_named(caplog):
    from lerobot_dp_plus.policies.host_data import Run, note_run

    stats = {
        key: {"min": -np.ones(width), "max": np.ones(width)} for key, width in (("observation.state", 4), ("action", 2))
    }
    tasks = [["pick the cube"], ["pick the cube"], ["open the door"], ["pick the cube"], ["x" * 100]]
    found = meta(stats, episodes=Table(episode_index=list(range(5)), tasks=tasks))
    with caplog.at_level(logging.WARNING):
        adopt_dataset(config(words=NoWords()), found)
    (message,) = [record.getMessage() for record in caplog.records]
    assert (
        "has 3 tasks" in message
        and "does not read the instruction" in message
        and "--policy.words.type=ngrams" in message
    )
    assert "'pick the cube' (episodes 0–1, 3); 'open the door' (episode 2)" in message and "x" * 61 not in message
    assert "--dataset.episodes=[0,1,3]" in message
    caplog.clear()
    made = config()
    note_run(made, Run(episodes=[0, 3]))  # as the message advises
    with caplog.at_level(logging.WARNING):
        adopt_dataset(made, found)
    assert not caplog.records
