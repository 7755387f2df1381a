"""`metrics.jsonl`: LeRobot's own numbers, a line each; resumed without doubles; the last line says what next."""

import json
import logging
from pathlib import Path

import pytest
from host_scripts import STATE_ONLY, made_up, run, train
from lerobot.scripts import lerobot_train

from lerobot_dp_plus.policies.metrics_file import FILE, MetricsFile, read_metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return made_up(tmp_path_factory.mktemp("data") / "states", STATE_ONLY)


def test_a_training_writes_what_lerobot_logs_and_a_resumed_one_goes_on(data: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "run"
    env = ["--env.type=pusht", "--env.obs_type=environment_state_agent_pos", "--env.episode_length=4"]
    evaluating = ["--env_eval_freq=4", "--eval.n_episodes=2", "--eval.batch_size=2", "--eval.use_async_envs=false"]
    dynamics = ["--policy.dynamics.type=outcome", "--policy.dynamics.dim=8", "--policy.dynamics.depth=1"]
    train(data, folder, "dp_plus_transformer", *dynamics, *env, *evaluating)
    written = read_metrics(folder / FILE)
    learned = [each for each in written if "loss" in each]
    assert [each["step"] for each in learned] == [1, 2, 3, 4]
    for each in learned:
        assert each["loss"] > 0 and each["lr"] > 0 and each["grad_norm"] > 0 and each["updates_per_s"] > 0
        parts = set(each) - {"step", "loss", "lr", "grad_norm", "updates_per_s", "samples_per_s"}
        assert len(parts) >= 2, "the parts of the loss"
    (evaluated,) = [each for each in written if "eval_episodes" in each]
    assert evaluated["step"] == 4 and evaluated["eval_episodes"] == 2 and 0 <= evaluated["eval_success_percent"] <= 100
    said = capsys.readouterr().err.rpartition("End of training")[2]
    assert f"dp-plus evaluate {folder}" in said and f"dp-plus report {folder}" in said

    # As after a kill in the middle of the line of step 4: resumed from the checkpoint of step 2.
    before = (folder / FILE).read_text().splitlines(keepends=True)
    (folder / FILE).write_text("".join(before[:3]) + before[3][:10])
    start = folder / "checkpoints" / "000002" / "pretrained_model" / "train_config.json"
    run(lerobot_train, f"--config_path={start}", "--resume=true")
    again = [each for each in read_metrics(folder / FILE) if "loss" in each]
    assert [each["step"] for each in again] == [1, 2, 3, 4]
    assert [each["loss"] for each in again] == pytest.approx([each["loss"] for each in learned])
    assert [json.loads(line) for line in before[:2]] == read_metrics(folder / FILE)[:2]
    assert len([each for each in logging.getLogger().filters if isinstance(each, MetricsFile)]) == 1


def test_a_training_of_another_policy_writes_none(data: Path, tmp_path: Path) -> None:
    logging.getLogger().addFilter(MetricsFile(tmp_path / "before"))
    flags = [f"--dataset.root={data}", "--dataset.repo_id=made/up", f"--output_dir={tmp_path / 'run'}", "--steps=1"]
    small = ["--policy.type=act", "--policy.push_to_hub=false", "--policy.device=cpu", "--policy.dim_model=8"]
    tiny = ["--policy.n_heads=1", "--policy.dim_feedforward=8", "--policy.n_encoder_layers=1", "--policy.latent_dim=2"]
    more = ["--policy.chunk_size=4", "--policy.n_action_steps=4", "--batch_size=2", "--num_workers=0", "--log_freq=1"]
    run(lerobot_train, *flags, *small, *tiny, *more)
    assert not list(tmp_path.rglob(FILE))
