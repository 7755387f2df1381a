"""LeRobot's diffusion policy, turned into ours, gives the same actions from the same frames and noise."""

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_fixtures import api
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies import make_pre_post_processors
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lerobot_dp_plus.cli import main as cli
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy, DpPlusUnetPolicy
from lerobot_dp_plus.publishing import import_lerobot_check, import_lerobot_weights
from lerobot_dp_plus.publishing.import_lerobot import import_lerobot
from lerobot_dp_plus.publishing.import_lerobot_config import translate

STATE, WORLD, ACTION = "observation.state", "observation.environment_state", "action"
WRIST, TOP = "observation.images.wrist", "observation.images.top"  # not in the order of their names
WIDTHS = {STATE: 3, WORLD: 4, ACTION: 2}
KINDS = {STATE: FeatureType.STATE, WORLD: FeatureType.ENV, ACTION: FeatureType.ACTION}
#: Narrow enough for 1e-5 to mean the same before and after unnormalising.
LOW, HIGH = {STATE: -3.0, WORLD: 0.0, ACTION: -1.0}, {STATE: 5.0, WORLD: 2.0, ACTION: 1.5}
SCENES, STEPS = 3, 6


def feature(key: str) -> PolicyFeature:
    return PolicyFeature(KINDS[key], (WIDTHS[key],)) if key in KINDS else PolicyFeature(FeatureType.VISUAL, (3, 40, 44))


@dataclass
class Case:
    """Observations in LeRobot's order, and what its config has beyond the smallest."""

    inputs: tuple[str, ...] = (STATE, WORLD)
    options: dict[str, Any] = field(default_factory=dict)
    old: bool = False

    def config(self) -> DiffusionConfig:
        smallest = {
            "device": "cpu",
            "push_to_hub": False,
            "horizon": 8,
            "n_action_steps": 4,
            "down_dims": (8, 16),
            "n_groups": 4,
            "diffusion_step_embed_dim": 8,
            "num_train_timesteps": 20,
            "spatial_softmax_num_keypoints": 5,
            "pretrained_backbone_weights": None,
            "use_group_norm": True,
        }
        return DiffusionConfig(
            **{**smallest, **self.options},
            input_features={key: feature(key) for key in self.inputs},
            output_features={ACTION: feature(ACTION)},
        )


CASES = {
    "DDPM, every step": Case(),
    "DDPM, some steps, sample": Case(options={"num_inference_steps": 6, "prediction_type": "sample"}),
    "DDPM, linear schedule, three steps observed": Case(options={"beta_schedule": "linear", "n_obs_steps": 3}),
    "DDIM, every step": Case(options={"noise_scheduler_type": "DDIM"}),
    "DDIM, some steps": Case(options={"noise_scheduler_type": "DDIM", "num_inference_steps": 7}),
    "DDIM, sample, another range": Case(
        options={"noise_scheduler_type": "DDIM", "prediction_type": "sample", "clip_sample_range": 0.7}
    ),
    "FiLM without scale, three levels": Case(
        options={"use_film_scale_modulation": False, "down_dims": (8, 16, 24), "kernel_size": 3}
    ),
    "other normalisation": Case(
        options={
            "normalization_mapping": {
                "STATE": NormalizationMode.MEAN_STD,
                "ENV": NormalizationMode.MIN_MAX,
                "ACTION": NormalizationMode.MEAN_STD,
            }
        }
    ),
    "one camera": Case((STATE, TOP), {"crop_shape": (36, 38), "num_inference_steps": 4}),
    "two cameras, an encoder each": Case((WRIST, WORLD, TOP, STATE), {"num_inference_steps": 4}),
    "two cameras, one encoder": Case(
        (STATE, WRIST, TOP, WORLD), {"num_inference_steps": 4, "use_separate_rgb_encoder_per_camera": False}
    ),
    "BatchNorm": Case((STATE, TOP), {"num_inference_steps": 4, "use_group_norm": False}),
    "old, normalisation in the weights": Case((STATE, WORLD), old=True),
    "old, with a camera": Case((STATE, TOP, WORLD), {"num_inference_steps": 4}, old=True),
}


def statistics(config: DiffusionConfig) -> dict[str, dict[str, Tensor]]:
    """Of made-up data: uniform between LOW and HIGH, but one dimension of the state that never moved."""
    found = {}
    for key in {**config.input_features, **config.output_features}:
        if key in KINDS:
            low, high = torch.full((WIDTHS[key],), LOW[key]), torch.full((WIDTHS[key],), HIGH[key])
            if key == STATE:
                high[0] = low[0]
            found[key] = {"min": low, "max": high, "mean": (low + high) / 2, "std": (high - low) / 12**0.5}
        else:
            found[key] = {
                "mean": torch.tensor([0.4, 0.5, 0.6])[:, None, None],
                "std": torch.tensor([0.3, 0.2, 0.1])[:, None, None],
            }
    return found


def write(folder: Path, case: Case) -> DiffusionPolicy:
    """LeRobot's checkpoint of an untrained policy, whose statistics of batches are no longer 0 and 1."""
    config = case.config()
    policy = DiffusionPolicy(config)
    for module in policy.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    policy.save_pretrained(folder)
    stats = statistics(config)
    if case.old:
        weights = load_file(folder / "model.safetensors")
        for key, values in stats.items():
            prefixes = ("normalize_targets", "unnormalize_outputs") if key == ACTION else ("normalize_inputs",)
            for prefix in prefixes if key in (STATE, ACTION) or key not in KINDS else ():
                for name in ("min", "max") if key in KINDS else ("mean", "std"):
                    weights[f"{prefix}.buffer_{key.replace('.', '_')}.{name}"] = values[name].clone()
        save_file(weights, folder / "model.safetensors")
    else:
        for pipeline in make_pre_post_processors(config, dataset_stats=stats):
            pipeline.save_pretrained(folder)
    return policy.eval()


def frames(config: DiffusionConfig) -> list[dict[str, Tensor]]:
    """Raw observations of SCENES episodes, STEPS long."""
    return [
        {
            key: LOW[key] + torch.rand(SCENES, WIDTHS[key]) * (HIGH[key] - LOW[key])
            if key in KINDS
            else torch.rand(SCENES, *ft.shape)
            for key, ft in config.input_features.items()
        }
        for _ in range(STEPS)
    ]


def played(policy, pipelines, episode: list[dict[str, Tensor]]) -> Tensor:
    """Actions (STEPS, SCENES, A) in the units of the data; two chunks of four actions."""
    preprocess, postprocess = pipelines
    policy.reset()
    actions = []
    for step, frame in enumerate(episode):
        torch.manual_seed(100 + step)
        actions.append(postprocess(policy.select_action(preprocess(dict(frame)))))
    return torch.stack(actions)


@pytest.mark.parametrize("name", CASES)
def test_same_actions(name: str, tmp_path: Path, capsys) -> None:
    case, source, output = CASES[name], tmp_path / "lerobot", tmp_path / "ours"
    theirs = write(source, case)
    measured = import_lerobot(str(source), output)

    config = theirs.config
    saved = {"dataset_stats": statistics(config)} if case.old else {"pretrained_path": str(source)}
    ours = DpPlusUnetPolicy.from_pretrained(output)
    episode = frames(config)
    expected = played(theirs, make_pre_post_processors(config, **saved), episode)
    actual = played(ours, make_pre_post_processors(ours.config, str(output)), episode)

    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)
    assert measured.normalised <= 1e-5 and measured.chunks == 2
    # Not by all being clipped, nor by ignoring what is seen.
    assert expected.std() > 0.1 and (expected[:, 0] - expected[:, 1]).abs().max() > 0.1
    assert f"by at most {measured.normalised:.1e} normalised" in capsys.readouterr().out
    for ours_value, theirs_value in (
        (ours.config.horizon, config.horizon),
        (ours.config.n_obs_steps, config.n_obs_steps),
        (ours.config.n_action_steps, config.n_action_steps),
        (ours.config.sampler.num_steps, config.num_inference_steps or config.num_train_timesteps),
    ):
        assert ours_value == theirs_value


def test_features_lerobot_ignores_are_left_out(tmp_path: Path, capsys) -> None:
    source = tmp_path / "lerobot"
    write(source, Case())
    saved = json.loads((source / "config.json").read_text())
    saved["input_features"]["observation.effort"] = {"type": "STATE", "shape": [3]}
    (source / "config.json").write_text(json.dumps(saved))
    import_lerobot(str(source), tmp_path / "ours")
    assert "left out observation.effort" in capsys.readouterr().out
    assert sorted(DpPlusPolicy.from_pretrained(tmp_path / "ours").config.input_features) == [WORLD, STATE]


def test_compiled_weights_are_read(tmp_path: Path) -> None:
    source = tmp_path / "lerobot"
    write(source, Case())
    weights = load_file(source / "model.safetensors")
    compiled = {key.replace("diffusion.unet.", "diffusion.unet._orig_mod."): value for key, value in weights.items()}
    save_file(compiled, source / "model.safetensors")
    assert import_lerobot(str(source), tmp_path / "ours").normalised <= 1e-5


def test_command_line_and_a_faster_sampler(tmp_path: Path, capsys) -> None:
    source, output = tmp_path / "lerobot", tmp_path / "ours"
    write(source, Case())
    assert cli(["import-lerobot", str(source), "--output", str(output)]) == 0
    said = capsys.readouterr().out
    fast = "--policy.sampler.type=dpmpp_2m --policy.sampler.num_steps=10"
    assert f"lerobot eval --policy.path={output} {fast}" in said
    options = [word.replace("--policy.", "--") for word in fast.split()]
    quick = DpPlusPolicy.from_pretrained(output, cli_overrides=options)
    assert quick.config.sampler.num_calls == 10
    seen = {key: torch.zeros(1, 2, WIDTHS[key]) for key in (STATE, WORLD)}
    assert quick.predict_action_chunk(seen, noise=torch.zeros(1, 8, 2)).isfinite().all()
    written = json.loads((output / "import_report.json").read_text())
    assert written["source"] == str(source) and written["sampler"] == {"type": "ancestral_leading", "num_steps": 20}

    before = (output / "model.safetensors").stat().st_mtime_ns
    assert cli(["import-lerobot", str(source), "--output", str(output)]) == 1
    assert "exists; choose another folder or pass --overwrite" in capsys.readouterr().err
    assert (output / "model.safetensors").stat().st_mtime_ns == before
    assert cli(["import-lerobot", str(source), "--output", str(output), "--overwrite"]) == 0
    assert (output / "model.safetensors").stat().st_mtime_ns != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lerobot", "ours"]


def test_from_the_hub(online, tmp_path: Path) -> None:
    write(tmp_path / "lerobot", Case())
    client = api(online)
    client.create_repo("alice/diffusion")
    client.upload_folder(repo_id="alice/diffusion", folder_path=tmp_path / "lerobot")
    assert import_lerobot("alice/diffusion", tmp_path / "ours").normalised <= 1e-5
    source = json.loads((tmp_path / "ours" / "import_report.json").read_text())["source"]
    assert source == f"alice/diffusion at commit {online.repo('alice/diffusion').branches['main'][:8]}"


# What cannot be carried over, or read, is refused by name, and nothing is left behind.


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    cases = {"states": Case(), "camera": Case((STATE, TOP)), "old": Case(old=True)}
    for name, case in cases.items():
        write(folder / name, case)
    return {name: folder / name for name in cases}


def fields(**changes: Any):
    def spoil(folder: Path) -> None:
        saved = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**saved, **changes}))

    return spoil


def weights_changed(change):
    def spoil(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return spoil


def step_added(folder: Path) -> None:
    file = folder / "policy_preprocessor.json"
    saved = json.loads(file.read_text())
    saved["steps"].append({"registry_name": "tokenizer_processor", "config": {}})
    file.write_text(json.dumps(saved))


def without(name: str):
    return lambda folder: (folder / name).unlink()


def spoiled_weight(weights: dict[str, Tensor]) -> None:
    weights["diffusion.unet.final_conv.1.bias"][0] = float("nan")


BUFFER = "normalize_inputs.buffer_observation_state.max"
REFUSED = {
    "another policy": ("states", fields(type="act"), r"policy of type 'act'; legal is 'diffusion'"),
    "a config before types": ("states", lambda f: (f / "config.json").write_text("{}"), r"has no 'type'"),
    "no JSON": ("states", lambda f: (f / "config.json").write_text("{"), r"truncated or no JSON"),
    "an unknown field": ("states", fields(magic=3), r"has magic, which LeRobot's DiffusionConfig does not"),
    "a refused value": ("states", fields(noise_scheduler_type="PNDM"), r"must be one of \['DDPM', 'DDIM'\]"),
    "an adapter": ("states", fields(use_peft=True), r"use_peft = True: .* merge it"),
    "a schedule": (
        "states",
        fields(beta_schedule="scaled_linear"),
        r"beta_schedule = 'scaled_linear': legal are squaredcos_cap_v2, linear",
    ),
    "too many steps": ("states", fields(num_inference_steps=21), r"num_inference_steps = 21: legal are 1 to .* 20"),
    "a backbone": ("camera", fields(vision_backbone="resnet34"), r"vision_backbone = 'resnet34': legal is 'resnet18'"),
    "resizing": ("camera", fields(resize_shape=[20, 20]), r"resize_shape = \(20, 20\): images are \(40, 44\)"),
    "half a pixel": ("camera", fields(crop_shape=[37, 44]), r"crop_shape = \(37, 44\).*leave 2 or 4 of 40 pixels"),
    "no state": (
        "states",
        fields(input_features={WORLD: {"type": "ENV", "shape": [4]}}),
        r"LeRobot's policy needs observation\.state",
    ),
    "pickled weights": (
        "states",
        lambda f: (f / "model.safetensors").rename(f / "model.bin"),
        r"model\.bin.*never loaded",
    ),
    "truncated weights": (
        "states",
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
        r"truncated or not a safetensors",
    ),
    "no number": ("states", weights_changed(spoiled_weight), r"1 tensors hold NaN or infinity, first diffusion\.unet"),
    "a weight missing": (
        "states",
        weights_changed(lambda w: w.pop("diffusion.unet.final_conv.1.bias")),
        r"1 missing: .*final_conv\.1\.bias",
    ),
    "no processors": ("states", without("policy_preprocessor.json"), r"no policy_preprocessor\.json, and its weights"),
    "half of them": ("states", without("policy_postprocessor.json"), r"no policy_postprocessor\.json, and its weights"),
    "statistics missing": (
        "states",
        without("policy_preprocessor_step_3_normalizer_processor.safetensors"),
        r"policy_preprocessor_step_3_normalizer_processor\.safetensors",
    ),
    "an unknown step": ("states", step_added, r"has the steps tokenizer_processor; legal are rename_obs"),
    "a buffer missing": ("old", weights_changed(lambda w: w.pop(BUFFER)), rf"no {BUFFER}, which MIN_MAX of"),
    "a buffer too many": (
        "old",
        weights_changed(lambda w: w.update({"normalize_inputs.buffer_x.min": torch.zeros(1)})),
        r"hold normalize_inputs\.buffer_x\.min, which no feature",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, sources: dict[str, Path], tmp_path: Path) -> None:
    source, spoil, message = REFUSED[name]
    shutil.copytree(sources[source], tmp_path / "spoiled")
    spoil(tmp_path / "spoiled")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        import_lerobot(str(tmp_path / "spoiled"), tmp_path / "ours")
    assert [path.name for path in tmp_path.iterdir()] == ["spoiled"]


def test_other_actions_are_not_written(sources, tmp_path: Path, monkeypatch) -> None:
    """The measurement notices a condition whose columns are in LeRobot's order, not ours."""
    monkeypatch.setattr(import_lerobot_weights, "condition_columns", lambda *_: list(range(14)))
    old = tmp_path / "ours"
    old.mkdir()
    (old / "mine").touch()
    with pytest.raises(ValueError, match=r"actions differ by .* more than the 1e-05 tolerated; nothing was written"):
        import_lerobot(str(sources["states"]), old, overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["ours", "mine"]


def test_the_checkpoint_is_not_overwritten(sources) -> None:
    with pytest.raises(ValueError, match="holds the checkpoint itself"):
        import_lerobot(str(sources["states"]), sources["states"].parent, overwrite=True)


def test_without_diffusers_it_says_what_to_install(sources, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(import_lerobot_check.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'lerobot\[diffusion\]'"):
        import_lerobot(str(sources["states"]), tmp_path / "ours")


def test_the_columns_of_the_condition() -> None:
    """Two steps of [state, wrist, top, world] there are two steps of [world, state, top, wrist] here."""
    config = Case((WRIST, WORLD, TOP, STATE), {"spatial_softmax_num_keypoints": 1}).config()
    step = [7, 8, 9, 10, 0, 1, 2, 5, 6, 3, 4]
    columns = import_lerobot_weights.condition_columns(config, translate(config).config)
    assert columns == step + [11 + column for column in step]
    assert translate(replace(config, n_action_steps=2)).config.n_action_steps == 2
