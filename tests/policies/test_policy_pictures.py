"""A policy sees the same pixels of a frame whoever brings it: the in-memory loader, LeRobot's, an environment or a robot."""

import json
import logging

import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import make_pre_post_processors
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file
from test_policy_processors import names, statistics
from tiny import STATE, config, policy

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.encoders import SmallCnnConfig, shrunk
from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies.dataset_check import adopt_dataset
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy

TOP, WRIST = "observation.images.top", "observation.images.wrist"
CAMERAS = {
    TOP: PolicyFeature(FeatureType.VISUAL, (3, 60, 80)),
    WRIST: PolicyFeature(FeatureType.VISUAL, (3, 32, 24)),
}
SMALL = SmallCnnConfig(resize=40, num_keypoints=8, feature_dim=32)
STEP = "dp_plus_pictures_processor"


def made(resize=40, **fields):
    encoder = SmallCnnConfig(resize=resize, num_keypoints=8, feature_dim=32)
    return config(inputs={**STATE, **CAMERAS}, image_encoder=encoder, **fields)


def pipelines(of):
    return make_pre_post_processors(of, dataset_stats=statistics(of))


def taken(seed: int = 0) -> dict[str, np.ndarray]:
    """One frame of every camera, (H, W, 3) bytes, and a state."""
    rng = np.random.default_rng(seed)
    frames = {key: rng.integers(0, 256, (*ft.shape[1:], 3), dtype=np.uint8) for key, ft in CAMERAS.items()}
    return {**frames, "observation.state": rng.normal(size=4).astype(np.float32)}


def test_what_a_policy_is_given_is_smaller_than_what_is_recorded():
    small = made()
    assert small.recorded_cameras == {TOP: (3, 60, 80), WRIST: (3, 32, 24)}
    assert small.camera_features == {TOP: (3, 30, 40), WRIST: (3, 32, 24)}
    assert small.input_features[TOP].shape == (3, 60, 80)  # LeRobot's features keep the camera's
    assert DpPlusPolicy(small).model.encoder.image_shapes[TOP] == (3, 30, 40)


def test_one_step_is_added_where_something_is_shrunk():
    before, _ = pipelines(made())
    assert names(before)[:3] == ["rename_observations_processor", STEP, "dp_plus_numbers_processor"]
    for resize in (None, 80, {TOP: 100, WRIST: None}):
        assert STEP not in names(pipelines(made(resize))[0])


def test_a_frame_is_the_same_to_the_bit_however_it_comes(tmp_path):
    small = made()
    before, _ = pipelines(small)
    before.save_pretrained(tmp_path)
    saved, _ = make_pre_post_processors(small, pretrained_path=save(DpPlusPolicy(small), pipelines(small), tmp_path))
    frame = taken()
    bytes_ = {key: torch.from_numpy(frame[key]).permute(2, 0, 1) for key in CAMERAS}
    #: As the in-memory loader holds it, and as LeRobot's training then divides it.
    held = {
        key: shrunk(value, small.camera_features[key][1:])[None].to(torch.float32) / 255.0
        for key, value in bytes_.items()
    }
    ways = {
        "held": held,
        "LeRobot's loader": {key: value[None].to(torch.float32) / 255.0 for key, value in bytes_.items()},
        "bytes": {key: value[None] for key, value in bytes_.items()},
        "numpy, channels last": {key: frame[key] for key in CAMERAS},
        "numbers up to 255": {key: value[None].to(torch.float64) for key, value in bytes_.items()},
        "a window": {key: torch.stack([value, value])[None].to(torch.float32) / 255.0 for key, value in bytes_.items()},
    }
    expected = before({**ways["held"], "observation.state": torch.zeros(1, 4)})
    for name, way in ways.items():
        for pipeline in (before, saved):
            seen = pipeline({**way, "observation.state": torch.zeros(1, 4)})
            for key in CAMERAS:
                value = seen[key][:, 0] if name == "a window" else seen[key]
                assert value.dtype == torch.float32
                assert torch.equal(value, expected[key]), (name, key)


def save(of: DpPlusPolicy, both, folder):
    of.save_pretrained(folder)
    for pipeline in both:
        pipeline.save_pretrained(folder)
    return str(folder)


def test_others_in_the_batch_make_no_difference():
    before, _ = pipelines(made())
    many = {key: torch.rand(7, *ft.shape) for key, ft in CAMERAS.items()}
    state = torch.zeros(7, 4)
    together = before({**many, "observation.state": state})
    for row in range(7):
        alone = before({**{key: value[row : row + 1] for key, value in many.items()}, "observation.state": state[:1]})
        assert all(torch.equal(alone[key], together[key][row : row + 1]) for key in CAMERAS)


def test_a_loaded_policy_acts_on_what_a_camera_gives(tmp_path):
    loaded = load_policy(save(policy(inputs={**STATE, **CAMERAS}, image_encoder=SMALL), pipelines(made()), tmp_path))
    loaded.policy.reset()
    assert loaded.act(taken()).shape == (2,)
    assert {
        key: tuple(value.shape) for key, value in loaded.policy.episode.history.window().items() if key in CAMERAS
    } == {
        TOP: (1, 2, 3, 30, 40),
        WRIST: (1, 2, 3, 32, 24),
    }


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_picture_with_nan_is_refused_and_not_made_black(bad):
    before, _ = pipelines(made())
    broken = torch.rand(1, 3, 60, 80)
    broken[0, 1, 5, 7] = bad
    with pytest.raises(
        ValueError, match=r"observation\.images\.top: 1 of 14400 values of its picture are NaN or infinite"
    ):
        before({TOP: broken, WRIST: torch.rand(1, 3, 32, 24), "observation.state": torch.zeros(1, 4)})


def test_pictures_of_a_third_size_are_refused_by_name():
    before, _ = pipelines(made())
    with pytest.raises(
        ValueError,
        match=r"observation\.images\.top has shape \(1, 3, 61, 80\); must end in \(3, 60, 80\).* \(3, 30, 40\)",
    ):
        before({TOP: torch.rand(1, 3, 61, 80), WRIST: torch.rand(1, 3, 32, 24), "observation.state": torch.zeros(1, 4)})


@pytest.mark.parametrize(
    ("resize", "told"),
    [
        ([61, 10], r"resize=\[61, 10\]: observation\.images\.top is 60×80"),
        ({TOP: 40}, r"resize names observation\.images\.top, and not observation\.images\.wrist"),
        ({TOP: 40, WRIST: 8, "observation.image": 8}, r"resize names observation\.image; the cameras are"),
        (7, r"observation\.images\.top is 5×7 .*, too small for the backbone"),
    ],
)
def test_what_does_not_fit_the_cameras_is_refused_when_a_policy_is_made(resize, told):
    with pytest.raises(ValueError, match=told):
        DpPlusPolicy(made(tuple(resize) if isinstance(resize, list) else resize))


def test_the_size_of_a_checkpoint_cannot_be_switched(tmp_path):
    save(policy(inputs={**STATE, **CAMERAS}, image_encoder=SMALL), pipelines(made()), tmp_path)
    with pytest.raises(ValueError, match=r"image_encoder\.resize = 24: the weights .* were trained with 40"):
        load_policy(tmp_path, image_encoder={"resize": 24})


@pytest.mark.parametrize("flag", ["40", "[30,40]", f'{{"{TOP}": 40, "{WRIST}": [16, 12]}}', "null"])
def test_the_command_line_and_files_spell_every_form(tmp_path, flag):
    made()._save_pretrained(tmp_path)
    read = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=[f"--image_encoder.resize={flag}"])
    plain = json.loads(flag)
    assert json.loads(json.dumps(read.image_encoder.resize)) == plain
    read._save_pretrained(tmp_path)
    assert PreTrainedConfig.from_pretrained(tmp_path).image_encoder == read.image_encoder


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "encoder", [None, {}, {"type": "resnet18"}, {"type": "small_cnn", "crop_ratio": 1.0}, {"type": "patches"}]
)
def test_files_of_before_shrink_nothing(tmp_path, version, encoder):
    said = {} if encoder is None else {"image_encoder": encoder}
    fields = {"type": "dp_plus_transformer", "format_version": version, "device": "cpu", "push_to_hub": False, **said}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    read = PreTrainedConfig.from_pretrained(tmp_path)
    assert read.image_encoder.resize is None
    assert (encoder or {}).get("crop_ratio", 0.9) == read.image_encoder.crop_ratio
    (tmp_path / "config.json").write_text(json.dumps({**fields, "format_version": 4}))
    assert PreTrainedConfig.from_pretrained(tmp_path).image_encoder.resize in (160, 224)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two short episodes of both cameras; one as video and one as pictures would need two datasets, so as pictures."""
    root = tmp_path_factory.mktemp("data") / "two_cameras"
    shapes = {key: (*feature.shape[1:], 3) for key, feature in CAMERAS.items()}
    names_ = ["height", "width", "channels"]
    features = {
        "observation.state": {"dtype": "float32", "shape": (4,), "names": None},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        **{key: {"dtype": "image", "shape": shape, "names": names_} for key, shape in shapes.items()},
    }
    dataset = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for length in (12, 9):
        for step in range(length):
            dataset.add_frame({**taken(step), "action": rng.normal(size=2).astype(np.float32), "task": "push"})
        dataset.save_episode()
    dataset.finalize()
    return root


def test_it_is_said_once_in_the_log(recorded, caplog):
    meta = LeRobotDataset("made/up", root=recorded).meta
    with caplog.at_level(logging.INFO):
        adopt_dataset(made(), meta)
    (said,) = [record.getMessage() for record in caplog.records if "shrunk" in record.getMessage()]
    assert said == (
        "pictures are shrunk before they are encoded (image_encoder.resize): observation.images.top from 60×80 to 30×40"
    )
    caplog.clear()
    with caplog.at_level(logging.INFO):
        adopt_dataset(made(None), meta)
    assert not [record for record in caplog.records if "shrunk" in record.getMessage()]


def test_training_through_either_loader_gives_the_same_weights(recorded, tmp_path, monkeypatch):
    """Ours holds 30×40; LeRobot's gives whole pictures, and the preprocessor shrinks them."""
    weights, given = {}, []
    for enabled in (True, False):
        output = tmp_path / str(enabled)
        monkeypatch.setattr(
            "sys.argv",
            [
                "lerobot_train",
                *("--dataset.repo_id=made/up", f"--dataset.root={recorded}", f"--output_dir={output}"),
                *("--policy.type=dp_plus_transformer", "--policy.device=cpu", "--policy.push_to_hub=false"),
                *("--policy.network.dim=16", "--policy.network.depth=1", "--policy.network.num_heads=2"),
                *("--policy.horizon=8", "--policy.n_action_steps=4", "--policy.sampler.num_steps=2"),
                *("--policy.image_encoder.type=small_cnn", "--policy.image_encoder.width=16"),
                f'--policy.image_encoder.resize={{"{TOP}": 40, "{WRIST}": null}}',
                *("--steps=2", "--save_freq=2", "--batch_size=4", "--num_workers=0", "--seed=3"),
            ],
        )
        with fast_loading(enabled), pytest.MonkeyPatch.context() as patch:
            make = lerobot_train.make_train_eval_datasets
            patch.setattr(
                lerobot_train, "make_train_eval_datasets", lambda cfg, make=make: given.append(make(cfg)) or given[-1]
            )
            lerobot_train.main()
        weights[enabled] = load_file(output / "checkpoints" / "000002" / "pretrained_model" / "model.safetensors")
    (ours, _), (theirs, _) = given
    assert ours.frames[TOP].shape == (21, 3, 30, 40) and ours.frames[WRIST].shape == (21, 3, 32, 24)
    assert ours[0][TOP].shape[-2:] == (30, 40) and theirs[0][TOP].shape[-2:] == (60, 80)
    assert all(torch.equal(weights[True][name], value) for name, value in weights[False].items())


def test_whole_pictures_without_the_preprocessor_are_refused_with_the_way_out():
    whole = {key: torch.rand(1, *ft.shape) for key, ft in CAMERAS.items()}
    with pytest.raises(
        ValueError, match=r"\(1, 3, 60, 80\); must be \(B, 3, 30, 40\) .* preprocessor brings pictures to"
    ):
        DpPlusPolicy(made()).select_action({**whole, "observation.state": torch.zeros(1, 4)})
