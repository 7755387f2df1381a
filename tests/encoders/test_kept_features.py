"""Features of frozen trunks that are kept: those that the trunk gives, looked at once, and never more than the limit."""

import contextlib
import copy

import pytest
import torch
from fabricated import saved_resnet
from torch import Tensor, nn

from lerobot_dp_plus.encoders import KeptFeatures, KeypointTokensConfig, PatchesConfig, ResNet18Config, keeping
from lerobot_dp_plus.encoders.pretrained import Frozen

PLENTY = 2**30


class Counting(nn.Module):
    """A trunk that counts the pictures it looks at."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.pictures = nn.Conv2d(3, 4, 3, stride=2), 0

    def forward(self, frames: Tensor) -> Tensor:
        self.pictures += len(frames)
        return self.conv(frames)


def test_each_picture_is_looked_at_once() -> None:
    trunk, frames = Counting(), torch.rand(5, 3, 9, 11)
    expected = trunk.conv(frames).detach()
    frozen, features = Frozen(trunk), KeptFeatures(PLENTY)
    with keeping(features):
        for rows in ([0, 1, 1], [4, 0], [2, 3, 4, 1]):
            found = frozen(frames[rows])
            torch.testing.assert_close(found, expected[rows])
            assert not found.requires_grad
    assert trunk.pictures == features.computed == 5 and features.looked == 9
    assert features.nbytes == expected.nbytes
    frozen(frames)
    assert trunk.pictures == 10, "after the training nothing is kept"


def test_one_number_another_type_and_another_trunk_are_other_features() -> None:
    one, other = Counting(), Counting()
    with torch.no_grad():
        other.conv.weight.add_(1)
    features, frame = KeptFeatures(PLENTY), torch.rand(1, 3, 8, 8)
    nearly = frame.clone()
    nearly[0, 2, 7, 7] = torch.nextafter(nearly[0, 2, 7, 7], torch.tensor(2.0))
    for trunk, seen in ((one, frame), (other, frame), (one, nearly), (one, frame.transpose(-1, -2))):
        assert torch.equal(features.seen(trunk, seen), trunk.conv(seen))
    assert features.computed == features.looked == 4
    with torch.autocast("cpu", torch.bfloat16):
        assert features.seen(one, frame).dtype == torch.bfloat16
    assert features.seen(copy.deepcopy(one).double(), frame.double()).dtype == torch.float64
    assert features.computed == 6
    assert torch.equal(features.seen(one, frame), one.conv(frame)) and features.computed == 6


def test_the_limit_holds_and_what_is_beyond_is_looked_at_anew() -> None:
    trunk, frames = Counting(), torch.rand(6, 3, 9, 9)
    each = trunk.conv(frames[:1]).nbytes
    features = KeptFeatures(4 * each + each // 2)
    for _ in range(3):
        torch.testing.assert_close(features.seen(trunk, frames), trunk.conv(frames))
    assert features.nbytes == 4 * each
    assert features.computed == 6 + 2 * 2
    features.open(0)
    assert features.nbytes == 0
    features.seen(trunk, frames)
    assert features.looked == 0, "with no room pictures are not even compared"


def test_what_is_given_back_is_the_callers_to_change() -> None:
    trunk, frames, features = Counting(), torch.rand(2, 3, 9, 9), KeptFeatures(PLENTY)
    for _ in range(3):
        found = features.seen(trunk, frames)
        torch.testing.assert_close(found, trunk.conv(frames))
        found.detach().zero_()


def test_pictures_of_rollouts_are_not_kept() -> None:
    trunk, features = Counting(), KeptFeatures(PLENTY)
    with keeping(features), torch.no_grad():
        Frozen(trunk)(torch.rand(2, 3, 9, 9))
    assert features.looked == 0 and trunk.pictures == 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(saved_resnet(tmp_path_factory.mktemp("weights") / "trunk.safetensors"))


@pytest.mark.parametrize("kind", [ResNet18Config, PatchesConfig, KeypointTokensConfig])
def test_encoders_learn_the_same_from_kept_features(kind: type, weights: str) -> None:
    """What comes out and every gradient, in the second look as in the first."""
    further = {} if kind is ResNet18Config else {"trunk": "resnet18"}
    encoder = kind(crop_ratio=1.0, feature_dim=8, frozen=True, pretrained_weights=weights, **further).build()
    images, towards = torch.randn(3, 2, 3, 64, 80), None
    found = []
    for kept in (contextlib.nullcontext(), keeping(features := KeptFeatures(PLENTY))):
        with kept:
            for _ in range(2):
                encoder.zero_grad()
                seen = encoder(images)
                towards = torch.randn_like(seen) if towards is None else towards
                (seen * towards).sum().backward()
                found.append({name: p.grad.clone() for name, p in encoder.named_parameters()} | {"seen": seen.detach()})
    assert features.computed == 6 and features.looked == 12
    for other in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, msg=name)
