"""Pretrained trunks that are never trained: no part of the policy, the same everywhere, and known by their content."""

import copy
import os
import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18

from lerobot_dp_plus.encoders import (
    ImageEncoderConfig,
    KeypointTokensConfig,
    ObservationEncoder,
    PatchesConfig,
    ResNet18Config,
    pretrained,
)
from lerobot_dp_plus.encoders.pretrained import Frozen, check_digest, fetch

TOP, WRIST = "observation.images.top", "observation.images.wrist"
SHAPES = {TOP: (3, 34, 40), WRIST: (3, 33, 33)}
KINDS = [ResNet18Config, PatchesConfig, KeypointTokensConfig]
#: What a kind needs to be small, and over a ResNet.
FURTHER = {PatchesConfig: {"trunk": "resnet18", "pool": 1}, KeypointTokensConfig: {"trunk": "resnet18"}}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def reference(seed: int) -> nn.Module:
    """A ResNet whose batch statistics have left 0 and 1."""
    torch.manual_seed(seed)
    network = resnet18().train()
    network(torch.randn(4, 3, 40, 40))
    return network.eval()


@pytest.fixture(scope="module")
def source() -> nn.Module:
    return reference(0)


@pytest.fixture(scope="module")
def weights(source: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("weights") / "trunk.safetensors"
    save_file(source.state_dict(), file)
    return str(file)


def frozen(kind: type[ImageEncoderConfig], weights: str, **fields) -> ImageEncoderConfig:
    fields = {"crop_ratio": 1.0, "feature_dim": 8, "frozen": True, "pretrained_weights": weights, **fields}
    return kind(**fields, **FURTHER.get(kind, {}))


def trunk_of(encoder: nn.Module) -> nn.Module:
    (found,) = [module for module in encoder.modules() if isinstance(module, Frozen)]
    return found.trunk


@every_kind
def test_a_frozen_trunk_is_no_part_of_what_is_trained_or_saved(kind: type, weights: str) -> None:
    trained = frozen(kind, weights, frozen=False).build()
    encoder = frozen(kind, weights).build()
    rest = {name for name, _ in trained.named_parameters() if not name.startswith("backbone.")}
    assert {name for name, _ in encoder.named_parameters()} == rest
    assert set(encoder.state_dict()) == rest < set(trained.state_dict())
    assert not list(encoder.backbone.buffers())


@every_kind
def test_it_computes_what_its_source_does_in_training_too(kind: type, weights: str, source: nn.Module) -> None:
    images, reached = torch.randn(2, 1, *SHAPES[TOP]), nn.Sequential(*list(source.children())[:-2])
    for encoder in (frozen(kind, weights).build(), frozen(kind, weights).build(fetch_pretrained=False)):
        encoder.train()
        assert not trunk_of(encoder).training
        with torch.no_grad():
            torch.testing.assert_close(encoder.backbone(images[:, 0]), reached(images[:, 0]))


@every_kind
def test_gradients_reach_all_behind_it_and_nothing_in_it(kind: type, weights: str) -> None:
    encoder = frozen(kind, weights).build()
    images = torch.randn(2, 1, *SHAPES[TOP], requires_grad=True)
    found = encoder(images)
    (found * torch.randn_like(found)).sum().backward()
    # The bias of an attention map moves all of its places alike.
    unreached = {n for n, p in encoder.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-9}
    assert unreached <= {"attention.bias"}
    assert images.grad is None
    assert not any(
        parameter.requires_grad or parameter.grad is not None for parameter in trunk_of(encoder).parameters()
    )


@every_kind
def test_copies_share_it_and_it_goes_where_they_go(kind: type, weights: str) -> None:
    encoder = frozen(kind, weights).build()
    images = torch.randn(1, 1, *SHAPES[TOP])
    before = encoder(images)
    twin = copy.deepcopy(encoder)
    assert trunk_of(twin) is trunk_of(encoder)
    assert twin.project is not encoder.project
    assert torch.equal(twin(images), before)
    encoder.to(torch.float64)
    assert {parameter.dtype for parameter in trunk_of(encoder).parameters()} == {torch.float64}
    found = encoder(images)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), before, rtol=1e-3, atol=1e-4)


def test_a_pickled_encoder_is_whole(weights: str) -> None:
    encoder = frozen(PatchesConfig, weights).build()
    again = pickle.loads(pickle.dumps(encoder))
    images = torch.randn(1, 1, *SHAPES[TOP])
    assert torch.equal(again(images), encoder(images))


@every_kind
def test_a_checkpoint_fills_all_but_the_trunk(kind: type, weights: str) -> None:
    made, loaded = (ObservationEncoder({}, SHAPES, frozen(kind, weights), fetch_pretrained=f).eval() for f in (1, 0))
    assert not [name for name in made.state_dict() if "backbone" in name]
    loaded.load_state_dict(made.state_dict(), strict=True)
    seen = {key: torch.randn(1, 1, *shape) for key, shape in SHAPES.items()}
    for one, other in zip(made(seen), loaded(seen), strict=True):
        assert torch.equal(one.values, other.values)


@every_kind
def test_the_digest_is_filled_in_and_stays(kind: type, weights: str) -> None:
    config = frozen(kind, weights)
    assert config.pretrained_digest is None
    revised = config.revised()
    assert revised == replace(config, pretrained_digest=fetch(weights).digest)
    assert len(revised.pretrained_digest) == 16 and revised.revised() == revised
    for other in (frozen(kind, weights, frozen=False), kind()):
        assert other.revised() is other, "what is trained is saved, and needs no digest"


def test_the_digest_is_of_the_content_alone(
    source: nn.Module, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of where it comes from, its name or its order; of every number."""
    state, elsewhere = source.state_dict(), tmp_path / "other.safetensors"
    save_file(state, elsewhere, metadata={"made": "later"})
    assert fetch(str(elsewhere)).digest == fetch(weights).digest
    monkeypatch.setattr(pretrained, "_read", cache(pretrained._read.__wrapped__))  # what is made up is not remembered
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda self, **options: state)
    assert list(state) != sorted(state)
    assert fetch("IMAGENET1K_V1").digest == fetch(weights).digest
    changed = {**state, "bn1.running_mean": state["bn1.running_mean"].clone()}
    changed["bn1.running_mean"][3] += 1e-6
    save_file(changed, elsewhere)
    assert fetch(str(elsewhere)).digest != fetch(weights).digest


@every_kind
def test_another_content_under_the_same_name_is_refused(kind: type, tmp_path: Path) -> None:
    """Within one process too, where the former weights have been read before."""
    file = tmp_path / "trunk.safetensors"
    save_file(reference(0).state_dict(), file)
    revised = frozen(kind, str(file)).revised()
    save_file(reference(1).state_dict(), file)
    message = rf"have the digest \w+; this checkpoint was trained on those of {revised.pretrained_digest}"
    with pytest.raises(ValueError, match=message):
        revised.revised()
    save_file(reference(0).state_dict(), file)
    assert revised.revised() == revised, "put back in place it is welcome"


def test_weights_are_those_of_the_file_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written over in place, or under the same name in another folder; what was built before stays as it is."""
    states = [reference(seed).state_dict() for seed in (0, 1)]
    for folder, state in zip("ab", states, strict=True):
        (tmp_path / folder).mkdir()
        save_file(state, tmp_path / folder / "trunk.safetensors")
        os.utime(tmp_path / folder / "trunk.safetensors", (1, 1))
    built: list[Tensor] = []
    for folder in "ab":
        monkeypatch.chdir(tmp_path / folder)
        encoder = frozen(PatchesConfig, "trunk.safetensors").build()
        built.append(trunk_of(encoder)[0].weight)
    for mine, state in zip(built, states, strict=True):
        assert torch.equal(mine, state["conv1.weight"])
    digest, now = fetch("trunk.safetensors").digest, Path("trunk.safetensors")
    with now.open("r+b") as file:
        file.write((tmp_path / "a" / "trunk.safetensors").read_bytes())
    os.utime(now)
    assert fetch("trunk.safetensors").digest != digest
    assert torch.equal(fetch("trunk.safetensors").state["conv1.weight"], states[0]["conv1.weight"])
    assert torch.equal(built[1], states[1]["conv1.weight"])


def test_a_file_is_read_once_while_it_stays_the_same(weights: str) -> None:
    assert fetch(weights) is fetch(weights)
    assert check_digest(weights, None) == check_digest(weights, fetch(weights).digest)


def test_weights_of_half_precision_have_a_digest_too(source: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    half = {key: value.bfloat16() if value.is_floating_point() else value for key, value in source.state_dict().items()}
    save_file(half, file)
    encoder = frozen(PatchesConfig, str(file)).build()
    assert torch.equal(trunk_of(encoder)[0].weight, half["conv1.weight"].float())


@every_kind
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "IMAGENET1K_V9",
            r"pretrained_weights='IMAGENET1K_V9' is unknown; legal: IMAGENET1K_V1, DEFAULT, or a file that ends",
        ),
        ("trunk.pt", r"pretrained_weights='trunk\.pt' is unknown"),
        (
            "gone.safetensors",
            r"pretrained_weights='gone\.safetensors': there is no such file; legal too: IMAGENET1K_V1",
        ),
    ],
)
def test_names_that_say_nothing_are_refused(kind: type, name: str, message: str) -> None:
    config = frozen(kind, name)
    for refused in (lambda: config.check({TOP: SHAPES[TOP]}), config.revised, config.build):
        with pytest.raises(ValueError, match=message):
            refused()


@every_kind
def test_only_what_is_pretrained_can_be_frozen(kind: type) -> None:
    with pytest.raises(ValueError, match=r"frozen=true: only a pretrained trunk can be"):
        frozen(kind, None).check({TOP: SHAPES[TOP]})
