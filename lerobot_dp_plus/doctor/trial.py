"""How fast a suggested training is on this machine: a few real updates on samples of one episode."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import draccus
import numpy as np
import torch
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets.factory import make_dataset
from lerobot.policies import make_policy, make_pre_post_processors
from torch.utils.data import default_collate

import lerobot_dp_plus.policies.modeling_dp_plus  # noqa: F401  (registers the policy types)
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.pictures import PicturesProcessorStep

#: Timed updates at most, and seconds after which no further one is begun.
UPDATES, SECONDS = 12, 8.0
#: Hours of a training that are long.
LONG = 12


@dataclass(frozen=True)
class Pace:
    """What a few updates took.

    Args:
        updates_per_second: the median's inverse; updates: how many were timed.
        pictures: whether there are some; decode_seconds: of reading one batch from the recording.
        batch: samples of an update; steps: updates of the whole training.
        weights: how many are trained.
        device, threads: where.
    """

    updates_per_second: float
    updates: int
    pictures: bool
    decode_seconds: float
    batch: int
    steps: int
    weights: int
    device: str
    threads: int

    @property
    def said(self) -> str:
        """In a sentence."""
        minutes = self.steps / self.updates_per_second / 60
        long = f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.0f} hours"
        where = (
            f"{self.device}, {self.threads} thread{'s' if self.threads > 1 else ''}"
            if self.device == "cpu"
            else self.device
        )
        said = (
            f"{self.updates_per_second:.3g} updates a second here ({self.updates} timed, batch {self.batch}, "
            f"{self.weights / 1e6:.1f} million weights, {where}): {self.steps:,} take about {long}"
        )
        said += f", and decoding {self.decode_seconds:.2g} s a batch until it is kept." if self.pictures else "."
        return said if minutes < 60 * LONG else f"{said} That is long: use a GPU, or smaller pictures."


def training_config(file: Path, flags: Sequence[str], episode: int) -> Any:
    """The training in a file as changed by flags, of one episode."""
    return draccus.parse(TrainPipelineConfig, str(file), [*flags, f"--dataset.episodes=[{episode}]"])


def pace(file: Path, flags: Sequence[str], episode: int) -> Pace:
    """Time updates of the training in `file`, as changed by flags of `lerobot train`.

    Raises:
        ValueError: the training cannot be, for a reason that the policy or LeRobot names.
    """
    cfg = training_config(file, flags, episode)
    data = make_dataset(cfg)
    policy = make_policy(cfg.policy, ds_meta=data.meta, rename_map=cfg.rename_map)
    preprocess, _ = make_pre_post_processors(cfg.policy, dataset_stats=data.meta.stats)
    device = torch.device(cfg.policy.device)
    optimizer: Any = cfg.policy.get_optimizer_preset().build(policy.get_optim_params())
    rows = np.linspace(0, len(data) - 1, cfg.batch_size).round().astype(int).tolist()
    begun = time.perf_counter()
    samples = {row: data[row] for row in dict.fromkeys(rows)}
    fetched = (time.perf_counter() - begun) * len(rows) / len(samples)
    batch = default_collate([samples[row] for row in rows])
    if isinstance(cfg.policy, DpPlusConfig):
        batch |= PicturesProcessorStep.of(cfg.policy).shrink(batch)  # a training keeps them so
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(cfg.policy.dtype)
    policy.train()
    taken: list[float] = []
    while len(taken) <= UPDATES and sum(taken) < SECONDS:
        begun = time.perf_counter()
        ready = preprocess({key: value.clone() if torch.is_tensor(value) else value for key, value in batch.items()})
        with torch.autocast(device.type, half) if half else nullcontext():
            loss, _ = policy.forward(ready)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), cfg.policy.optimizer_grad_clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        policy.update()
        loss.item()  # waits for a GPU
        taken.append(time.perf_counter() - begun)
    timed = taken[1:] or taken  # the first also sets up memory
    weights = sum(each.numel() for each in policy.parameters() if each.requires_grad)
    return Pace(
        1 / float(np.median(timed)),
        len(timed),
        bool(data.meta.camera_keys),
        fetched,
        cfg.batch_size,
        cfg.steps,
        weights,
        device.type,
        torch.get_num_threads(),
    )
