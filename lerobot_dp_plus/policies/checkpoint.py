"""Weights on disk: written whole, read strictly."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import draccus
import torch
from huggingface_hub.constants import CONFIG_NAME
from lerobot.configs import PreTrainedConfig
from lerobot.utils.constants import ACTION
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import lerobot_dp_plus
from lerobot_dp_plus.auxiliary import Dynamics
from lerobot_dp_plus.encoders import ImageEncoderConfig, Words
from lerobot_dp_plus.networks import NetworkConfig
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies import formats, former_weights
from lerobot_dp_plus.policies.fetching import named
from lerobot_dp_plus.policies.loading_errors import missing
from lerobot_dp_plus.policies.versions import DISTRIBUTION, upgrade_hint, written_by
from lerobot_dp_plus.units import Units

#: Prefixes of the trained weights and of their average in a policy's state dict.
MODEL, AVERAGE, AVERAGED_MODEL = "model.", "ema.", "ema.module."
#: Fields of encoders of words that weights depend on; what is hidden in training is none.
WORDS_DECIDE = ("type", "buckets", "dim", "max_words", "shortest", "longest", "model", "revision", "embeddings")
#: Parts of a config on which weights depend without showing it: with the fields that decide, or None for all.
DECIDING: tuple[tuple[str, Any, tuple[str, ...] | None], ...] = (
    ("network", NetworkConfig, None),
    ("words", Words, WORDS_DECIDE),
    ("image_encoder", ImageEncoderConfig, ("resize",)),
    ("dynamics", Dynamics, ("frame", "ends")),
)
#: State of the training's random numbers, which weights from elsewhere may lack.
STREAM = "stream"
#: What torch.compile puts into the names of the weights it wraps.
COMPILED = "_orig_mod."


def plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict under the names that its weights have where nothing is compiled."""
    return {key.replace(COMPILED, ""): value for key, value in state.items()}


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict so that `path` holds either all of it or what it held before.

    Raises:
        FloatingPointError: a weight is not finite; a diverged model must not replace a good checkpoint.
    """
    state = plain_names(state)
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise FloatingPointError(
            f"weights are not finite in {len(broken)} tensors, first {broken[0]}: not saved to {path}"
        )
    header = {"format": "pt", DISTRIBUTION: lerobot_dp_plus.__version__}
    temporary = path.with_name(path.name + ".tmp")
    try:
        save_file({key: value.detach().contiguous().cpu() for key, value in state.items()}, temporary, header)
        sort_header(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # there only if saving failed


def sort_header(file: Path) -> None:
    """Sorts the metadata of a safetensors file, which are written in a random order: equal weights become equal files."""
    with file.open("r+b") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= size
        stream.seek(8)
        stream.write(text.ljust(size))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file on the CPU.

    Raises:
        FileNotFoundError: there is none; pickled weights are never read.
        ValueError: it is truncated or not a safetensors file.
    """
    if not path.is_file():
        raise missing(path.name, named(path.parent), sorted(p.name for p in path.parent.glob("*")))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{named(path.parent)}: {path.name} is truncated or not a safetensors file ({path.stat().st_size} bytes): "
            f"{error}"
        ) from error


def check_saved_config(config: PreTrainedConfig, folder: Path, training: bool) -> None:
    """Refuse to use the weights in `folder` with fields other than theirs that weights do not show and depend on.

    LeRobot puts the environment's action into the config before it loads, and keeps augmentation and normalisation in the
    saved pipeline, whatever the command line says; heads or groups of a network change its output and no weight's shape.
    Augmentation matters where the weights are about to be trained on.

    Raises:
        ValueError: naming the field, both values and what is legal.
    """
    file = folder / CONFIG_NAME
    if not file.is_file():
        return
    saved, given = _written(file), draccus.encode(config, PreTrainedConfig)
    actions = [(c.get("output_features") or {}).get(ACTION, {}).get("shape") for c in (saved, given)]
    if None not in actions and list(actions[0]) != list(actions[1]) and not saved.get("robots"):
        raise ValueError(
            f"action has shape {tuple(actions[1])} here; the policy in {named(folder)} gives {tuple(actions[0])}: "
            "it serves only datasets and environments of that action"
        )
    fixed = [*(["augmentation"] if training else []), "normalization_mapping", "use_relative_actions"]
    if given["use_relative_actions"]:
        fixed.append("relative_exclude_joints")
    was = {"use_relative_actions": False, **saved}
    for field in fixed:
        if field in was and was[field] != given[field]:
            raise ValueError(
                f"{field} = {given[field]}: the pipeline saved in {named(folder)} has {was[field]}, "
                "which is the only legal value with these weights"
            )
    for part, registry, fields in DECIDING:
        if part not in saved:
            continue
        # Decoded first, because a file older than one of the fields means its default.
        was, now = draccus.encode(draccus.decode(registry, saved[part]), registry), given[part]
        if part == "words" and {was["type"], now["type"]} == {"automatic", "none"}:
            continue  # weights that met no data read nothing either
        for name in fields or now:
            if name in was and name in now and was[name] != now[name]:
                raise ValueError(
                    f"{part}.{name} = {now[name]}: the weights in {named(folder)} were trained with {was[name]}, "
                    "which is the only legal value with them"
                )


def _written(file: Path) -> dict[str, Any]:
    """A checkpoint's config as spelled, with what its format meant by what it leaves out."""
    saved = json.loads(file.read_text())
    return formats.complete(str(saved.get("type")), saved, unversioned=1)


def learn_units(units: Units, normalisation: Mapping[str, tuple[Any, Any]]) -> None:
    """Give a model that is about to be trained the units of its data; not if the data bear names that nobody told us."""
    if all(key in normalisation for key in units.keys):
        units.learn(normalisation)


def fill(policy: Any, file: Path, training: bool) -> None:
    """Fill `policy` strictly from the weights in `file`; `training` says what they are for.

    Raises:
        ValueError: config or weights do not fit; by name. FileNotFoundError: there are none.
    """
    check_saved_config(policy.config, file.parent, training)
    policy.unlearned = objective_change(policy.config, file.parent)
    load_strictly(policy, former_weights.todays(read_weights(file), policy, file.parent), file)
    if policy.unlearned is not None and policy.ema is not None:
        policy.ema.n_averaged.zero_()  # the average of what meant something else is no start


def objective_change(config: PreTrainedConfig, folder: Path) -> str | None:
    """Why the weights in `folder` mean something else under the objective of `config`; None if they do not.

    What a network predicts, and on which path, is in its weights. Training may take them as a start, sampling may not.
    """
    file = folder / CONFIG_NAME
    written = _written(file).get("objective") if file.is_file() else None
    if written is None:
        return None
    # Decoded first, because a file older than one of the fields means its default.
    saved = draccus.encode(draccus.decode(Objective, written), Objective)
    given = draccus.encode(config, PreTrainedConfig)["objective"]
    changed = [name for name in ("type", "prediction", "path", "finest") if saved.get(name) != given.get(name)]
    if not changed:
        return None
    was, now = ({name: objective.get(name) for name in changed} for objective in (saved, given))
    return (
        f"objective = {now}: the weights in {named(folder)} were trained for {was}, and mean nothing else until they are "
        "trained again; without training only the saved objective is legal"
    )


def misfits(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What keeps the weights `found` from filling those `expected`, both shapes by name; a phrase each, empty if nothing."""
    return [
        (f"{len(keys)} {kind}: {', '.join(keys[:5])}{', …' if len(keys) > 5 else ''}")
        for kind, keys in (
            ("missing", sorted(expected.keys() - found.keys())),
            ("unexpected", sorted(found.keys() - expected.keys())),
            (
                "of another shape",
                [
                    f"{key} is {tuple(found[key])} in the file, {tuple(expected[key])} by the config"
                    for key in sorted(expected.keys() & found.keys())
                    if found[key] != expected[key]
                ],
            ),
        )
        if keys
    ]


def load_strictly(policy: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    """Fill every weight of `policy` from `state`, or raise a ValueError naming what is missing, unexpected or misshapen.

    A checkpoint trained without averaging fills the average with its weights; one trained with it fills a policy that
    keeps no average with the averaged weights, which are the ones people evaluate.
    """
    present = policy.state_dict()
    names = {key.replace(COMPILED, ""): key for key in present}
    expected = {name: present[key] for name, key in names.items()}
    wants_average = any(key.startswith(AVERAGE) for key in expected)
    has_average = any(key.startswith(AVERAGE) for key in state)
    if wants_average and not has_average:
        weights = {key.removeprefix(MODEL): value for key, value in state.items() if key.startswith(MODEL)}
        state = {**state, **{AVERAGED_MODEL + key: value for key, value in weights.items()}}
        # The count stays at zero: the first update then starts the average afresh.
        state |= {key: expected[key] for key in expected if key.startswith(AVERAGE) and key not in state}
    elif has_average and not wants_average:
        averaged = {k.removeprefix(AVERAGED_MODEL): v for k, v in state.items() if k.startswith(AVERAGED_MODEL)}
        kept = {key: value for key, value in state.items() if not key.startswith((MODEL, AVERAGE))}
        state = {**kept, **{MODEL + key: value for key, value in averaged.items()}}
    if STREAM in expected:
        state = {STREAM: expected[STREAM], **state}
    faults = misfits(
        {key: value.shape for key, value in expected.items()}, {key: value.shape for key, value in state.items()}
    )
    if faults:
        hint = upgrade_hint(written_by(source))
        raise ValueError(
            f"{named(source.parent)}: {source.name} does not fit its config. Weights {'; '.join(faults)}{hint}"
        )
    policy.load_state_dict({names[name]: value for name, value in state.items()}, strict=True)
