"""Options of `dp-plus evaluate` and `dp-plus demo`: LeRobot's spelling and that of the other commands; the help's example."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from lerobot.configs import PreTrainedConfig
from lerobot.envs.configs import PushtEnv

import lerobot_policy_dp_plus  # noqa: F401  registers the policy types
from lerobot_dp_plus.cli import entry, host
from lerobot_dp_plus.cli.arguments import translate, value_of
from lerobot_dp_plus.evaluation import demo
from lerobot_dp_plus.evaluation import evaluate as evaluation
from lerobot_dp_plus.policies.environment_check import check_environment

CARDS = Path(__file__).parents[2] / "hub_cards"
SPELLINGS = ["--{0}_{1}={2}", "--{0}-{1}={2}", "{0}_{1}={2}", "{0}-{1}={2}"]


class Stop(Exception):
    """Ends a command where its options are known."""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the demo's training and the evaluation were called with; nothing runs."""
    found: dict[str, Any] = {}

    def evaluate(policy: Path, output_dir: Path, episodes: int, first_seed: int, *more: Any) -> None:
        found.update(output_dir=output_dir, first_seed=first_seed, extra=more[1] if more else ())
        raise Stop

    def train(config: Path, root: Path, output_dir: Path, overrides: list[str], run: Any) -> None:
        found.update(config=config, train_dir=output_dir, overrides=overrides)

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    monkeypatch.setattr(demo, "evaluate", evaluate)
    monkeypatch.setattr(demo, "train", train)
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_evaluate(spelling: str, seen: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Stop):
        entry.main(["evaluate", f"policy={tmp_path}", spelling.format("output", "dir", tmp_path / "out"), "--a.b_c=1"])
    assert seen["output_dir"] == tmp_path / "out"
    assert seen["extra"] == ["--a.b_c=1"], "only LeRobot's own options go on to it, as they were spelled"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_demo(spelling: str, seen: dict[str, Any], tmp_path: Path) -> None:
    recipe, root = tmp_path / "recipe.json", tmp_path / "data"
    recipe.write_text("{}")
    (root / "meta").mkdir(parents=True)
    (root / "meta" / "info.json").write_text("{}")
    options = {("output", "dir"): tmp_path / "out", ("config", "path"): recipe, ("eval", "seed"): 77}
    given = [spelling.format(*name, value) for name, value in options.items()]
    with pytest.raises(Stop):
        entry.main(["demo", *given, f"--dataset.root={root}", "--batch_size=4"])
    assert (seen["config"], seen["first_seed"], seen["overrides"]) == (recipe, 77, ["--batch_size=4"])
    assert (seen["train_dir"], seen["output_dir"]) == (tmp_path / "out" / "train", tmp_path / "out" / "eval")


def test_the_helps_eval_of_the_demo_gives_its_policy_what_it_reads() -> None:
    (line,) = [line for line in entry.help_text().splitlines() if "lerobot eval policy=outputs/demo/train" in line]
    given = translate(shlex.split(line.replace("outputs/demo/train", str(CARDS / "pusht_demo")))[2:])
    obs_type = value_of([*given, *host.defaults("eval", given)], "env.obs_type")
    policy = PreTrainedConfig.from_pretrained(CARDS / "pusht_demo")
    check_environment(policy, PushtEnv(**({"obs_type": obs_type} if obs_type else {})))
    with pytest.raises(ValueError, match=r"needs observation\.environment_state"):
        check_environment(policy, PushtEnv())


def test_checkpoints_by_position_or_as_lerobots_eval_names_them() -> None:
    from lerobot_dp_plus.evaluation.options import evaluate_parser

    for given in (["a"], ["--episodes=3", "a"], ["--policy=a"], ["--policy.path", "a", "--episodes", "3"]):
        found, others = evaluate_parser().parse_known_args([*given, "--policy.n_action_steps=4"])
        assert found.checkpoints == [Path("a")] and others == ["--policy.n_action_steps=4"]
    assert evaluate_parser().parse_args(["a", "b"]).checkpoints == [Path("a"), Path("b")]
