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
        known = f"{prefix}units.known"
        if known not in renamed and f"{prefix}units.offset_0" in renamed:  # those of a model with foresight
            renamed[known] = torch.ones((), dtype=torch.bool)
        elif known not in renamed and any(key.startswith(prefix) for key in renamed):
            renamed |= {f"{prefix}units.{name}": value for name, value in _units(policy, folder).items()}
    return renamed


def _units(policy: Any, folder: Path) -> dict[str, Tensor]:
    """Units by the pipeline in `folder`; where it says less, those that the policy has."""
    units = {name: value.clone() for name, value in policy.model.units.named_buffers()}
    found, keys = _of_pipeline(policy.config, folder), policy.model.units.keys
    if found is not None and all(key in found for key in keys):
        for index, key in enumerate(keys):
            for kind, value in zip(("offset", "scale"), found[key], strict=True):
                name = f"{kind}_{index}"
                units[name] = torch.as_tensor(value, dtype=torch.float32).expand_as(units[name]).clone()
        units["known"] = torch.ones((), dtype=torch.bool)
    return units


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
