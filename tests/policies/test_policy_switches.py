"""Every axis from the command line, read by LeRobot's own parser."""

import json
import sys

import pytest
from lerobot.configs import PreTrainedConfig, parser
from lerobot.configs.train import TrainPipelineConfig
from tiny import BASELINES, PRESETS

from lerobot_dp_plus.augmentation import PushTMirror
from lerobot_dp_plus.cli.errors import UsageError, explain, plain_parsing
from lerobot_dp_plus.ema import EmaConfig
from lerobot_dp_plus.encoders import ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.execution import Ensemble
from lerobot_dp_plus.guidance import NoGuidance, Smoothness
from lerobot_dp_plus.heads import Discretised, Implicit, MixtureDensity, Regression
from lerobot_dp_plus.heads import Langevin as SearchByLangevin
from lerobot_dp_plus.networks import DiTConfig, LSTMConfig, MixtureConfig, TransformerConfig, UNet1dConfig
from lerobot_dp_plus.objectives import Diffusion, FlowMatching, Shortcut
from lerobot_dp_plus.objectives.times import LogitNormalTimes, UniformTimes
from lerobot_dp_plus.paths import LinearBetaPath
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.samplers import Ancestral, DPMpp2M, Heun
from lerobot_dp_plus.selection import Ask, Coherent, Densest, First

HEAD = ("--dataset.repo_id=x/y", "--policy.device=cpu")


def parse(*arguments: str) -> DpPlusConfig:
    """The policy config that `lerobot-train` would train."""
    parsed: list[TrainPipelineConfig] = []

    def train(cfg: TrainPipelineConfig) -> None:
        parsed.append(cfg)

    with plain_parsing(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lerobot-train", *HEAD, *arguments])
        parser.wrap()(train)()
    assert isinstance(parsed[0].policy, DpPlusConfig)
    return parsed[0].policy


def of(preset: str, *switches: str) -> DpPlusConfig:
    return parse(f"--policy.type={preset}", *(f"--policy.{switch}" for switch in switches))


def test_presets_are_what_the_table_says():
    rows = {
        "dp_plus_unet": (UNet1dConfig(), Diffusion(), DPMpp2M(num_steps=10)),
        "dp_plus_transformer": (TransformerConfig(), Diffusion(), DPMpp2M(num_steps=10)),
        "dp_plus_flow": (TransformerConfig(), FlowMatching(), DPMpp2M(num_steps=10)),
        "dp_plus_dit": (DiTConfig(), FlowMatching(), DPMpp2M(num_steps=10)),
        "dp_plus_pi0": (MixtureConfig(), FlowMatching(), DPMpp2M(num_steps=10)),
    }
    assert set(rows) == set(PRESETS)
    usual = DPMpp2M(num_steps=10)  # of no use
    rows |= {
        "dp_plus_bc": (TransformerConfig(), Regression(), usual),
        "dp_plus_gmm": (LSTMConfig(), MixtureDensity(), usual),
        "dp_plus_ibc": (TransformerConfig(), Implicit(), usual),
        "dp_plus_bet": (TransformerConfig(), Discretised(), usual),
    }
    assert set(rows) == {*PRESETS, *BASELINES}
    for preset, row in rows.items():
        made = of(preset)
        assert (made.network, made.objective, made.sampler) == row


@pytest.mark.parametrize(
    ("switches", "field", "expected"),
    [
        (["sampler.num_steps=5"], "sampler", DPMpp2M(num_steps=5)),
        (["sampler.type=ancestral", "sampler.num_steps=100"], "sampler", Ancestral(num_steps=100)),
        (["objective.type=flow_matching", "sampler.type=heun"], "objective", FlowMatching()),
        (["objective.prediction=v"], "objective", Diffusion(prediction="v")),
        (["objective.path.type=linear_beta"], "objective", Diffusion(path=LinearBetaPath())),
        (
            ["objective.prediction=v", "objective.clip_range=null"],
            "objective",
            Diffusion(prediction="v", clip_range=None),
        ),
        (["network.dim=64"], "network", TransformerConfig(dim=64)),
        (["network.type=unet1d", "network.down_dims=[16,32]"], "network", UNet1dConfig(down_dims=(16, 32))),
        (
            ["image_encoder.type=small_cnn", "image_encoder.crop_shape=[24,24]"],
            "image_encoder",
            SmallCnnConfig(crop_shape=(24, 24)),
        ),
        (["guidance.type=smoothness", "guidance.strength=0.1"], "guidance", Smoothness(0.1)),
        (["selection.type=coherent", "selection.decay=0.5"], "selection", Coherent(decay=0.5)),
        (
            ["selection.type=ask", "selection.otherwise.type=densest", "selection.view=[0,512,0,512]"],
            "selection",
            Ask(Densest(), view=(0.0, 512.0, 0.0, 512.0)),
        ),
        (
            ["selection.type=ask", "selection.otherwise.type=coherent", "selection.otherwise.decay=0.5"],
            "selection",
            Ask(Coherent(decay=0.5)),
        ),
        (["execution.type=ensemble", "execution.m=0.1", "execution.radius=3"], "execution", Ensemble(0.1, radius=3.0)),
        (["augmentation.type=pusht_mirror"], "augmentation", PushTMirror()),
        (["ema.enabled=false"], "ema", EmaConfig(enabled=False)),
        (["ema.decay=0.99"], "ema", EmaConfig(decay=0.99)),
        (["n_action_steps=4"], "n_action_steps", 4),
        (["objective.type=mixture_density", "objective.num_modes=3"], "objective", MixtureDensity(num_modes=3)),
        (
            ["objective.type=implicit", "objective.search.type=langevin"],
            "objective",
            Implicit(search=SearchByLangevin()),
        ),
        (["objective.type=discretised", "objective.num_bins=8"], "objective", Discretised(num_bins=8)),
        (["network.type=lstm", "network.dim=64"], "network", LSTMConfig(dim=64)),
        (["use_amp=true"], "dtype", "bfloat16"),
    ],
)
def test_switch(switches, field, expected):
    assert getattr(of("dp_plus_transformer", *switches), field) == expected


def test_times_of_flow_matching():
    assert of("dp_plus_flow", "objective.times.type=logit_normal").objective == FlowMatching(times=LogitNormalTimes())


@pytest.mark.parametrize(
    ("switch", "field", "expected"),
    [
        ("sampler.type=heun", "sampler", Heun(num_steps=10)),
        ("sampler.num_steps=3", "sampler", DPMpp2M(num_steps=3)),
        ("guidance.type=smoothness", "guidance", Smoothness()),
        ("selection.type=coherent", "selection", Coherent()),
        ("network.depth=2", "network", TransformerConfig(depth=2)),
        ("objective.path.type=linear_beta", "objective", Diffusion(path=LinearBetaPath(num_train_steps=100))),
    ],
)
def test_switches_on_top_of_a_config_file(tmp_path, switch, field, expected):
    of("dp_plus_transformer")._save_pretrained(tmp_path)
    policy = json.loads((tmp_path / "config.json").read_text())
    file = tmp_path / "train_config.json"
    file.write_text(json.dumps({"dataset": {"repo_id": "x/y"}, "policy": policy}))
    assert getattr(parse(f"--config_path={file}", f"--policy.{switch}"), field) == expected


@pytest.mark.parametrize(
    ("written", "switches", "field", "expected"),
    [
        (
            {"objective": Diffusion(prediction="x1")},
            ["objective.type=flow_matching"],
            "objective",
            FlowMatching(prediction="x1", times=UniformTimes(), clip_range=1.0),
        ),
        (
            {"objective": Diffusion(prediction="epsilon")},
            ["objective.type=flow_matching"],
            "objective",
            FlowMatching(times=UniformTimes(), clip_range=1.0),
        ),
        ({"objective": Diffusion(prediction="epsilon")}, ["objective.type=shortcut"], "objective", Shortcut()),
        ({"objective": Shortcut(prediction="v")}, ["objective.type=diffusion"], "objective", Diffusion(prediction="v")),
        ({"selection": Coherent()}, ["selection.type=first"], "selection", First()),
        ({"selection": Coherent(num_candidates=7)}, ["selection.type=densest"], "selection", Densest(num_candidates=7)),
        (
            {"selection": Ask(Coherent(decay=0.5), timeout_s=3.0)},
            ["selection.otherwise.type=densest"],
            "selection",
            Ask(Densest(), timeout_s=3.0),
        ),
        ({"guidance": Smoothness(0.03)}, ["guidance.type=none"], "guidance", NoGuidance()),
        ({"network": TransformerConfig(dim=64)}, ["network.type=dit"], "network", DiTConfig(dim=64)),
        (
            {"network": TransformerConfig(dim=64)},
            ["network.type=unet1d", "network.n_groups=4"],
            "network",
            UNet1dConfig(n_groups=4),
        ),
        (
            {"image_encoder": SmallCnnConfig(crop_shape=(24, 24))},
            ["image_encoder.type=resnet18"],
            "image_encoder",
            ResNet18Config(resize=160, crop_shape=(24, 24)),
        ),
        (
            {"objective": FlowMatching()},
            ["objective.times.type=uniform"],
            "objective",
            FlowMatching(times=UniformTimes()),
        ),
    ],
)
@pytest.mark.parametrize("way", ["train config", "checkpoint", "resumed"])
def test_switching_a_member_over_a_file_drops_what_only_the_former_one_had(
    tmp_path, way, written, switches, field, expected
):
    """In LeRobot's three ways of reading a file: --config_path, --policy.path and a run's own train_config.json."""
    config = of("dp_plus_transformer")
    for name, value in written.items():
        setattr(config, name, value)
    config._save_pretrained(tmp_path)
    flags = [f"--policy.{switch}" for switch in switches]
    policy = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "train_config.json").write_text(json.dumps({"dataset": {"repo_id": "x/y"}, "policy": policy}))
    if way == "checkpoint":
        made = PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=[f"--{switch}" for switch in switches])
    elif way == "resumed":
        made = TrainPipelineConfig.from_pretrained(tmp_path, cli_args=flags).policy
    else:
        made = parse(f"--config_path={tmp_path / 'train_config.json'}", *flags)
    assert getattr(made, field) == expected


def test_a_field_the_command_line_names_is_never_dropped(tmp_path):
    config = of("dp_plus_transformer", "selection.type=coherent")
    config._save_pretrained(tmp_path)
    with pytest.raises(Exception, match="The fields `decay` are not valid for"):
        PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=["--selection.type=first", "--selection.decay=0.5"])


def test_a_field_nobody_knows_in_the_file_is_refused_without_a_switch(tmp_path):
    of("dp_plus_transformer", "selection.type=coherent")._save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    saved["selection"]["dekay"] = 0.5
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(Exception, match="The fields `dekay` are not valid for"):
        PreTrainedConfig.from_pretrained(tmp_path, cli_overrides=["--selection.num_candidates=3"])


def test_stock_parsing_ends_a_refused_config_in_its_own_reason(monkeypatch, capsys):
    """LeRobot prints what its parser raises and exits with 1; draccus alone would say `Couldn't instantiate class`."""

    def train(cfg: TrainPipelineConfig) -> None:
        raise AssertionError("must not get here")

    flags = ["--dataset.repo_id=x/y", "--policy.type=dp_plus_unet", "--policy.horizon=16", "--policy.n_action_steps=16"]
    monkeypatch.setattr(sys, "argv", ["lerobot-train", *flags])
    with pytest.raises(SystemExit) as caught:
        parser.wrap()(train)()
    said = capsys.readouterr().err.strip()
    assert caught.value.code == 1
    assert said == (
        "error: n_action_steps = 16: must be at most horizon − n_obs_steps + 1 = 15 (horizon = 16, n_obs_steps = 2)"
    )


@pytest.mark.parametrize(
    "switches",
    [
        ["guidance.strength=0.1"],
        ["guidance.type=none", "guidance.strength=0.1"],
        ["objective.type=flow_matching", "objective.path=linear_beta"],
        ["network.type=dit", "network.causal=false"],
        ["selection.num_candidates=4"],
    ],
)
def test_a_field_of_another_member_is_refused(switches):
    name = switches[-1].split("=")[0].split(".")[1]
    with pytest.raises(Exception, match=f"The fields `{name}` are not valid for"):
        of("dp_plus_transformer", *switches)


@pytest.mark.parametrize(
    ("axis", "legal"),
    [
        (
            "objective",
            ["diffusion", "discretised", "flow_matching", "implicit", "mixture_density", "regression", "shortcut"],
        ),
        (
            "sampler",
            [
                *("ancestral", "ancestral_leading", "ddim", "ddim_leading", "dpmpp_2m", "euler", "heun", "jump"),
                *("langevin", "predictor_corrector"),
            ],
        ),
        ("network", ["dit", "lstm", "mixture", "transformer", "unet1d"]),
        ("image_encoder", ["keypoint_tokens", "patches", "resnet18", "small_cnn"]),
        (
            "selection",
            [
                "ask",
                "bidirectional",
                "coherent",
                "densest",
                "first",
                "function",
                "hold_mode",
                "lowest_energy",
                "most_likely",
            ],
        ),
        ("dynamics", ["none", "outcome"]),
        ("state_estimation", ["none", "regression"]),
        ("auxiliary", ["gaze_position", "gaze_reconstruction", "next_state", "none", "text"]),
        ("forward", ["identity", "joint_limits", "pusht"]),
        ("projection", ["kaczmarz", "none"]),
        ("execution", ["agreement", "ensemble", "fixed"]),
        ("words", ["automatic", "hashed", "ngrams", "none", "pretrained", "sentence"]),
        ("guidance", ["classifier_free", "diffuser", "gradient", "none", "smoothness"]),
        ("refinement", ["gradient", "none"]),
    ],
)
def test_unknown_members_are_answered_with_the_legal_ones(axis, legal, tmp_path):
    with pytest.raises(UsageError) as caught:
        of("dp_plus_unet", f"{axis}.type=nonsense")
    assert f"--policy.{axis}.type: invalid choice: 'nonsense'" in str(caught.value)
    assert all(f"'{name}'" in str(caught.value) for name in legal)

    of("dp_plus_unet")._save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config[axis]["type"] = "nonsense"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(Exception, match="nonsense") as caught:
        PreTrainedConfig.from_pretrained(tmp_path)
    assert explain(caught.value).endswith(f"`{axis}`: type = 'nonsense': legal are {', '.join(legal)}")


def test_a_preset_that_does_not_exist():
    with pytest.raises(UsageError, match=r"invalid choice: 'dp_plus_unit'.*Did you mean 'dp_plus_unet'"):
        of("dp_plus_unit")
