"""The step as an ONNX file, and a file beside it that says what goes in and out."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from lerobot_dp_plus.exporting.step import ACTION, NOISE, Step

#: Of the two files.
MODEL, ABOUT = "policy.onnx", "policy.json"


def write(step: Step, folder: Path) -> None:
    """Write `MODEL` and `ABOUT` into a folder that is there.

    Raises:
        ValueError: torch knows no way to write one of the policy's operators; it is named.
    """
    inputs = tuple(step.random(torch.Generator().manual_seed(0)))
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own code
            torch.onnx.export(
                step,
                inputs,
                folder / MODEL,
                input_names=list(step.shapes),
                output_names=[ACTION],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise ValueError(f"torch cannot write this policy as ONNX: {str(reason).splitlines()[0]}") from error
    finally:
        exporter.setLevel(level)
    (folder / ABOUT).write_text(json.dumps(about(step), indent=2) + "\n")


def about(step: Step) -> dict[str, Any]:
    """What a user of the file must know who has neither the checkpoint nor torch."""
    config = step.config
    said = {
        key: "bytes of the camera, RGB" if picture else "the data's units, as they were recorded"
        for key, picture in step.is_picture.items()
    }
    said[NOISE] = "standard normal; the same noise gives the same actions"
    inputs = {
        key: {"shape": list(shape), "dtype": "uint8" if step.is_picture[key] else "float32", "unit": said[key]}
        for key, shape in step.shapes.items()
    }
    width = config.action_feature.shape[0]
    action = {"shape": [1, config.chunk_length, width], "dtype": "float32", "unit": "the data's units"}
    return {
        "policy_type": config.type,
        "inputs": inputs,
        "outputs": {ACTION: action},
        "n_obs_steps": config.n_obs_steps,
        "observation_stride": config.observation_stride,
        "n_action_steps": config.n_action_steps,
        "fps": config.fps,
        "frames": f"observations of now and of {config.observation_stride} control steps ago each, the oldest first; at an "
        "episode's start the first frame stands for what is missing",
        "actions": f"the first is for now; execute n_action_steps = {config.n_action_steps}, then ask again",
    }
