"""Weights on disk: what is saved is what acts, and what does not fit is named."""

import json
from types import SimpleNamespace

import draccus
import pytest
import torch
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.policies import make_policy_config, make_pre_post_processors
from safetensors.torch import load_file, save_file
from tiny import BASELINES, OBSERVATIONS, PRESETS, build, config, frame, noise, policy, step, trained, window

import lerobot_dp_plus
from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.auxiliary.dynamics import Outcome
from lerobot_dp_plus.auxiliary.dynamics.frames import PushTBlock
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.policies.configuration_dp_plus import FORMAT_VERSION
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.versions import written_by
from lerobot_dp_plus.samplers import DPMpp2M, Heun
from lerobot_dp_plus.selection import Coherent, Densest, First

WEIGHTS = "model.safetensors"


def acts_alike(one, other):
    seen, drawn = window([frame(one.config)] * one.config.n_obs_steps), noise(one.config)
    for made in (one, other):
        made.reset()
    return torch.equal(one.predict_action_chunk(seen, noise=drawn), other.predict_action_chunk(seen, noise=drawn))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["state", "mix"])
def test_saved_and_loaded_acts_the_same(tmp_path, preset, kind):
    made = trained(preset, OBSERVATIONS[kind])
    made.save_pretrained(tmp_path)
    loaded = type(made).from_pretrained(tmp_path)
    assert acts_alike(made, loaded)
    assert not loaded.training
    assert made.state_dict().keys() == loaded.state_dict().keys()
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in made.state_dict().items())
    assert loaded.config == made.config


def test_equal_weights_are_equal_files(tmp_path):
    """What tells checkpoints apart is the digest of the file; safetensors writes its metadata in a random order."""
    made = policy()
    for name in "abcdefgh":
        made.save_pretrained(tmp_path / name)
    assert len({(tmp_path / name / WEIGHTS).read_bytes() for name in "abcdefgh"}) == 1


def test_any_preset_from_the_common_class(tmp_path):
    trained("dp_plus_dit").save_pretrained(tmp_path)
    assert DpPlusPolicy.from_pretrained(tmp_path).config.type == "dp_plus_dit"


def test_three_lines_from_frame_to_action(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    statistics = {
        key: {"min": torch.zeros(n), "max": torch.full((n,), 10.0)}
        for key, n in (("observation.state", 4), ("action", 2))
    }
    for pipeline in make_pre_post_processors(made.config, dataset_stats=statistics):
        pipeline.save_pretrained(tmp_path)

    policy = DpPlusPolicy.from_pretrained(tmp_path)
    preprocess, postprocess = make_pre_post_processors(policy.config, tmp_path)
    actions = [
        postprocess(policy.select_action(preprocess({"observation.state": torch.rand(4) * 10}))) for _ in range(5)
    ]
    assert all(action.shape == (1, 2) and (action >= 0).all() and (action <= 10).all() for action in actions)


@pytest.mark.parametrize("preset", PRESETS)
def test_config_round_trip(tmp_path, preset):
    made = config(preset, OBSERVATIONS["mix"], n_obs_steps=3, selection=Coherent(num_candidates=4), fps=10)
    made.save_pretrained(tmp_path)
    again = PreTrainedConfig.from_pretrained(tmp_path)
    assert type(again) is type(made) and again == made
    assert json.loads((tmp_path / "config.json").read_text())["format_version"] == FORMAT_VERSION
    assert draccus.encode(again, PreTrainedConfig) == draccus.encode(made, PreTrainedConfig)


@pytest.mark.parametrize(
    ("switches", "sampler", "selection"),
    [
        (["--sampler.type=heun"], Heun(num_steps=2), First()),
        (["--sampler.num_steps=3"], DPMpp2M(num_steps=3), First()),
        (["--sampler.type=heun", "--sampler.num_steps=3"], Heun(num_steps=3), First()),
        (["--selection.type=densest"], DPMpp2M(num_steps=2), Densest()),
        (["--selection.type=coherent", "--selection.num_candidates=4"], DPMpp2M(num_steps=2), Coherent(4)),
    ],
)
def test_switches_on_a_saved_checkpoint(tmp_path, switches, sampler, selection):
    trained().save_pretrained(tmp_path)
    switched = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=switches)
    assert switched.sampler == sampler and switched.selection == selection
    loaded = DpPlusPolicy.from_pretrained(tmp_path, config=switched)
    assert loaded.predict_action_chunk(frame(loaded.config)).isfinite().all()
    assert DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=switches).config == switched


def test_a_checkpoint_of_another_policy_is_refused(tmp_path):
    make_policy_config("act", device="cpu").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"policy type 'act': legal here are the dp_plus_\* types"):
        DpPlusPolicy.from_pretrained(tmp_path)


def test_a_typo_in_from_pretrained_is_refused(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    with pytest.raises(TypeError, match="sampler_steps"):
        DpPlusPolicy.from_pretrained(tmp_path, config=made.config, sampler_steps=3)


def test_a_checkpoint_without_an_average_fills_it_with_the_weights(tmp_path):
    made = trained(ema=EmaConfig(enabled=False))
    made.save_pretrained(tmp_path)
    wants = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=["--ema.enabled=true"])
    loaded = DpPlusPolicy.from_pretrained(tmp_path, config=wants)
    assert acts_alike(made, loaded)
    # Fine-tuning starts the average afresh: after one update it is where the weights are.
    step(loaded, torch.optim.SGD(loaded.get_optim_params(), lr=0.1))
    assert all(
        torch.equal(a, w) for a, w in zip(loaded.ema.module.parameters(), loaded.model.parameters(), strict=True)
    )


def test_a_policy_without_an_average_takes_the_averaged_weights(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    loaded = DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=["--ema.enabled=false"])
    assert loaded.ema is None and acts_alike(made, loaded)


def test_weights_say_which_version_wrote_them_and_need_not(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    assert written_by(tmp_path / WEIGHTS) == lerobot_dp_plus.__version__
    change(tmp_path, lambda weights: None)
    assert written_by(tmp_path / WEIGHTS) is None
    assert acts_alike(made, DpPlusPolicy.from_pretrained(tmp_path))


def test_weights_from_elsewhere_may_lack_the_random_stream(tmp_path):
    made = trained()
    made.save_pretrained(tmp_path)
    change(tmp_path, lambda weights: weights.pop("stream"))
    assert acts_alike(made, DpPlusPolicy.from_pretrained(tmp_path))


@pytest.fixture
def saved(tmp_path):
    trained().save_pretrained(tmp_path)
    return tmp_path


def change(folder, edit):
    weights = load_file(folder / WEIGHTS)
    edit(weights)
    save_file(weights, folder / WEIGHTS)


def test_missing_weights_are_named(saved):
    change(saved, lambda weights: weights.pop("model.network.head.bias"))
    with pytest.raises(ValueError, match=r"1 missing: model\.network\.head\.bias"):
        DpPlusPolicy.from_pretrained(saved)


def test_unexpected_weights_are_named(saved):
    change(saved, lambda weights: weights.update({"model.network.tail": torch.zeros(2)}))
    with pytest.raises(ValueError, match=r"1 unexpected: model\.network\.tail"):
        DpPlusPolicy.from_pretrained(saved)


def test_misshapen_weights_are_named(saved):
    change(saved, lambda weights: weights.update({"ema.module.network.head.bias": torch.zeros(5)}))
    with pytest.raises(
        ValueError, match=r"1 of another shape: ema\.module\.network\.head\.bias is \(5,\) in the file, \(16,\)"
    ):
        DpPlusPolicy.from_pretrained(saved)


def test_a_config_of_another_size_is_refused(saved):
    with pytest.raises(ValueError, match=r"network\.dim = 32: .* trained with 16"):
        DpPlusPolicy.from_pretrained(saved, cli_overrides=["--network.dim=32"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--network.num_heads=1", "network.num_heads = 1: .* trained with 2, which is the only legal value"),
        ("--network.causal=false", "network.causal = False: .* trained with True"),
        (
            '--normalization_mapping={"ACTION": "MEAN_STD"}',
            "normalization_mapping = .*MEAN_STD.*: the pipeline saved in",
        ),
    ],
)
def test_what_weights_depend_on_and_do_not_show_is_refused(saved, flag, message):
    with pytest.raises(ValueError, match=message):
        DpPlusPolicy.from_pretrained(saved, cli_overrides=[flag])


def test_the_frame_of_a_dynamics_model_belongs_to_its_weights(tmp_path):
    kinds = {"observation.state": (FeatureType.STATE, 2), "observation.environment_state": (FeatureType.ENV, 16)}
    inputs = {key: PolicyFeature(kind, (width,)) for key, (kind, width) in kinds.items()}
    fields = {"dynamics": Outcome(steps=6, dim=16, depth=1, frame=PushTBlock())}
    policy(inputs=inputs, **fields).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"dynamics\.frame = .*observed.*: the weights in .*pusht_block"):
        DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=["--dynamics.frame.type=observed"])


def test_after_another_objective_the_average_starts_afresh(tmp_path):
    made = trained("dp_plus_flow")
    made.save_pretrained(tmp_path)
    loaded = DpPlusPolicy.from_pretrained(tmp_path, cli_overrides=["--objective.prediction=v"])
    step(loaded, torch.optim.SGD(loaded.get_optim_params(), lr=0.1))
    assert all(
        torch.equal(a, w) for a, w in zip(loaded.ema.module.parameters(), loaded.model.parameters(), strict=True)
    )


@pytest.mark.parametrize("kept", [0, 5, 1000])
def test_a_truncated_file_is_refused(saved, kept):
    content = (saved / WEIGHTS).read_bytes()
    (saved / WEIGHTS).write_bytes(content[:kept])
    with pytest.raises(ValueError, match=rf"model\.safetensors is truncated.*\({kept} bytes\)"):
        DpPlusPolicy.from_pretrained(saved)


def test_a_diverged_model_does_not_replace_a_good_one(saved):
    made = DpPlusPolicy.from_pretrained(saved)
    before = (saved / WEIGHTS).read_bytes()
    next(made.model.parameters()).data[0] = torch.nan
    with pytest.raises(FloatingPointError, match=r"not finite in 1 tensors, first model\."):
        made.save_pretrained(saved)
    assert (saved / WEIGHTS).read_bytes() == before
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", WEIGHTS]


def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch):
    made = DpPlusPolicy.from_pretrained(saved)
    before = (saved / WEIGHTS).read_bytes()

    def interrupted(state, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("lerobot_dp_plus.policies.checkpoint.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.save_pretrained(saved)
    assert (saved / WEIGHTS).read_bytes() == before
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", WEIGHTS]


def test_compilation_never_enters_the_file(tmp_path):
    made = trained()
    names = made.state_dict().keys()
    assert not [key for key in names if "_orig_mod" in key]
    made.model.network = torch.compile(made.model.network, backend="eager")  # as a user might
    assert [key for key in made.state_dict() if "_orig_mod" in key]
    made.save_pretrained(tmp_path)
    assert load_file(tmp_path / WEIGHTS).keys() == names
    assert acts_alike(made, DpPlusPolicy.from_pretrained(tmp_path))


def test_actions_of_another_width_are_refused_by_name(saved):
    from dataclasses import replace

    made = PreTrainedConfig.from_pretrained(saved)
    made.output_features = {"action": replace(made.action_feature, shape=(3,))}  # as LeRobot does for an environment
    with pytest.raises(ValueError, match=r"action has shape \(3,\) here.*gives \(2,\)"):
        DpPlusPolicy.from_pretrained(saved, config=made)


def test_the_augmentation_of_a_saved_pipeline_cannot_be_switched_for_training(tmp_path):
    inputs = {"observation.state": config().input_features["observation.state"]}
    inputs["observation.state"] = type(inputs["observation.state"])(inputs["observation.state"].type, (2,))
    build(config(inputs=inputs)).save_pretrained(tmp_path)
    switched = {"cli_overrides": ["--augmentation.type=pusht_mirror"]}
    assert isinstance(DpPlusPolicy.from_pretrained(tmp_path, **switched).config.augmentation, PushTMirror)
    features = {key: {"dtype": "float32", "shape": (2,), "names": None} for key in (*inputs, "action")}
    with pytest.raises(ValueError, match=r"augmentation = .*pusht_mirror.*the pipeline saved"):
        stats = {key: {"min": torch.zeros(2), "max": torch.ones(2)} for key in features}
        meta = SimpleNamespace(features=features, fps=10, stats=stats)
        DpPlusPolicy.from_pretrained(tmp_path, dataset_meta=meta, **switched)


def test_lerobots_factory_loads_it(saved):
    from lerobot.envs.configs import PushtEnv
    from lerobot.policies import make_policy

    made = PreTrainedConfig.from_pretrained(saved)
    made.pretrained_path = saved
    loaded = make_policy(made, env_cfg=PushtEnv(obs_type="environment_state_agent_pos"))
    assert acts_alike(loaded, DpPlusPolicy.from_pretrained(saved))


def test_sizes_from_one_million_to_a_quarter_billion():
    from lerobot_dp_plus.networks import TransformerConfig

    with torch.device("meta"):
        small, large = (
            policy(network=TransformerConfig(dim=dim, depth=depth, num_heads=4), ema=EmaConfig(enabled=False))
            for dim, depth in ((128, 4), (1024, 14))
        )
    count = [sum(weight.numel() for weight in made.parameters()) for made in (small, large)]
    assert 0.8e6 < count[0] < 1.5e6 and 230e6 < count[1] < 270e6


def test_sharded_training_knows_its_blocks():
    for preset in (*PRESETS, *BASELINES):
        made = policy(preset)
        present = {type(module).__name__ for module in made.model.modules()}
        assert made._fsdp_wrap_modules and set(made._fsdp_wrap_modules) <= present
        assert made._no_split_modules == list(made._fsdp_wrap_modules)


def test_every_preset_can_be_made_by_name():
    every = [*PRESETS, *BASELINES]
    assert [make_policy_config(preset, device="cpu").type for preset in every] == every


@pytest.mark.parametrize(
    "switch",
    [["--objective.prediction=epsilon"], ["--objective.type=flow_matching"], ["--objective.path.type=linear_beta"]],
)
def test_another_objective_must_be_trained_before_it_samples(tmp_path, switch):
    """The weights would be read as something they never learned, and act like noise without an error."""
    trained().save_pretrained(tmp_path)
    changed = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=switch)
    made = DpPlusPolicy.from_pretrained(tmp_path, config=changed)
    with pytest.raises(ValueError, match=r"objective = \{.*were trained for \{.*only the saved objective is legal"):
        made.select_action(frame(made.config))
    step(made, torch.optim.Adam(made.get_optim_params(), lr=1e-3))
    assert made.eval().select_action(frame(made.config)).isfinite().all()


def test_what_only_training_reads_of_the_objective_may_change(tmp_path):
    trained().save_pretrained(tmp_path)
    switches = ["--objective.clip_range=2.0", "--objective.times.type=logit_normal"]
    made = DpPlusPolicy.from_pretrained(
        tmp_path, config=PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=switches)
    )
    assert made.select_action(frame(made.config)).isfinite().all()
