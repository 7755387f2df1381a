"""What a policy remembers between calls: the last observations, the actions still to execute, the plan they came from."""

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor


class ObservationHistory:
    """The last T_o frames of every observation; before there are T_o, the first one stands for those missing."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], n_obs_steps: int):
        self._shapes = dict(shapes)
        self._frames: deque[dict[str, Tensor]] = deque(maxlen=n_obs_steps)

    def clear(self) -> None:
        """Forget; to be called when an episode starts."""
        self._frames.clear()

    def see(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take in one frame, each value (B, ...), or a whole window (B, T_o, ...); returns windows (B, T_o, ...).

        Raises:
            ValueError: an observation is missing or has another shape than the policy was trained on, or the batch changed
                its size.
        """
        missing = [key for key in self._shapes if key not in batch]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}")
        stacked = {key: batch[key].dim() == len(shape) + 2 for key, shape in self._shapes.items()}
        for key, shape in self._shapes.items():
            leading = 1 + stacked[key]
            if batch[key].dim() != len(shape) + leading or tuple(batch[key].shape[leading:]) != tuple(shape):
                raise ValueError(
                    f"{key} has shape {tuple(batch[key].shape)}; must be (B, {', '.join(map(str, shape))}) "
                    f"or (B, {self._frames.maxlen}, {', '.join(map(str, shape))})"
                )
            if stacked[key] and batch[key].shape[1] != self._frames.maxlen:
                raise ValueError(
                    f"{key} has {batch[key].shape[1]} observation steps; must be n_obs_steps = {self._frames.maxlen}"
                )
        if any(stacked.values()):
            if not all(stacked.values()):
                frames = [key for key, is_stacked in stacked.items() if not is_stacked]
                raise ValueError(f"{frames} come as single frames, the other observations as windows; give all alike")
            window = {key: batch[key] for key in self._shapes}
            self._frames.extend({k: v[:, step] for k, v in window.items()} for step in range(self._frames.maxlen or 1))
            return window
        # Copies: a robot may fill the same buffers again.
        frame = {key: batch[key].clone() for key in self._shapes}
        if self._frames:
            key = next(iter(frame))
            before, now = self._frames[-1][key].shape[0], frame[key].shape[0]
            if before != now:
                raise ValueError(f"{key}: batch size went from {before} to {now} within an episode; call reset() first")
        while len(self._frames) < (self._frames.maxlen or 1) - 1:
            self._frames.append(frame)
        self._frames.append(frame)
        return {key: torch.stack([past[key] for past in self._frames], dim=1) for key in self._shapes}
