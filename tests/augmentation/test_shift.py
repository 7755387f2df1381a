"""Shifts move pictures and places together: a dot that is drawn at a place is at the moved place in the moved picture."""

import draccus
import numpy as np
import pytest
import torch

from lerobot_dp_plus.augmentation import Augmentation, Shift
from lerobot_dp_plus.augmentation.shift import moved_by

STATE, ENV, ACTION, IMAGE = "observation.state", "observation.environment_state", "action", "observation.image"
SIDE, ARENA = 32, 512.0


def dots(places: torch.Tensor) -> torch.Tensor:
    """White pixels at places (B, T, 2) in units of the arena, (B, T, 3, S, S)."""
    pixel = (places / ARENA * SIDE).long()
    pictures = torch.zeros(*places.shape[:2], SIDE, SIDE)
    batch, time = torch.meshgrid(torch.arange(len(places)), torch.arange(places.shape[1]), indexing="ij")
    pictures[batch, time, pixel[..., 1], pixel[..., 0]] = 1
    return pictures[:, :, None].expand(-1, -1, 3, -1, -1)


def sample(count: int = 64) -> dict[str, torch.Tensor]:
    places = 100 + 300 * torch.rand(count, 2, 2)
    return {
        STATE: places,
        ENV: 100 + 300 * torch.rand(count, 2, 16),
        IMAGE: dots(places),
        ACTION: 100 + 300 * torch.rand(count, 8, 2),
        "action_is_pad": torch.zeros(count, 8, dtype=torch.bool),
    }


@pytest.mark.parametrize("mirror", ["none", "pusht"])
def test_what_is_seen_and_what_is_said_stay_together(mirror: str) -> None:
    """Also through a mirror that comes after."""
    given = sample()
    moved = Shift(share=0.1, mirror=mirror).apply(given)
    # A place within a pixel may round to its neighbour in a mirror.
    expected = dots(moved[STATE])
    near = torch.nn.functional.max_pool2d(expected[:, :, 0], 3, 1, 1)
    assert (moved[IMAGE][:, :, 0] * near).sum((-1, -2)).eq(1).all()
    assert torch.equal(moved["action_is_pad"], given["action_is_pad"])


def test_all_of_a_sample_is_moved_alike_by_whole_pixels() -> None:
    given, shift = sample(), Shift(share=0.1)
    moved = shift.apply(given)
    by = (moved[STATE] - given[STATE])[:, 0]
    pixels = by / (ARENA / SIDE)
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-3, rtol=0)
    assert pixels.abs().max() == pytest.approx(3, abs=1e-3) and len(pixels.round().unique(dim=0)) > 20
    for key, places in ((STATE, 1), (ENV, 8), (ACTION, 1)):
        torch.testing.assert_close(moved[key] - given[key], by[:, None].repeat(1, 1, places).expand_as(given[key]))


def test_numbers_that_are_no_places_stay() -> None:
    given = sample() | {STATE: torch.rand(64, 2, 3), ACTION: torch.rand(64, 8, 3)}
    moved = Shift(share=0.2, view=(0, 1, 0, 1)).apply(given)
    for key in (STATE, ACTION):
        assert torch.equal(moved[key][..., 2], given[key][..., 2]) and not torch.equal(moved[key], given[key])


def test_borders_go_on() -> None:
    picture = torch.arange(12.0).reshape(1, 1, 3, 4)
    right = moved_by(picture, torch.tensor([[1, 0]]))
    assert right[0, 0].tolist() == [[0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]]
    up = moved_by(picture, torch.tensor([[0, -2]]))
    assert up[0, 0].tolist() == [[8, 9, 10, 11]] * 3


def test_statistics_hold_all_that_may_come() -> None:
    given, shift = sample(200), Shift(share=0.2, view=(0, 512, 512, 0))
    stats = {
        key: {"min": given[key].flatten(0, 1).amin(0).numpy(), "max": given[key].flatten(0, 1).amax(0).numpy()}
        for key in (STATE, ENV, ACTION)
    }
    widened = shift.widen(stats)
    for _ in range(5):
        moved = shift.apply(given)
        for key in stats:
            assert (moved[key].numpy() >= widened[key]["min"] - 1e-3).all()
            assert (moved[key].numpy() <= widened[key]["max"] + 1e-3).all()
    assert np.allclose(widened[STATE]["max"] - stats[STATE]["max"], 0.2 * 512)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({STATE: (2,), ACTION: (2,)}, "there are 0 cameras"),
        ({IMAGE: (3, 8, 8), "observation.images.top": (3, 8, 8), ACTION: (2,)}, "there are 2 cameras"),
        ({IMAGE: (3, 8, 8), ACTION: (1,)}, "first two numbers must be a place"),
        ({IMAGE: (3, 8, 8), ENV: (5,), ACTION: (2,)}, "must be places, two numbers each"),
    ],
)
def test_what_cannot_be_shifted_is_refused_by_name(shapes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shift().check(shapes)


def test_illegal_fields_are_named() -> None:
    for fields, said in (
        ({"share": 0.3}, r"augmentation\.share=0\.3"),
        ({"view": (0, 0, 0, 1)}, r"augmentation\.view=\[0, 0, 0, 1\]"),
        ({"mirror": "left"}, r"augmentation\.mirror='left': legal are none, pusht"),
    ):
        with pytest.raises(ValueError, match=said):
            Shift(**fields)


def test_a_config_file_spells_it() -> None:
    shift = Shift(share=0.1, view=(0, 1, 0, 1), mirror="pusht")
    spelled = draccus.encode(shift, Augmentation)
    assert spelled["type"] == "shift" and spelled["mirror"] == "pusht"
    assert draccus.decode(Augmentation, spelled) == shift
