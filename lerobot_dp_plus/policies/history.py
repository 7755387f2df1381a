"""What a policy has observed of an episode, and how many control steps ago."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.policies.windows import BEGAN

#: Frames by their age in control steps; 0 is the newest.
Frames = dict[int, dict[str, Tensor]]
#: Where a batch may say when its frames were taken, in seconds of the episode.
TIMESTAMP = "timestamp"


class ObservationHistory:
    """Windows of T_o frames, `stride` control steps apart, as in training.

    If no frame of a step was seen, the next frame after it takes its place. At an episode's start this is the first
    frame, as in the windows that LeRobot pads. After a pause it is the newest frame. Frames that lie further apart than
    in training would show a motion that never was.

    Args:
        shapes: shape of one frame of every observation.
        n_obs_steps: T_o.
        stride: control steps from one frame of a window to the next.
        rate: control steps a second, which gives time stamps in a batch their meaning; None leaves them unread.
        spoken: keys of what the instruction was made into. Windows hold the newest of it, without an axis of steps.
        begins: keys of which windows also hold the episode's first frame, (B, ...), under `BEGAN` and their name.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        n_obs_steps: int,
        stride: int = 1,
        rate: float | None = None,
        spoken: Sequence[str] = (),
        begins: Sequence[str] = (),
    ):
        self._shapes = dict(shapes)
        self._spoken, self._begins = tuple(spoken), tuple(begins)
        self._ages = [stride * step for step in reversed(range(n_obs_steps))]
        self._rate = rate
        self.clear()

    def clear(self) -> None:
        """Forget; to be called when an episode starts."""
        self._seen: Frames = {}  # by `see`, which is told of every step
        self._latest: Frames = {}  # the same, or what `glance` made of it
        self._times: Any = None
        self._said: dict[str, Tensor] = {}
        self._began: dict[str, Tensor] = {}

    def see(self, batch: Mapping[str, Any], since: int | None = None) -> None:
        """Take in the frame of this control step, each value (B, ...), or a whole window (B, T_o, ...).

        `since` counts the control steps since the frame before, 0 for the same step again. None means 1, as
        every step is seen. Frames that were only glanced at in between are then left out.

        Raises:
            ValueError: an observation is missing or has another shape than the policy was trained on, the batch changed
                its size within an episode, or `since` is negative; nothing is taken in.
        """
        self._times = batch.get(TIMESTAMP)
        base = self._seen if since is None else self._latest
        self._seen = self._latest = self._extended(base, batch, 1 if since is None else since)

    def glance(self, batch: Mapping[str, Any], since: int | None = None) -> None:
        """The same for a caller that may not show every step; `see` goes on as if there had been no glance.

        Without `since`, time stamps of the batch may say how far apart the frames are. If they do not, the frame follows
        what was seen by `see`. It does not follow a glance, because nobody knows what was executed in between.
        """
        elapsed = self._elapsed(batch)
        since = elapsed if since is None else since
        if since is not None:
            self._latest = self._extended(self._latest, batch, since)
        else:
            self._check(batch)
            self._latest = self._extended(self._seen if self._latest is self._seen else {}, batch, 1)

    def window(self) -> dict[str, Tensor]:
        """The last T_o frames as windows (B, T_o, ...). At least one must have been taken in."""
        frames = [self._latest[max(age for age in self._latest if age <= wanted)] for wanted in self._ages]
        return (
            {key: torch.stack([frame[key] for frame in frames], dim=1) for key in self._shapes}
            | self._said
            | self._began
        )

    def _extended(self, base: Frames, batch: Mapping[str, Tensor], since: int) -> Frames:
        """`base`, `since` steps older, with the frame or the window of this step."""
        if isinstance(since, bool) or not isinstance(since, int) or since < 0:
            raise ValueError(
                f"steps_since_last = {since!r}: must be 0 or more control steps since the last frame, or None if unknown"
            )
        windows = self._check(batch)
        # Copies: a robot may fill the same buffers again.
        now = {key: batch[key].clone() for key in self._shapes}
        if not self._began:
            self._began = {BEGAN + key: now[key][:, 0] if windows else now[key] for key in self._begins}
        frames = {age + since: frame for age, frame in base.items() if age + since <= self._ages[0]}
        if not windows:
            return {**frames, 0: now}
        return frames | {
            age: {key: value[:, step] for key, value in now.items()} for step, age in enumerate(self._ages)
        }

    def _elapsed(self, batch: Mapping[str, Any]) -> int | None:
        """Control steps since the time stamps before. None if there are none, batches differ, or time went back."""
        before, self._times = self._times, batch.get(TIMESTAMP)
        if self._rate is None or before is None or self._times is None:
            return None
        then, now = (torch.as_tensor(times).flatten().cpu().double() for times in (before, self._times))
        if then.shape != now.shape:
            return None
        steps = ((now - then) * self._rate).round()
        return int(steps[0]) if bool((steps == steps[0]).all()) and steps[0] >= 0 else None

    def _check(self, batch: Mapping[str, Tensor]) -> bool:
        """Whether the batch holds windows; raises what `see` does."""
        missing = [key for key in (*self._shapes, *self._spoken) if key not in batch]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}")
        windows = self._check_shapes(batch)
        self._check_sizes(batch)
        self._said = {key: batch[key].clone() for key in self._spoken}
        return windows

    def _check_shapes(self, batch: Mapping[str, Tensor]) -> bool:
        """Whether the batch holds windows. A ValueError unless all observations fit their shapes and each other."""
        steps = len(self._ages)
        stacked = {key: batch[key].dim() == len(shape) + 2 for key, shape in self._shapes.items()}
        for key, shape in self._shapes.items():
            leading = 1 + stacked[key]
            if batch[key].dim() != len(shape) + leading or tuple(batch[key].shape[leading:]) != tuple(shape):
                raise ValueError(
                    f"{key} has shape {tuple(batch[key].shape)}; must be (B, {', '.join(map(str, shape))}) "
                    f"or (B, {steps}, {', '.join(map(str, shape))})"
                    + ("; the preprocessor brings pictures to that size" if len(shape) == 3 else "")
                )
            if stacked[key] and batch[key].shape[1] != steps:
                raise ValueError(f"{key} has {batch[key].shape[1]} observation steps; must be n_obs_steps = {steps}")
        if any(stacked.values()) and not all(stacked.values()):
            frames = [key for key, is_stacked in stacked.items() if not is_stacked]
            raise ValueError(f"{frames} come as single frames, the other observations as windows; give all alike")
        return any(stacked.values())

    def _check_sizes(self, batch: Mapping[str, Tensor]) -> None:
        """Raise a ValueError unless all observations have one batch size, the same as the frames before."""
        sizes = {key: batch[key].shape[0] for key in self._shapes}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"batch sizes are {sizes}; must be the same for all observations")
        for key in self._spoken:
            if len(batch[key]) not in sizes.values():
                raise ValueError(
                    f"{key}: {len(batch[key])} instructions for {max(sizes.values())} observations; give each its own"
                )
        if not self._latest:
            return
        key, now = next(iter(sizes.items()))
        before = self._latest[0][key].shape[0]
        if before != now:
            raise ValueError(f"{key}: batch size went from {before} to {now} within an episode; call reset() first")
