"""The demo end to end at tiny size, through LeRobot's own train and eval, twice."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from lerobot_dp_plus.cli import entry, host
from lerobot_dp_plus.evaluation import demo

# Any policy LeRobot knows will do: what is tested is the way through train, eval and report.
RECIPE = {
    "dataset": {"repo_id": "local/tiny_pusht", "root": "elsewhere"},
    "policy": {
        "type": "diffusion",
        "device": "cpu",
        "horizon": 8,
        "n_action_steps": 6,
        "down_dims": [8, 16],
        "n_groups": 4,
        "diffusion_step_embed_dim": 8,
        "num_inference_steps": 2,
    },
    "batch_size": 4,
    "steps": 6,
    "save_freq": 3,
    "log_freq": 3,
    "env_eval_freq": 0,
}


@pytest.fixture
def arguments(tmp_path: Path, tiny_pusht: Path) -> list[str]:
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(RECIPE))
    where = [f"config_path={recipe}", f"dataset.root={tiny_pusht}", f"output_dir={tmp_path / 'out'}"]
    return ["demo", *where, "episodes=2", "eval_seed=500"]


def test_train_evaluate_reuse_resume(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ran: list[str] = []
    real = host.run

    def counted(name: str, given: list[str]) -> None:
        ran.append(name)
        real(name, given)

    monkeypatch.setattr(host, "run", counted)
    monkeypatch.setattr(demo, "evaluate", partial(demo.evaluate, extra=("--env.episode_length=12",)))
    assert entry.main(arguments) == 0
    printed = capsys.readouterr().out
    report = json.loads((out / "eval" / "report.json").read_text())
    assert report["episodes"] == 2 and report["seeds"] == [500, 501] and report["step"] == 6
    assert "95 % interval" in printed and "ms per chunk" in printed and "wall clock: train" in printed
    assert (out / "eval" / "action_distribution.png").stat().st_size > 50_000
    assert sorted(path.name for path in (out / "eval").rglob("*.mp4")) == ["eval_episode_0.mp4", "eval_episode_1.mp4"]

    ran.clear()
    assert entry.main(arguments) == 0
    assert ran == [] and "finished already: 6 steps" in capsys.readouterr().out

    # As after a kill between the two checkpoints: the last link still names the first, the second is half there.
    checkpoints = out / "train" / "checkpoints"
    (checkpoints / "last").unlink()
    (checkpoints / "last").symlink_to("000003")
    (checkpoints / "000006" / "pretrained_model" / "model.safetensors").unlink()
    assert entry.main(arguments) == 0
    assert ran[0] == "train" and "going on after step 3 of 6" in capsys.readouterr().out
    assert (checkpoints / "last").resolve().name == "000006"
    assert json.loads((checkpoints / "000006" / "training_state" / "training_step.json").read_text())["step"] == 6


def test_another_request_moves_the_old_one_aside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    console = demo.Console(quiet=True)
    demo.keep_or_move_aside(out, "first", console)
    (out / "train").mkdir()
    demo.keep_or_move_aside(out, "first", console)
    assert (out / "train").is_dir()
    demo.keep_or_move_aside(out, "second", console)
    assert (out / "request.json").read_text() == "second" and not (out / "train").exists()
    (aside,) = [path for path in tmp_path.iterdir() if path.name.startswith("out.")]
    assert (aside / "train").is_dir() and (aside / "request.json").read_text() == "first"


def test_a_training_killed_before_its_first_checkpoint_starts_over(tmp_path: Path) -> None:
    half = tmp_path / "train" / "checkpoints" / "000003"
    half.mkdir(parents=True)
    ran: list[list[str]] = []
    demo.train(
        Path("r.json"), tmp_path, tmp_path / "train", ["--steps=6"], lambda name, given: ran.append([name, *given])
    )
    assert not half.exists()
    assert ran == [
        [
            "train",
            "--config_path=r.json",
            f"--dataset.root={tmp_path}",
            f"--output_dir={tmp_path / 'train'}",
            "--steps=6",
        ]
    ]


@pytest.mark.parametrize(("missing", "message"), [("recipe.json", "recipe"), ("data", "info.json")])
def test_what_is_missing_is_named(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str, message: str
) -> None:
    if missing == "data":
        shutil.copy(tmp_path / "recipe.json", tmp_path / "kept.json")
        arguments = [*arguments, f"dataset.root={tmp_path / 'nothing'}"]
    else:
        (tmp_path / "recipe.json").unlink()
    assert entry.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_no_policy_to_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["evaluate", f"policy={tmp_path}"]) == 1
    assert f"no policy in {tmp_path}" in capsys.readouterr().err
