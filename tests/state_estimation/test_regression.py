"""What is read off pictures: learned from true places, in full precision, and refused where it cannot be."""

import draccus
import pytest
import torch
from torch import nn

from lerobot_dp_plus.auxiliary import Data, Needs, Surroundings, View
from lerobot_dp_plus.auxiliary.state_estimation import NoStateEstimation, Regression, StateEstimation
from lerobot_dp_plus.encoders import ObservationEncoder, SmallCnnConfig
from lerobot_dp_plus.notation import STEPS, Tokens
from lerobot_dp_plus.units import Units

CAMERA, STATE = "observation.image", "observation.environment_state"
SIZE = 32


def discs(places: torch.Tensor) -> torch.Tensor:
    """A soft bright disc at each of the places (M, 2), in [−1, 1]: pictures (M, 1, 3, SIZE, SIZE)."""
    axis = torch.linspace(-1, 1, SIZE)
    x, y = axis[None, None, :], axis[None, :, None]
    square = (x - places[:, 0, None, None]) ** 2 + (y - places[:, 1, None, None]) ** 2
    return torch.exp(-square / 0.02)[:, None, None].expand(-1, 1, 3, -1, -1)


CAMERAS = {CAMERA: (3, SIZE, SIZE)}
UNITS = Units({STATE: 2})


def build(see: nn.Module, width: int, state_dim: int = 2, **fields):
    around = Surroundings({STATE: state_dim, "observation.state": 2}, CAMERAS, 2, 0, lambda: (see, width))
    return Regression(**fields).build(around)


def reader(**fields):
    see = ObservationEncoder({}, CAMERAS, SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8))
    return build(see, see.spans[STEPS].width, **fields)


def view(pictures: torch.Tensor, places: torch.Tensor) -> View:
    """One frame of each sample."""
    count = len(places)
    real = torch.ones(count, 1, dtype=torch.bool)
    return View({CAMERA: pictures, STATE: places[:, None]}, torch.zeros(count, 0, 2), real[:, :0], real)


def test_it_learns_places_it_has_not_seen():
    """To a twentieth of the picture, where guessing the middle is off by half of it."""
    torch.manual_seed(0)
    model = reader().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        places = torch.rand(32, 2) * 1.6 - 0.8
        loss = model.loss(view(discs(places), places), (), UNITS, every=False)
        assert loss.each.shape == (32,)
        optimizer.zero_grad()
        loss.mean.backward()
        optimizer.step()
    unseen = torch.rand(64, 2) * 1.6 - 0.8
    with torch.no_grad():
        found = model.eval()({CAMERA: discs(unseen)})[STATE][:, 0]
    assert (found - unseen).abs().mean() < 0.05 < 0.3 < unseen.abs().mean()


def test_every_frame_is_read_by_itself():
    model, pictures = reader().eval(), discs(torch.rand(6, 2))
    with torch.no_grad():
        alone = model({CAMERA: pictures})[STATE]  # (6, 1, 2)
        windows = model({CAMERA: pictures.reshape(2, 3, *pictures.shape[2:])})[STATE]  # (2, 3, 2)
    torch.testing.assert_close(windows.reshape(6, 2), alone[:, 0])


def test_places_keep_full_precision_under_autocast():
    """A picture of 512 units is read to better than the 2 units that bfloat16 tells apart near its edge."""
    see = nn.Module()
    see.forward = lambda images: (Tokens(images[CAMERA].flatten(2).bfloat16()),)  # type: ignore[method-assign]
    model = build(see, 2, state_dim=1)
    with torch.no_grad():
        model.read.weight.copy_(torch.tensor([[1.0, 2.0**-9]]))
        model.read.bias.zero_()
        with torch.autocast("cpu", torch.bfloat16):
            found = model({CAMERA: torch.ones(1, 1, 2)})[STATE]
    assert found.dtype == torch.float32
    assert found.item() == 1 + 2.0**-9


def test_an_update_looks_at_some_pictures_and_a_validation_at_all():
    model, places = reader(samples=3, weight=0.5).eval(), torch.rand(5, 2)
    seen = view(discs(places), places)
    with torch.no_grad():
        each = 0.5 * (model({CAMERA: discs(places)})[STATE][:, 0] - places).abs().mean(1)
        some, every = (model.loss(seen, (), UNITS, every=whole) for whole in (False, True))
    assert some.weight.tolist() == [1, 1, 1, 0, 0] and every.weight.tolist() == [1] * 5
    torch.testing.assert_close(every.each, each)
    torch.testing.assert_close(some.each[:3], each[:3])
    torch.testing.assert_close(some.mean, each[:3].mean())
    torch.testing.assert_close(every.mean, each.mean())


def test_it_needs_one_picture_and_the_state_in_it():
    """And it says which states it estimates, so that in use nobody asks for them."""
    assert Regression().needs(2, 5) == Needs(observations=(0,), pictures=(0,))
    assert NoStateEstimation().needs(2, 5) == Needs()
    assert Regression().estimates({STATE: 2}) == (STATE,) and NoStateEstimation().estimates({STATE: 2}) == ()
    assert Regression.reads_pictures and not NoStateEstimation.reads_pictures


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"samples": 0}, r"state_estimation\.samples = 0: must be at least 1"),
        (
            {"weight": 0.0},
            r"state_estimation\.weight = 0\.0: must be positive; to go without, state_estimation\.type=none",
        ),
    ],
)
def test_illegal_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Regression(**fields)


@pytest.mark.parametrize(
    ("states", "cameras", "crops", "message"),
    [
        (
            {"observation.state": 2},
            {CAMERA: (3, 8, 8)},
            False,
            r"state_estimation\.state = 'observation\.environment_state'",
        ),
        ({STATE: 2}, {}, False, r"the data has none: legal is state_estimation\.type=none"),
        ({STATE: 2}, {CAMERA: (3, 8, 8)}, True, r"image_encoder\.crop_ratio must be 1 and crop_shape null"),
    ],
)
def test_data_that_cannot_be_read_are_refused(states, cameras, crops, message):
    NoStateEstimation().check(Data(states, cameras, 2, estimated=True, crops=crops))
    with pytest.raises(ValueError, match=message):
        Regression().check(Data(states, cameras, 2, estimated=True, crops=crops))


def test_the_axis_decodes_by_name():
    assert draccus.decode(StateEstimation, {"type": "regression", "samples": 7}) == Regression(samples=7)
    assert draccus.decode(StateEstimation, {"type": "none"}) == NoStateEstimation()
