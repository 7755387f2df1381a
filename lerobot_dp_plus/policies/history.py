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

    def see(self, batch: Mapping[str, Tensor]) -> None:
        """Take in one frame, each value (B, ...), or a whole window (B, T_o, ...).

        Raises:
            ValueError: an observation is missing or has another shape than the policy was trained on, or the batch changed
                its size within an episode; nothing is taken in.
        """
        missing = [key for key in self._shapes if key not in batch]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing from the batch, which has {sorted(batch)}")
        windows = self._check_shapes(batch)
        self._check_sizes(batch)
        # Copies: a robot may fill the same buffers again.
        seen = {key: batch[key].clone() for key in self._shapes}
        steps = self._frames.maxlen or 1
        if windows:
            self._frames.extend({key: value[:, step] for key, value in seen.items()} for step in range(steps))
            return
        while len(self._frames) < steps - 1:
            self._frames.append(seen)
        self._frames.append(seen)

    def window(self) -> dict[str, Tensor]:
        """The last T_o frames as windows (B, T_o, ...); there must have been one."""
        return {key: torch.stack([frame[key] for frame in self._frames], dim=1) for key in self._shapes}

    def _check_shapes(self, batch: Mapping[str, Tensor]) -> bool:
        """Whether the batch holds windows; a ValueError unless all its observations are of their shape and of one kind."""
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
        if any(stacked.values()) and not all(stacked.values()):
            frames = [key for key, is_stacked in stacked.items() if not is_stacked]
            raise ValueError(f"{frames} come as single frames, the other observations as windows; give all alike")
        return any(stacked.values())

    def _check_sizes(self, batch: Mapping[str, Tensor]) -> None:
        """Raise a ValueError unless all observations are of one batch size, that of the frames before."""
        sizes = {key: batch[key].shape[0] for key in self._shapes}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"batch sizes are {sizes}; must be the same for all observations")
        if not self._frames:
            return
        key, now = next(iter(sizes.items()))
        before = self._frames[-1][key].shape[0]
        if before != now:
            raise ValueError(f"{key}: batch size went from {before} to {now} within an episode; call reset() first")
