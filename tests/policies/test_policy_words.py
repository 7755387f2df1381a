"""A policy that is told what to do: trained by LeRobot's script, loaded, told otherwise, and run in an environment."""

import copy
import logging
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from gym_pusht.envs import PushTEnv
from host_scripts import STATE_ONLY, assert_resumes, evaluate, run, saved, train
from lerobot.configs import PreTrainedConfig
from lerobot.datasets import LeRobotDataset
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.scripts import lerobot_train
from tiny import ENV_STATE, STATE, config, frame, policy, said, trained, window

from lerobot_dp_plus import load_policy
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID, HashedWords, NoWords
from lerobot_dp_plus.heads import compiled
from lerobot_dp_plus.hub.card import render_card
from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.selection import LowestEnergy

LEFT, RIGHT = "go left", "go right"
SMALL = HashedWords(buckets=64, dim=8, max_words=4)
WORDS = [
    "--policy.words.type=hashed",
    "--policy.words.dim=8",
    "--policy.words.buckets=64",
    "--policy.words.max_words=4",
]


def two_tasks(root: Path) -> Path:
    """Of PushT's shapes: wherever the agent is, one sentence means 100 to the left and the other 100 to the right."""
    shapes = {"observation.state": 2, "observation.environment_state": 16, "action": 2}
    features = {key: {"dtype": "float32", "shape": (width,), "names": None} for key, width in shapes.items()}
    made = LeRobotDataset.create("made/up", fps=10, features=features, root=root, use_videos=False)
    rng = np.random.default_rng(0)
    for episode in range(4):
        task, way = [(LEFT, -100), (RIGHT, 100)][episode % 2]
        for _ in range(12):
            values = {key: rng.uniform(200, 300, width).astype(np.float32) for key, width in shapes.items()}
            values["action"] = np.array([250 + way, 250], np.float32) + rng.normal(0, 3, 2).astype(np.float32)
            made.add_frame({**values, "task": task})
        made.save_episode()
    made.finalize()
    return root


class Kept(logging.Handler):
    """What is logged; LeRobot's script takes the root logger's handlers away, and pytest's with them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return two_tasks(tmp_path_factory.mktemp("data") / "tasks")


@pytest.fixture(scope="module")
def learned(data, tmp_path_factory) -> tuple[Path, list[str]]:
    """The folder of a policy that has learned both tasks, and what was said meanwhile."""
    pace = ("--steps=120", "--save_freq=120", "--batch_size=16", "--log_freq=1000", "--policy.optimizer_lr=1e-2")
    logger, kept = logging.getLogger("lerobot_dp_plus"), Kept()
    logger.addHandler(kept)
    try:
        with fast_loading():
            more = (*WORDS, "--policy.scheduler_warmup_steps=10", *pace)
            checkpoints = train(data, tmp_path_factory.mktemp("runs") / "run", "dp_plus_transformer", *more)
    finally:
        logger.removeHandler(kept)
    return checkpoints / "last" / "pretrained_model", kept.lines


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Chunks are draws, and a policy of 120 updates may stray in one: not in those of this seed."""
    torch.manual_seed(0)


def seen(**more) -> dict:
    """One robot's observation, in the middle of the data."""
    return {
        "observation.state": np.full(2, 250, np.float32),
        "observation.environment_state": np.full(16, 250, np.float32),
        **more,
    }


def told(loaded, observation: dict) -> np.ndarray:
    """The first action of an episode."""
    loaded.policy.reset()
    return loaded.act(observation)


def test_what_it_is_told_decides(learned):
    loaded = load_policy(learned[0])
    left, right = (told(loaded, seen(task=task)) for task in (LEFT, RIGHT))
    assert left.shape == right.shape == (2,)
    assert left[0] < 200 and right[0] > 300
    assert told(loaded, seen(task="Go, LEFT!"))[0] < 200, "case and punctuation say nothing"


def test_each_row_of_a_batch_is_told_its_own(learned):
    loaded = load_policy(learned[0])
    batch = {key: np.stack([value] * 3) for key, value in seen().items()}
    for order in ([LEFT, RIGHT, LEFT], [RIGHT, LEFT, RIGHT]):
        action = told(loaded, {**batch, "task": order})
        assert action.shape == (3, 2)
        assert (action[:, 0] < 250).tolist() == [task == LEFT for task in order]
    assert (told(loaded, {**batch, "task": RIGHT})[:, 0] > 300).all(), "one sentence is for all"
    with pytest.raises(ValueError, match=r"2 instructions for 3 observations; give each its own"):
        told(loaded, {**batch, "task": [LEFT, RIGHT]})


def test_a_missing_instruction_is_named_with_the_way_out(learned):
    loaded = load_policy(learned[0])
    with pytest.raises(ValueError, match=r"there is no `task`; give it with the observation, as a sentence"):
        told(loaded, seen())
    told(loaded, seen(task=""))  # said, and nothing
    bare = loaded.preprocess(seen(task=LEFT))
    del bare[WORD_IDS], bare[WORDS_VALID]
    loaded.policy.reset()
    with pytest.raises(ValueError, match=rf"{WORD_IDS}, {WORDS_VALID} missing from the batch"):
        loaded.policy.select_action(bare)


def test_only_who_does_not_read_is_told_of_several_tasks(learned, data, caplog):
    assert not [line for line in learned[1] if "tasks" in line]
    meta = LeRobotDataset("made/up", root=data).meta
    for words, count in ((HashedWords(), 0), (NoWords(), 1)):
        made = config(words=words)
        made.input_features = PreTrainedConfig.from_pretrained(learned[0]).input_features
        caplog.clear()
        get_policy_class(made.type)(made, dataset_meta=meta)
        found = [record.getMessage() for record in caplog.records if "2 tasks" in record.getMessage()]
        assert len(found) == count and all("--policy.words.type=ngrams reads" in each for each in found)


def test_lerobots_evaluation_tells_it_what_the_environment_says(learned, tmp_path, monkeypatch):
    """PushT has no instruction: an empty one. One that has is heard."""
    heard: list[str] = []
    ids = HashedWords.ids
    monkeypatch.setattr(HashedWords, "ids", lambda self, sentences: heard.extend(sentences) or ids(self, sentences))
    info = evaluate(learned[0], tmp_path / "silent", STATE_ONLY)
    assert len(info["per_task"][0]["metrics"]["sum_rewards"]) == 2
    assert heard and set(heard) == {""}
    heard.clear()
    monkeypatch.setattr(PushTEnv, "task_description", RIGHT, raising=False)
    evaluate(learned[0], tmp_path / "spoken", STATE_ONLY)
    assert heard and set(heard) == {RIGHT}


def test_both_loaders_feed_the_same_and_resuming_goes_on(data, tmp_path):
    stock = train(data, tmp_path / "stock", "dp_plus_transformer", *WORDS)
    with fast_loading():
        ours = train(data, tmp_path / "ours", "dp_plus_transformer", *WORDS)
    for file, values in saved(stock / "last").items():
        other = saved(ours / "last")[file]
        assert values.keys() == other.keys() and not [k for k, v in values.items() if not torch.equal(v, other[k])]
    before, after = (saved(stock / name)["pretrained_model/model.safetensors"] for name in ("000002", "000004"))
    (table,) = [key for key in after if key.startswith("model.") and key.endswith("word_encoder.word.weight")]
    assert not torch.equal(before[table], after[table]), "words are learned"
    assert_resumes(stock, tmp_path / "copy")


def test_fine_tuning_goes_on_reading(learned, data, tmp_path):
    given = ("--dataset.repo_id=made/up", f"--dataset.root={data}", f"--output_dir={tmp_path / 'tuned'}")
    pace = ("--policy.push_to_hub=false", "--policy.device=cpu", "--steps=1", "--batch_size=4", "--num_workers=0")
    run(lerobot_train, *given, f"--policy.path={learned[0]}", *pace)
    tuned = tmp_path / "tuned" / "checkpoints" / "last" / "pretrained_model"
    assert "dp_plus_words_processor" in (tuned / "policy_preprocessor.json").read_text()
    left, right = (told(load_policy(tuned), seen(task=task)) for task in (LEFT, RIGHT))
    assert left[0] < 250 < right[0]
    with pytest.raises(ValueError, match=r"words\.max_words = 5: the weights in .* were trained with 4"):
        load_policy(learned[0], words={"max_words": 5})


def test_a_new_instruction_counts_from_the_next_chunk_on(learned):
    """What is being executed was planned before it was given."""
    loaded = load_policy(learned[0])
    steps = loaded.policy.config.n_action_steps
    loaded.policy.reset()
    acted = [loaded.act(seen(task=LEFT if step == 0 else RIGHT))[0] for step in range(2 * steps)]
    assert [action < 250 for action in acted] == [True] * steps + [False] * steps


def test_each_thread_is_told_its_own(learned):
    # Without noise a chunk follows from what is seen and told alone, in whatever order threads are.
    loaded, turn, found = load_policy(learned[0], noise_scale=0.0), threading.Barrier(2), {}

    def robot(task: str, together: bool = True) -> list[float]:
        loaded.policy.reset()
        acted = []
        for _ in range(2 * loaded.policy.config.n_action_steps):
            if together:
                turn.wait(timeout=30)
            acted.append(loaded.act(seen(task=task))[0])
        found[task] = acted
        return acted

    alone = {task: robot(task, together=False) for task in (LEFT, RIGHT)}
    threads = [threading.Thread(target=robot, args=(task,)) for task in (LEFT, RIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for task in (LEFT, RIGHT):
        np.testing.assert_allclose(found[task], alone[task], rtol=1e-5)
    assert np.abs(np.subtract(alone[LEFT], alone[RIGHT])).min() > 1


def test_windows_hold_the_newest_instruction_as_it_was_given():
    made = policy(words=SMALL).eval()
    shown = frame(made.config)
    buffers = said(made.config, [LEFT] * 3)
    made.predict_action_chunk({**shown, **buffers})
    kept = made._episodes.current.history.window()
    expected = {key: value.clone() for key, value in buffers.items()}
    newest = said(made.config, ["now turn right"] * 3)
    for key, value in buffers.items():
        value.copy_(newest[key])  # a robot may fill the same buffers again
        assert torch.equal(kept[key], expected[key])
    made.predict_action_chunk({**shown, **buffers})
    assert all(torch.equal(made._episodes.current.history.window()[key], newest[key]) for key in newest)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_types_and_copies_read_alike(dtype, learned):
    made = load_policy(learned[0]).policy
    shown, noise = frame(made.config), torch.randn(3, 8, 2)

    def chunk(policy, task):
        policy.reset()
        return policy.predict_action_chunk({**shown, **said(policy.config, [task] * 3)}, noise=noise)

    expected = [chunk(made, task) for task in (LEFT, RIGHT)]
    apart = (expected[0] - expected[1]).abs().max()
    copies = [pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.deepcopy(made).to(dtype)]
    for each, rounding in zip(copies, (0, 0, 0.05), strict=True):
        for task, truth in zip((LEFT, RIGHT), expected, strict=True):
            assert (chunk(each, task) - truth).abs().max() <= rounding
    assert apart > 1


def test_candidates_are_judged_by_what_was_learned_too():
    """Words are no states: an energy that is learned does not meet them."""
    made = policy(
        words=SMALL,
        inputs={**STATE, **ENV_STATE},
        dynamics=Outcome(steps=6, dim=16, depth=1),
        selection=LowestEnergy(num_candidates=3),
    ).eval()
    for model in (made.model, made._averaged_model):
        model.units.known.fill_(True)
        model.auxiliary.dynamics.ends.gather(torch.randn(5, len(model.auxiliary.dynamics.ends.mean)))
    made.predict_action_chunk({**frame(made.config), **said(made.config, [LEFT] * 3)})
    energy = made.propose(made._episodes.current.history.window()).energies["end"]
    assert energy.shape == (3, 3) and energy.isfinite().all() and made.chosen.energies["end"].shape == (3, 1)


@pytest.mark.parametrize("preset", ["dp_plus_unet", "dp_plus_dit"])
def test_networks_that_do_not_read_words_refuse_them(preset):
    with pytest.raises(
        ValueError, match=r"reads steps, .* has words too; legal with them: network\.type = mixture or transformer"
    ):
        policy(preset, words=HashedWords())


def test_the_compiled_sampler_reads_what_it_is_told(monkeypatch):
    """One graph for all sentences."""
    calls = []
    monkeypatch.setattr(compiled, "graph", lambda propose: lambda *arguments: calls.append(1) or propose(*arguments))
    eager = trained(words=SMALL)
    fast = policy(words=SMALL, compile_sampler=True).eval()
    fast.load_state_dict(eager.state_dict())
    shown, noise, chunks = window([frame(eager.config)] * 2), torch.randn(3, 8, 2), []
    for task in (LEFT, RIGHT):
        heard = said(eager.config, [task] * 3)
        chunks.append(fast.sample({**shown, **heard}, noise))
        assert torch.equal(chunks[-1], eager.sample({**shown, **heard}, noise))
    assert not torch.equal(*chunks) and len(fast._propose._shapes) == 1 and len(calls) == 2


def test_its_card_says_that_it_is_told(learned):
    card = render_card(learned[0])
    assert "acts on states and an instruction, without a camera" in card
    assert "words of the instruction by their hash" in card
    assert '#   "task": the instruction, a sentence' in card
    assert "in sentences such as “go left”; “go right”." in card


def test_pipelines_of_ours_take_one_sentence_for_one_observation(learned):
    """As a script of somebody's own calls them, without `act`."""
    loaded = load_policy(learned[0])
    before, _ = make_pre_post_processors(loaded.policy.config, learned[0])
    one = {key: torch.as_tensor(value) for key, value in seen(task=LEFT).items() if key != "task"} | {"task": LEFT}
    made = before(one)
    assert made[WORD_IDS].shape == made[WORDS_VALID].shape == (1, 4)
    assert made[WORDS_VALID].tolist() == [[True, True, False, False]]
