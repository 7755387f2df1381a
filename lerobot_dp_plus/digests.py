"""Which weights these are: two models are the same if their digests are."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_of(state: Mapping[str, Tensor]) -> str:
    """The first sixteen digits of the SHA-256 of all weights and their names."""
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(
            state[key].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )  # numpy knows no bfloat16
    return digest.hexdigest()[:16]
