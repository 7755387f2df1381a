"""What LeRobot's main branch asks of a policy and 0.6.1 does not; its functions are stand-ins with its signatures."""

import sys
from collections import deque
from dataclasses import dataclass, field, replace
from types import ModuleType, SimpleNamespace

import pytest
import torch
from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy
from lerobot.configs import parser
from lerobot.configs.default import DatasetConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.policies import factory, make_policy_config
from tiny import PRESETS, config, frame, learned, network, noise, policy, trained, training_batch, window
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

from lerobot_dp_plus import patches
from lerobot_dp_plus.host_hooks import HostChanged
from lerobot_dp_plus.networks import DiTConfig, UNet1dConfig
from lerobot_dp_plus.policies import host_training
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusFlowPolicy, DpPlusPolicy, DpPlusUnetPolicy
from lerobot_dp_plus.selection import Coherent

KINDS = (DpPlusPolicy, *DpPlusPolicy.__subclasses__())

# Blocks of sharded training


def set_fsdp_wrap_modules(accelerator, policy) -> None:
    """What the class declares goes to accelerate, unless the user names blocks or a size."""
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is None or plugin.min_num_params or plugin.transformer_cls_names_to_wrap:
        return
    plugin.transformer_cls_names_to_wrap = list(type(policy)._fsdp_wrap_modules)


@pytest.fixture
def wrap(monkeypatch):
    """LeRobot's function, as a training script finds it after our plugin was imported."""
    module = ModuleType("lerobot.distributed")
    module.set_fsdp_wrap_modules = set_fsdp_wrap_modules
    monkeypatch.setitem(sys.modules, "lerobot.distributed", module)
    monkeypatch.setattr(factory, "make_policy", make_policy)  # its other function of that version
    patches.install()
    return module.set_fsdp_wrap_modules


def plugin_of(**fields) -> SimpleNamespace:
    plain = {"min_num_params": 0, "transformer_cls_names_to_wrap": None}
    return SimpleNamespace(auto_wrap_policy=transformer_auto_wrap_policy, **{**plain, **fields})


def accelerator(plugin) -> SimpleNamespace:
    return SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin))


def wrapped(made, plugin) -> set[str]:
    """Class names of the modules that accelerate itself then wraps."""
    is_block = fsdp2_prepare_auto_wrap_policy(plugin, made)
    return {type(module).__name__ for module in made.modules() if is_block(module)}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_class_names_its_blocks_in_a_list(preset):
    made = policy(preset)
    assert type(type(made)._fsdp_wrap_modules) is list
    plugin = plugin_of()
    set_fsdp_wrap_modules(accelerator(plugin), made)  # unheld, as LeRobot calls it
    assert wrapped(made, plugin) == set(made.config.network.fsdp_wrap_modules())


@pytest.mark.parametrize(
    ("kind", "preset"),
    [(DpPlusUnetPolicy, "dp_plus_dit"), (DpPlusFlowPolicy, "dp_plus_unet"), (DpPlusPolicy, "dp_plus_dit")],
)
def test_another_network_than_the_class_has_by_default(wrap, kind, preset):
    other = {DpPlusUnetPolicy: "dp_plus_unet", DpPlusFlowPolicy: "dp_plus_flow", DpPlusPolicy: "dp_plus_flow"}[kind]
    made = kind(config(other, network=network(preset)))
    plugin = plugin_of()
    wrap(accelerator(plugin), made)
    assert wrapped(made, plugin) == set(made.config.network.fsdp_wrap_modules())


def test_what_the_user_says_of_blocks_is_kept(wrap):
    made = policy("dp_plus_flow")
    named, sized = plugin_of(transformer_cls_names_to_wrap=["TransformerBlock"]), plugin_of(min_num_params=1000)
    for plugin in (named, sized):
        wrap(accelerator(plugin), made)
    assert named.transformer_cls_names_to_wrap == ["TransformerBlock"]
    assert sized.transformer_cls_names_to_wrap is None
    wrap(accelerator(None), made)  # not sharded
    plugin = plugin_of()
    wrap(accelerator(plugin), Stranger())
    assert plugin.transformer_cls_names_to_wrap == ["Linear"]


class Stranger(torch.nn.Module):
    """Somebody else's policy."""

    _fsdp_wrap_modules = ("Linear",)


# Planned actions that are dropped


def drop_queued_actions(self) -> None:
    """LeRobot's, which a policy inherits."""
    for name in self._action_queue_attrs:
        queue = getattr(self, name, None)
        if isinstance(queue, dict):
            queue.get("action", deque()).clear()
        elif queue is not None:
            queue.clear()


@pytest.mark.parametrize("drop", [drop_queued_actions, DpPlusPolicy.drop_queued_actions], ids=["theirs", "ours"])
def test_after_dropping_the_next_action_is_of_a_new_chunk_and_the_episode_goes_on(drop):
    made = trained("dp_plus_flow")
    seen = [frame(made.config) for _ in range(3)]
    first = made.select_action(seen[0], noise=noise(made.config, seed=1))
    going_on = made.select_action(seen[1], noise=noise(made.config, seed=2))
    drop(made)
    new = made.select_action(seen[2], noise=noise(made.config, seed=3))
    chunk = made.sample(window(seen[1:]), noise=noise(made.config, seed=3))[:, 0, made.config.n_obs_steps - 1 :]
    assert torch.equal(new, chunk[:, 0])
    assert torch.equal(made.select_action(seen[2]), chunk[:, 1])
    assert not torch.equal(first, new) and not torch.equal(going_on, new)


def test_after_dropping_no_candidate_is_judged_by_the_plan_that_was_dropped():
    made = trained("dp_plus_flow", selection=Coherent(num_candidates=8))
    seen = [frame(made.config) for _ in range(3)]
    many = torch.randn(3, 8, 8, 2)
    made.select_action(seen[0])
    made.select_action(seen[1])
    made.drop_queued_actions()
    kept = made.select_action(seen[2], noise=many)
    candidates = made.sample(window(seen[1:]), noise=many)[:, :, made.config.n_obs_steps - 1]
    assert torch.equal(kept, candidates[:, 0])  # the first, as at the start of an episode


# Words


@pytest.mark.parametrize("kind", KINDS)
def test_words_are_generated_by_both_methods_or_by_none(kind):
    """LeRobot refuses a class that overrides the one and not the other."""
    own = [
        any(name in vars(each) for each in kind.__mro__ if each.__module__.startswith("lerobot_dp_plus"))
        for name in ("generate_text", "supports_text_generation")
    ]
    assert own[0] == own[1]


# The average of LeRobot's own


@dataclass
class EmaOfTheHost:
    enable: bool = False
    max_decay: float = 0.9999


@dataclass
class NextTrainConfig(TrainPipelineConfig):
    ema: EmaOfTheHost = field(default_factory=EmaOfTheHost)


LOCAL = ("--policy.device=cpu", "--policy.push_to_hub=false")


def validated(monkeypatch, tmp_path, policy, averages: bool, *flags: str) -> NextTrainConfig:
    """What `lerobot-train` does before it makes the dataset, the command line parsed."""
    monkeypatch.setattr(sys, "argv", ["lerobot-train", *flags])
    cfg = NextTrainConfig(
        dataset=DatasetConfig("made/up"), policy=policy, output_dir=tmp_path / "out", ema=EmaOfTheHost(averages)
    )
    cfg.validate()
    return cfg


def test_an_average_of_an_average_is_refused_by_name(monkeypatch, tmp_path):
    @parser.wrap()
    def train(cfg: NextTrainConfig) -> None:
        cfg.validate()

    flags = ["--dataset.repo_id=made/up", "--policy.type=dp_plus_flow", *LOCAL, "--ema.enable=true"]
    monkeypatch.setattr(sys, "argv", ["lerobot-train", f"--output_dir={tmp_path}/out", *flags])
    with pytest.raises(ValueError, match=r"ema\.enable = True.*policy\.ema\.enabled = True") as refused:
        train()
    for way_out in ("Leave --ema.enable out", "--policy.ema.enabled=false", "pretrained_model_ema/"):
        assert way_out in str(refused.value)


def test_one_average_is_legal_whosever_it_is(monkeypatch, tmp_path):
    off = replace(config().ema, enabled=False)
    assert validated(monkeypatch, tmp_path, config("dp_plus_unet", ema=off), True).ema.enable
    assert validated(monkeypatch, tmp_path, config("dp_plus_unet"), False).policy.ema.enabled
    theirs = make_policy_config("act", device="cpu", push_to_hub=False)
    assert validated(monkeypatch, tmp_path, theirs, True).ema.enable


def test_a_checkpoint_that_is_trained_on_is_asked_too(monkeypatch, tmp_path):
    trained("dp_plus_flow").save_pretrained(tmp_path / "saved")
    path = f"--policy.path={tmp_path / 'saved'}"
    with pytest.raises(ValueError, match=r"ema\.enable = True"):
        validated(monkeypatch, tmp_path, None, True, path, *LOCAL)


def test_an_average_that_is_switched_on_by_another_name_is_not_overlooked():
    cfg = SimpleNamespace(policy=config("dp_plus_flow"), ema=SimpleNamespace(active=True))
    with pytest.raises(HostChanged, match="no field 'enable'"):
        host_training.refuse_two_averages(cfg)


# A policy that is made now and filled later


def make_policy(cfg, ds_meta=None, env_cfg=None, rename_map=None, defer_weight_load=False):
    kind = factory.get_policy_class(cfg.type)
    if defer_weight_load:
        return kind(config=cfg).eval()
    return kind.from_pretrained(cfg.pretrained_path, config=cfg)


@pytest.fixture
def made_later(monkeypatch):
    monkeypatch.setattr(factory, "make_policy", make_policy)
    patches.install()
    return lambda cfg, **named: factory.make_policy(cfg=cfg, defer_weight_load=True, **named)


@pytest.fixture
def shards(tmp_path):
    """A checkpoint whose weights are shards, as accelerate writes them, and the policy they are of."""
    made = trained("dp_plus_flow")
    write_shards(made, tmp_path)
    return made, tmp_path


def write_shards(made, folder) -> None:
    import torch.distributed.checkpoint as dcp

    made.config._save_pretrained(folder)
    dcp.save({"model": made.state_dict()}, checkpoint_id=folder / "pytorch_model_fsdp_0", no_dist=True)


def fill(made, folder) -> None:
    """What LeRobot does after cutting the policy into pieces."""
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import set_model_state_dict

    state = {"model": made.state_dict()}
    dcp.load(state, checkpoint_id=folder / "pytorch_model_fsdp_0", no_dist=True)
    set_model_state_dict(made, state["model"])


def asked(folder, **fields):
    made = config("dp_plus_flow", **fields)
    made.pretrained_path = folder
    return made


def test_it_does_nothing_until_it_is_filled_and_is_the_checkpoint_then(made_later, shards):
    origin, folder = shards
    made = made_later(asked(folder))
    with pytest.raises(ValueError, match="were never loaded"):
        made.select_action(frame(made.config))
    with pytest.raises(ValueError, match=r"were never loaded.*cannot go on training"):
        made(training_batch(made.config))
    made.reset()
    fill(made, folder)
    seen, start = frame(made.config), noise(made.config)
    assert torch.equal(made.select_action(seen, noise=start), origin.select_action(seen, noise=start))
    learned(made, lambda: training_batch(made.config), updates=1)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ema": replace(config().ema, enabled=False)}, r"unexpected: ema\."),
        ({"network": replace(network("dp_plus_flow"), depth=2)}, "network.depth|missing"),
        ({"network": replace(network("dp_plus_flow"), num_heads=4)}, r"network\.num_heads = 4.*trained with 2"),
    ],
)
def test_shards_of_another_policy_are_refused_before_training(made_later, shards, fields, said):
    with pytest.raises(ValueError, match=said):
        made_later(asked(shards[1], **fields))


def test_shards_that_do_not_fit_the_config_beside_them(made_later, tmp_path):
    write_shards(trained("dp_plus_flow", network=replace(network("dp_plus_flow"), dim=32)), tmp_path)
    asked(tmp_path)._save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"pytorch_model_fsdp_0 does not fit.*of another shape.*\(32.*\(16"):
        made_later(asked(tmp_path))


@pytest.mark.parametrize("strict", [True, False])
def test_whoever_fills_it_fills_it_whole(made_later, shards, strict):
    origin, folder = shards
    made = made_later(asked(folder))
    state = origin.state_dict()
    left_out = next(key for key in state if key.startswith("model.network."))
    del state[left_out]
    with pytest.raises((ValueError, RuntimeError), match=left_out.replace(".", r"\.")):
        made.load_state_dict(state, strict=strict)


def test_a_folder_without_weights_is_named(made_later, tmp_path):
    asked(tmp_path)._save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds no weights"):
        made_later(asked(tmp_path))


def test_what_is_not_deferred_loads_as_ever(monkeypatch, tmp_path):
    origin = trained("dp_plus_flow")
    origin.save_pretrained(tmp_path)
    monkeypatch.setattr(factory, "make_policy", make_policy)
    patches.install()
    made = factory.make_policy(asked(tmp_path))
    assert all(torch.equal(value, made.state_dict()[key]) for key, value in origin.state_dict().items())
    new = config("dp_plus_flow")
    assert factory.make_policy(new, defer_weight_load=True).select_action(frame(new)).isfinite().all()


def test_networks_of_these_tests_differ_in_their_blocks():
    assert len({UNet1dConfig().fsdp_wrap_modules(), DiTConfig().fsdp_wrap_modules()}) == 2
