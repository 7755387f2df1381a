"""One ONNX file for observation to chunk: the same actions as the policy, and what cannot be one is refused by name."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tiny
import torch
from lerobot.configs import FeatureType, PolicyFeature
from torch import nn

from lerobot_dp_plus.cli import entry
from lerobot_dp_plus.encoders import HashedWords, SmallCnnConfig
from lerobot_dp_plus.energies import Energies, Goal
from lerobot_dp_plus.execution import Agreement
from lerobot_dp_plus.exporting import comparing, refusing, writing
from lerobot_dp_plus.exporting.comparing import of_policy
from lerobot_dp_plus.exporting.export import export
from lerobot_dp_plus.exporting.options import TOLERANCE
from lerobot_dp_plus.exporting.step import Step
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.policies.acting import load_switched
from lerobot_dp_plus.samplers import Ancestral
from lerobot_dp_plus.selection import Coherent, Densest, HoldMode, LowestEnergy

CARD = Path(__file__).parents[2] / "hub_cards" / "pusht_state"
DOCS = Path(__file__).parents[2] / "docs" / "export.md"
CAMERA = {
    **tiny.STATE,
    "observation.images.top": PolicyFeature(FeatureType.VISUAL, (3, 30, 40)),  # shrunk to 24×32
}
SMALL = {"image_encoder": SmallCnnConfig(num_keypoints=4, feature_dim=8, resize=32)}


@pytest.mark.parametrize(
    ("preset", "inputs", "fields"),
    [
        ("dp_plus_unet", tiny.STATE, {"sampler_steps": 1}),
        ("dp_plus_dit", tiny.STATE | tiny.ENV_STATE, {"sampler_steps": 1}),
        ("dp_plus_transformer", CAMERA, SMALL | {"noise_scale": 0.5}),
    ],
)
def test_the_file_is_the_policy(ready, tmp_path, preset, inputs, fields) -> None:
    """Also on observations that it was not compared with when it was written."""
    loaded = ready(preset, inputs, **fields)
    found = export(loaded, tmp_path / "onnx", observations=2)
    assert found.difference <= TOLERANCE
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "policy.onnx")
    about = json.loads((tmp_path / "onnx" / "policy.json").read_text())
    step = Step(loaded)
    assert {each.name: each.shape for each in session.get_inputs()} == {
        key: value["shape"] for key, value in about["inputs"].items()
    }
    inputs = step.random(torch.Generator().manual_seed(7))
    feed = {key: value.numpy() for key, value in zip(step.shapes, inputs, strict=True)}
    assert {key: str(value.dtype) for key, value in feed.items()} == {k: v["dtype"] for k, v in about["inputs"].items()}
    (chunk,) = session.run(["action"], feed)
    expected = of_policy(loaded, step, inputs)
    assert list(chunk.shape) == about["outputs"]["action"]["shape"] == [1, tiny.HORIZON - 1, 2]
    np.testing.assert_allclose(chunk, expected.numpy(), atol=256 * TOLERANCE)
    feed["noise"] = feed["noise"] + 1
    assert np.abs(session.run(None, feed)[0] - chunk).max() > 1, "noise is an input"
    feed["observation.state"] = feed["observation.state"] + 50
    assert np.abs(session.run(None, feed)[0] - chunk).max() > 1


def test_one_of_sixteen_by_a_learned_outcome(tmp_path, monkeypatch) -> None:
    """A released policy: candidates, the dynamics model and its choice are all in the file."""
    monkeypatch.setattr(comparing, "CALLS", 1)
    loaded = load_switched(CARD, ["--sampler.num_steps=1", "--device=cpu"])
    assert export(loaded, tmp_path / "onnx", observations=6).difference <= TOLERANCE
    step = Step(loaded)
    numbers = set()
    for seed in range(6):
        inputs = step.random(torch.Generator().manual_seed(seed))
        chosen = of_policy(loaded, step, inputs)
        numbers.add(
            int(
                (loaded.policy.episode.replan.proposed.chunks[0] - loaded.policy.chosen.chunks[0])
                .abs()
                .sum((1, 2))
                .argmin()
            )
        )
        assert chosen.shape == (1, 7, 2)
    assert len(numbers) > 1, "it is not always the first"


def test_the_step_is_what_acts(ready) -> None:
    """From bytes of a camera and the data's units to the same chunk as by hand."""
    loaded = ready("dp_plus_transformer", CAMERA, **SMALL)
    step = Step(loaded)
    inputs = step.random(torch.Generator().manual_seed(3))
    with torch.no_grad():
        chunk = step(*inputs)
    assert inputs[1].shape == (1, 2, 30, 40, 3) and inputs[1].dtype == torch.uint8
    window = loaded.preprocess(
        {"observation.state": inputs[0], "observation.images.top": inputs[1].movedim(-1, -3) / 255.0}
    )
    window = {key: window[key] for key in ("observation.state", "observation.images.top")}
    by_hand = loaded.policy.sample(window, inputs[2])[0, 0, 1:]
    assert torch.allclose(chunk[0], loaded.postprocess(by_hand), atol=1e-3)


def test_an_operator_that_onnx_has_not_is_named(ready, tmp_path, monkeypatch) -> None:
    """As torch says it: the cause of the cause, and pages of advice."""

    def fails(*_, **__):
        try:
            raise NotImplementedError("No ONNX function found for aten._cdist_forward\nStack trace: …")
        except NotImplementedError as error:
            raise torch.onnx.OnnxExporterError("Failed to convert. Next steps: …") from error

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(
        ValueError, match=r"cannot write this policy as ONNX: No ONNX function found for aten\._cdist_forward$"
    ):
        export(ready(), tmp_path / "onnx", observations=1)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_not_written(ready, tmp_path, monkeypatch) -> None:
    class Other(nn.Module):
        def __init__(self, step):
            super().__init__()
            self.shapes = step.shapes

        def forward(self, *values):
            return values[-1][:, 0, 1:] + 0 * values[0].sum()

    def other(step, folder):
        inputs = tuple(step.random(torch.Generator()))
        names = {"input_names": list(step.shapes), "output_names": ["action"]}
        torch.onnx.export(Other(step), inputs, folder / writing.MODEL, dynamo=True, verbose=False, **names)

    monkeypatch.setattr("lerobot_dp_plus.exporting.export.write", other)
    with pytest.raises(ValueError, match="the file gives other actions than the policy"):
        export(ready(), tmp_path / "onnx", observations=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sampler": Ancestral(2)}, r"sampler.type=ancestral draws noise on the way.*dpmpp_2m"),
        ({"selection": Coherent(4)}, r"selection.type=coherent chooses by more.*first, lowest_energy"),
        ({"selection": HoldMode(4, energy="imitation")}, "selection.type=hold_mode"),
        ({"selection": LowestEnergy(4, energy="imitation")}, "selection.energy=imitation draws noise"),
        (
            {"energies": Energies(goal=Goal(weight=1.0, target=(1.0, 2.0))), "guidance": Gradient()},
            r"(?s)guidance.type=gradient takes gradients.*energies.goal.weight=0",
        ),
        ({"execution": Agreement(spread=1.0), "selection": Densest(4)}, "execution.type=agreement"),
        ({"words": HashedWords()}, "words.type=hashed"),
    ],
)
def test_what_cannot_be_a_file_is_refused_by_name(fields, said) -> None:
    with pytest.raises(ValueError, match=said):
        refusing.check(tiny.config(**fields))


def test_other_things_that_cannot_be(ready, tmp_path) -> None:
    with pytest.raises(ValueError, match="--observations=0"):
        export(ready(), tmp_path / "onnx", observations=0)
    (tmp_path / "onnx").mkdir()
    with pytest.raises(FileExistsError, match="overwrite"):
        export(ready(), tmp_path / "onnx", observations=1)


def test_the_command_and_the_page_of_the_documents(ready, tmp_path, monkeypatch, capsys) -> None:
    """Written by the command, read by the lines in the documents, which need no torch."""
    loaded = ready("dp_plus_flow")
    folder = tmp_path / "policy"
    loaded.policy.save_pretrained(folder)
    for pipeline in loaded[1:]:
        pipeline.save_pretrained(folder)
    monkeypatch.setattr(comparing, "CALLS", 2)
    output = tmp_path / "onnx"
    flags = ["export", str(folder), "--output", str(output), "--observations=1", "--policy.sampler.num_steps=1"]
    assert entry.main(flags) == 0
    said = capsys.readouterr().out
    assert "normalised actions differ by at most" in said and "ms by onnxruntime" in said
    assert entry.main([*flags, "--robot=x"]) == 1
    (code,) = re.findall(r"```py\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert "torch" not in code and "lerobot" not in code
    run: dict = {"folder": output, "robot": lambda: np.full(4, 20.0, np.float32), "send": (sent := []).append}
    exec(code, run)
    assert len(sent) == loaded.policy.config.n_action_steps and all(action.shape == (2,) for action in sent)
