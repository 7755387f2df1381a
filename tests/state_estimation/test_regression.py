"""What is read off pictures: learned from true places, in full precision, and refused where it cannot be."""

import draccus
import pytest
import torch
from torch import nn

from lerobot_dp_plus.auxiliary.state_estimation import NoStateEstimation, Perception, Regression
from lerobot_dp_plus.encoders import ObservationEncoder, SmallCnnConfig

CAMERA, STATE = "observation.image", "observation.environment_state"
SIZE = 32


def discs(places: torch.Tensor) -> torch.Tensor:
    """A soft bright disc at each of the places (M, 2), in [−1, 1]: pictures (M, 1, 3, SIZE, SIZE)."""
    axis = torch.linspace(-1, 1, SIZE)
    x, y = axis[None, None, :], axis[None, :, None]
    square = (x - places[:, 0, None, None]) ** 2 + (y - places[:, 1, None, None]) ** 2
    return torch.exp(-square / 0.02)[:, None, None].expand(-1, 1, 3, -1, -1)


def reader(state_dim: int = 2):
    see = ObservationEncoder({}, {CAMERA: (3, SIZE, SIZE)}, SmallCnnConfig(width=16, crop_ratio=1.0, num_keypoints=8))
    return Regression().build(see, see.output_dim, {STATE: state_dim, "observation.state": 2})


def test_it_learns_places_it_has_not_seen():
    """To a twentieth of the picture, where guessing the middle is off by half of it."""
    torch.manual_seed(0)
    model = reader().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        places = torch.rand(32, 2) * 1.6 - 0.8
        error = model.loss({CAMERA: discs(places)}, {STATE: places[:, None]})
        assert error.shape == (32, 1, 2)
        optimizer.zero_grad()
        error.mean().backward()
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
    see.forward = lambda images: images[CAMERA].flatten(2).bfloat16()  # type: ignore[method-assign]
    model = Regression().build(see, 2, {STATE: 1})
    with torch.no_grad():
        model.read.weight.copy_(torch.tensor([[1.0, 2.0**-9]]))
        model.read.bias.zero_()
        with torch.autocast("cpu", torch.bfloat16):
            found = model({CAMERA: torch.ones(1, 1, 2)})[STATE]
    assert found.dtype == torch.float32
    assert found.item() == 1 + 2.0**-9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"samples": 0}, r"perception\.samples = 0: must be at least 1"),
        ({"weight": 0.0}, r"perception\.weight = 0\.0: must be positive; to go without, perception\.type=none"),
    ],
)
def test_illegal_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Regression(**fields)


@pytest.mark.parametrize(
    ("states", "cameras", "crops", "message"),
    [
        ({"observation.state": 2}, {CAMERA: (3, 8, 8)}, False, r"perception\.state = 'observation\.environment_state'"),
        ({STATE: 2}, {}, False, r"the data has none: legal is perception\.type=none"),
        ({STATE: 2}, {CAMERA: (3, 8, 8)}, True, r"image_encoder\.crop_ratio must be 1 and crop_shape null"),
    ],
)
def test_data_that_cannot_be_read_are_refused(states, cameras, crops, message):
    NoStateEstimation().check(states, cameras, crops=crops)
    with pytest.raises(ValueError, match=message):
        Regression().check(states, cameras, crops=crops)


def test_the_axis_decodes_by_name():
    assert draccus.decode(Perception, {"type": "regression", "samples": 7}) == Regression(samples=7)
    assert draccus.decode(Perception, {"type": "none"}) == NoStateEstimation()
