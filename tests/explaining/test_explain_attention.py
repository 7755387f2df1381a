"""Where a policy looks and what it says is at the target: of a made-up policy of the table with things, from pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fabricated import restless
from lerobot.configs import FeatureType, PolicyFeature
from PIL import Image

from lerobot_dp_plus.auxiliary import GazeReconstruction
from lerobot_dp_plus.encoders import KeypointTokensConfig, WordNgrams
from lerobot_dp_plus.environments.blocks import Blocks
from lerobot_dp_plus.evaluation.arena import Run
from lerobot_dp_plus.evaluation.moment import load
from lerobot_dp_plus.explaining import attention, gaze, material
from lerobot_dp_plus.explaining.explain import explain_table, main
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import GAZE
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.tokenizers import Pca

SEED, KEYPOINTS = 3, 4
INPUTS = {
    "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
    GAZE: PolicyFeature(FeatureType.STATE, (3,)),
    "observation.image": PolicyFeature(FeatureType.VISUAL, (3, 64, 64)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return restless(
        tmp_path_factory.mktemp("policy"),
        INPUTS,
        3,
        0.1,
        n_obs_steps=1,
        network=MixtureConfig(dim=16, depth=2, num_heads=2, head_dim=4, backbone=Scratch(dim=16)),
        image_encoder=KeypointTokensConfig(width=16, num_keypoints=KEYPOINTS, feature_dim=16),
        words=WordNgrams(dim=8),
        auxiliary=GazeReconstruction(queries=2, dim=16, depth=1, tokenizer=Pca(components=3, size=8, crops=6)),
    )


@pytest.fixture
def loaded(folder: Path) -> Loaded:
    """With a tokenizer that has learned from a few crops."""
    found = load(folder)
    for model in (found.policy.model, found.policy.ema.module):
        model.auxiliary["auxiliary"].tokenizer.learn(torch.randn(6, 3, 8, 8))
    return found


@pytest.fixture
def looked(loaded: Loaded) -> tuple[Blocks, material.Moment]:
    env = Blocks("pixels_agent_pos", "ambiguous")
    run = Run(loaded, env, SEED)
    return env, material.moment_of(loaded, run, SEED, 16)


def test_shares_are_by_word_and_by_place(loaded: Loaded, looked: tuple[Blocks, material.Moment]) -> None:
    env, moment = looked
    (look,) = attention.looks_of(loaded, moment, [env.task_description])
    assert [word for word, _ in look.words] == env.task_description.replace(",", "").split()
    ((picture, tokens),) = look.pictures.values()
    assert picture.shape == (64, 64, 3) and tokens.shape == (KEYPOINTS, 3) and look.things == ()
    total = sum(share for _, share in look.words) + tokens[:, 2].sum() + look.states
    assert 0.3 < total < 1, "the rest is what actions give each other"
    assert (tokens[:, :2] >= 0).all() and (tokens[:, :2] <= 63).all()


def test_attention_to_a_rigged_keypoint_is_drawn_where_it_is(
    loaded: Loaded, looked: tuple[Blocks, material.Moment], tmp_path: Path
) -> None:
    """All attention of the picture goes to a token, and that token is in a corner."""
    env, moment = looked
    (look,) = attention.looks_of(loaded, moment, [env.task_description])
    ((key, (picture, _)),) = look.pictures.items()
    painted = {}
    for corner in ((8.0, 8.0), (56.0, 56.0)):
        tokens = np.array([[*corner, 0.5], [32.0, 32.0, 0.0]])
        only = attention.Look(look.sentence, look.words, {key: (0 * picture, tokens)}, (), 0.1)
        attention.drawn([only], (), tmp_path / "a.png")
        colours = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
        rows, columns = np.nonzero((colours[..., 0] > 140) & (colours[..., 1] > 120) & (colours[..., 2] < 90))
        painted[corner] = np.array([columns.mean(), rows.mean()])
        assert len(rows) > 500
    apart = painted[(56.0, 56.0)] - painted[(8.0, 8.0)]
    assert (apart > 100).all() and abs(apart[0] - apart[1]) < 5, "to the right and down, by as much"


def test_each_reading_has_a_look_of_its_own(loaded: Loaded, looked: tuple[Blocks, material.Moment]) -> None:
    env, _ = looked
    loaded.policy.readings = loaded.read(env.readings)
    moment = material.moment_of(loaded, Run(loaded, env, SEED), SEED, 16)
    looks = attention.looks_of(loaded, moment, env.readings)
    assert [each.sentence for each in looks] == list(env.readings)
    assert len({each.words for each in looks}) == len(looks)


def test_regions_are_the_true_ones_and_those_that_are_drawn(
    loaded: Loaded, looked: tuple[Blocks, material.Moment], tmp_path: Path
) -> None:
    env, moment = looked
    boxes = [env.gaze(thing) for thing in range(2)]
    found = gaze.regions_of(loaded, moment, ["the red one", "the green one"], boxes)
    for each, box in zip(found, boxes, strict=True):
        assert each.drawn.shape == (gaze.DRAWS, 8, 8, 3) and each.true.shape == (8, 8, 3)
        x, y = (64 * box[:2] - 0.5).round().astype(int)
        middle = each.picture[y, x]
        assert np.abs(each.true[3:5, 3:5].mean((0, 1)) - middle).max() < 0.2, "the thing is in the middle"
        assert each.drawn.std() > 0.01
    assert not np.array_equal(found[0].drawn, found[1].drawn), "it depends on the sentence"
    title, said = gaze.crops(found, tmp_path / "crops.png")
    assert title and said and (tmp_path / "crops.png").stat().st_size > 5_000


def test_the_page_of_a_policy_from_pictures_holds_both(loaded: Loaded, tmp_path: Path) -> None:
    _, chapters = explain_table(loaded, "blocks", "ambiguous", True, SEED, 1, 16, tmp_path)
    assert [each.file.name for each in chapters][:3] == ["things.png", "attention.png", "gaze.png"]


def test_what_has_not_learned_to_draw_draws_nothing(folder: Path, looked: tuple[Blocks, material.Moment]) -> None:
    assert gaze.regions_of(load(folder), looked[1], ["any"], [np.array([0.5, 0.5, 0.1])]) == []


def test_readings_belong_to_tables(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--readings: legal with --env blocks or three_pucks"):
        main([str(folder), "--readings", "--env", "aloha_lite", "--output", str(tmp_path)])
