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

    A step of the policy is `stride` frames. It sees observations `observation_stride` steps apart,
    −(T_o − 1)·observation_stride·stride … 0, and actions up to (H − T_o)·stride.
    Foresight, which learns how the data moves at its own speed, sees observations −observation_stride, 0, 1 … reach and
    actions 0 … reach − 1. Perception looks at single frames, and pictures of other frames than 0 are then of no use.
    """

    n_obs_steps: int
    horizon: int
    stride: int = 1
    reach: int = 0
    perceives: bool = False
    observation_stride: int = 1

    @property
    def seen(self) -> list[int]:
        """Observations of the policy."""
        return [self.stride * self.observation_stride * step for step in range(1 - self.n_obs_steps, 1)]

    @property
    def executed(self) -> list[int]:
        """Actions of the policy's chunk."""
        return [self.stride * step for step in range(1 - self.n_obs_steps, 1 - self.n_obs_steps + self.horizon)]

    @property
    def newest(self) -> list[int]:
        """Observations from which foresight starts."""
        return [self.observation_stride * step for step in range(1 - min(2, self.n_obs_steps), 1)]

    @property
    def looked(self) -> list[int]:
        """Frames of which pictures are used."""
        return [0] if self.perceives else self.seen

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
        padded actions do not count. Pictures may come for all observed frames, or for those that are looked at.

        Raises:
            ValueError: a feature is missing, or does not hold the frames it should; by name.
        """
        missing = [key for key in (*shapes, ACTION) if key not in batch]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}")
        action = batch[ACTION]
        if action.dim() == 2 and len(self.actions) == 1:
            action = action[:, None]  # one action a sample
        if tuple(action.shape[1:]) != (len(self.actions), action_dim):
            raise ValueError(f"action has shape {tuple(action.shape)}; must be (B, {len(self.actions)}, {action_dim})")
        observation = {
            key: batch[key] if batch[key].dim() > len(shape) + 1 else batch[key][:, None]
            for key, shape in shapes.items()
        }
        cameras = {key for key, shape in shapes.items() if len(shape) == 3}
        held = {}
        for key, value in observation.items():
            legal = [self.observations, self.looked] if key in cameras else [self.observations]
            fitting = [steps for steps in legal if len(steps) == value.shape[1]]
            if not fitting:
                raise ValueError(f"{key} has {value.shape[1]} frames a sample; must be {len(self.observations)}")
            held[key] = fitting[0]
        valid = torch.ones(action.shape[:2], dtype=torch.bool, device=action.device)
        if masked and ACTION + PADDED in batch:
            valid = ~batch[ACTION + PADDED].bool()
        ahead = list(range(1, self.reach + 1))
        real = torch.ones((len(action), self.reach), dtype=torch.bool, device=action.device)
        for key in observation.keys() - cameras:
            if self.reach and key + PADDED in batch:
                real = real & ~_frames(batch[key + PADDED].bool(), held[key], ahead)

        def states(steps: list[int]) -> dict[str, Tensor]:
            return {key: _frames(observation[key], held[key], steps) for key in shapes if key not in cameras}

        pictures = {key: _frames(observation[key], held[key], self.looked) for key in shapes if key in cameras}
        return Split(
            seen=states(self.seen) if self.perceives else {**states(self.seen), **pictures},
            chunk=_frames(action, self.actions, self.executed),
            valid=_frames(valid, self.actions, self.executed),
            newest=states(self.newest) if self.reach else {},
            actions=_frames(action, self.actions, list(range(self.reach))),
            ahead=states(ahead) if self.reach else {},
            real=real,
            pictures=pictures if self.perceives else {},
            pictured=states(self.looked) if self.perceives else {},
        )


def _frames(value: Tensor, held: list[int], wanted: list[int]) -> Tensor:
    """The steps `wanted` of (B, T, ...), which holds the steps `held`."""
    return value if held == wanted else value[:, [held.index(step) for step in wanted]]


@dataclass(frozen=True)
class Split:
    """One batch, as its readers see it.

    Args:
        seen, chunk, valid: the policy's observations (B, T_o, ...), actions (B, H, A) and which of them count (B, H).
        newest, actions, ahead, real: foresight's: observations (B, ≤ 2, ...), actions (B, K, A), the observations to come
            (B, K, ...), beyond the episode its last, and which are real (B, K).
        pictures, pictured: perception's: images (B, 1, ...) and the true states (B, 1, D) they show.
    """

    seen: dict[str, Tensor]
    chunk: Tensor
    valid: Tensor
    newest: dict[str, Tensor]
    actions: Tensor
    ahead: dict[str, Tensor]
    real: Tensor
    pictures: dict[str, Tensor]
    pictured: dict[str, Tensor]


def check_finite(batch: Mapping[str, Tensor], keys: Iterable[str]) -> None:
    """Raise a ValueError that names the first of `keys` with NaN or infinity in the batch, and counts them."""
    for key in keys:
        if not torch.isnan((0 * batch[key]).sum()):  # 0 · NaN = 0 · ∞ = NaN: a sixth of what counting them takes
            continue
        bad = int((~torch.isfinite(batch[key])).sum())
        if bad:
            raise ValueError(f"{key}: {bad} of {batch[key].numel()} values in the batch are NaN or infinite")


def check_chunks(chunks: Tensor, window: Mapping[str, Tensor], observed: Iterable[str]) -> None:
    """Raise an error if chunks hold NaN or infinity, which must not reach the robot.

    Raises:
        ValueError: an observation of the window does, too; named and counted, as by `check_finite`.
        FloatingPointError: none does.
    """
    if torch.isfinite(chunks).all():
        return
    check_finite(window, [key for key in observed if key in window])
    raise FloatingPointError("a chunk is NaN or infinite though the observations are not: weights or dtype are broken")
