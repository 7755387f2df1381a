"""Random numbers: those of a training, which belong to its checkpoint, and the noise that chunks start from."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

#: Held while torch's global generators are a training's, so that no other thread draws from them.
GENERATORS = threading.RLock()


def new_stream() -> Tensor:
    """(seed, batches drawn so far), int64 (2,), the seed from torch's global generator."""
    return torch.stack([torch.randint(2**62, ()), torch.zeros((), dtype=torch.int64)])


@contextmanager
def drawing_from(stream: Tensor, device: torch.device) -> Iterator[None]:
    """Inside, torch's generators give this batch's numbers; outside they go on as if nothing was drawn.

    The numbers are a function of seed, batch and rank. The global stream would not do, for two reasons. LeRobot
    starts every rank with the same stream, so ranks would train on the same noise. Resuming sets up LeRobot's loader
    once more, which draws a number, so a resumed run would differ from an uninterrupted one. `stream` is advanced by
    one batch.
    """
    seed, batch = stream.tolist()
    stream[1] += 1
    rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    number = int(np.random.SeedSequence([seed, batch, rank]).generate_state(1, np.uint64)[0])
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index])
    with GENERATORS:
        states = [generator.get_state() for generator in generators]
        try:
            for generator in generators:
                generator.manual_seed(number)
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def fresh_noise(shape: Sequence[int], device: torch.device) -> Tensor:
    """Standard normal float32 from the device's global generator."""
    with GENERATORS:
        return torch.randn(tuple(shape), device=device, dtype=torch.float32)


def generator_of(noise: Tensor) -> torch.Generator:
    """A generator on the noise's device whose numbers are a function of it, for samplers that draw more on the way."""
    seed = int(noise.float().contiguous().view(torch.int32).sum(dtype=torch.int64)) % 2**62
    return torch.Generator(device=noise.device).manual_seed(seed)
