"""What frozen trunks see of frames that come again in a training: computed once, then kept in memory.

A trunk that is never trained sees the same in the same picture. So a feature is found by the picture itself, by the SHA-256 of
the numbers that enter the trunk. Everything that decides them, such as files, size, crop and normalisation, is then part of
the key, whoever loads the pictures.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn


class KeptFeatures:
    """Features by trunk, arithmetic and picture, at most `limit_bytes` of them; with 0 none is kept, and none looked for.

    Attributes:
        looked: pictures that a trunk was asked for.
        computed: those of them that it had to look at.
        nbytes: bytes of the features that are kept.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        self.open(limit_bytes)

    def open(self, limit_bytes: int) -> None:
        """Forget everything, and keep so many bytes from now on."""
        self.limit_bytes = limit_bytes
        self.looked = self.computed = self.nbytes = 0
        self._features: dict[bytes, Tensor] = {}
        self._trunks: list[nn.Module] = []  # held, so that another one cannot come to the same place in memory

    def seen(self, trunk: nn.Module, frames: Tensor) -> Tensor:
        """`trunk(frames)` for a trunk that does not change: (N, 3, H, W) -> (N, C, h, w), without gradients.

        Pictures that were seen before are not looked at again. Others are looked at together, so a feature may differ from
        that of another batch in its last bits, as far as the processor's arithmetic depends on how many come at once.
        """
        if not self.limit_bytes:
            return trunk(frames)
        keys = self._keys(trunk, frames)
        absent = {key: row for row, key in enumerate(keys) if key not in self._features}
        self.looked, self.computed = self.looked + len(keys), self.computed + len(absent)
        fresh: dict[bytes, Tensor] = {}
        if absent:
            made = trunk(frames[list(absent.values())])
            fresh = dict(zip(absent, made, strict=True))
            for key, feature in fresh.items():
                self._keep(key, feature)
        return torch.stack([fresh[key] if key in fresh else self._features[key].to(frames.device) for key in keys])

    def _keep(self, key: bytes, feature: Tensor) -> None:
        if self.nbytes + feature.nbytes <= self.limit_bytes:
            self._features[key] = feature.to("cpu", copy=True)
            self.nbytes += feature.nbytes

    def _keys(self, trunk: nn.Module, frames: Tensor) -> list[bytes]:
        """What decides the feature of each picture, as 32 bytes."""
        if not any(trunk is known for known in self._trunks):
            self._trunks.append(trunk)
        device = frames.device
        autocast = torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type)
        how = f"{id(trunk)} {device} {frames.dtype} {tuple(frames.shape[1:])} {autocast}".encode()
        pictures = frames.detach().cpu().contiguous().view(torch.uint8).numpy()
        return [hashlib.sha256(how + picture.tobytes()).digest() for picture in pictures]


_KEPT: ContextVar[KeptFeatures | None] = ContextVar("kept_features", default=None)


@contextmanager
def keeping(features: KeptFeatures) -> Iterator[None]:
    """While open, frozen trunks ask `features` for what they see, wherever gradients are on."""
    token = _KEPT.set(features)
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept() -> KeptFeatures | None:
    """The features that are kept now, for a pass whose gradients are on, as in training.

    None otherwise: pictures of a rollout do not come again, and would only fill the memory.
    """
    return _KEPT.get() if torch.is_grad_enabled() else None
