"""N candidate chunks for every moment that is looked at, beside what the demonstrator did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.datasets import LeRobotDataset
from torch import Tensor
from torch.utils.data import default_collate

from lerobot_dp_plus.hub.files import read_json
from lerobot_dp_plus.offline.held_out import CONFIG
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.units import ACTION

#: Moments whose chunks are drawn together.
TOGETHER = 16


@dataclass(frozen=True)
class Draws:
    """Candidates for M moments, in the data's units and from the current step on.

    Args:
        chunks: (M, N, L, A).
        truth: (M, L, A), what the demonstrator did.
        valid: (M, L), whether a step is inside the episode.
        before: (M, A), the action before; None if the policy does not look back.
        episode: (M,), the moment's episode.
        seconds: of a step.
    """

    chunks: np.ndarray
    truth: np.ndarray
    valid: np.ndarray
    before: np.ndarray | None
    episode: np.ndarray
    seconds: float


def draw(
    loaded: Loaded, folder: Path, meta: Any, episodes: Sequence[int], moments: int, count: int, seed: int = 0
) -> Draws:
    """`count` candidates for at most `moments` moments, evenly spread over the episodes.

    Raises:
        ValueError: the dataset has another rate than the policy was trained at, or lacks what it observes.
    """
    config, policy = loaded.policy.config, loaded.policy
    renamed = {new: old for old, new in (read_json(folder / CONFIG).get("rename_map") or {}).items()}
    if config.fps is not None and config.fps != meta.fps:
        raise ValueError(
            f"fps = {meta.fps} in the dataset, and the policy was trained at {config.fps}; they must agree"
        )
    windows = config.windows
    frames = {renamed.get(key, key): windows.seen for key in config.observed_features} | {ACTION: windows.predicted}
    if missing := sorted(set(frames) - set(meta.features)):
        raise ValueError(
            f"the dataset lacks {', '.join(missing)}, which the policy observes; it has {sorted(meta.features)}"
        )
    delta = {key: [step / meta.fps for step in steps] for key, steps in frames.items()}
    data = LeRobotDataset(
        meta.repo_id, root=meta.root, episodes=list(episodes), delta_timestamps=delta, video_backend="pyav"
    )
    rows = np.unique(np.linspace(0, len(data) - 1, min(moments, len(data))).round().astype(int)).tolist()
    now, horizon, width = config.n_obs_steps - 1, config.horizon, config.action_feature.shape[0]
    generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for batch in _batches(data, rows):
        found = loaded.preprocess(batch)
        window = {
            key: _windowed(found[key], shape, len(windows.seen)) for key, shape in config.observed_features.items()
        }
        window |= {key: found[key] for key in config.spoken_features}
        noise = config.noise_scale * torch.randn(len(batch["index"]), count, horizon, width, generator=generator)
        with torch.no_grad():
            chunks = policy.propose(window, noise, count, energies=()).chunks
        units = policy.model.units
        units.check_known()
        truth = _windowed(found[ACTION].float(), (width,), horizon)
        padded = batch.get(f"{ACTION}_is_pad", torch.zeros(truth.shape[:2], dtype=torch.bool)).reshape(truth.shape[:2])
        parts.append(
            (
                units.physical(ACTION, chunks),
                units.physical(ACTION, truth.to(chunks.device)),
                ~padded,
                batch["episode_index"],
            )
        )
    drawn, done, inside, episode = (torch.cat(each).cpu().numpy() for each in zip(*parts, strict=True))
    before = done[:, now - 1] if now else None
    seconds = config.stride / meta.fps
    return Draws(drawn[:, :, now:], done[:, now:], inside[:, now:], before, episode.reshape(-1), seconds)


def _batches(data: LeRobotDataset, rows: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    for first in range(0, len(rows), TOGETHER):
        yield default_collate([data[row] for row in rows[first : first + TOGETHER]])


def _windowed(value: Tensor, shape: tuple[int, ...], steps: int) -> Tensor:
    """(B, T, *shape), also where LeRobot leaves out the axis of a single frame, or that of a single number."""
    return value.reshape(len(value), steps, *shape) if value.dim() != len(shape) + 2 else value
