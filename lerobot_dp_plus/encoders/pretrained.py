"""Pretrained trunks: where their weights come from, and those that are never trained."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights

from lerobot_dp_plus.digests import digest_of
from lerobot_dp_plus.encoders.kept_features import kept

#: How a file of weights is told from a name of torchvision's.
FILE = ".safetensors"


class Pretrained(NamedTuple):
    """Weights by name, and the first sixteen digits of the SHA-256 of all of them."""

    state: Mapping[str, Tensor]
    digest: str


def check_weights(name: str, *, needed: bool = True) -> None:
    """Raise a ValueError unless `name` is one of torchvision's, or a safetensors file; if `needed`, it must exist."""
    legal = list(ResNet18_Weights.__members__)
    if name.endswith(FILE):
        if needed and not Path(name).is_file():
            raise ValueError(f"pretrained_weights={name!r}: there is no such file; legal too: {', '.join(legal)}")
    elif name not in legal:
        raise ValueError(
            f"pretrained_weights={name!r} is unknown; legal: {', '.join(legal)}, or a file that ends in {FILE}"
        )


def fetch(name: str) -> Pretrained:
    """The weights of a ResNet-18, from torchvision by that name or from a file. Torchvision may download them once.

    Raises:
        ValueError: as `check_weights`. What torchvision raises when weights cannot be fetched.
    """
    check_weights(name)
    if not name.endswith(FILE):
        return _read(name)
    file = Path(name).resolve()
    return _read(str(file), file.stat().st_mtime_ns, file.stat().st_size)


@cache
def _read(name: str, *version: int) -> Pretrained:
    """Read once for each version of a file. What was read is a view of the file, and would change with it."""
    if version:
        state: dict[str, Tensor] = load_file(name)
    else:
        # Tensors only: torchvision's own builder would unpickle whatever the file holds.
        state = dict(ResNet18_Weights[name].get_state_dict(progress=True, check_hash=True, weights_only=True))
    return Pretrained(state, digest_of(state))


def check_digest(name: str, expected: str | None) -> str:
    """The digest of the weights `name`.

    Raises:
        ValueError: it is not the `expected` one. A checkpoint made with other weights would see nothing right.
    """
    found = fetch(name).digest
    if expected not in (None, found):
        raise ValueError(
            f"pretrained_weights={name!r} have the digest {found}; this checkpoint was trained on those of {expected}. Put "
            "the file it was trained with back in place"
        )
    return found


class Frozen(nn.Module):
    """A trunk that is never trained, in evaluation mode and without gradients.

    It is neither saved nor averaged: its weights are those of its source. So it is no part of the module's parameters,
    and copies of the module share it.
    """

    def __init__(self, trunk: nn.Module):
        super().__init__()
        self._held = [trunk.eval().requires_grad_(False)]  # in a list, so that torch does not find it

    @property
    def trunk(self) -> nn.Module:
        """What is frozen."""
        return self._held[0]

    def forward(self, images: Tensor) -> Tensor:
        """As the trunk; in a training that keeps features, each picture is looked at once (`kept_features.py`)."""
        features = kept()
        with torch.no_grad():
            return self.trunk(images) if features is None else features.seen(self.trunk, images)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Frozen":
        self.trunk._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Frozen":
        return self
