"""Places of pictures as tokens: how many, in which order, told apart, and learned from."""

import math

import pytest
import torch
from small_networks import awake, build
from torch import Tensor, nn

from lerobot_dp_plus.encoders import (
    HashedWords,
    ImageEncoderConfig,
    KeypointTokensConfig,
    ObservationEncoder,
    PatchesConfig,
    SmallCnnConfig,
)
from lerobot_dp_plus.encoders.crop import Crop
from lerobot_dp_plus.encoders.keypoint_tokens import KeypointTokenEncoder
from lerobot_dp_plus.encoders.patches import PatchEncoder, ages, places
from lerobot_dp_plus.encoders.words import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.networks import TransformerConfig
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span

STATE, TOP, WRIST = "observation.state", "observation.images.top", "observation.images.wrist"
SHAPES = {TOP: (3, 41, 56), WRIST: (3, 33, 37)}
STEPS_SEEN = 2
CONFIGS = [
    PatchesConfig(),
    PatchesConfig(crop_ratio=1.0, pool=1),
    PatchesConfig(crop_ratio=1.0, pool=3, width=16, feature_dim=8),
    PatchesConfig(crop_shape=(31, 17)),
    PatchesConfig(trunk="resnet18", crop_ratio=1.0, pool=1, feature_dim=12),
    PatchesConfig(trunk="resnet18", crop_ratio=1.0, pool=2),
    KeypointTokensConfig(width=16, num_keypoints=5, feature_dim=6),
    KeypointTokensConfig(trunk="resnet18", crop_shape=(33, 33), num_keypoints=3),
]
every_config = pytest.mark.parametrize("config", CONFIGS, ids=repr)


def observe(words: HashedWords | None = None, batch: int = 2) -> dict[str, Tensor]:
    seen = {STATE: torch.randn(batch, STEPS_SEEN, 4)}
    seen |= {key: torch.randn(batch, STEPS_SEEN, *shape) for key, shape in SHAPES.items()}
    if words is not None:
        seen[WORD_IDS], seen[WORDS_VALID] = words.ids(["put the cube away", ""][:batch])
    return seen


def pixels(dim: int = 4, pool: int = 1) -> PatchEncoder:
    """An encoder whose trunk is the picture itself."""
    return PatchEncoder(nn.Identity(), 3, pool, dim, Crop())


@pytest.mark.parametrize("size", [(33, 33), (33, 96), (41, 57), (64, 40), (65, 97), (80, 63)])
@every_config
@torch.no_grad()
def test_there_are_as_many_tokens_as_it_says(config: ImageEncoderConfig, size: tuple[int, int]) -> None:
    shape = (3, *size)
    config.check({TOP: shape})
    encoder = config.build()
    for steps in (1, 2):
        for training in (True, False):
            found = encoder.train(training)(torch.randn(1, steps, *shape))
            assert found.shape[:2] == (1, steps) and found.shape[3] == config.feature_dim
            assert found.shape[1] * found.shape[2] == config.tokens(shape, steps)


def test_a_count_by_hand() -> None:
    """96×96 cut to 86: 11 places of 8 pixels a side, and 6 of two of them."""
    assert PatchesConfig(pool=1).tokens((3, 96, 96), 1) == 11 * 11
    assert PatchesConfig().tokens((3, 96, 96), 2) == 2 * 6 * 6
    assert PatchesConfig(trunk="resnet18", pool=1, crop_ratio=1.0).tokens((3, 224, 200), 1) == 7 * 7
    assert SmallCnnConfig().tokens((3, 96, 96), 2) == 0, "a feature a frame is no token of its own"


@pytest.mark.parametrize("words", [None, HashedWords(buckets=16, dim=6, max_words=5)], ids=["silent", "words"])
@pytest.mark.parametrize("states", [{STATE: 4}, {}], ids=["states", "no states"])
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("image_encoder", [*CONFIGS[:4], CONFIGS[6], SmallCnnConfig(feature_dim=12)], ids=repr)
def test_what_is_announced_is_what_comes(
    image_encoder: ImageEncoderConfig, share: bool, states: dict[str, int], words: HashedWords | None
) -> None:
    config = type(image_encoder)(**{**vars(image_encoder), "share_across_cameras": share})
    encoder = ObservationEncoder(states, SHAPES, config, n_obs_steps=STEPS_SEEN, words=words)
    tokens = encoder(observe(words))
    assert {span.kind: Span(*span.values.shape[1:]) for span in tokens} == encoder.spans
    assert len(tokens) == len(encoder.spans), "each kind is one span"
    kinds = [kind for kind in (STEPS, PATCHES, WORDS) if kind in encoder.spans]
    assert [span.kind for span in tokens] == kinds
    assert (PATCHES in kinds) == (image_encoder.gives == PATCHES) and (WORDS in kinds) == (words is not None)
    for span in tokens:
        assert (span.valid is None) == (span.kind != WORDS)


@pytest.mark.parametrize("channels", [4, 8, 12, 24, 64, 128])
@pytest.mark.parametrize("size", [(1, 1), (1, 12), (2, 7), (11, 11), (30, 3)])
def test_every_place_has_a_code_of_its_own(channels: int, size: tuple[int, int]) -> None:
    rows, columns = size
    found = places(torch.zeros(2, channels, rows, columns))
    assert found.shape == (rows * columns, channels)
    apart = torch.cdist(found, found) + 10 * torch.eye(len(found))
    # A neighbour is at least the step of the lowest frequency away, whose half turn is the whole picture.
    assert apart.min() > 0.9 * 2 * math.sin(math.pi / 4 / max(rows, columns))
    grid = found.unflatten(0, size)
    half = channels // 2
    assert torch.equal(grid[:, :1, :half].expand(-1, columns, -1), grid[..., :half]), "half of it is the row's"
    assert torch.equal(grid[:1, :, half:].expand(rows, -1, -1), grid[..., half:]), "and half the column's"


@pytest.mark.parametrize("channels", [4, 8, 64])
def test_every_age_has_a_code_of_its_own_and_the_newest_none(channels: int) -> None:
    found = ages(10, channels, torch.device("cpu"))
    assert found.shape == (10, channels)
    assert not found[-1].any()
    assert (torch.cdist(found, found) + 10 * torch.eye(10)).min() > 0.02
    assert torch.equal(ages(3, channels, torch.device("cpu")), found[-3:]), "counted from the newest"


def test_a_token_is_its_place_row_by_row() -> None:
    """Of a trunk that looks at each pixel alone."""
    encoder, images = pixels(dim=8).eval(), torch.randn(2, STEPS_SEEN, 3, 4, 5)
    with torch.no_grad():
        before = encoder(images)
        for row, column in ((0, 0), (1, 3), (3, 4)):
            moved = images.clone()
            moved[1, 0, :, row, column] += torch.tensor([1.0, -2.0, 3.0])
            changed = (encoder(moved) - before).abs().amax(-1) > 1e-6  # (B, T_o, places)
            assert changed.nonzero().tolist() == [[1, 0, 5 * row + column]]
        # What is seen at a place, and where that is, add up.
        seen = encoder.norm((encoder.project(images[:, -1])).flatten(2).transpose(1, 2))
        torch.testing.assert_close(before[:, -1], seen + places(images[:, -1, :1].expand(-1, 8, -1, -1)))


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_pooling_is_the_mean_of_what_there_is_also_at_the_edge(pool: int) -> None:
    maps = torch.randn(2, 3, 5, 7)
    found = pixels(pool=pool).pool(maps)
    for i, rows in enumerate(maps.split(pool, 2)):
        for j, window in enumerate(rows.split(pool, 3)):
            torch.testing.assert_close(found[:, :, i, j], window.mean((2, 3)))
    assert found.shape[2:] == (-(-5 // pool), -(-7 // pool))


@pytest.mark.parametrize("trunk", ["small_cnn", "resnet18"])
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("kind", [PatchesConfig, KeypointTokensConfig])
def test_every_weight_learns(kind: type, trunk: str, share: bool) -> None:
    config = kind(trunk=trunk, crop_ratio=1.0, share_across_cameras=share, feature_dim=8)
    encoder = ObservationEncoder({STATE: 4}, SHAPES, config, n_obs_steps=STEPS_SEEN)
    (_, tokens) = encoder(observe())
    (tokens.values * torch.randn_like(tokens.values)).sum().backward()
    unreached = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not unreached
    assert len(encoder.image_encoders) == (1 if share else 2)


@torch.no_grad()
def test_a_network_sees_in_which_order_pictures_came() -> None:
    """Attention has no order of its own: something that moves must not look the same backwards."""
    encoder = ObservationEncoder({}, SHAPES, PatchesConfig(width=16), n_obs_steps=STEPS_SEEN).eval()
    network = awake(build(TransformerConfig(dim=16, depth=1, num_heads=2), observation=encoder.spans))
    seen, x_t, time = observe(), torch.randn(2, 8, 2), torch.zeros(2)
    forwards = network(x_t, time, network.condition(encoder(seen)))
    backwards = {key: value.flip(1) for key, value in seen.items()}
    assert (network(x_t, time, network.condition(encoder(backwards))) - forwards).abs().max() > 1e-3


def test_crops_are_random_in_training_and_the_centre_in_use() -> None:
    encoder, images = PatchesConfig(crop_shape=(33, 40)).build(), torch.randn(2, 1, 3, 41, 56)
    assert not torch.equal(encoder(images), encoder(images))
    encoder.eval()
    assert torch.equal(encoder(images), encoder(images))
    assert torch.equal(encoder(images), encoder(images[..., 4:37, 8:48]))


@pytest.mark.parametrize("kind", [PatchesConfig, KeypointTokensConfig])
def test_half_precision_keeps_its_type(kind: type) -> None:
    encoder = kind(width=16, crop_ratio=1.0).build().to(torch.bfloat16)
    found = encoder(torch.randn(1, 2, *SHAPES[TOP]))
    assert found.dtype == torch.bfloat16 and found.isfinite().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trunk": "vit"}, r"trunk='vit': legal are small_cnn, resnet18"),
        ({"pool": 0}, r"pool=0 must be at least 1"),
        ({"feature_dim": 6}, r"feature_dim=6 must be a multiple of 4"),
        ({"feature_dim": 0}, r"feature_dim=0 must be at least 1"),
        ({"width": 24}, r"width=24 must be a positive multiple of 16"),
        ({"crop_ratio": 0.0}, r"crop_ratio=0\.0 must be in \(0, 1\]"),
        ({"pretrained_weights": "IMAGENET1K_V1"}, r"pretrained_weights='IMAGENET1K_V1': there are none of small_cnn"),
        (
            {"trunk": "resnet18", "pretrained_weights": "V9"},
            r"pretrained_weights='V9' is unknown; legal: IMAGENET1K_V1",
        ),
        ({"frozen": True}, r"frozen=true: only a pretrained trunk can be"),
        ({"trunk": "resnet18", "frozen": True}, r"frozen=true: only a pretrained trunk can be"),
        ({"trunk": "resnet18", "crop_shape": (32, 40)}, r"its crop 32×40 .*legal crops are 33×33 to 41×56"),
    ],
)
def test_what_does_not_fit_is_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchesConfig(**fields).check({TOP: SHAPES[TOP]})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_keypoints": 0}, r"num_keypoints=0 must be at least 1"),
        ({"feature_dim": 7}, r"feature_dim=7 must be a multiple of 2"),
        ({"trunk": "vit"}, r"trunk='vit': legal are small_cnn, resnet18"),
    ],
)
def test_of_keypoints_too(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeypointTokensConfig(**fields).check({TOP: SHAPES[TOP]})


def test_registered_by_name() -> None:
    assert ImageEncoderConfig.get_choice_class("patches") is PatchesConfig
    assert ImageEncoderConfig.get_choice_class("keypoint_tokens") is KeypointTokensConfig


@torch.no_grad()
def test_a_keypoint_is_the_mean_of_what_it_attends_to() -> None:
    """Place and features by hand, of a trunk that is the picture itself."""
    encoder = KeypointTokenEncoder(nn.Identity(), 3, 2, 8, 4.0, Crop()).eval()
    picture = torch.randn(1, 1, 3, 4, 5)
    found = encoder(picture)[0, 0]
    flat, weight = picture[0, 0].flatten(1), encoder.attention.weight[..., 0, 0]
    for token, scores in enumerate(weight @ flat + encoder.attention.bias[:, None]):
        share = scores.exp() / scores.exp().sum()
        place = sum(
            share[5 * row + column] * torch.tensor([column / 2 - 1, row / 1.5 - 1])
            for row in range(4)
            for column in range(5)
        )
        expected = encoder.norm(encoder.project(flat @ share)) + encoder.where(place) + encoder.slot[token]
        torch.testing.assert_close(found[token], expected)


@torch.no_grad()
def test_keypoints_of_the_newest_frame_have_no_age_and_older_ones_have() -> None:
    encoder = KeypointTokensConfig(width=16, feature_dim=8).build().eval()
    still = torch.randn(1, 1, 3, 40, 40).expand(-1, 3, -1, -1, -1)
    found = encoder(still)[0]
    torch.testing.assert_close(found - found[-1], ages(3, 8, found.device)[:, None].expand_as(found))


@torch.no_grad()
def test_cameras_of_one_encoder_are_told_apart() -> None:
    """Two cameras that swap what they see must not look the same."""
    shapes = {TOP: (3, 40, 40), WRIST: (3, 40, 40)}
    config = PatchesConfig(width=16, feature_dim=16, share_across_cameras=True)
    encoder = ObservationEncoder({}, shapes, config, n_obs_steps=1).eval()
    network = awake(build(TransformerConfig(dim=16, depth=1, num_heads=2), observation=encoder.spans))
    one, other = torch.randn(2, 2, 1, 3, 40, 40)
    x_t, time = torch.randn(2, 8, 2), torch.zeros(2)
    first, second = (
        network(x_t, time, network.condition(encoder(seen)))
        for seen in ({TOP: one, WRIST: other}, {TOP: other, WRIST: one})
    )
    assert (first - second).abs().max() > 1e-4


@pytest.mark.parametrize("pool", [1, 2, 3])
@torch.no_grad()
def test_patches_say_where_they_are(pool: int) -> None:
    """Of a trunk that is the picture itself: the mean column and row of the pixels in a place, in its order."""
    encoder = pixels(pool=pool).eval()
    images = torch.zeros(1, 1, 3, 7, 5)
    images[:, :, 0], images[:, :, 1] = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="xy")
    means = encoder.pool(images[0]).flatten(2)[0, :2].T
    found = encoder.token_places(images)
    assert found is not None and found.shape == (1, 1, encoder(images).shape[2], 2)
    torch.testing.assert_close(found[0, 0], means)


@torch.no_grad()
def test_keypoints_say_where_they_are() -> None:
    """Attention to what is red, of a trunk that sees every fourth pixel, is where the red pixel is."""
    every_fourth = nn.AvgPool2d(1, stride=4)
    encoder = KeypointTokenEncoder(every_fourth, 3, 2, 4, 1.0, Crop(0.5)).eval()
    encoder.attention.weight.zero_()
    encoder.attention.weight[0, 0] = 1e4
    images = torch.zeros(1, 2, 3, 64, 80)
    images[0, 0, 0, 16 + 12, 20 + 32] = images[0, 1, 0, 16 + 28, 20] = 1.0  # the crop begins at row 16 and column 20
    found = encoder.token_places(images)
    assert found is not None
    torch.testing.assert_close(found[0, :, 0], torch.tensor([[32.0, 12.0], [0.0, 28.0]]))
    torch.testing.assert_close(found[0, 0, 1], torch.tensor([18.0, 14.0]), msg="everywhere at once: the middle")


def test_features_of_whole_pictures_are_nowhere() -> None:
    assert SmallCnnConfig().build().token_places(torch.zeros(1, 1, 3, 64, 64)) is None
