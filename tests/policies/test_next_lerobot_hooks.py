"""Hooks into LeRobot take hold by what they need, and say so by name where LeRobot has moved on."""

import sys
from functools import wraps
from types import ModuleType, SimpleNamespace

import pytest
from draccus import argparsing
from lerobot.envs.configs import PushtEnv
from lerobot.policies import factory
from lerobot.scripts import lerobot_eval, lerobot_train
from tiny import ENV_STATE, config

from lerobot_dp_plus import host_hooks, patches
from lerobot_dp_plus.host_hooks import HostChanged
from lerobot_dp_plus.policies import host_loading, host_training
from lerobot_dp_plus.policies.environment_check import checked_environments


def module(name: str, source: str, **names) -> ModuleType:
    """A module of LeRobot's, as another version of it might be."""
    made = ModuleType(name)
    vars(made).update(names)
    exec(source, vars(made))
    return made


def test_all_hooks_hold_on_the_lerobot_that_is_installed():
    patches.install()
    patches.prepare_training()
    host_training.check_end(lerobot_train)
    assert host_hooks.is_mentioned(lerobot_train, "make_train_eval_datasets")
    for script in (lerobot_train, lerobot_eval):
        with checked_environments(script):
            pass


# The tools


def test_what_is_gone_or_called_otherwise_is_named_with_what_is_lost():
    owner = SimpleNamespace(__name__="lerobot.place", other=lambda one, *, two: None, number=3)
    for name, said in (
        ("absent", "place.absent is gone"),
        ("number", "place.number is gone"),
        ("other", "otherwise now"),
    ):
        with pytest.raises(HostChanged, match=f"{said}.*lerobot [0-9.]+ and draccus.*the cat would starve"):
            host_hooks.demand(owner, name, "the cat would starve", None)
    assert host_hooks.demand(owner, "other", "", None, two=None) is owner.other


def test_a_function_is_replaced_wherever_lerobot_imported_it_by_name(monkeypatch):
    def original():
        return "theirs"

    holders = {name: ModuleType(name) for name in ("lerobot.somewhere", "lerobot.scripts.other", "__main__", "mine")}
    for name, holder in holders.items():
        holder.first = holder.second = original
        monkeypatch.setitem(sys.modules, name, holder)
    host_hooks.rebind(original, lambda: "ours")
    for name, holder in holders.items():
        assert {holder.first(), holder.second()} == ({"theirs"} if name == "mine" else {"ours"})


def test_whether_a_script_still_calls_something():
    script = module(
        "lerobot.scripts.new",
        "def helper():\n    def inner():\n        return make_it()\n    return inner\ndef main():\n    return other()",
        make_it=lambda: None,
        never=lambda: None,
    )
    assert host_hooks.is_mentioned(script, "make_it") and host_hooks.is_mentioned(script, "other")
    assert not host_hooks.is_mentioned(script, "never")

    @wraps(script.main)
    def wrapped():
        return script.main()

    script.main = wrapped  # as a parser wraps it
    assert host_hooks.is_mentioned(script, "other")


# Checkpoints


def opened(owner, name, door):
    patches.hold(owner, name, door, "a checkpoint that cannot be had would not be explained", first=2)
    return getattr(owner, name)


def test_a_door_takes_the_first_arguments_by_position_whatever_they_are_called_now():
    class Config:
        @classmethod
        def from_pretrained(cls, source, strictly=False, *, revision=None, **more):
            return cls, source, strictly, revision, more

    seen = []

    def door(stock, cls, name, **options):
        seen.append((name, options))
        return stock(cls, name, **options)

    made = opened(Config, "from_pretrained", door)
    assert made("here", True, revision="x", odd=1) == (Config, "here", True, "x", {"odd": 1})
    assert made(source="there") == (Config, "there", False, None, {})
    assert seen == [("here", {"strictly": True, "revision": "x", "odd": 1}), ("there", {})]


@pytest.mark.parametrize(
    "owner",
    [
        SimpleNamespace(__name__="lerobot.common.train_utils"),
        SimpleNamespace(__name__="lerobot.common.train_utils", resolve_resume_checkpoint=lambda cfg: None),
        SimpleNamespace(__name__="lerobot.common.train_utils", resolve_resume_checkpoint=lambda *, repo_id, out: None),
    ],
)
def test_a_door_that_moved_is_named(owner):
    with pytest.raises(HostChanged, match=r"train_utils\.resolve_resume_checkpoint.*would not be explained"):
        opened(owner, "resolve_resume_checkpoint", host_loading.resume_door)


def test_a_door_of_a_class_that_moved_is_named():
    with pytest.raises(HostChanged, match=r"Config\.from_pretrained is gone"):
        opened(type("Config", (), {}), "from_pretrained", host_loading.train_config_door)


# The command line


def test_a_parser_that_merges_elsewhere_is_named(monkeypatch):
    monkeypatch.setattr(argparsing.ArgumentParser, "parse_known_args", lambda self, args=None, **more: None)
    with pytest.raises(HostChanged, match=r"does not call _postprocessing any more.*another member of an axis"):
        patches.install()
    monkeypatch.delattr(argparsing.ArgumentParser, "parse_known_args")
    with pytest.raises(HostChanged, match="parse_known_args is gone"):
        patches.install()


# A training


def test_another_way_to_the_hub_is_named():
    with pytest.raises(HostChanged, match=r"lerobot_train calls neither publish_trained_model nor.*without its card"):
        host_training.check_end(module("lerobot_train", "def train(cfg):\n    upload(cfg)"))
    for name in ("publish_trained_model(cfg)", "policy.push_model_to_hub(cfg)"):
        host_training.check_end(module("lerobot_train", f"def train(cfg, policy):\n    {name}"))


@pytest.mark.parametrize(
    ("name", "source", "lost"),
    [
        ("publish_trained_model", "def publish_trained_model(cfg, policy): pass", "without its card"),
        ("set_fsdp_wrap_modules", "def set_fsdp_wrap_modules(policy): pass", "could not be sharded"),
        ("make_policy", "def make_policy(cfg, later=False): pass", "would not be checked"),
    ],
)
def test_a_function_of_the_next_training_with_other_parameters_is_named(monkeypatch, name, source, lost):
    monkeypatch.setitem(sys.modules, "lerobot.distributed", module("lerobot.distributed", source))
    with pytest.raises(HostChanged, match=f"{name} does not take .* any more.*{lost}"):
        patches.install()


def test_a_training_that_is_validated_otherwise_is_named(monkeypatch):
    training = SimpleNamespace(TrainPipelineConfig=type("TrainPipelineConfig", (), {}))
    monkeypatch.setitem(sys.modules, "lerobot.configs.train", training)
    with pytest.raises(HostChanged, match=r"TrainPipelineConfig\.validate is gone.*--ema\.enable"):
        patches.install()


def test_installing_again_changes_nothing(monkeypatch):
    patches.install()
    held = sys.modules["lerobot.configs.train"].TrainPipelineConfig.validate
    monkeypatch.setattr(factory, "make_policy", lambda cfg, defer_weight_load=False: None)
    patches.install()
    made = factory.make_policy
    patches.install()
    assert factory.make_policy is made and made.stock is not made
    assert sys.modules["lerobot.configs.train"].TrainPipelineConfig.validate is held


# Environments

SCRIPT = """
def main(cfg, env):
    policy = make_policy(cfg, None, env, {})
    return make_env_pre_post_processors(env, cfg)
"""


def script_of(make_policy, make_processors=lambda env_cfg, policy_cfg, more=None: "made") -> ModuleType:
    return module("lerobot_eval", SCRIPT, make_policy=make_policy, make_env_pre_post_processors=make_processors)


def next_make_policy(cfg, ds_meta=None, env_cfg=None, rename_map=None, defer_weight_load=False):
    return "policy"


def test_an_environment_is_checked_however_the_arguments_are_given(tmp_path):
    script, cfg = script_of(next_make_policy), config("dp_plus_flow", ENV_STATE)
    cfg.pretrained_path = tmp_path
    wrong = PushtEnv(obs_type="pixels_agent_pos")
    with checked_environments(script):
        for call in (
            lambda: script.make_policy(cfg, None, wrong),
            lambda: script.make_policy(cfg=cfg, env_cfg=wrong, rename_map={}, defer_weight_load=False),
            lambda: script.make_env_pre_post_processors(wrong, cfg),
            lambda: script.make_env_pre_post_processors(policy_cfg=cfg, env_cfg=wrong, more=1),
        ):
            with pytest.raises(ValueError, match=r"observation\.environment_state"):
                call()
        assert script.make_policy(config("dp_plus_flow"), None, None) == "policy"
    assert script.make_policy is next_make_policy


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (script_of(lambda cfg, ds_meta=None: None), "make_policy is called otherwise now"),
        (script_of(next_make_policy, lambda env: None), "make_env_pre_post_processors is called otherwise"),
        (SimpleNamespace(__name__="lerobot_eval"), "make_policy is gone"),
        (
            module(
                "lerobot_eval", "def main(): build()", make_policy=next_make_policy, make_env_pre_post_processors=print
            ),
            "make_env_pre_post_processors|does not call make_policy",
        ),
    ],
)
def test_a_script_that_meets_its_environment_otherwise_is_named(script, said):
    with pytest.raises(HostChanged, match=f"{said}.*an environment that does not fit"), checked_environments(script):
        pass
