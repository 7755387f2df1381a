"""Weights on disk: written whole, read strictly."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

#: Prefixes of the trained weights and of their average in a policy's state dict.
MODEL, AVERAGE, AVERAGED_MODEL = "model.", "ema.", "ema.module."


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict so that `path` holds either all of it or what it held before.

    Raises:
        FloatingPointError: a weight is not finite; a diverged model must not replace a good checkpoint.
    """
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise FloatingPointError(
            f"weights are not finite in {len(broken)} tensors, first {broken[0]}: not saved to {path}"
        )
    temporary = path.with_name(path.name + ".tmp")
    save_file({key: value.detach().contiguous().cpu() for key, value in state.items()}, temporary, {"format": "pt"})
    os.replace(temporary, path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file on the CPU.

    Raises:
        FileNotFoundError: there is none; pickled weights are never read.
        ValueError: it is truncated or not a safetensors file.
    """
    if not path.is_file():
        pickled = sorted(p.name for p in path.parent.glob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt"))
        hint = f"; it offers only pickled weights {pickled}, which are never loaded" if pickled else ""
        raise FileNotFoundError(f"no {path.name} in {path.parent}{hint}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or not a safetensors file ({path.stat().st_size} bytes): {error}"
        ) from error


def load_strictly(policy: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Fill every weight of `policy` from `state`, or raise a ValueError naming what is missing, unexpected or misshapen.

    A checkpoint trained without averaging fills the average with its weights; one trained with it fills a policy that
    keeps no average with the averaged weights, which are the ones people evaluate.
    """
    expected = policy.state_dict()
    wants_average = any(key.startswith(AVERAGE) for key in expected)
    has_average = any(key.startswith(AVERAGE) for key in state)
    if wants_average and not has_average:
        weights = {key.removeprefix(MODEL): value for key, value in state.items() if key.startswith(MODEL)}
        state = {**state, **{AVERAGED_MODEL + key: value for key, value in weights.items()}}
        # The count stays at zero: the first update then starts the average afresh.
        state |= {key: expected[key] for key in expected if key.startswith(AVERAGE) and key not in state}
    elif has_average and not wants_average:
        averaged = {k.removeprefix(AVERAGED_MODEL): v for k, v in state.items() if k.startswith(AVERAGED_MODEL)}
        state = {MODEL + key: value for key, value in averaged.items()}
    faults = [
        (f"{len(keys)} {kind}: {', '.join(keys[:5])}{', …' if len(keys) > 5 else ''}")
        for kind, keys in (
            ("missing", sorted(expected.keys() - state.keys())),
            ("unexpected", sorted(state.keys() - expected.keys())),
            (
                "of another shape",
                [
                    f"{key} is {tuple(state[key].shape)} in the file, {tuple(expected[key].shape)} by the config"
                    for key in sorted(expected.keys() & state.keys())
                    if state[key].shape != expected[key].shape
                ],
            ),
        )
        if keys
    ]
    if faults:
        raise ValueError(f"{source} does not fit its config. Weights {'; '.join(faults)}")
    policy.load_state_dict(state, strict=True)
