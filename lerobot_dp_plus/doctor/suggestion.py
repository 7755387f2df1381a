"""The training that a recording suggests: a config file for `lerobot train --config_path=`, and why it is so.

| field | rule |
|---|---|
| horizon | 1.6 s; four times the delay if that is more; half of a short episode if that is less |
| n_action_steps | half of the horizon |
| normalization_mapping, clip_range | MIN_MAX; quantiles for the kinds of features that rare values squeeze |
| network | without a GPU that of the published recipes: 3 layers, one token |
| words | read where there are several tasks |
| image_encoder | `small_cnn` without a GPU, `resnet18` with one |
| batch_size | 128 without pictures; with them as many as let their pixels fit in `PIXELS` |
| steps | `PASSES` passes over the frames, at least 5,000 and at most 50,000 |
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.utils.constants import ACTION

from lerobot_dp_plus.doctor import tasks
from lerobot_dp_plus.doctor.delay import delays
from lerobot_dp_plus.doctor.outliers import computed, kind_of, squeezed_dimensions
from lerobot_dp_plus.doctor.recording import INFO, Recording
from lerobot_dp_plus.encoders import ResNet18Config, SmallCnnConfig
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig, DpPlusTransformerConfig
from lerobot_dp_plus.policies.folders import local_name
from lerobot_dp_plus.policies.precision import emulated
from lerobot_dp_plus.policies.statistics import reach_of_actions
from lerobot_dp_plus.policies.timing import chunk_steps, executed_steps, steps_between_observations

#: The policy type, unless one is asked for.
USUAL = "dp_plus_transformer"
#: Pixels of all pictures of a batch, without a GPU and with one: two frames of two cameras of 480×640 for 8 samples are ten
#: million.
PIXELS = {False: 1e6, True: 2e7}
#: Samples of a batch.
SMALLEST, LARGEST = 8, 128
#: Passes over the data, and the bounds of a training's updates.
PASSES, LEAST, MOST = 20, 5_000, 50_000
#: What `lerobot train` keeps in memory unless it is told otherwise, in bytes.
MEMORY = 6 * 2**30


@dataclass(frozen=True)
class Suggestion:
    """A training for a recording.

    Args:
        training: what LeRobot's training reads, as it stands in a config file.
        flags: of `lerobot train`, beside the file.
        why: a line for each choice.
        frame_bytes: what all pictures take decoded, at the size that the policy sees.
    """

    training: dict[str, Any]
    flags: tuple[str, ...]
    why: tuple[str, ...]
    frame_bytes: int

    @property
    def text(self) -> str:
        """The file."""
        return json.dumps(self.training, indent=2) + "\n"


def suggest(recording: Recording, kind: str | None = None) -> Suggestion:
    """The training for a recording, of a policy type that was asked for or of the usual one."""
    fps, why = recording.fps, []
    policy: dict[str, Any] = {"type": kind or USUAL, "push_to_hub": False}
    horizon, reason = _horizon(recording)
    executed, apart = executed_steps(horizon, 2), steps_between_observations(fps)
    policy |= {"n_obs_steps": 2, "horizon": horizon, "n_action_steps": executed, "observation_stride": apart}
    why.append(
        f"horizon {horizon} ({horizon / fps:.2g} s{reason}), n_action_steps {executed} ({executed / fps:.2g} s), "
        f"observations {apart} step{'s' if apart > 1 else ''} ({apart / fps:.2g} s) apart."
    )
    policy, said = _normalised(recording, policy)
    why.append(said)
    if len(recording.tasks) > 1 and len({tuple(tasks.words(task)) for task in recording.tasks}) > 1:
        policy["words"] = {"type": "ngrams"}
        why.append(f"words: {len(recording.tasks)} instructions are told apart.")
    gpu = torch.cuda.is_available()
    seen = _seen(recording, gpu)
    batch, steps = _amount(recording, seen, gpu)
    if policy["type"] == USUAL and not gpu:
        policy["network"] = {"type": "transformer", "dim": 256, "depth": 3, "num_heads": 4, "patch_size": horizon}
        why.append("network of 3 layers with one token for a chunk: without a GPU, short trainings learn most so.")
    if recording.cameras:
        encoder = "resnet18" if gpu else "small_cnn"
        policy["image_encoder"] = {"type": encoder}
        sizes = sorted({f"{shape[1]}×{shape[2]}" for shape in seen.values()})
        why.append(
            f"image_encoder {encoder}: there is {'a' if gpu else 'no'} GPU. It sees pictures of {', '.join(sizes)}; "
            "image_encoder.resize says how large."
        )
    half = not gpu and not emulated("bfloat16", "cpu")
    policy |= {"device": "cuda" if gpu else "cpu", "dtype": "bfloat16" if half else "float32"}
    why.append(f"batch_size {batch}, {steps:,} updates: {batch * steps / len(recording):.0f} passes over the data.")
    bytes_ = sum(math.prod(shape) for shape in seen.values()) * len(recording)
    flags: tuple[str, ...] = ()
    if bytes_:
        flags, said = _memory(bytes_)
        why.append(said)
    training = {
        "dataset": _source(recording),
        "policy": policy,
        "output_dir": f"outputs/train/{Path(recording.name).name}",
        "seed": 1,
        "steps": steps,
        "batch_size": batch,
        "num_workers": 0,
        "save_freq": max(1, steps // 5),
        "log_freq": 200,
        "env_eval_freq": 0,
    }
    return Suggestion(training, flags, tuple(why), bytes_)


def plain_config(recording: Recording, **fields: Any) -> DpPlusConfig:
    """The config of a policy that reads all of a recording, with the presets' values for what is not given."""
    inputs = {key: PolicyFeature(kind_of(key), recording.columns[key].shape[1:]) for key in recording.observations}
    for key, (height, width, channels) in recording.cameras.items():
        inputs[key] = PolicyFeature(FeatureType.VISUAL, (channels, height, width))
    action = recording.action
    outputs = {} if action is None else {ACTION: PolicyFeature(FeatureType.ACTION, action.shape[1:])}
    return DpPlusTransformerConfig(input_features=inputs, output_features=outputs, device="cpu", **fields)


def _source(recording: Recording) -> dict[str, Any]:
    if (Path(recording.name) / INFO).is_file():
        return {"repo_id": local_name(recording.name), "root": str(Path(recording.name).resolve())}
    return {"repo_id": recording.name}


def _horizon(recording: Recording) -> tuple[int, str]:
    """Steps of a chunk, and why not as many as usual."""
    usual, reason = chunk_steps(recording.fps), ""
    horizon = usual
    told = delays(recording)
    if told is not None and np.isfinite(told.median) and 4 * told.median > horizon:
        horizon, reason = math.ceil(4 * told.median), ", four times the delay"
    short = int(np.quantile(recording.lengths, 0.1)) // 2
    if short < horizon:
        horizon, reason = max(short, 4), ", half of a short episode"
    multiple = 8 if horizon >= 8 else 4  # of which every network can make tokens, or halve it twice
    return max(1, round(horizon / multiple)) * multiple, reason


def _normalised(recording: Recording, policy: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The policy with its normalisation, and why."""
    far = {kind_of(key).value for key in squeezed_dimensions(recording)}
    if not far:
        return policy, "normalised by MIN_MAX, as no rare value squeezes the others."
    default = plain_config(recording).normalization_mapping
    mapping = {kind: NormalizationMode(mode).value for kind, mode in default.items()} | dict.fromkeys(far, "QUANTILES")
    stats: Mapping[str, Mapping[str, Any]] = recording.stats or computed(recording)
    lacking = [key for key in recording.columns if kind_of(key).value in far and "q01" not in stats.get(key, {})]
    if lacking:
        return policy, (
            f"normalised by MIN_MAX, because the statistics of {', '.join(lacking)} have no quantiles, which "
            f"{recording.edit('recompute_stats')} computes."
        )
    policy = policy | {"normalization_mapping": mapping}
    config = plain_config(recording, normalization_mapping=mapping)
    reach, bound = reach_of_actions(config, stats), config.objective.data_bound
    if reach is not None and bound is not None and reach > bound:
        clip = math.ceil(10 * reach) / 10
        policy["objective"] = {"type": "diffusion", "clip_range": clip}
    return policy, f"{', '.join(sorted(far))} normalised by quantiles, because rare values would squeeze the others."


def _seen(recording: Recording, gpu: bool) -> dict[str, tuple[int, ...]]:
    """The shape (3, h, w) of every camera's pictures as the suggested encoder sees them."""
    encoder = ResNet18Config() if gpu else SmallCnnConfig()
    recorded = {key: (channels, height, width) for key, (height, width, channels) in recording.cameras.items()}
    return encoder.seen(recorded)


def _amount(recording: Recording, seen: Mapping[str, tuple[int, ...]], gpu: bool) -> tuple[int, int]:
    """Samples of an update, a power of two, and updates."""
    pixels = 2 * sum(shape[1] * shape[2] for shape in seen.values())
    fit = PIXELS[gpu] / pixels if pixels else LARGEST
    batch = min(LARGEST, max(SMALLEST, 2 ** math.floor(math.log2(max(fit, 1)))))
    steps = min(MOST, max(LEAST, PASSES * len(recording) / batch))
    return batch, round(steps / 1000) * 1000


def _memory(bytes_: int) -> tuple[tuple[str, ...], str]:
    """Flags that let the decoded pictures be kept, and why."""
    if bytes_ <= MEMORY:
        return (), f"pictures take {bytes_ / 2**30:.1f} GiB decoded, which fits in memory."
    return ("cache_dir=cache",), (
        f"pictures take {bytes_ / 2**30:.1f} GiB decoded, more than the {MEMORY // 2**30} GiB that are kept in memory: cache_dir "
        "keeps them on disk, so that they are decoded once and not in every pass."
    )
