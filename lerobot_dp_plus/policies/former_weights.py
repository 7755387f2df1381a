"""Weights of checkpoints of older formats, under the names that they have now.

| format | what its weights were called, or lacked |
|---|---|
| 1, 2 | `foresight.…` is `auxiliary.dynamics.…`, its `units` belong to the whole model; `perception.…` is `auxiliary.state_estimation.…` |
| 1, 2 | without foresight there were no units: they are read from the statistics of the pipeline beside the weights |
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.statistics import affine

#: What stood before a model's weights: the trained ones, and their average.
MODELS = ("model.", "ema.module.")
#: Former beginnings of a model's weights, the more special ones first.
FORMER = {
    "foresight.units.": "units.",
    "foresight.": "auxiliary.dynamics.",
    "perception.": "auxiliary.state_estimation.",
}
PIPELINE, STEP = "policy_preprocessor.json", "normalizer_processor"


def todays(state: Mapping[str, Tensor], policy: Any, folder: Path) -> dict[str, Tensor]:
    """`state`, the weights in `folder`, with the names and units that `policy` has for them."""
    renamed = {_name(key): value for key, value in state.items()}
    for prefix in MODELS:
        units = {key: value for key, value in policy.state_dict().items() if key.startswith(f"{prefix}units.")}
        if f"{prefix}units.known" in renamed or not any(key.startswith(prefix) for key in renamed):
            continue
        if any(key in renamed for key in units):  # those of a model with foresight
            renamed[f"{prefix}units.known"] = torch.ones((), dtype=torch.bool)
            continue
        fresh = {key: value.clone() for key, value in units.items()}
        found = _of_pipeline(policy.config, folder)
        names: tuple[str, ...] = policy.model.units.keys if fresh else ()
        if found is not None and all(name in found for name in names):
            for index, name in enumerate(names):
                for kind, value in zip(("offset", "scale"), found[name], strict=True):
                    fresh[f"{prefix}units.{kind}_{index}"] = torch.as_tensor(value, dtype=torch.float32)
            fresh[f"{prefix}units.known"] = torch.ones((), dtype=torch.bool)
        renamed |= fresh
    return renamed


def _name(key: str) -> str:
    for prefix in MODELS:
        for former, now in FORMER.items():
            if key.startswith(prefix + former):
                return prefix + now + key.removeprefix(prefix + former)
    return key


def _of_pipeline(config: DpPlusConfig, folder: Path) -> dict[str, Any] | None:
    """(offset, scale) of every state and action by the pipeline in `folder`; None if it is not there or says less."""
    file = folder / PIPELINE
    if not file.is_file():
        return None
    steps = json.loads(file.read_text(encoding="utf-8")).get("steps", [])
    for step in steps:
        state = folder / str(step.get("state_file"))
        if step.get("registry_name") != STEP or not state.is_file():
            continue
        stats: dict[str, dict[str, Any]] = {}
        for key, value in load_file(state).items():
            feature, _, statistic = key.rpartition(".")
            stats.setdefault(feature, {})[statistic] = value.float().numpy()
        try:
            return affine(config, stats)
        except KeyError:
            return None
    return None
