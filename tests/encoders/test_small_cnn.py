"""The light encoder sees small things from the first update on."""

import pytest
import torch

from lerobot_dp_plus.encoders import ImageEncoder, ResNet18Config, SmallCnnConfig


def squares(size: int = 4) -> torch.Tensor:
    """One bright square on a dark table, (positions, 1, 3, 60, 80), at places of a coarse grid."""
    places = [(y, x) for y in range(8, 50, 8) for x in range(8, 70, 8)]
    images = torch.full((len(places), 1, 3, 60, 80), -0.7)
    for image, (y, x) in zip(images, places, strict=True):
        image[0, 0, y : y + size, x : x + size] = 3.0
    return images


def spread(encoder: ImageEncoder) -> float:
    """How much features differ between images."""
    with torch.no_grad():
        return encoder.eval()(squares()).std(0).mean().item()


def test_size():
    weights = sum(weight.numel() for weight in SmallCnnConfig().build().parameters())
    assert weights < 1e6


def test_a_small_object_moves_the_features_of_fresh_weights():
    torch.manual_seed(0)
    ours = SmallCnnConfig(crop_ratio=1.0).build()
    plain = SmallCnnConfig(crop_ratio=1.0).build()
    plain.load_state_dict(ours.state_dict())
    sharpness, scale = SmallCnnConfig.gains
    with torch.no_grad():
        plain.attention.weight.div_(sharpness)
        plain.project[0].weight.div_(scale)
    # Much more than the projection's own scale makes of it.
    assert spread(ours) > 4 * scale * spread(plain)


@pytest.mark.parametrize(
    ("config", "sharpness", "scale"),
    [(SmallCnnConfig(), 8.0, 5.0), (SmallCnnConfig(width=16), 8.0, 5.0), (ResNet18Config(), 4.0, 1.0)],
    ids=["small_cnn", "narrow", "resnet18"],
)
def test_first_weights_are_as_much_larger_than_torchs_as_is_said(config, sharpness: float, scale: float):
    """Torch draws weights from U(±1/√fan_in), whose standard deviation is 1/√(3·fan_in)."""
    torch.manual_seed(0)
    encoder = config.build()
    for weight, gain in ((encoder.attention.weight, sharpness), (encoder.project[0].weight, scale)):
        assert weight.std().item() == pytest.approx(gain / (3 * weight[0].numel()) ** 0.5, rel=0.05)
    for layer in (encoder.attention, encoder.project[0]):  # biases are as torch draws them
        assert layer.bias.abs().max() <= layer.weight[0].numel() ** -0.5


def test_it_learns_where_a_small_object_is():
    torch.manual_seed(0)
    images, encoder, head = squares(), SmallCnnConfig(crop_ratio=1.0).build().train(), torch.nn.Linear(64, 2)
    grid = torch.cartesian_prod(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 8))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=1e-3)
    for _ in range(60):
        error = (head(encoder(images)[:, 0]) - grid).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert error < 0.1 * grid.square().mean()
