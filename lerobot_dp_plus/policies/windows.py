"""Which frames of the data a training sample holds, and who reads which of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from lerobot.utils.constants import ACTION
from torch import Tensor

PADDED = "_is_pad"


@dataclass(frozen=True)
class Windows:
    """Frames around the current one, 0, in steps of the data.

    The policy sees every `stride`-th frame: observations −(T_o − 1)·stride … 0 and actions up to (H − T_o)·stride.
    Foresight, which learns how the data moves at its own speed, sees observations −1, 0, 1 … reach and actions
    0 … reach − 1.
    """

    n_obs_steps: int
    horizon: int
    stride: int = 1
    reach: int = 0

    @property
    def seen(self) -> list[int]:
        """Observations of the policy."""
        return [self.stride * step for step in range(1 - self.n_obs_steps, 1)]

    @property
    def executed(self) -> list[int]:
        """Actions of the policy's chunk."""
        return [self.stride * step for step in range(1 - self.n_obs_steps, 1 - self.n_obs_steps + self.horizon)]

    @property
    def newest(self) -> list[int]:
        """Observations from which foresight starts."""
        return list(range(1 - min(2, self.n_obs_steps), 1))

    @property
    def observations(self) -> list[int]:
        """Every observation of a sample."""
        ahead = range(1, self.reach + 1)
        return sorted({*self.seen, *(self.newest if self.reach else ()), *ahead})

    @property
    def actions(self) -> list[int]:
        """Every action of a sample."""
        return sorted({*self.executed, *range(self.reach)})

    def split(
        self, batch: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], action_dim: int, masked: bool
    ) -> "Split":
        """Who reads what of a batch: `shapes` are those of one frame of every observation; with `masked`,
        padded actions do not count.

        Raises:
            ValueError: a feature is missing, or does not hold the frames it should; by name.
        """
        missing = [key for key in (*shapes, ACTION) if key not in batch]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}")
        action = batch[ACTION]
        if tuple(action.shape[1:]) != (len(self.actions), action_dim):
            raise ValueError(f"action has shape {tuple(action.shape)}; must be (B, {len(self.actions)}, {action_dim})")
        observation = {
            key: batch[key] if batch[key].dim() > len(shape) + 1 else batch[key][:, None]
            for key, shape in shapes.items()
        }
        for key, value in observation.items():
            if value.shape[1] != len(self.observations):
                raise ValueError(f"{key} has {value.shape[1]} frames a sample; must be {len(self.observations)}")
        valid = torch.ones(action.shape[:2], dtype=torch.bool, device=action.device)
        if masked and ACTION + PADDED in batch:
            valid = ~batch[ACTION + PADDED].bool()
        if self.observations == self.seen and self.actions == self.executed:
            return Split(observation, action, valid, {}, action, {}, valid)
        at = {step: index for index, step in enumerate(self.observations)}
        chunk = [self.actions.index(step) for step in self.executed]
        start = self.actions.index(0)
        ahead = [at[step] for step in range(1, self.reach + 1)]
        real = torch.ones((len(action), self.reach), dtype=torch.bool, device=action.device)
        for key in observation:
            if key + PADDED in batch:
                real = real & ~batch[key + PADDED].bool()[:, ahead]
        return Split(
            {key: value[:, [at[step] for step in self.seen]] for key, value in observation.items()},
            action[:, chunk],
            valid[:, chunk],
            {key: value[:, [at[step] for step in self.newest]] for key, value in observation.items()},
            action[:, start : start + self.reach],
            {key: value[:, ahead] for key, value in observation.items()},
            real,
        )


@dataclass(frozen=True)
class Split:
    """One batch, as its readers see it.

    Args:
        seen, chunk, valid: the policy's observations (B, T_o, ...), actions (B, H, A) and which of them count (B, H).
        newest, actions, ahead, real: foresight's: observations (B, ≤ 2, ...), actions (B, K, A), the observations to come
            (B, K, ...), beyond the episode its last, and which are real (B, K).
    """

    seen: dict[str, Tensor]
    chunk: Tensor
    valid: Tensor
    newest: dict[str, Tensor]
    actions: Tensor
    ahead: dict[str, Tensor]
    real: Tensor


def check_finite(batch: Mapping[str, Tensor], keys: Iterable[str]) -> None:
    """Raise a ValueError that names the first of `keys` with NaN or infinity in the batch, and counts them."""
    for key in keys:
        bad = int((~torch.isfinite(batch[key])).sum())
        if bad:
            raise ValueError(f"{key}: {bad} of {batch[key].numel()} values in the batch are NaN or infinite")
