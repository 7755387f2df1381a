"""Which frames of the data a training sample holds, and who reads which of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from lerobot.utils.constants import ACTION
from torch import Tensor

from lerobot_dp_plus.auxiliary import Needs, View

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

PADDED = "_is_pad"
#: What stands before a feature's name where a window also holds the first frame of its episode, (B, ...).
BEGAN = "began."


@dataclass(frozen=True)
class Windows:
    """The frames that the policy and others ask for, in steps of the data. The current frame is 0.

    A step of the policy is `stride` frames. It sees observations `observation_stride` steps apart,
    −(T_o − 1)·observation_stride·stride … 0, and actions up to (H − T_o)·stride. If `reads_pictures`, states are read
    off the pictures, and the policy sees these states instead.
    """

    n_obs_steps: int
    horizon: int
    stride: int = 1
    observation_stride: int = 1
    reads_pictures: bool = False
    #: What others need, by the field of the config.
    others: Mapping[str, Needs] = field(default_factory=dict)

    @classmethod
    def of(cls, config: "DpPlusConfig") -> "Windows":
        """Those of a config."""
        members, apart = config.auxiliaries, config.observation_stride
        asked = {name: member.needs(config.n_obs_steps, apart) for name, member in members.items()}
        needs = {name: need for name, need in asked.items() if need != Needs()}
        reads = any(member.reads_pictures for member in members.values())
        return cls(config.n_obs_steps, config.horizon, config.stride, apart, reads, needs)

    @property
    def seen(self) -> list[int]:
        """Frames of the policy's observations."""
        return [self.stride * self.observation_stride * step for step in range(1 - self.n_obs_steps, 1)]

    @property
    def predicted(self) -> list[int]:
        """Frames of the actions of the policy's chunk."""
        return [self.stride * step for step in range(1 - self.n_obs_steps, 1 - self.n_obs_steps + self.horizon)]

    @property
    def policy(self) -> Needs:
        """What the policy itself needs."""
        seen = tuple(self.seen)
        return Needs(seen, tuple(self.predicted), () if self.reads_pictures else seen)

    @property
    def observations(self) -> list[int]:
        """Every observation of a sample."""
        return self._union("observations")

    @property
    def actions(self) -> list[int]:
        """Every action of a sample."""
        return self._union("actions")

    @property
    def pictures(self) -> list[int]:
        """Frames of which pictures are used."""
        return self._union("pictures")

    def _union(self, kind: str) -> list[int]:
        return sorted({step for needs in (self.policy, *self.others.values()) for step in getattr(needs, kind)})

    def split(
        self, batch: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], action_dim: int, masked: bool
    ) -> "Split":
        """What each reader reads of a batch.

        `shapes` are the shapes of one frame of every observation. With `masked`, padded actions do not count. Pictures
        may come for all observed frames, or only for those that are looked at.

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
            legal = [self.observations, self.pictures] if key in cameras else [self.observations]
            fitting = [steps for steps in legal if len(steps) == value.shape[1]]
            if not fitting:
                raise ValueError(f"{key} has {value.shape[1]} frames a sample; must be {len(self.observations)}")
            held[key] = fitting[0]
        valid = torch.ones(action.shape[:2], dtype=torch.bool, device=action.device)
        if masked and ACTION + PADDED in batch:
            valid = ~batch[ACTION + PADDED].bool()

        def view(needs: Needs) -> View:
            real = torch.ones((len(action), len(needs.observations)), dtype=torch.bool, device=action.device)
            for key in observation.keys() - cameras:
                if key + PADDED in batch:
                    real = real & ~_frames(batch[key + PADDED].bool(), held[key], needs.observations)
            wanted = {key: needs.pictures if key in cameras else needs.observations for key in observation}
            return View(
                {key: _frames(observation[key], held[key], steps) for key, steps in wanted.items() if steps},
                _frames(action, self.actions, needs.actions),
                _frames(valid, self.actions, needs.actions),
                real,
            )

        return Split(view(self.policy), {name: view(needs) for name, needs in self.others.items()})


def _frames(value: Tensor, held: Sequence[int], wanted: Sequence[int]) -> Tensor:
    """The steps `wanted` of (B, T, ...), which holds the steps `held`."""
    return value if list(held) == list(wanted) else value[:, [held.index(step) for step in wanted]]


class Split(NamedTuple):
    """One batch, as its readers see it: the policy, and by the field of the config what is learned beside it."""

    policy: View
    auxiliary: dict[str, View]


def check_finite(batch: Mapping[str, Tensor], keys: Iterable[str]) -> None:
    """Raise a ValueError that names the first of `keys` with NaN or infinity in the batch, and counts them."""
    for key in keys:
        if not torch.isnan((0 * batch[key]).sum()):  # 0 · NaN = 0 · ∞ = NaN; this takes a sixth of the time of counting
            continue
        bad = int((~torch.isfinite(batch[key])).sum())
        if bad:
            raise ValueError(f"{key}: {bad} of {batch[key].numel()} values in the batch are NaN or infinite")


def check_chunks(chunks: Tensor, window: Mapping[str, Tensor], observed: Iterable[str]) -> None:
    """Raise an error if chunks hold NaN or infinity, which must not reach the robot.

    Raises:
        ValueError: an observation of the window holds them, too. Named and counted, as by `check_finite`.
        FloatingPointError: no observation holds them.
    """
    if torch.isfinite(chunks).all():
        return
    check_finite(window, [key for key in observed if key in window])
    raise FloatingPointError(
        "a chunk is NaN or infinite though the observations are not: weights or dtype are broken, or guidance follows an "
        "energy whose gradient is no number"
    )
