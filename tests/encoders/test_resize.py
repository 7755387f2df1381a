"""Pictures shrunk in whole numbers: the exact mean of an area, the same wherever and with whatever else it is computed."""

from fractions import Fraction
from math import floor

import cv2
import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.encoders import PatchesConfig, ResNet18Config, SmallCnnConfig, shrunk
from lerobot_dp_plus.encoders.resize import size_for

KEY = "observation.images.top"


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def overlaps(length: int, count: int) -> list[list[Fraction]]:
    """Share of each of `length` pixels in each of `count` output pixels, which together are one."""
    step = Fraction(length, count)

    def share(out: int, pixel: int) -> Fraction:
        return max(Fraction(0), min((out + 1) * step, Fraction(pixel + 1)) - max(out * step, Fraction(pixel))) / step

    return [[share(out, pixel) for pixel in range(length)] for out in range(count)]


@pytest.mark.parametrize("size", [(4, 5), (7, 11), (3, 11), (1, 1), (7, 2)])
def test_it_is_the_exact_mean_of_the_area_rounded_half_up(size: tuple[int, int]) -> None:
    picture = pictures(7, 11)
    rows, columns = overlaps(7, size[0]), overlaps(11, size[1])
    assert all(sum(shares) == 1 for shares in (*rows, *columns))
    exact = [
        [
            floor(
                Fraction(1, 2)
                + sum(a * b * int(picture[j, k]) for j, a in enumerate(row) for k, b in enumerate(column))
            )
            for column in columns
        ]
        for row in rows
    ]
    assert shrunk(picture, size).tolist() == exact


def test_whole_ratios_are_means_of_blocks() -> None:
    picture = pictures(3, 48, 64)
    blocks = picture.double().unflatten(-1, (16, 4)).unflatten(-3, (16, 3)).mean((-1, -3))
    assert torch.equal(shrunk(picture, (16, 16)), (blocks + 0.5).floor().to(torch.uint8))


@pytest.mark.parametrize("size", [(168, 224), (120, 160), (96, 96), (479, 640)])
def test_it_is_opencvs_area_interpolation(size: tuple[int, int]) -> None:
    picture = pictures(3, 480, 640)
    theirs = cv2.resize(picture.permute(1, 2, 0).numpy(), size[::-1], interpolation=cv2.INTER_AREA)
    # Theirs adds in single precision, ours exactly.
    assert (shrunk(picture, size).int() - torch.from_numpy(theirs).permute(2, 0, 1).int()).abs().max() <= 1


def test_what_else_is_in_the_batch_makes_no_difference() -> None:
    batch = pictures(5, 2, 3, 60, 91)
    together = shrunk(batch, (23, 32))
    assert together.dtype == torch.uint8 and together.shape == (5, 2, 3, 23, 32)
    for sample in range(5):
        for step in range(2):
            assert torch.equal(shrunk(batch[sample, step], (23, 32)), together[sample, step])
    turned = batch[0].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # channels last in memory
    assert not turned.is_contiguous() and torch.equal(shrunk(turned, (23, 32)), together[0])


def test_mirror_images_are_shrunk_to_mirror_images() -> None:
    picture = pictures(3, 60, 91)
    for axis in (-1, -2):
        assert torch.equal(shrunk(picture.flip(axis), (23, 32)), shrunk(picture, (23, 32)).flip(axis))


def test_plain_pictures_and_those_of_their_size_stay_as_they_are() -> None:
    for value in (0, 1, 127, 254, 255):
        assert torch.equal(
            shrunk(torch.full((37, 53), value, dtype=torch.uint8), (5, 7)), torch.full((5, 7), value).byte()
        )
    picture = pictures(3, 37, 53)
    assert torch.equal(shrunk(picture, (37, 53)), picture)


def test_large_pictures_need_wider_numbers() -> None:
    white = torch.full((1, 3000, 3000), 255, dtype=torch.uint8)
    assert torch.equal(shrunk(white, (2, 2)), white[:, :2, :2])  # 255·3000² is beyond 2³¹


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_bytes_divided_by_255_come_back_as_shrunk_bytes_divided_by_255(kind: torch.dtype) -> None:
    picture = torch.arange(256, dtype=torch.uint8).repeat(6).view(1, 32, 48)
    assert torch.equal(shrunk(picture.to(kind) / 255, (9, 13)), shrunk(picture, (9, 13)).to(kind) / 255.0)


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (224, (480, 640), (168, 224)),
        (224, (640, 480), (224, 168)),
        (160, (480, 640), (120, 160)),
        (160, (720, 1280), (90, 160)),
        (160, (96, 96), (96, 96)),  # never enlarged
        (160, (3, 1000), (1, 160)),  # never emptied
        ((96, 96), (480, 640), (96, 96)),
        ({KEY: 64, "other": None}, (480, 640), (48, 64)),
        ({KEY: (10, 20)}, (480, 640), (10, 20)),
        ({KEY: None}, (480, 640), (480, 640)),
        (None, (480, 640), (480, 640)),
    ],
)
def test_sizes(resize, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert size_for(resize, KEY, size) == expected


@pytest.mark.parametrize("side", [7, 100, 160, 224, 333])
def test_the_aspect_ratio_is_kept_as_well_as_whole_pixels_allow(side: int) -> None:
    height, width = size_for(side, KEY, (480, 640))
    assert width == side and abs(height - side * 0.75) <= 0.5


@pytest.mark.parametrize(
    ("resize", "told"),
    [
        (0, r"resize=0: the longest side of observation\.images\.top must be at least 1"),
        (
            (200, 100),
            r"resize=\[200, 100\]: observation\.images\.top is 120×160 .* only ever shrunk; legal are \[1, 1\] to",
        ),
        ((0, 100), r"resize=\[0, 100\]"),
        ({"other": 100}, r"resize names other, and not observation\.images\.top: give each camera"),
        ({KEY: -1}, r"resize=-1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(resize, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        size_for(resize, KEY, (120, 160))


def test_a_mapping_names_only_cameras_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"resize names wrist; the cameras are observation\.images\.top"):
        SmallCnnConfig(resize={KEY: 96, "wrist": 96}).seen({KEY: (3, 120, 160)})


def test_what_encoders_see_if_nothing_is_said() -> None:
    recorded = {KEY: (3, 480, 640), "small": (3, 96, 96)}
    assert ResNet18Config().seen(recorded) == {KEY: (3, 168, 224), "small": (3, 96, 96)}
    for encoder in (SmallCnnConfig(), PatchesConfig()):
        assert encoder.seen(recorded) == {KEY: (3, 120, 160), "small": (3, 96, 96)}
