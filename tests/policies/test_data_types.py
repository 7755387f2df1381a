"""Numbers of every type, in the pipelines and without them, are the numbers they are."""

import numpy as np
import pytest
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies import make_pre_post_processors
from safetensors.torch import load_file, save_file
from tiny import IMAGES, STATE, TWO_CAMERAS, build, config, noise, trained

from lerobot_dp_plus.policies.numbers import to_floats

ONE = {
    "observation.state": PolicyFeature(FeatureType.STATE, (1,)),
    "observation.environment_state": PolicyFeature(FeatureType.ENV, (1,)),
    "observation.force": PolicyFeature(FeatureType.STATE, (1,)),
    "observation.arm": PolicyFeature(FeatureType.STATE, (3,)),
}
SHAPES = {"x": (4,), "one": (1,), "picture": (3, 4, 6)}
MODES = ("MIN_MAX", "MEAN_STD", "QUANTILES", "QUANTILE10")


def statistics(made):
    """Of values between −0.9 and 0.9 with a mean of 0.15, on purpose nothing whole."""
    full = {"min": -0.9, "max": 0.9, "mean": 0.15, "std": 0.45, "q01": -0.8, "q99": 0.8, "q10": -0.6, "q90": 0.6}
    found = {}
    for key, feature in {**made.input_features, **made.output_features}.items():
        shape = (3, 1, 1) if feature.type is FeatureType.VISUAL else feature.shape
        found[key] = {name: np.full(shape, value, np.float32) for name, value in full.items()}
    return found


def expected(value, mode):
    low, high = {"MIN_MAX": (-0.9, 0.9), "QUANTILES": (-0.8, 0.8), "QUANTILE10": (-0.6, 0.6)}.get(mode, (0, 0))
    return (value - 0.15) / 0.45 if mode == "MEAN_STD" else 2 * (value - low) / (high - low) - 1


KINDS = [torch.int8, torch.int16, torch.int64, torch.uint8, torch.bool, torch.float16, torch.bfloat16, torch.float64]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_values_stay_what_they_are(kind):
    given = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 1]])
    asked = given.to(kind)
    for value in (asked, *([] if kind is torch.bfloat16 else [asked.numpy(), asked.tolist()])):
        got = to_floats({"x": value, "task": ["push"]}, SHAPES)
        assert got["task"] == ["push"] and got["x"].dtype is torch.float32
        assert torch.equal(got["x"], given.float())
    assert to_floats({"x": asked}, SHAPES, dtype=torch.float64)["x"].dtype is torch.float64


def test_arrays_that_torch_would_not_take():
    given = np.arange(8.0).reshape(2, 4)
    readonly = given.astype(np.float32)
    readonly.setflags(write=False)
    for array in (
        given.astype(">f4"),
        given[:, ::-1][:, ::-1],
        given.astype(np.longdouble),
        given.astype(">i2"),
        readonly,
    ):
        got = to_floats({"x": array}, SHAPES)["x"]
        assert torch.equal(got, torch.arange(8.0).reshape(2, 4))
    got += 1  # a tensor of its own
    assert readonly[0, 0] == 0


def test_nothing_is_copied_that_fits():
    given = {"x": torch.rand(2, 4), "one": torch.rand(2, 5, 1), "picture": torch.rand(2, 3, 4, 6)}
    got = to_floats(given, SHAPES)
    assert all(got[key] is given[key] for key in given)


@pytest.mark.parametrize(
    "value",
    ["lift it", ["a", "b"], np.array(["a", "b"]), np.array([None, 1]), None, torch.zeros(2, 4) + 1j, [[1], [1, 2]]],
)
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"^x holds .*legal are tensors, numpy arrays.*--policy\.input_features"):
        to_floats({"x": value}, SHAPES)
    assert to_floats({"y": value}, SHAPES)["y"] is value


@pytest.mark.parametrize(
    ("given", "wanted"), [((), ()), ((5,), (5, 1)), ((5, 1), (5, 1)), ((5, 2), (5, 2, 1)), ((5, 2, 1), (5, 2, 1))]
)
def test_one_number_gets_its_axis_back(given, wanted):
    assert to_floats({"one": torch.ones(given)}, SHAPES)["one"].shape == wanted


def test_pictures_of_bytes():
    whole = torch.randint(0, 256, (2, 3, 4, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    right = whole.float() / 255
    soft = whole.float() * 0.99 + 0.4  # resized: no longer whole
    for normalised in (False, True):
        for value in (whole, whole.long(), whole.short(), whole.float(), whole.double(), whole.numpy()):
            got = to_floats({"picture": value}, SHAPES, normalised=normalised)["picture"]
            assert torch.equal(got, right) and got.dtype is torch.float32
        for kind in (torch.float16, torch.bfloat16):
            got = to_floats({"picture": whole.to(kind)}, SHAPES, normalised=normalised)["picture"]
            torch.testing.assert_close(got, right, rtol=0, atol=5e-3)
        torch.testing.assert_close(to_floats({"picture": soft}, SHAPES, normalised=normalised)["picture"], soft / 255)
        torch.testing.assert_close(to_floats({"picture": right}, SHAPES, normalised=normalised)["picture"], right)
        mask = whole > 127
        assert torch.equal(to_floats({"picture": mask}, SHAPES, normalised=normalised)["picture"], mask.float())
    with pytest.raises(
        ValueError, match=r"picture is a picture of torch\.int32 from -3 to 65535; legal are whole numbers"
    ):
        to_floats({"picture": torch.tensor([-3, 65535] * 36).reshape(1, 3, 4, 6).int()}, SHAPES)


def test_normalised_pictures_are_no_bytes():
    """Of a dark dataset: means of 0.02, deviations of 0.04; a bright frame is 25 deviations off, and all of it positive."""
    pictures = torch.rand(5, 3, 4, 6)
    for normal in ((pictures - 0.02) / 0.04, (pictures * 0.8 + 0.2 - 0.02) / 0.04, torch.full((1, 3, 4, 6), 2.5)):
        assert torch.equal(to_floats({"picture": normal}, SHAPES, normalised=True)["picture"], normal)


def test_channels_last_are_moved_where_that_is_plain():
    last = torch.rand(2, 5, 4, 6, 3)
    got = to_floats({"picture": last}, SHAPES)["picture"]
    assert torch.equal(got, last.movedim(-1, -3))
    other_size = torch.rand(8, 9, 3)  # PushT announces one size and renders another
    assert to_floats({"picture": other_size}, SHAPES)["picture"].shape == (3, 8, 9)
    both = torch.rand(2, 3, 4, 3)
    assert torch.equal(to_floats({"p": both}, {"p": (3, 4, 3)})["p"], both)
    assert torch.equal(to_floats({"p": both}, {"p": (3, 3, 4)})["p"], both.movedim(-1, -3))


# In the pipelines


@pytest.mark.parametrize("mode", MODES)
def test_whole_numbers_leave_the_statistics_alone(tmp_path, mode):
    """LeRobot's normaliser keeps its statistics in the type it saw last, and saves them so."""
    made = config(inputs=STATE)
    made.normalization_mapping = {"STATE": NormalizationMode(mode), "ACTION": NormalizationMode(mode)}
    made.save_pretrained(tmp_path)
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made))
    value = torch.tensor([[0.45, -0.3, 0.6, 0.0]])
    for kind in (*KINDS, torch.float32):
        bits = torch.tensor([[1, 0, 1, 1]]).to(kind)
        batch = {"observation.state": bits, "action": torch.ones(1, 8, 2).to(kind)}
        got = before(batch)
        torch.testing.assert_close(got["observation.state"], expected(bits.float(), mode))
        torch.testing.assert_close(got["action"], expected(torch.ones(1, 8, 2), mode))
        back = after(torch.ones(1, 2).to(kind))
        assert back.dtype is torch.float32
        before.save_pretrained(tmp_path)
        after.save_pretrained(tmp_path)
        loaded, loaded_after = make_pre_post_processors(made, tmp_path)
        for pipeline in (before, loaded):
            got = pipeline({"observation.state": value})["observation.state"]
            torch.testing.assert_close(got, expected(value, mode))
        actions = torch.tensor([[0.1, -0.7]])
        for pipeline in (after, loaded_after):
            torch.testing.assert_close(expected(pipeline(actions), mode), actions)


def test_frames_without_a_batch_of_every_kind():
    made = config(inputs={**ONE, **TWO_CAMERAS})
    before, _ = make_pre_post_processors(made, dataset_stats=statistics(made))
    frame = {
        "observation.state": np.float64(0.45),
        "observation.environment_state": np.array([0.45], np.float16),
        "observation.force": 0.45,
        "observation.arm": [0, 0.45, 0.9],
        "observation.images.top": np.full((24, 32, 3), 51, np.uint8),
        "observation.images.wrist": torch.full((3, 32, 20), 51, dtype=torch.uint8),
    }
    got = before(frame)
    for key in list(ONE)[:3]:
        torch.testing.assert_close(got[key], torch.tensor([[0.5]]), rtol=0, atol=1e-3)
    torch.testing.assert_close(got["observation.arm"], torch.tensor([[0, 0.5, 1.0]]))
    assert got["observation.images.top"].shape == (1, 3, 24, 32)
    for key in TWO_CAMERAS:
        torch.testing.assert_close(got[key], torch.full_like(got[key], (0.2 - 0.15) / 0.45))
    # A batch of LeRobot's dataset without windows: (B,) for a feature of shape (1,).
    got = before({"observation.state": torch.full((5,), 0.45)})
    assert got["observation.state"].shape == (5, 1)
    assert before({"observation.state": torch.full((5, 2), 0.45)})["observation.state"].shape == (5, 2, 1)


def test_a_pipeline_of_an_older_version_gets_the_step(tmp_path):
    made = config(inputs=STATE)
    made.save_pretrained(tmp_path)
    before, after = make_pre_post_processors(made, dataset_stats=statistics(made))
    for pipeline in (before, after):  # as before there was the step
        pipeline.steps = [step for step in pipeline.steps if "Numbers" not in type(step).__name__]
        pipeline.save_pretrained(tmp_path)
    loaded, loaded_after = make_pre_post_processors(made, tmp_path)
    state = torch.rand(3, 4)
    assert torch.equal(
        loaded({"observation.state": state})["observation.state"],
        before({"observation.state": state})["observation.state"],
    )
    loaded({"observation.state": torch.ones(3, 4, dtype=torch.int64)})
    assert torch.equal(
        loaded({"observation.state": state})["observation.state"],
        before({"observation.state": state})["observation.state"],
    )
    loaded_after(torch.ones(1, 2, dtype=torch.int32))
    assert torch.equal(loaded_after(state[:, :2]), after(state[:, :2]))
    again = tmp_path / "again"
    made.save_pretrained(again)
    loaded.save_pretrained(again)
    loaded_after.save_pretrained(again)
    twice, _ = make_pre_post_processors(made, again)
    assert [type(step).__name__ for step in twice.steps] == [type(step).__name__ for step in loaded.steps]


@pytest.mark.parametrize("file", ["preprocessor", "postprocessor"])
def test_statistics_that_integers_ruined_are_refused(tmp_path, file):
    made = config(inputs=STATE)
    made.save_pretrained(tmp_path)
    for pipeline in make_pre_post_processors(made, dataset_stats=statistics(made)):
        pipeline.save_pretrained(tmp_path)
    state = next(tmp_path.glob(f"policy_{file}*normalizer*.safetensors"))
    save_file({key: value.to(torch.int64) for key, value in load_file(state).items()}, state)
    with pytest.raises(ValueError, match=r"as whole numbers \(I64\).*Train again.*dataset_stats=dataset\.meta\.stats"):
        make_pre_post_processors(made, tmp_path)
    stats = statistics(made)  # as fine-tuning gives them
    overrides = {
        f"{side}_overrides": {name: {"stats": stats}}
        for side, name in (("preprocessor", "normalizer_processor"), ("postprocessor", "unnormalizer_processor"))
    }
    before, _ = make_pre_post_processors(made, tmp_path, **overrides)
    value = torch.full((1, 4), 0.45)
    torch.testing.assert_close(before({"observation.state": value})["observation.state"], value / 0.9)


# Without pipelines


def test_the_policy_takes_any_type():
    made = trained(inputs={**ONE, **IMAGES}, image_encoder=config().image_encoder)
    given = {key: (torch.rand(3, *feature.shape) > 0.5).float() for key, feature in ONE.items()}
    picture = torch.randint(0, 256, (3, 3, 32, 32)).to(torch.uint8)
    start = noise(made.config)

    def acts(**seen):
        made.reset()
        return made.select_action(seen, noise=start)

    right = acts(**given, **{"observation.image": picture.float() / 255})
    for kind in (torch.float64, torch.bool, torch.int16, torch.float16):
        assert torch.equal(acts(**{k: v.to(kind) for k, v in given.items()}, **{"observation.image": picture}), right)
    arrays = {key: value.numpy().astype(np.float64) for key, value in given.items()}
    assert torch.equal(acts(**arrays, **{"observation.image": picture.permute(0, 2, 3, 1).numpy()}), right)
    flat = {key: value[:, 0] if value.shape[1] == 1 else value for key, value in given.items()}
    assert torch.equal(acts(**flat, **{"observation.image": picture.float()}), right)
    window = {key: torch.stack([value, value], 1) for key, value in {**given, "observation.image": picture}.items()}
    assert torch.equal(
        made.sample(window, noise=start), made.sample({k: v.double() for k, v in window.items()}, noise=start)
    )
    with pytest.raises(ValueError, match=r"observation\.arm holds text"):
        acts(**{**given, "observation.arm": ["a", "b", "c"], "observation.image": picture})
    with pytest.raises(ValueError, match=r"observation\.arm has shape \(3, 2\)"):
        acts(**{**given, "observation.arm": np.zeros((3, 2)), "observation.image": picture})


@pytest.mark.parametrize("horizon", [8, 1])
def test_a_loss_of_any_type_and_of_one_action(horizon):
    fields = {"horizon": 8} if horizon == 8 else {"horizon": 1, "n_obs_steps": 1, "n_action_steps": 1}
    made = config(inputs=ONE, **fields)
    made.output_features = {"action": PolicyFeature(FeatureType.ACTION, (1,))}
    made = build(made).eval()
    steps = made.config.n_obs_steps
    bits = {key: torch.rand(3, steps, *feature.shape) > 0.5 for key, feature in ONE.items()}
    batch = {**bits, "action": torch.rand(3, horizon, 1) > 0.5}

    def loss(value):
        torch.manual_seed(0)
        return made(value)[0]

    right = loss({key: value.float() for key, value in batch.items()})
    assert torch.equal(loss(batch), right) and right.isfinite()
    as_lerobot = {key: value[..., 0].long() if value.shape[-1] == 1 else value for key, value in batch.items()}
    assert as_lerobot["action"].shape == (3, horizon)
    assert torch.equal(loss(as_lerobot), right)
    made.reset()
    assert made.select_action({key: value[:, -1] for key, value in bits.items()}).shape == (3, 1)
