"""Colour jitter against torchvision's operations sample by sample, and hue against the geometry of RGB."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from lerobot_dp_plus.augmentation import Augmentation, ColorJitter
from lerobot_dp_plus.augmentation.color_jitter import turn

IMAGE, ACTION = "observation.images.top", "action"


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, 3, 8, 10)


def dim_images(*shape: int) -> torch.Tensor:
    """Pictures that nothing here brings to black or white."""
    return 0.3 + 0.2 * images(*shape)


def only(**widths: float) -> ColorJitter:
    return ColorJitter(**({"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0} | widths))


def factors(width: float, size: int, seed: int) -> list[torch.Tensor]:
    """Brightness, contrast and saturation as they are drawn."""
    torch.manual_seed(seed)
    return [1 + width * (2 * torch.rand(size) - 1) for _ in range(3)]


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("width", [0.3, 0.9])
def test_each_sample_is_what_torchvision_makes_of_it(name: str, width: float) -> None:
    before = images(6)  # (B, 3, H, W)
    position = ("brightness", "contrast", "saturation").index(name)
    torch.manual_seed(1)
    after = only(**{name: width}).apply({IMAGE: before})[IMAGE]
    adjust = getattr(functional, f"adjust_{name}")
    for one, old, factor in zip(after, before, factors(width, 6, seed=1)[position], strict=True):
        torch.testing.assert_close(one, adjust(old, factor.item()), rtol=0, atol=1e-6)
    assert (after - before).abs().amax((1, 2, 3)).min() > 1e-4, "a sample was left alone"


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)], ids=str)
def test_the_operations_follow_one_another(shape: tuple[int, ...]) -> None:
    before = dim_images(*shape)  # nowhere clipped, where torchvision clips on the way
    torch.manual_seed(2)
    after = ColorJitter(0.3, 0.3, 0.3, 0.0).apply({IMAGE: before})[IMAGE]
    assert after.shape == before.shape
    drawn = factors(0.3, 5, seed=2)
    for position, sample in enumerate(before):
        bright, contrast, saturation = (factor[position].item() for factor in drawn)
        expected = functional.adjust_saturation(
            functional.adjust_contrast(functional.adjust_brightness(sample, bright), contrast), saturation
        )
        torch.testing.assert_close(
            after[position], expected, rtol=0, atol=1e-4
        )  # its luma has shares that sum to 0.9999


def test_hue_comes_last_and_brings_grey_to_grey() -> None:
    before = dim_images(4, 2)
    torch.manual_seed(5)
    without = ColorJitter(0.3, 0.3, 0.3, 0.0).apply({IMAGE: before})[IMAGE]
    torch.manual_seed(5)
    after = ColorJitter(0.3, 0.3, 0.3, 0.1).apply({IMAGE: before})[IMAGE]
    torch.manual_seed(5)
    turns = 0.1 * (2 * torch.rand(4, 4)[3] - 1)
    expected = torch.einsum("bij,bfjhw->bfihw", turn(turns), without)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-5)
    assert (after - without).abs().max() > 0.01


def test_a_third_of_a_turn_makes_red_green_and_a_whole_one_nothing() -> None:
    third, whole = turn(torch.tensor([1 / 3, 1.0], dtype=torch.float64))
    colours = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(third @ colours[0], colours[1], rtol=0, atol=1e-12)  # red to green
    torch.testing.assert_close(third @ colours[1], colours[2], rtol=0, atol=1e-12)  # green to blue
    torch.testing.assert_close(whole, colours, rtol=0, atol=1e-12)


def test_hue_turns_about_grey() -> None:
    """Rodrigues' matrix against the matrix exponential; sums and lengths of colours stay."""
    axis = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    for share in (-0.3, 0.05, 0.21):
        turned = turn(torch.tensor([share], dtype=torch.float64))[0]
        torch.testing.assert_close(turned, torch.linalg.matrix_exp(2 * math.pi * share * axis), rtol=0, atol=1e-12)
        torch.testing.assert_close(turned @ turned.T, torch.eye(3, dtype=torch.float64))
        torch.testing.assert_close(turned.sum(0), torch.ones(3, dtype=torch.float64))


def test_frames_of_a_sample_share_their_factors_and_samples_do_not() -> None:
    frame = images(1)
    window = frame[:, None].expand(16, 3, -1, -1, -1)  # (B, T_o, 3, H, W), the same picture everywhere
    after = ColorJitter().apply({IMAGE: window})[IMAGE]
    assert all(torch.equal(after[:, 0], after[:, step]) for step in (1, 2))
    assert len({tuple(sample.flatten().tolist()) for sample in after}) == 16


def test_cameras_have_factors_of_their_own() -> None:
    same = images(4, 2)
    after = ColorJitter().apply({"observation.images.a": same, "observation.images.b": same})
    assert not torch.equal(*after.values())


def test_everything_else_stays() -> None:
    sample = {
        IMAGE: images(4, 2),
        "observation.state": torch.rand(4, 2, 7),
        ACTION: torch.rand(4, 8, 7),
        "action_is_pad": torch.rand(4, 8) < 0.5,
    }
    before = {key: value.clone() for key, value in sample.items()}
    after = ColorJitter().apply(sample)
    assert list(after) == list(sample)
    assert all(after[key] is sample[key] for key in sample if key != IMAGE)
    assert all(torch.equal(sample[key], before[key]) for key in sample), "the caller's batch changed"


def test_the_result_is_an_image() -> None:
    after = ColorJitter(0.9, 0.9, 0.9, 0.5).apply({IMAGE: images(64).round()})[IMAGE]  # black and white throughout
    assert after.min() >= 0 and after.max() <= 1 and after.dtype == torch.float32


def test_nothing_to_change_changes_nothing_and_draws_nothing() -> None:
    before, state = images(3), torch.get_rng_state()
    assert only().apply({IMAGE: before})[IMAGE] is before
    assert torch.equal(torch.get_rng_state(), state)


def test_bounds_of_images_become_black_and_white() -> None:
    camera = {"min": np.full((3, 1, 1), 0.2), "max": np.full((3, 1, 1), 0.9), "mean": np.full((3, 1, 1), 0.4)}
    statistics = {IMAGE: camera, ACTION: {"min": np.zeros(2), "max": np.ones(2)}, "none": {"mean": 1}}
    widened = ColorJitter().widen(statistics)
    assert widened[IMAGE]["min"].tolist() == np.zeros((3, 1, 1)).tolist()
    assert widened[IMAGE]["max"].tolist() == np.ones((3, 1, 1)).tolist()
    assert widened[IMAGE]["mean"] is camera["mean"] and camera["min"].max() == 0.2
    assert widened[ACTION] == statistics[ACTION] and widened["none"] == {"mean": 1}
    assert ColorJitter().widen(widened)[IMAGE]["max"].max() == 1, "twice is once"


@pytest.mark.parametrize(
    ("field", "value"), [("brightness", 1.0), ("contrast", -0.1), ("saturation", float("nan")), ("hue", 0.6)]
)
def test_illegal_widths_are_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"augmentation\.{field}={value} must be in \[0"):
        ColorJitter(**{field: value})


def test_datasets_without_colours_are_refused() -> None:
    jitter = ColorJitter()
    jitter.check({IMAGE: (3, 8, 10), ACTION: (2,)})
    with pytest.raises(ValueError, match=r"none of \['action', 'observation\.state'\] is an image"):
        jitter.check({"observation.state": (2,), ACTION: (2,)})
    with pytest.raises(ValueError, match=r"images\.top has shape \(1, 8, 10\); must be \(3, H, W\)"):
        jitter.check({IMAGE: (1, 8, 10)})


def test_it_is_a_member_of_the_axis() -> None:
    assert Augmentation.get_choice_class("color_jitter") is ColorJitter
