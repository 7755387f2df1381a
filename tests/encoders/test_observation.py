"""Any mix of states and cameras becomes one vector, and every weight learns from it."""

from functools import cache

import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionRgbEncoder
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18

from lerobot_dp_plus.encoders import ImageEncoderConfig, ObservationEncoder, ResNet18Config, SmallCnnConfig, pretrained
from lerobot_dp_plus.notation import STEPS, Span

STATE, ENVIRONMENT = "observation.state", "observation.environment_state"
TOP, WRIST = "observation.images.top", "observation.images.wrist"
SHAPES = {TOP: (3, 40, 48), WRIST: (3, 38, 40)}
KINDS = [ResNet18Config, SmallCnnConfig]

MIXES = {
    "state": ({STATE: 2}, {}),
    "environment": ({ENVIRONMENT: 16}, {}),
    "both states": ({STATE: 2, ENVIRONMENT: 16}, {}),
    "image": ({}, {TOP: SHAPES[TOP]}),
    "state and cameras": ({STATE: 2}, SHAPES),
    "everything": ({STATE: 2, ENVIRONMENT: 16}, SHAPES),
}


def random_observation(states: dict, images: dict, batch: int = 2, steps: int = 2) -> dict[str, torch.Tensor]:
    entries = {key: torch.randn(batch, steps, dim) for key, dim in states.items()}
    return entries | {key: torch.randn(batch, steps, *shape) for key, shape in images.items()}


def vector(encoder: ObservationEncoder, observation: dict[str, torch.Tensor]) -> torch.Tensor:
    """States and features side by side, (B, T_o, C), where there is nothing else."""
    (tokens,) = encoder(observation)
    assert tokens.kind == STEPS and tokens.valid is None
    return tokens.values


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """And weights that a test makes up are not remembered beyond it."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an encoder reached for the network")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr(pretrained, "_read", cache(pretrained._read.__wrapped__))
    torch.manual_seed(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_has_its_shape_and_every_weight_its_gradient(kind, share: bool, mix: str) -> None:
    states, images = MIXES[mix]
    config = kind(feature_dim=12, num_keypoints=5, share_across_cameras=share)
    encoder = ObservationEncoder(states, images, config, n_obs_steps=2)
    width = sum(states.values()) + 12 * len(images)
    assert encoder.spans == {STEPS: Span(2, width)}
    output = vector(encoder, random_observation(states, images, batch=3))
    assert output.shape == (3, 2, width)
    assert vector(encoder, random_observation(states, images, steps=1)).shape == (2, 1, width)
    if images:
        output.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert bool(list(encoder.parameters())) == bool(images)
    assert len(encoder.image_encoders) == (min(1, len(images)) if share else len(images))


def test_states_pass_unchanged_in_the_order_given() -> None:
    observation = random_observation({STATE: 2, ENVIRONMENT: 3}, {})
    output = vector(ObservationEncoder({ENVIRONMENT: 3, STATE: 2}, {}, SmallCnnConfig()), observation)
    assert torch.equal(output, torch.cat([observation[ENVIRONMENT], observation[STATE]], dim=-1))


def test_cameras_keep_their_places() -> None:
    """Changing one camera changes its own feature and nothing else."""
    encoder = ObservationEncoder({STATE: 2}, SHAPES, SmallCnnConfig(feature_dim=8)).eval()
    observation = random_observation({STATE: 2}, SHAPES)
    before = vector(encoder, observation)
    after = vector(encoder, observation | {WRIST: torch.randn_like(observation[WRIST])})
    changed = (before != after).flatten(0, 1).any(dim=0)
    assert not changed[:10].any() and changed[10:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_random_in_training_and_repeatable_in_evaluation(kind) -> None:
    encoder = ObservationEncoder({}, {TOP: SHAPES[TOP]}, kind(crop_shape=(34, 36)))
    observation = random_observation({}, {TOP: SHAPES[TOP]})
    assert not torch.equal(vector(encoder, observation), vector(encoder, observation))
    encoder.eval()
    output = vector(encoder, observation)
    assert torch.equal(output, vector(encoder, observation))
    border = observation[TOP].clone()
    border[..., 3:37, 6:42] = 0  # everything outside the centre, which evaluation must not see
    torch.testing.assert_close(vector(encoder, {TOP: observation[TOP] + border}), output)


def test_without_a_crop_training_is_repeatable_too() -> None:
    encoder = ObservationEncoder({}, {TOP: SHAPES[TOP]}, SmallCnnConfig(crop_ratio=1.0))
    observation = random_observation({}, {TOP: SHAPES[TOP]})
    assert torch.equal(vector(encoder, observation), vector(encoder, observation))


def test_samples_do_not_influence_each_other() -> None:
    """What BatchNorm would break, in training mode as in evaluation."""
    encoder = ObservationEncoder({}, {TOP: SHAPES[TOP]}, ResNet18Config(crop_ratio=1.0))
    assert not [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.GroupNorm)]
    assert len(norms) == 20 and all(m.num_groups == m.num_channels // 16 for m in norms)
    observation = random_observation({}, {TOP: SHAPES[TOP]}, batch=3)
    alone = vector(encoder, {TOP: observation[TOP][:1]})
    torch.testing.assert_close(vector(encoder, observation)[:1], alone, atol=1e-5, rtol=1e-4)


def test_equals_lerobots_encoder_with_its_weights() -> None:
    features = {TOP: PolicyFeature(FeatureType.VISUAL, SHAPES[TOP])}
    config = DiffusionConfig(
        crop_shape=(36, 40), input_features=features, pretrained_backbone_weights=None, use_group_norm=True
    )
    theirs = DiffusionRgbEncoder(config).eval()
    ours = ResNet18Config(crop_shape=(36, 40)).build().eval()
    names = {"pool.nets.": "attention.", "out.": "project.0."}
    weights = {}
    for key, value in theirs.state_dict().items():
        new = next((key.replace(old, mine) for old, mine in names.items() if key.startswith(old)), key)
        weights[new] = value
    del weights["pool.pos_grid"]
    ours.load_state_dict(weights, strict=True)
    images = torch.randn(2, 2, *SHAPES[TOP])
    torch.testing.assert_close(ours(images).flatten(0, 1), theirs(images.flatten(0, 1)), atol=1e-5, rtol=1e-4)


def test_small_cnn_is_small() -> None:
    assert sum(p.numel() for p in SmallCnnConfig().build().parameters()) < 1_000_000


def test_pretrained_weights_keep_their_function_and_are_fetched_only_when_asked(monkeypatch) -> None:
    reference = resnet18().train()
    reference(torch.randn(8, 3, 40, 40))  # moves the running statistics away from 0 and 1
    reference.eval()
    calls = []

    def fetch(self: ResNet18_Weights, **options: bool) -> dict[str, torch.Tensor]:
        calls.append((self, options))
        return reference.state_dict()

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", fetch)
    config = ResNet18Config(pretrained_weights="IMAGENET1K_V1", crop_ratio=1.0)
    unfilled = ObservationEncoder({}, SHAPES, config, fetch_pretrained=False)
    assert not calls
    filled = ObservationEncoder({}, SHAPES, config)
    assert [weights for weights, _ in calls] == [ResNet18_Weights.IMAGENET1K_V1]
    assert all(options["weights_only"] for _, options in calls)
    unfilled.load_state_dict(filled.state_dict(), strict=True)

    images = torch.randn(2, 3, 40, 40)
    trunk = nn.Sequential(*list(reference.children())[:-2])
    for encoder in (filled, unfilled):  # still in training mode: the statistics are frozen
        torch.testing.assert_close(encoder.image_encoders[TOP.replace(".", "/")].backbone(images), trunk(images))
    assert not [m for m in filled.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (SmallCnnConfig(crop_shape=(84, 84)), (3, 80, 96), rf"{TOP} is 80×96 .*its crop 84×84 .*crop_shape=\(84, 84\)"),
        (SmallCnnConfig(crop_shape=(84, 84)), (3, 80, 96), r"legal crops are 9×9 to 80×96"),
        (
            ResNet18Config(),
            (3, 36, 96),
            rf"{TOP} is 36×96 .*crop 32×86 \(crop_ratio=0.9\) is too small.*33×33 to",
        ),
        (ResNet18Config(), (3, 20, 96), rf"{TOP} is 20×96 .*at least 33 pixels"),
        (SmallCnnConfig(), (96, 96, 3), rf"{TOP} has shape \(96, 96, 3\); .*channels first"),
        (SmallCnnConfig(), (1, 96, 96), rf"{TOP} has shape \(1, 96, 96\)"),
        (SmallCnnConfig(crop_ratio=1.2), (3, 96, 96), r"crop_ratio=1.2 must be in \(0, 1\]"),
        (SmallCnnConfig(num_keypoints=0), (3, 96, 96), r"num_keypoints=0 must be at least 1"),
        (SmallCnnConfig(feature_dim=0), (3, 96, 96), r"feature_dim=0 must be at least 1"),
        (ResNet18Config(pretrained_weights="V9"), (3, 96, 96), r"pretrained_weights='V9' .*IMAGENET1K_V1"),
    ],
)
def test_what_does_not_fit_is_named(config: ImageEncoderConfig, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config.check({TOP: shape})
    with pytest.raises(ValueError, match=message):
        ObservationEncoder({}, {TOP: shape}, config)


def test_the_smallest_legal_crop_works() -> None:
    for kind in KINDS:
        side = kind.stride + 1
        images = {TOP: (3, side, side)}
        encoder = ObservationEncoder({}, images, kind(crop_ratio=1.0))
        first, second = (vector(encoder, random_observation({}, images)) for _ in range(2))
        assert (first - second).abs().max() > 0  # a single-pixel map would always give the same keypoint


def test_bad_observations_are_named() -> None:
    with pytest.raises(ValueError, match="no observation: give at least one"):
        ObservationEncoder({}, {}, SmallCnnConfig())
    with pytest.raises(ValueError, match=rf"{STATE} has 0 dimensions"):
        ObservationEncoder({STATE: 0}, {}, SmallCnnConfig())
    encoder = ObservationEncoder({STATE: 2}, {TOP: SHAPES[TOP]}, SmallCnnConfig())
    good = random_observation({STATE: 2}, {TOP: SHAPES[TOP]})
    with pytest.raises(ValueError, match=rf"{TOP} is missing; got {STATE}"):
        encoder({STATE: good[STATE]})
    with pytest.raises(ValueError, match=rf"{STATE} has shape \(2, 2, 3\); expected \(B, T_o, 2\)"):
        encoder(good | {STATE: torch.randn(2, 2, 3)})
    with pytest.raises(ValueError, match=rf"{TOP} has shape \(2, 3, 40, 48\); expected \(B, T_o, 3, 40, 48\)"):
        encoder(good | {TOP: torch.randn(2, 3, 40, 48)})
    with pytest.raises(ValueError, match=rf"{TOP} is torch.uint8; expected normalised floating-point"):
        encoder(good | {TOP: torch.zeros(2, 2, 3, 40, 48, dtype=torch.uint8)})


def test_registered_by_name() -> None:
    assert ImageEncoderConfig.get_choice_class("resnet18") is ResNet18Config
    assert ImageEncoderConfig.get_choice_class("small_cnn") is SmallCnnConfig
