"""The command line: what becomes of the arguments, and what a user reads when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from draccus.utils import DraccusException

from lerobot_dp_plus.cli import arguments as args
from lerobot_dp_plus.cli import entry, host
from lerobot_dp_plus.cli.errors import UsageError, explain, is_usage, last_checkpoint, plain_parsing
from lerobot_dp_plus.cli.given import read_config


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("policy=dp_plus_unet", "--policy.type=dp_plus_unet"),
        ("policy=someone/pusht", "--policy.path=someone/pusht"),
        ("env=pusht", "--env.type=pusht"),
        ("dataset=lerobot/pusht", "--dataset.repo_id=lerobot/pusht"),
        ("robot=so101_follower", "--robot.type=so101_follower"),
        ("policy.sampler.num_steps=5", "--policy.sampler.num_steps=5"),
        ("steps=10", "--steps=10"),
        ("job_name=a=b", "--job_name=a=b"),
        ("wandb.notes=two words", "--wandb.notes=two words"),
        ("--policy=x=y", "--policy=x=y"),
        ("--steps=10", "--steps=10"),
        ("-h", "-h"),
        ("opencv", "opencv"),
        ('{"a": "b=c"}', '{"a": "b=c"}'),
        ("./a=b", "./a=b"),
    ],
)
def test_one_argument(given: str, expected: str) -> None:
    assert args.translate([given]) == [expected]


def test_value_after_a_flag_is_not_an_argument_of_its_own() -> None:
    assert args.translate(["--job_name", "a=b", "steps=3"]) == ["--job_name", "a=b", "--steps=3"]


def test_a_folder_is_a_path_and_not_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    assert args.translate(["policy=trained"]) == ["--policy.path=trained"]


def test_the_folder_of_a_training_is_its_last_checkpoint(tmp_path: Path) -> None:
    model = tmp_path / "run" / "checkpoints" / "last" / "pretrained_model"
    model.mkdir(parents=True)
    assert args.translate([f"policy={tmp_path / 'run'}"]) == [f"--policy.path={tmp_path / 'run'}"]
    (model / "config.json").write_text("{}")
    assert args.translate([f"policy={tmp_path / 'run'}"]) == [f"--policy.path={model}"]
    assert args.translate([f"policy={model}"]) == [f"--policy.path={model}"]


def test_own_options_are_taken_out() -> None:
    given = ["--steps=3", "--fast_loading=false", "--memory_limit_gb", "2.5", "--seed=1"]
    enabled, rest = args.pop_bool(given, "fast_loading", default=True)
    gigabytes, rest = args.pop_positive(rest, "memory_limit_gb", default=4)
    assert (enabled, gigabytes, rest) == (False, 2.5, ["--steps=3", "--seed=1"])
    assert args.pop_bool(["--fast_loading"], "fast_loading", default=False) == (True, [])
    assert args.pop_bool(["--seed=1"], "fast_loading", default=True) == (True, ["--seed=1"])


@pytest.mark.parametrize("bad", ["--fast_loading=maybe", "--memory_limit_gb=-1", "--memory_limit_gb=nan"])
def test_own_options_refuse_nonsense(bad: str) -> None:
    key, value = bad[2:].split("=")
    pop = args.pop_bool if key == "fast_loading" else args.pop_positive
    with pytest.raises(ValueError, match=f"{key}='{value}'.*expected"):
        pop([bad], key, 1)


def test_a_local_training_does_not_ask_for_the_hub(tmp_path: Path) -> None:
    hub = "--policy.push_to_hub=false"
    assert host.defaults("train", ["--policy.type=act"]) == [hub]
    assert host.defaults("train", ["--policy.type=act", "--policy.repo_id=me/x"]) == []
    assert host.defaults("train", ["--policy.type=act", "--policy.push_to_hub", "true"]) == []
    assert host.defaults("train", ["--reward_model.type=x"]) == []
    assert host.defaults("eval", ["--policy.path=x/y"]) == []
    config = tmp_path / "train.json"
    config.write_text(json.dumps({"policy": {"type": "act", "repo_id": None}}))
    assert host.defaults("train", [f"--config_path={config}"]) == [hub]
    config.write_text(json.dumps({"policy": {"type": "act", "push_to_hub": True, "repo_id": "me/x"}}))
    assert host.defaults("train", [f"--config_path={config}"]) == []


def test_pusht_runs_without_worker_processes(tmp_path: Path) -> None:
    sync = "--eval.use_async_envs=false"
    assert host.defaults("eval", ["--policy.type=act", "--env.type=pusht"]) == [sync]
    assert host.defaults("eval", ["--env.type=pusht", "--eval.use_async_envs=true"]) == []
    assert host.defaults("eval", ["--env.type=aloha_lite"]) == [sync]
    assert host.defaults("eval", ["--env.type=aloha"]) == []
    config = tmp_path / "train.yaml"
    config.write_text("env: {type: pusht}\n")
    assert host.defaults("train", [f"--config_path={config}"]) == [sync]


@pytest.mark.parametrize(("dtype", "workers"), [("float32", ["--num_workers=0"]), ("video", [])])
def test_only_a_dataset_without_images_trains_without_workers(tmp_path: Path, dtype: str, workers: list[str]) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text(json.dumps({"features": {"observation.state": {"dtype": dtype}}}))
    given = [f"--dataset.root={tmp_path}", "--dataset.repo_id=a/b"]
    assert host.defaults("train", given, from_memory=True) == workers
    assert host.defaults("train", given, from_memory=False) == []
    assert host.defaults("train", [*given, "--num_workers=2"], from_memory=True) == []


@pytest.mark.parametrize(
    ("content", "message"), [("{not json", "not valid json"), ("[1]", "holds a list"), (None, "does not exist")]
)
def test_a_broken_config_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    config = tmp_path / "broken.json"
    if content is not None:
        config.write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=f"broken.json.*{message}"):
        read_config(str(config))


def test_every_script_of_the_host_is_a_subcommand() -> None:
    found = host.scripts()
    assert {"train", "eval", "record", "replay", "dataset-viz"} <= set(found)
    assert not {"demo", "demos", "evaluate", "report"} & set(found), "ours would hide one of LeRobot's"


def test_help_needs_no_torch() -> None:
    code = "import sys; from lerobot_dp_plus.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "train" in done.stdout and "demo" in done.stdout


def test_unknown_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["trian"]) == 2
    message = capsys.readouterr().err
    assert "'trian'" in message and "Did you mean 'train'?" in message and "dataset-viz" in message


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lerobot_dp_plus 0.")


def parse_train(*arguments: str) -> None:
    import lerobot.policies  # noqa: F401  registers the host's own types
    from lerobot.configs import parser
    from lerobot.configs.train import TrainPipelineConfig

    import lerobot_policy_dp_plus  # noqa: F401  and ours

    def train(cfg: TrainPipelineConfig) -> None:
        raise AssertionError(f"accepted {arguments}")

    with plain_parsing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot train", *arguments])
        parser.wrap()(train)()


DIFFUSION = ("--dataset.repo_id=x/y", "--policy.type=diffusion", "--policy.device=cpu")


def test_unknown_flag_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        parse_train(*DIFFUSION, "--policy.horizn=8")
    assert str(caught.value) == "unrecognized arguments: --policy.horizn=8. Did you mean '--policy.horizon'?"


def test_unknown_choice_lists_the_legal_ones() -> None:
    with pytest.raises(UsageError, match=r"'difusion' \(choose from .*'act'.*Did you mean 'diffusion'\?"):
        parse_train("--dataset.repo_id=x/y", "--policy.type=difusion")


def test_a_refused_config_gives_its_own_reason() -> None:
    with pytest.raises(Exception, match="Couldn't instantiate") as caught:
        parse_train(*DIFFUSION, "--policy.horizon=15")
    assert "horizon=15" in explain(caught.value) and "Couldn't" not in explain(caught.value)


FLOW = ("--dataset.repo_id=x/y", "--policy.type=dp_plus_flow", "--policy.device=cpu")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("policy.horizon=abc", "policy.horizon='abc': expected a whole number"),
        ("policy.horizon=1.5", "policy.horizon='1.5': expected a whole number"),
        ("policy.optimizer_lr=fast", "policy.optimizer_lr='fast': expected a number"),
        ("policy.use_amp=perhaps", "policy.use_amp='perhaps': expected true or false"),
        ("steps=ten", "steps='ten': expected a whole number"),
        ("seed=x", "seed='x': expected a whole number or null"),
        ("dataset.episodes=all", "dataset.episodes='all': expected list[int] or null"),
        (
            'policy.normalization_mapping={"STATE": "NOPE"}',
            "policy.normalization_mapping={'STATE': 'NOPE'}: expected one of MIN_MAX, MEAN_STD, IDENTITY, QUANTILES, "
            "QUANTILE10, not 'NOPE'",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_named_for_lerobots_policies_too(given: str, said: str) -> None:
    with pytest.raises((DraccusException, ValueError)) as caught:
        parse_train(*DIFFUSION, f"--{given}")
    assert explain(caught.value) == said and is_usage(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("horizon=abc", 'policy.horizon = "abc": must be a whole number or null'),
        ("stride=1.5", "policy.stride = 1.5: must be a whole number"),
        ("use_amp=perhaps", 'policy.use_amp = "perhaps": must be true or false'),
        ("network.dim=x", 'policy.network.dim = "x": must be a whole number'),
        ("ema.decay=slow", 'policy.ema.decay = "slow": must be a number'),
        ("optimizer_lr_backbone=low", 'policy.optimizer_lr_backbone = "low": must be a number or null'),
        ("noise_draws=[1]", "policy.noise_draws = [1]: must be a whole number"),
        (
            "network=dit",
            'policy.network = "dit": must be a mapping with a "type", one of "dit", "lstm", "mixture", "transformer", "unet1d"; give '
            "policy.network.type=dit",
        ),
        ("sampler.num_steps=some", 'policy.sampler.num_steps = "some": must be a whole number'),
    ],
)
def test_a_value_below_an_axis_is_named(given: str, said: str) -> None:
    with pytest.raises((DraccusException, ValueError)) as caught:
        parse_train(*FLOW, f"--policy.{given}")
    assert explain(caught.value).startswith(said)


def test_lerobots_own_command_names_the_field_of_a_policy_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    from lerobot.configs import parser
    from lerobot.configs.train import TrainPipelineConfig

    import lerobot_policy_dp_plus  # noqa: F401

    def train(cfg: TrainPipelineConfig) -> None:
        raise AssertionError("accepted")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "argv", ["lerobot-train", *FLOW, "--policy.horizon=abc"])
        parser.wrap()(train)()
    assert 'error: policy.horizon = "abc": must be a whole number' in capsys.readouterr().err


def test_a_value_of_the_wrong_type_in_a_file_is_named(tmp_path: Path) -> None:
    from lerobot.configs import PreTrainedConfig

    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusDitConfig

    DpPlusDitConfig(device="cpu")._save_pretrained(tmp_path)
    with pytest.raises((DraccusException, ValueError)) as caught:
        PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=["--stride=slow"])
    assert explain(caught.value) == 'stride = "slow": must be a whole number'
    config = json.loads((tmp_path / "config.json").read_text()) | {"n_obs_steps": "two"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r'config\.json of .*n_obs_steps = "two": must be a whole number'):
        PreTrainedConfig.from_pretrained(tmp_path)


def test_help_of_our_fields_has_no_stray_colons(capsys: pytest.CaptureFixture[str]) -> None:
    from lerobot.configs.parser import print_scoped_help
    from lerobot.configs.train import TrainPipelineConfig

    import lerobot_policy_dp_plus  # noqa: F401

    flags = ["--policy.type=dp_plus_dit", "--policy.network.type=dit", "--policy.objective.type=shortcut"]
    print_scoped_help(
        TrainPipelineConfig, [*flags, "--policy.dynamics.type=outcome", "--policy.image_encoder.type=resnet18"]
    )
    page = capsys.readouterr().out
    assert "--policy.noise_draws" in page and "How often a sample meets the network" in " ".join(page.split())
    assert not [line for line in page.splitlines() if line.strip().startswith(":") or " : " in line]


def stopped_training(error: BaseException, output_dir: Path) -> None:
    """Raises with the local names of LeRobot's training loop in the frame."""
    cfg = SimpleNamespace(output_dir=output_dir)
    for step in range(42):
        if step == 41 and cfg is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (FloatingPointError("loss is nan in step 42"), 1, "error: loss is nan in step 42"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("action has 3 NaN"), 1, "error: action has 3 NaN"),
    ],
)
def test_a_stopped_training_names_its_last_checkpoint(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    message: str,
) -> None:
    (tmp_path / "checkpoints" / "000040").mkdir(parents=True)
    (tmp_path / "checkpoints" / "last").symlink_to("000040")
    monkeypatch.setattr(host, "run", lambda name, arguments: stopped_training(error, tmp_path))
    assert entry.main(["train"]) == status
    said = capsys.readouterr().err
    assert message in said and "stopped in step 42" in said
    assert f"{tmp_path / 'checkpoints' / 'last'} (000040)" in said and "--resume=true" in said


def test_no_checkpoint_is_promised_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        stopped_training(KeyboardInterrupt(), tmp_path)
    assert last_checkpoint(caught.value) == (None, 41)


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, arguments: list[str]) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr(host, "run", broken)
    with pytest.raises(TypeError, match="a bug"):
        entry.main(["train"])


def test_demos_names_the_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["demos", "pushtt"]) == 2
    assert "Did you mean 'pusht'?" in capsys.readouterr().err


def test_a_host_that_averages_switches_our_average_off() -> None:
    from lerobot_dp_plus.cli.host import defaults

    ours = ["--policy.type=dp_plus_flow", "--policy.push_to_hub=false"]
    assert defaults("train", [*ours, "--ema.enable=true"]) == ["--policy.ema.enabled=false"]
    assert defaults("train", ours) == []
    assert defaults("train", [*ours, "--ema.enable=true", "--policy.ema.enabled=true"]) == []
    assert defaults("train", ["--policy.type=act", "--policy.push_to_hub=false", "--ema.enable=true"]) == []


def test_nothing_given_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """LeRobot's own scripts too: a line, no trace, and where to read on."""
    for name in ("train", "eval", "edit-dataset"):
        assert entry.main([name]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and f"`lerobot {name} --help`" in lines[0]
