"""Losses of the gaze: which boxes count, what is cut out, whose weights learn from it, and that nothing of it is there in use."""

import math

import pytest
import torch
from torch import Tensor

from lerobot_dp_plus.auxiliary import Data, GazePosition, GazeReconstruction, Surroundings, View
from lerobot_dp_plus.auxiliary.gaze.base import real_boxes
from lerobot_dp_plus.auxiliary.gaze.reconstruction import regions
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import GAZE, PATCHES, STEPS, Span, Tokens
from lerobot_dp_plus.tokenizers import Pca
from lerobot_dp_plus.units import ACTION, Units

CAMERA = "observation.image"
NETWORK = MixtureConfig(dim=8, depth=2, num_heads=2, head_dim=8, patch_size=4, backbone=Scratch(dim=16))
SPANS = {STEPS: Span(1, 3), PATCHES: Span(3, 6)}
RECONSTRUCTION = GazeReconstruction(
    queries=2, dim=16, depth=1, weight=0.5, tokenizer=Pca(components=4, size=4, crops=64)
)
POSITION = GazePosition(queries=2, dim=16, weight=0.5)
BOTH = pytest.mark.parametrize("config", [RECONSTRUCTION, POSITION], ids=lambda config: type(config).__name__)
WHOLE = torch.tensor([0.5, 0.5, 0.5])


def units() -> Units:
    """Normalised boxes from −1 to 1 are shares from 0 to 1."""
    made = Units({ACTION: 2, GAZE: 3})
    made.learn({ACTION: (torch.zeros(2), torch.ones(2)), GAZE: (torch.full((3,), 0.5), torch.full((3,), 0.5))})
    return made


class World:
    """A network and a loss of the gaze. What is at the target is a linear function of the first of three tokens."""

    def __init__(self, config: GazePosition | GazeReconstruction, **fields):
        torch.manual_seed(0)
        network = MixtureConfig(**{**vars(NETWORK), **fields})
        self.network = network.build(horizon=8, action_dim=2, observation=SPANS)
        around = Surroundings({}, {CAMERA: (3, 4, 4)}, 2, 0, None, network.reader)
        self.model = config.build(around)
        self.mixing = torch.randn(4, 48)

    def awaken(self) -> None:
        """The tokenizer has learned, and layers that start at zero have left it, so that everything matters."""
        for _ in range(2):
            self.loss(*self.batch())
        with torch.no_grad():
            for weight in self.model.parameters():
                weight.add_(0.1 * torch.randn_like(weight))

    def batch(self, count: int = 64, box: Tensor = WHOLE) -> tuple[View, tuple[Tokens, ...]]:
        tokens = torch.randn(count, 3, 6)
        tokens[..., 5] = torch.tensor([2.0, -2.0, -2.0])  # which of them it is, as encoders say of places
        picture = (tokens[:, 0, :4] @ self.mixing).unflatten(1, (1, 3, 4, 4))
        boxes = (2 * box - 1).expand(count, 1, 3)
        view = View(
            {CAMERA: picture, GAZE: boxes}, torch.zeros(count, 0, 2), torch.ones(count, 0), torch.ones(count, 1)
        )
        return view, (Tokens(torch.randn(count, 1, 3)), Tokens(tokens, None, PATCHES))

    def loss(self, view: View, tokens: tuple[Tokens, ...]):
        return self.model.loss(view, tokens, units(), every=True, condition=self.network.condition(tokens))


def test_a_region_is_cut_out_of_its_place() -> None:
    """Of boxes on the pixels' grid exactly those pixels, of others their mean, beyond the picture nothing."""
    picture = torch.randn(1, 3, 8, 16)
    exact = torch.tensor([[6 / 16, 3 / 8, 2 / 16]])  # pixels 4 to 8 across and 1 to 5 down
    torch.testing.assert_close(regions(picture, exact, 4), picture[:, :, 1:5, 4:8])
    halved = regions(picture, torch.tensor([[8 / 16, 4 / 8, 4 / 16]]), 4)
    torch.testing.assert_close(halved, torch.nn.functional.avg_pool2d(picture, 2)[:, :, :, 2:6])
    corner = regions(torch.ones(1, 1, 8, 8), torch.tensor([[0.0, 0.0, 0.25]]), 4)[0, 0]
    assert not corner[0].any() and not corner[:, 0].any() and corner[2:, 2:].all()


def test_boxes_that_say_nothing_do_not_count() -> None:
    table = {
        (0.5, 0.5, 0.1): True,
        (0.0, 1.0, 0.5): True,
        (0.0, 0.0, 0.0): False,
        (1.01, 0.5, 0.1): False,
        (0.5, -0.01, 0.1): False,
        (0.5, 0.5, 0.51): False,
        (math.nan, 0.5, 0.1): False,
        (0.5, 0.5, math.inf): False,
    }
    assert real_boxes(torch.tensor(list(table)), torch.zeros(3)).tolist() == list(table.values())
    with pytest.raises(ValueError, match=r"observation\.gaze: its statistics are NaN.*must say 0, 0, 0"):
        real_boxes(torch.zeros(1, 3), torch.tensor([math.nan, 0, 0]))


@BOTH
def test_a_sample_without_a_box_has_no_weight_and_teaches_nothing(config) -> None:
    world = World(config)
    world.awaken()
    view, tokens = world.batch(4)
    view.observations[GAZE] = view.observations[GAZE].clone()
    view.observations[GAZE][1, 0] = torch.tensor([-1.0, -1.0, -1.0])
    view.observations[GAZE][2, 0, 0] = math.nan
    tokens[1].values.requires_grad_()
    loss = world.loss(view, tokens)
    assert loss.weight.tolist() == [1, 0, 0, 1] and loss.each.isfinite().all()
    loss.mean.backward()
    assert (tokens[1].values.grad.abs().sum((1, 2)) > 0).tolist() == [True, False, False, True]
    view.observations[GAZE][:, 0] = math.nan
    assert world.loss(view, tokens).mean == 0


@pytest.mark.parametrize("insulated", [False, True])
@BOTH
def test_the_backbone_learns_from_it_also_where_it_is_insulated(config, insulated: bool) -> None:
    world = World(config, insulated=insulated)
    world.awaken()
    world.loss(*world.batch()).mean.backward()
    assert all(p.grad is not None and p.grad.any() for p in world.network.backbone.parameters())
    assert all(p.grad is not None and p.grad.any() for p in world.model.read.parameters())
    assert not any(p.grad is not None for p in world.network.expert.parameters())


def test_what_is_at_the_target_is_learned_from_the_tokens_that_hold_it() -> None:
    """Below π/2, which nobody who does not look can beat; and what is drawn is the region."""
    world = World(RECONSTRUCTION)
    weights = [*world.network.backbone.parameters(), *world.network.embed_tokens.parameters()]
    optimizer = torch.optim.Adam([*weights, *world.model.parameters()], lr=5e-3)
    found = []
    assert world.loss(*world.batch(32)).mean == 0, "the first crops teach the tokenizer alone"
    for _ in range(250):
        loss = world.loss(*world.batch()).mean / 0.5
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert sum(found[-30:]) / 30 < 0.95 * math.pi / 2 < sum(found[1:6]) / 5
    view, tokens = world.batch(128)
    read = world.model.norm(world.model.read(world.network.condition(tokens)))
    drawn, true = world.model.drawn(read, 20), view.observations[CAMERA][:, 0]
    assert (drawn - true).square().mean() < 0.9 * (true.roll(1, 0) - true).square().mean()


@BOTH
def test_what_it_needs_is_named(config) -> None:
    good = {
        "state_dims": {},
        "cameras": {CAMERA: (3, 4, 4)},
        "action_dim": 2,
        "privileged": {GAZE: 3},
        "remembers": True,
    }
    config.check(Data(**good))
    cases = [
        ({"privileged": {}}, r"needs observation\.gaze in the training data.*there is none"),
        ({"privileged": {GAZE: 4}}, r"\(x, y, half side\).*there is 4 numbers"),
        ({"remembers": False}, r"legal with network\.type = mixture and an image encoder that gives tokens"),
        ({"crops": True}, r"image_encoder\.crop_ratio must be 1"),
        ({"cameras": {"a": (3, 4, 4), "b": (3, 4, 4)}}, r"auxiliary\.camera = None: must name one of \['a', 'b'\]"),
    ]
    for fields, message in cases:
        with pytest.raises(ValueError, match=message):
            config.check(Data(**{**good, **fields}))
    for fields, message in [({"weight": 0}, r"weight = 0: must be positive"), ({"queries": 0}, r"queries = 0")]:
        with pytest.raises(ValueError, match=message):
            type(config)(**fields)
