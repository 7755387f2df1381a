"""A policy that says what it does: from a dataset's sentences to a description, and without a trace in what is done."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from host_scripts import train
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.language import LANGUAGE_PERSISTENT, language_feature_info
from test_policy_instructions import meta_of
from test_policy_words import LEFT, RIGHT, two_tasks
from tiny import ENV_STATE, STATE, build, config, frame, learned, noise, policy, said, training_batch

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary import SUBTASK, SUBTASKS_FILE, NoFurther, Text
from lerobot_dp_plus.encoders import HashedWords
from lerobot_dp_plus.networks import MixtureConfig
from lerobot_dp_plus.networks.backbones import Scratch
from lerobot_dp_plus.policies.instructions import adopt_instructions
from lerobot_dp_plus.policies.subtasks import sentences_of

NETWORK = MixtureConfig(dim=16, depth=2, num_heads=2, head_dim=8, backbone=Scratch(dim=24))
TEXT = Text(max_words=4, weight=1).adopting([LEFT, RIGHT])
WORDS = HashedWords(buckets=32, dim=8, max_words=4)


def made(text=TEXT, **fields):
    fields = {"network": NETWORK, "words": WORDS, "things": 5, **fields}
    return config("dp_plus_pi0", {**STATE, **ENV_STATE}, auxiliary=text, **fields)


def batch(config_) -> dict:
    """The sign of the first number that is seen says which of two sentences is the task."""
    one = training_batch(config_, 16)
    listed = one["observation.environment_state"]
    listed[:, :, 0] = listed[:, :1, 0].sign()
    one["task"] = [LEFT if each < 0 else RIGHT for each in one["observation.environment_state"][:, -1, 0]]
    return one | (said(config_, one["task"]) if config_.spoken_features else {})


def test_what_it_learned_to_say_it_says_and_goes_on_saying(tmp_path) -> None:
    one = learned(policy := build(made()), lambda: batch(policy.config), updates=30)
    seen = batch(one.config)
    right = seen["task"]
    logged = one(seen)[1]
    assert logged["loss_auxiliary"] > 0
    # Told the opposite, it says what it sees: the instruction is hidden from who tells it.
    window = {key: value[:, -1] for key, value in seen.items() if key in one.config.observed_features}
    window |= said(one.config, [LEFT if each == RIGHT else RIGHT for each in right])
    found = one.describe(window)
    assert sum(map(str.__eq__, found, right)) >= 13 and set(found) <= {LEFT, RIGHT}
    one.save_pretrained(tmp_path)
    again = type(one).from_pretrained(tmp_path)
    assert again.config.auxiliary == one.config.auxiliary and again.describe(window) == found


def test_in_use_keys_values_and_chunks_are_those_of_a_policy_without_it() -> None:
    """Bit by bit; and nothing of it is computed until somebody asks."""
    one = learned(policy := build(made()), lambda: batch(policy.config), updates=3)
    without = build(made(NoFurther())).eval()
    weights = {key: value for key, value in one.ema.module.state_dict().items() if not key.startswith("auxiliary.")}
    missing, unexpected = without.ema.module.load_state_dict(weights, strict=False)
    assert not unexpected and not missing
    asked = []
    one.ema.module.auxiliary.auxiliary.writer.register_forward_pre_hook(lambda *_: asked.append(1))
    seen = {**frame(one.config), **said(one.config, [LEFT] * 3)}
    windows = {
        key: value[:, None].expand(-1, 2, *value.shape[1:]) if key in one.config.observed_features else value
        for key, value in seen.items()
    }
    with torch.no_grad():
        conditions = [each.ema.module.network.condition(each.ema.module.encoder(windows)) for each in (one, without)]
    for pair, other in zip(*((*each.memory, *each.state) for each in conditions), strict=True):
        assert torch.equal(pair[0], other[0]) and torch.equal(pair[1], other[1])
    chunks = [each.predict_action_chunk(seen, noise=noise(one.config)) for each in (one, without)]
    assert torch.equal(*chunks) and not asked
    one.describe(seen)
    assert asked and torch.equal(one.predict_action_chunk(seen, noise=noise(one.config)), chunks[0])
    with pytest.raises(ValueError, match=r"auxiliary\.type = none: .*--policy\.auxiliary\.type=text"):
        without.describe(seen)


def row(style: str, content: str, time: float) -> dict:
    """A row of LeRobot's column, as `lerobot-annotate` writes it."""
    return {
        "role": "assistant",
        "content": content,
        "style": style,
        "timestamp": time,
        "camera": None,
        "tool_calls": None,
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two tasks of two parts, each part of six steps at ten a second, told in LeRobot's column."""
    root = two_tasks(tmp_path_factory.mktemp("data") / "tasks")
    (file,) = root.glob("data/**/*.parquet")
    table = pq.read_table(file)
    told = [row("subtask", "go on", 0.6), row("plan", "1. begin 2. go on", 0.0), row("subtask", "begin", 0.0)]
    table = table.append_column(LANGUAGE_PERSISTENT, pa.array([told] * len(table)))
    pq.write_table(table.replace_schema_metadata(None), file)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][LANGUAGE_PERSISTENT] = language_feature_info()[LANGUAGE_PERSISTENT]
    (root / "meta/info.json").write_text(json.dumps(info))
    return root


def test_a_training_of_lerobots_script_learns_its_column_of_sub_tasks(data, tmp_path) -> None:
    text = ("--policy.auxiliary.type=text", "--policy.auxiliary.of=subtask", "--policy.things=2")
    where = train(data, tmp_path / "run", "dp_plus_pi0", *text, "--policy.network.depth=2", "--steps=2")
    loaded = load_policy(where / "000002")
    assert loaded.policy.config.auxiliary.vocabulary == ("begin", "go", "on")
    observation = {"observation.state": torch.rand(2), "observation.environment_state": torch.rand(16)}
    told = loaded.describe(observation, task=LEFT)
    assert isinstance(told, str) and set(told.split()) <= {"begin", "go", "on"}
    several = {key: value.expand(3, -1) for key, value in observation.items()}
    assert loaded.describe(several, task=LEFT) == [told] * 3


@pytest.mark.parametrize("source", ["column", "file"])
def test_the_part_of_a_frame_is_the_last_that_has_begun(source, data, tmp_path) -> None:
    meta = LeRobotDataset("made/up", root=data).meta
    if source == "file":
        (tmp_path / "meta").mkdir()
        (tmp_path / SUBTASKS_FILE).write_text(
            json.dumps({episode: [[0.6, "go on"], [0.0, "begin"]] for episode in range(4)})
        )
        meta = meta_of(LEFT, RIGHT, root=tmp_path)
    one = made(Text(of=SUBTASK))
    adopt_instructions(one, meta)
    assert one.auxiliary.vocabulary == ("begin", "go", "on")
    times = {0.0: "begin", 0.5: "begin", 0.6: "go on", 1.1: "go on"}
    told = {"episode_index": torch.zeros(4, dtype=torch.int64), "timestamp": torch.tensor(list(times))}
    assert sentences_of(one, SUBTASK, told) == list(times.values())
    assert sentences_of(one, SUBTASK, {**told, "episode_index": torch.full((4,), 99)}) == [None] * 4
    with pytest.raises(ValueError, match=r"episode_index, timestamp missing from the batch.*its subtask is to be told"):
        sentences_of(one, SUBTASK, {})


def test_words_that_a_trained_policy_cannot_say_are_named(caplog) -> None:
    one = made(replace(TEXT, vocabulary=("go", "left")))
    adopt_instructions(one, meta_of(LEFT, RIGHT))
    assert one.auxiliary.vocabulary == ("go", "left")
    assert "auxiliary: words that it was not trained to say, and will not: right" in caplog.text


@pytest.mark.parametrize("text", ["[", "[1]", '{"a": []}', '{"0": [["x", "y"]]}', '{"0": [[0, 1]]}'])
def test_a_broken_file_of_sub_tasks_is_named(text, tmp_path) -> None:
    file = tmp_path / SUBTASKS_FILE
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match=r"subtasks\.json: .*must be"):
        adopt_instructions(made(Text(of=SUBTASK)), meta_of(LEFT, root=tmp_path))


def test_what_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(
        ValueError, match=r"auxiliary\.of = subtask: the dataset has neither .*legal is auxiliary\.of = instruction"
    ):
        adopt_instructions(made(Text(of=SUBTASK)), SimpleNamespace(**vars(meta_of(LEFT, root=tmp_path))))
    with pytest.raises(ValueError, match=r"auxiliary\.type = text .*keypoint_tokens, patches or things"):
        policy("dp_plus_pi0", STATE, auxiliary=TEXT, network=NETWORK)
    one = build(made())
    without = {key: value for key, value in batch(one.config).items() if key != "task"}
    with pytest.raises(ValueError, match=r"task missing from the batch"):
        one(without)
