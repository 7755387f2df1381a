"""A policy whose goals depend on the start: the first frame is learned from, remembered, and told to the energy."""

import pytest
import torch
from host_scripts import STATE_ONLY, made_up, saved, train
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from safetensors.torch import load_file
from tiny import ENV_STATE, IMAGES, STATE, config, frame, learned, policy, said

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary.dynamics import Conditional, Gaussian, Mixture, Outcome
from lerobot_dp_plus.auxiliary.dynamics.outcome import START
from lerobot_dp_plus.auxiliary.state_estimation import Regression
from lerobot_dp_plus.encoders import HashedWords, SmallCnnConfig
from lerobot_dp_plus.exporting.refusing import check
from lerobot_dp_plus.loading.memory import MemoryDataset
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.windows import BEGAN
from lerobot_dp_plus.selection import LowestEnergy

REACH = 6
SMALL = HashedWords(buckets=64, dim=8, max_words=4)


def with_ends(ends, **fields) -> DpPlusPolicy:
    fields = {"inputs": {**STATE, **ENV_STATE}, **fields}
    return policy(
        dynamics=Outcome(steps=REACH, dim=16, depth=1, ends=ends), selection=LowestEnergy(num_candidates=5), **fields
    )


def sample_batch(made: DpPlusPolicy, size: int = 6) -> dict[str, torch.Tensor]:
    """Samples with every frame a config asks for; all reach beyond their episode's end."""
    windows = made.config.windows
    batch = {
        key: torch.rand(size, len(windows.observations), width) * 2 - 1
        for key, width in made.config.low_dimensional_features.items()
    }
    for key in made.config.camera_features:
        batch[key] = torch.rand(size, len(windows.pictures), 3, 32, 32)
    beyond = torch.tensor([step >= REACH for step in windows.observations]).expand(size, -1)
    batch |= {f"{key}_is_pad": beyond for key in made.config.low_dimensional_features}
    batch["action"] = torch.rand(size, len(windows.actions), 2) * 2 - 1
    batch["action_is_pad"] = torch.zeros(batch["action"].shape[:2], dtype=torch.bool)
    return batch | (said(made.config, ["go left", "go right"] * (size // 2)) if made.config.spoken_features else {})


def told_scene(made: DpPlusPolicy, monkeypatch) -> list:
    """The scenes that the energy is asked of."""
    model, scenes = made.ema.module.auxiliary.dynamics, []
    energy = model.distance_from_end
    monkeypatch.setattr(
        model, "distance_from_end", lambda chunks, scene, units: scenes.append(scene) or energy(chunks, scene, units)
    )
    return scenes


@pytest.mark.parametrize("pictures", [False, True])
def test_the_energy_is_told_how_the_episode_began(pictures, monkeypatch):
    """Also where states are read off pictures: then off the first picture."""
    fields = {"words": SMALL}
    if pictures:
        estimation = Regression(state="observation.environment_state")
        fields |= {"inputs": {**STATE, **ENV_STATE, **IMAGES}, "state_estimation": estimation}
        fields["image_encoder"] = SmallCnnConfig(num_keypoints=8, feature_dim=32, crop_ratio=1.0)
    made = with_ends(Conditional(), **fields)
    learned(made, lambda: sample_batch(made))
    scenes = told_scene(made, monkeypatch)
    for _ in range(2):
        made.reset()
        frames = []
        for _ in range(4):  # two chunks
            frames.append({key: frame(made.config)[key] for key in made.config.observed_features})
            made.select_action(frames[-1] | said(made.config, ["go left"] * 3))
        first = made.ema.module.estimated({key: value[:, None] for key, value in frames[0].items()})
        for scene in scenes[-2:]:
            assert scene.began.keys() == {"observation.state", "observation.environment_state"}
            for key, value in scene.began.items():
                torch.testing.assert_close(value, first[key][:, 0])
            assert torch.equal(scene.said[0], said(made.config, ["go left"] * 3)[made.config.spoken_features[0]])
    assert len(scenes) == 4


@pytest.mark.parametrize("ends", [Gaussian(), Mixture(), Conditional(start=False)])
def test_who_does_not_ask_for_the_start_is_not_given_it(ends, monkeypatch):
    made = with_ends(ends, words=SMALL)
    learned(made, lambda: sample_batch(made))
    scenes = told_scene(made, monkeypatch)
    made.select_action(frame(made.config) | said(made.config, ["go left"] * 3))
    assert scenes[0].began == {} and START not in made.config.windows.observations


def test_a_window_of_many_frames_begins_with_its_oldest():
    made = with_ends(Conditional(words=False))
    learned(made, lambda: sample_batch(made))
    made.reset()
    windows = {key: value[:, None] + torch.arange(2.0)[:, None] for key, value in frame(made.config).items()}
    made.predict_action_chunk(windows)
    made.predict_action_chunk({key: value + 5 for key, value in windows.items()})
    kept = made.episode.history.window()
    assert all(torch.equal(kept[BEGAN + key], value[:, 0]) for key, value in windows.items())


@pytest.mark.parametrize("ends", [Mixture(), Conditional()])
def test_saved_and_loaded_it_tells_the_same_and_ends_of_another_kind_are_refused(ends, tmp_path):
    made = with_ends(ends)
    learned(made, lambda: sample_batch(made, 20))
    made.save_pretrained(tmp_path)
    again = type(made).from_pretrained(tmp_path)
    assert again.config.dynamics.ends == ends
    different = [k for k, v in made.state_dict().items() if k != "stream" and not torch.equal(v, again.state_dict()[k])]
    assert not different
    other = PreTrainedConfig.from_pretrained(tmp_path)
    other.dynamics = Outcome(steps=REACH, dim=16, depth=1)
    with pytest.raises(
        ValueError, match=r"dynamics\.ends = \{'type': 'gaussian'\}: the weights in .* were trained with"
    ):
        type(made).from_pretrained(tmp_path, config=other)


def test_a_checkpoint_from_before_the_axis_means_one_gaussian():
    """Its config has no such field, and its weights have the names of today."""
    saved_before = load_file("hub_cards/pusht_state/model.safetensors")
    loaded = load_policy("hub_cards/pusht_state").policy
    assert loaded.config.dynamics.ends == Gaussian()
    found = loaded.model.auxiliary.dynamics.ends
    for name in ("count", "mean", "squares"):
        assert torch.equal(found.get_buffer(name), saved_before[f"model.foresight.ends.{name}"])
    assert {name for name, _ in found.named_buffers()} == {"count", "mean", "squares"}


def test_a_file_cannot_remember_how_an_episode_began():
    with pytest.raises(ValueError, match=r"dynamics\.ends\.type=conditional remembers how the episode began"):
        check(with_ends(Conditional()).config)
    check(with_ends(Mixture()).config)


def test_the_loaders_give_the_first_frame_of_each_episode(tmp_path):
    """LeRobot's and the one in memory, for every frame of every episode."""
    root = made_up(tmp_path / "data", STATE_ONLY)
    made = config(inputs={}, dynamics=Outcome(steps=REACH, ends=Conditional()))
    times = {"observation.state": [step / 10 for step in made.observation_delta_indices]}
    stock = LeRobotDataset("made/up", root=root, delta_timestamps=times)
    plain = LeRobotDataset("made/up", root=root)
    first: dict[int, torch.Tensor] = {}
    for dataset in (stock, MemoryDataset(stock)):
        for row in range(len(plain)):
            known = plain[row]
            began = first.setdefault(int(known["episode_index"]), known["observation.state"])
            assert torch.equal(dataset[row]["observation.state"][0], began)
    assert len(first) == 3


def test_lerobots_script_trains_it(tmp_path):
    """Ends are gathered with the starts of their own episodes."""
    root = made_up(tmp_path / "data", STATE_ONLY)
    switches = ("dynamics.type=outcome", "dynamics.steps=6", "dynamics.dim=8", "dynamics.depth=1")
    more = [
        f"--policy.{each}" for each in (*switches, "dynamics.ends.type=conditional", "selection.type=lowest_energy")
    ]
    checkpoints = train(root, tmp_path / "run", "dp_plus_transformer", *more)
    weights = saved(checkpoints / "last")["pretrained_model/model.safetensors"]
    ends = "model.auxiliary.dynamics.ends."
    held = int(weights[f"{ends}held"])
    assert 1 <= held <= 3, "each of three episodes once"
    rows, units = (
        weights[f"{ends}rows"][:held],
        load_policy(checkpoints / "last" / "pretrained_model").policy.model.units,
    )
    plain = LeRobotDataset("made/up", root=root)
    bounds = [(0, 11), (12, 20), (21, 35)]
    known = {}
    keys = sorted(units.keys[:2])
    for start, last in bounds:
        both = [torch.cat([units.normalised(key, plain[row][key]) for key in keys]) for row in (last, start)]
        known[round(float(both[0][0]), 3)] = torch.cat(both)
    for row in rows:
        torch.testing.assert_close(row[:36], known[round(float(row[0]), 3)], rtol=1e-4, atol=1e-4)
