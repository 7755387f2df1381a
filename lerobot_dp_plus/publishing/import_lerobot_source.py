"""A checkpoint of LeRobot's diffusion policy, read strictly: config, weights, normalisation.

Normalisation is in two processor files, or, in checkpoints older than those, in buffers among the weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from draccus.utils import DraccusException
from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from lerobot.configs import NormalizationMode, PreTrainedConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from torch import Tensor

from lerobot_dp_plus.hub.files import read_json
from lerobot_dp_plus.policies.checkpoint import COMPILED, read_weights
from lerobot_dp_plus.policies.fetching import Checkpoint
from lerobot_dp_plus.policies.loading_errors import CheckpointUnavailable
from lerobot_dp_plus.policies.statistics import NEEDED

#: The two pipelines' files and the steps each may have, by LeRobot's names.
PIPELINES: dict[str, tuple[str, ...]] = {
    "policy_preprocessor.json": (
        "rename_observations_processor",
        "to_batch_processor",
        "device_processor",
        "normalizer_processor",
    ),
    "policy_postprocessor.json": ("unnormalizer_processor", "device_processor"),
}
#: Where LeRobot kept statistics before it had processors.
BUFFERS = ("normalize_inputs.", "normalize_targets.", "unnormalize_outputs.")

type Statistics = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Source:
    """What was read.

    Attributes:
        name: as it was asked for, with the commit if it came from the Hub.
        folder: where the files are.
        config: LeRobot's, on the CPU.
        device: the device the checkpoint was saved for.
        weights: of the policy alone, names as LeRobot's module has them.
        files: names of the processors' files; empty in an old checkpoint.
        statistics: the buffers of an old checkpoint; empty otherwise.
    """

    name: str
    folder: Path
    config: DiffusionConfig
    device: str | None
    weights: dict[str, Tensor]
    files: tuple[str, ...]
    statistics: Statistics


def read_source(name: str, revision: str | None = None) -> Source:
    """Read checkpoint `name`, a folder or USER/NAME on the Hub.

    Raises:
        FileNotFoundError: it, or a file of it, cannot be had.
        ValueError: it is no diffusion checkpoint of LeRobot, or something in it cannot be read; by name.
    """
    checkpoint = Checkpoint(name, revision=revision)
    folder = checkpoint.fetch(CONFIG_NAME).parent
    title = name if checkpoint.is_local else f"{name} at commit {folder.name[:8]}"
    saved = read_json(folder / CONFIG_NAME, f"{CONFIG_NAME} of {title}")
    config = read_config(saved, folder, title)
    state = read_weights(checkpoint.fetch(SAFETENSORS_SINGLE_FILE))
    state = {key.replace(COMPILED, ""): value for key, value in state.items()}
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"{title}: {len(broken)} tensors hold NaN or infinity, first {broken[0]}")
    buffers = {key: value for key, value in state.items() if key.startswith(BUFFERS)}
    weights = {key: value.float() for key, value in state.items() if key not in buffers}
    files = tuple(_fetch_pipelines(checkpoint, title, required=not buffers))
    statistics: Statistics = {} if files else buffered_statistics(buffers, config, title)
    return Source(title, folder, config, saved.get("device"), weights, files, statistics)


def read_config(saved: Mapping[str, Any], folder: Path, title: str) -> DiffusionConfig:
    """LeRobot's config, made for the CPU; nothing of it may be unknown.

    Raises:
        ValueError: another type of policy, a field LeRobot does not know, or a value it refuses.
    """
    kind = saved.get("type")
    if kind is None:
        raise ValueError(
            f"{CONFIG_NAME} of {title} has no 'type': it was written before LeRobot had one, and this LeRobot cannot read "
            "it either. Legal is a checkpoint whose type is 'diffusion'"
        )
    if kind != "diffusion":
        raise ValueError(f"{title} holds a policy of type {kind!r}; legal is 'diffusion', LeRobot's DiffusionPolicy")
    known = {field.name for field in fields(DiffusionConfig)} | {"type"}
    unknown = sorted(set(saved) - known)
    if unknown:
        raise ValueError(
            f"{CONFIG_NAME} of {title} has {', '.join(unknown)}, which LeRobot's DiffusionConfig does not: what they "
            f"change is unknown. Legal are {', '.join(sorted(known))}"
        )
    try:
        config = PreTrainedConfig.from_pretrained(folder, cli_overrides=["--device=cpu"])
    except (DraccusException, ValueError) as error:
        reason = error.__cause__ if isinstance(error.__cause__, (ValueError, TypeError)) else error
        raise ValueError(f"{CONFIG_NAME} of {title}: {reason}") from error
    assert isinstance(config, DiffusionConfig)
    return config


def buffered_statistics(buffers: Mapping[str, Tensor], config: DiffusionConfig, title: str) -> Statistics:
    """Statistics of the features that are normalised, out of `normalize_inputs.buffer_observation_state.min` and such.

    Raises:
        ValueError: one is missing, was never filled, or belongs to no feature.
    """
    found: Statistics = {}
    used = set()
    for features, prefixes in (
        (config.input_features, ("normalize_inputs.",)),
        (config.output_features, ("unnormalize_outputs.", "normalize_targets.")),
    ):
        for key, feature in (features or {}).items():
            mode = config.normalization_mapping.get(feature.type.value, NormalizationMode.IDENTITY)
            for statistic in NEEDED.get(mode, ()):
                names = [f"{prefix}buffer_{key.replace('.', '_')}.{statistic}" for prefix in prefixes]
                present = [name for name in names if name in buffers]
                if not present:
                    raise ValueError(f"{title}: weights have no {names[0]}, which {mode.value} of {key} needs")
                used |= set(present)
                found.setdefault(key, {})[statistic] = buffers[present[0]].float()
    left = sorted(set(buffers) - used)
    if left:
        raise ValueError(f"{title}: weights hold {', '.join(left[:5])}, which no feature in {CONFIG_NAME} explains")
    return found


def _fetch_pipelines(checkpoint: Checkpoint, title: str, required: bool) -> Iterable[str]:
    """Names of the processors' files, fetched and looked through; none if there are none and none are `required`."""
    for name, legal in PIPELINES.items():
        try:
            path = checkpoint.fetch(name)
        except CheckpointUnavailable as error:
            if name == next(iter(PIPELINES)) and not required:
                return
            raise type(error)(
                f"{title} has no {name}, and its weights hold no normalisation either: the actions' units are unknown"
                if required
                else str(error)
            ) from error
        steps = read_json(path, f"{name} of {title}").get("steps", [])
        names = [str(step.get("registry_name") or step.get("class")) for step in steps]
        strange = [step for step in names if step not in legal]
        if strange:
            raise ValueError(f"{name} of {title} has the steps {', '.join(strange)}; legal are {', '.join(legal)}")
        yield name
        for file in (step["state_file"] for step in steps if step.get("state_file")):
            if Path(file).name != file or not file.endswith(".safetensors"):
                raise ValueError(f"{name} of {title} names the file {file!r}; legal is a *.safetensors beside it")
            checkpoint.fetch(file)
            yield file
