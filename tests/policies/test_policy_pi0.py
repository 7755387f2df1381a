"""`dp_plus_pi0` as a user meets it: trained, resumed, evaluated and loaded by LeRobot's scripts, compiled, and in real time."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from host_scripts import PIXELS, assert_resumes, evaluate, made_up, train
from lerobot.configs import PreTrainedConfig
from tiny import IMAGES, STATE, config, frame, noise, policy, said, trained, training_batch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.encoders import HashedWords, KeypointTokensConfig, SmallCnnConfig
from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.notation import PATCHES, STEPS, WORDS, Span
from lerobot_dp_plus.real_time import Trained
from lerobot_dp_plus.samplers import DDIM
from lerobot_dp_plus.selection import Densest

SWITCHES = (
    *("network.head_dim=8", "network.backbone.dim=24", "words.type=hashed", "words.dim=8", "words.max_words=4"),
    *("image_encoder.width=16", "image_encoder.num_keypoints=4", "image_encoder.feature_dim=16"),
    *("image_encoder.resize=32", "scheduler_warmup_steps=1", "optimizer_lr=1e-2"),
)
#: Pictures and words in the first block, the state in the second.
FIELDS = {
    "inputs": {**STATE, **IMAGES},
    "image_encoder": KeypointTokensConfig(width=16, num_keypoints=4, feature_dim=16),
    "words": HashedWords(buckets=16, dim=8, max_words=4),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    root = made_up(tmp_path_factory.mktemp("data") / "pixels", PIXELS)
    flags = [f"--policy.{switch}" for switch in SWITCHES]
    return train(root, tmp_path_factory.mktemp("runs") / "run", "dp_plus_pi0", *flags)


def test_it_is_trained_saved_and_evaluated(checkpoints, tmp_path):
    last = checkpoints / "last" / "pretrained_model"
    made = PreTrainedConfig.from_pretrained(last)
    assert isinstance(made.network, MixtureConfig) and made.network.backbone == Scratch(dim=24)
    info = evaluate(last, tmp_path, PIXELS)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2


def test_resuming_equals_no_interruption(checkpoints, tmp_path):
    assert_resumes(checkpoints, tmp_path / "copy")


def test_what_is_loaded_hears_and_sees(checkpoints):
    loaded = load_policy(checkpoints / "last")
    assert loaded.policy.model.encoder.spans == {STEPS: Span(2, 2), PATCHES: Span(2 * 4, 16), WORDS: Span(4, 8)}

    def acted(sentence: str, half: slice) -> torch.Tensor:
        picture = np.zeros((96, 96, 3), np.uint8)
        picture[:, half] = 255
        loaded.policy.reset()
        seen = {"observation.state": torch.full((1, 2), 250.0), "observation.image": picture, "task": sentence}
        return loaded.policy.predict_action_chunk(loaded.preprocess(seen), noise=torch.zeros(1, 8, 2))

    left, right = slice(0, 48), slice(48, 96)
    usual = acted("push it", left)
    assert torch.equal(acted("push it", left), usual)
    assert (acted("leave it", left) - usual).abs().max() > 1e-6
    assert (acted("push it", right) - usual).abs().max() > 1e-6


def test_candidates_and_calls_share_pictures_and_prefix():
    made = trained("dp_plus_pi0", **FIELDS, sampler_steps=5, selection=Densest(num_candidates=16))
    rows: dict[str, list[int]] = {"pictures": [], "prefix": [], "actions": []}
    model = made.ema.module
    model.encoder.image_encoders["observation/image"].register_forward_pre_hook(
        lambda _, args: rows["pictures"].append(len(args[0]))
    )
    model.network.backbone.register_forward_pre_hook(lambda _, args: rows["prefix"].append(len(args[0])))
    model.network.expert.register_forward_pre_hook(lambda _, args: rows["actions"].append(len(args[0])))
    seen = frame(made.config, 2)
    made.predict_action_chunk(seen | said(made.config, ["push", "pull"]))
    assert rows == {"pictures": [2], "prefix": [2], "actions": [32] * 5}


@pytest.mark.usefixtures("processor_believed")
def test_a_graph_gives_equal_chunks(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    caplog.set_level(logging.INFO, logger=compiled.__name__)
    logging.getLogger(compiled.__name__).addHandler(caplog.handler)
    # Words alone in the first block, and one call: compiling takes a while, and pictures are compiled elsewhere.
    fields = {"words": FIELDS["words"], "selection": Densest(num_candidates=3), "sampler_steps": 1}
    eager = trained("dp_plus_pi0", **fields)
    fast = policy("dp_plus_pi0", **fields, compile_sampler=True).eval()
    fast.load_state_dict(eager.state_dict())
    told = frame(eager.config) | said(eager.config, ["push it", "", "pull"])
    drawn = torch.randn(3, 3, 8, 2)
    chunks = []
    for made in (eager, fast, fast):
        made.reset()
        chunks.append(made.predict_action_chunk(told, noise=drawn))
    logging.getLogger(compiled.__name__).removeHandler(caplog.handler)
    torch.testing.assert_close(chunks[1], chunks[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(chunks[2], chunks[0], rtol=1e-5, atol=1e-5)
    lines = {record.getMessage().split(" in ")[0] for record in caplog.records if record.name == compiled.__name__}
    assert lines == {"sampler compiled"}, "compiled, not fallen back"


def test_what_is_decided_is_shown_to_the_network_at_its_own_times():
    made = trained("dp_plus_pi0", horizon=16, n_action_steps=8, max_delay=3, real_time=Trained(), sampler=DDIM(2))
    seen = frame(made.config, 1)
    plan = made.predict_action_chunk(seen, noise(made.config, 1))
    times = []
    expert, given = made.ema.module.network, made.ema.module.network._predict

    def noted(x_t, time_share, *rest, **named):
        times.append(time_share.shape)
        return given(x_t, time_share, *rest, **named)

    expert._predict = noted
    found = made.predict_action_chunk(
        seen, noise(made.config, 1, 2), inference_delay=3, prev_chunk_left_over=plan[0, 4:]
    )
    torch.testing.assert_close(found[:, :3], plan[:, 4:7])
    assert set(times) == {(1, 2, 16)}, "a time for each of the two tokens"


def test_an_average_is_what_acts_and_both_are_saved(tmp_path):
    made = trained("dp_plus_pi0", **FIELDS)
    made.save_pretrained(tmp_path)
    again = type(made).from_pretrained(tmp_path)
    told = frame(made.config) | said(made.config, ["push", "pull", ""])
    drawn = noise(made.config)
    expected = made.predict_action_chunk(told, noise=drawn)
    assert torch.equal(again.predict_action_chunk(told, noise=drawn), expected)
    again.ema.module.load_state_dict(again.model.state_dict())
    again.reset()
    assert not torch.allclose(again.predict_action_chunk(told, noise=drawn), expected, atol=1e-6)


def test_features_of_whole_pictures_come_beside_the_state():
    made = policy("dp_plus_pi0", {**STATE, **IMAGES}, image_encoder=SmallCnnConfig(width=16, feature_dim=8))
    assert made.model.network.backbone is None and made.model.encoder.spans == {STEPS: Span(2, 12)}
    assert made(training_batch(made.config))[0].isfinite()


def test_what_is_not_said_is_hidden_from_guidance_too():
    """Observations that are dropped in training are dropped in both blocks."""
    made = policy("dp_plus_pi0", **FIELDS, condition_dropout=0.5).train()
    assert made(training_batch(made.config))[0].isfinite()
    assert config("dp_plus_pi0").objective == config("dp_plus_flow").objective
