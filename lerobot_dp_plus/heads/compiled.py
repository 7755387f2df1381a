"""What proposes chunks, compiled to one graph.

The function that is compiled goes from observations to candidates in one piece, without Python state. `torch.compile` takes
it whole: Inductor's C++ on a CPU, one CUDA graph on a GPU. This file knows functions, tensors and a recipe that it only
compares.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lerobot_dp_plus.notation import Candidates

logger = logging.getLogger(__name__)

#: (model, recipe, window, noise, generator) -> candidates.
type Propose = Callable[..., Candidates]

#: Graphs one policy may hold: each costs a compilation, so a batch that keeps changing its size had better run eagerly.
MAX_GRAPHS = 8
#: Largest difference between the first compiled chunks and uncompiled ones, in normalised actions and in energies.
#: Above 1 it is relative. Rounding of float32 makes 1e-6. Where products are rounded to fewer digits, `ROUNDINGS` of
#: their roundings are allowed.
TOLERANCE, ROUNDINGS = 1e-3, 8
#: Runs until the CUDA graph itself runs: Inductor warms up, then records, then replays.
RUNS_TO_REPLAY = 3
#: Held while a graph is made; Dynamo's limits are set for the whole process.
COMPILING = threading.Lock()


class Recipe(Hashable, Protocol):
    """How chunks are proposed. Each recipe has graphs of its own."""

    @property
    def deterministic(self) -> bool:
        """Whether noise alone decides about the chunks, and nothing is drawn from a generator on the way."""


class Compiled:
    """A function that proposes chunks as one compiled region, a graph per shape of its inputs.

    It holds no weights and is no module. Graphs read the model's own weights at every call, so that training, loading and
    averaging need no recompilation, and nothing of it enters a state dict. A copy, also a pickled one, compiles afresh.

    If compiling fails, the function runs uncompiled, after one warning. It also runs uncompiled beyond the first
    `MAX_GRAPHS` shapes, and on a GPU in every thread but the first. A CUDA graph belongs to one thread and writes to
    one place.
    """

    def __init__(self, propose: Propose) -> None:
        self._propose = propose
        self._shapes: dict[tuple[object, ...], Recipe] = {}
        self._gave_up = self._full = self._told = False
        self._owners: dict[torch.device, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self._propose,)

    def __call__(
        self,
        model: nn.Module,
        recipe: Recipe,
        window: Mapping[str, Tensor],
        noise: Tensor,
        generator: torch.Generator | None = None,
    ) -> Candidates:
        """As the function, up to rounding. Stochastic samplers stay uncompiled: their draws belong to a generator."""
        if not recipe.deterministic:
            return self._propose(model, recipe, window, noise, generator)
        if self._gave_up or (noise.is_cuda and not self._is_mine(noise.device)):
            return self._propose(model, recipe, window, noise)
        shapes = ((key, tuple(value.shape)) for key, value in window.items())
        weights = next(model.parameters()).dtype
        shape = (*shapes, tuple(noise.shape), noise.device, _precision(noise.device, weights), recipe)
        if shape not in self._shapes and len(self._shapes) == MAX_GRAPHS:
            if not self._full:
                logger.warning("compile_sampler: %d shapes are compiled already, others stay uncompiled", MAX_GRAPHS)
            self._full = True
            return self._propose(model, recipe, window, noise)
        recipe = self._shapes.get(shape, recipe)  # the very object that the graph was made for
        # Inference mode marks tensors, and marked ones would need graphs of their own.
        with torch.inference_mode(False), torch.no_grad():
            arguments = model, recipe, {key: value.clone() for key, value in window.items()}, noise.clone()
            if shape in self._shapes:
                return self._attempt(lambda: self._run(*arguments), *arguments)
            # The first run is uncompiled. It gives chunks to compare with. A path also remembers constants at first
            # use, which would otherwise change under the graph and cost a second one.
            expected = self._propose(*arguments)
            if not COMPILING.acquire(blocking=False):
                return expected  # another thread compiles, and this one's robot need not wait for it
            try:
                return self._attempt(lambda: self._first_run(shape, expected, *arguments), *arguments)
            finally:
                COMPILING.release()

    def _is_mine(self, device: torch.device) -> bool:
        """Whether graphs on this GPU are this thread's to run."""
        me = threading.get_ident()
        mine = self._owners.setdefault(device, me) == me
        if not mine and not self._told:
            self._told = True
            logger.info("compile_sampler: a CUDA graph belongs to one thread, others stay uncompiled")
        return mine

    def _attempt(self, run: Callable[[], Candidates], *arguments: Any) -> Candidates:
        """What `run` gives. If it fails in any way, the same chunks are made uncompiled.

        A robot is waiting for an action. An error of the input's own will be raised again by the uncompiled run. Errors of
        compiled code have no common type: Inductor's CUDA graphs refuse foreign threads by an assertion, for one.
        """
        try:
            return run()
        except Exception as error:
            error = getattr(error, "inner_exception", error)  # a back end's own, in a message that opens without it
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
            return self._give_up(reason, *arguments)

    def _first_run(self, shape: tuple[object, ...], expected: Candidates, *arguments: Any) -> Candidates:
        device = expected.chunks.device
        skipped, started = _graphs_skipped(), time.perf_counter()
        # Dynamo counts the graphs of all policies of a process together; MAX_GRAPHS bounds ours.
        with torch._dynamo.config.patch(recompile_limit=1000, accumulated_recompile_limit=1000):
            for _ in range(RUNS_TO_REPLAY if device.type == "cuda" else 1):
                found = self._run(*arguments)
        weights = next(arguments[0].parameters()).dtype
        tolerance = max(TOLERANCE, ROUNDINGS * torch.finfo(_precision(device, weights)).eps)
        for what, one, other in _compared(found, expected):
            difference = ((one - other).abs() / other.abs().clamp_min(1)).max().item()
            if not difference <= tolerance:  # NaN differs
                return self._give_up(f"a compiled {what} differs by {difference:.1e}", *arguments)
        self._shapes[shape] = arguments[1]
        count = found.chunks.shape[:2].numel()
        logger.info("sampler compiled in %.1f s for a batch of %d", time.perf_counter() - started, count)
        if device.type == "cuda" and _graphs_skipped() > skipped:
            logger.warning("compile_sampler: compiled, but without a CUDA graph; torch's warning above says why")
        return found

    def _run(self, model: nn.Module, recipe: Recipe, window: Mapping[str, Tensor], noise: Tensor) -> Candidates:
        if not noise.is_cuda:
            return graph(self._propose)(model, recipe, window, noise)
        torch.compiler.cudagraph_mark_step_begin()
        found = graph(self._propose, mode="reduce-overhead")(model, recipe, window, noise)
        # The graph writes its next result to the same place.
        energies = {name: energy.clone() for name, energy in found.energies.items()}
        rest = (None if value is None else value.clone() for value in found[2:])
        return Candidates(found.chunks.clone(), energies, *rest)

    def _give_up(self, reason: str, *arguments: Any) -> Candidates:
        logger.warning("compile_sampler: sampling goes on uncompiled, with the same results, because %s", reason)
        self._gave_up = True
        return self._propose(*arguments)


@cache
def graph(propose: Propose, **options: Any) -> Propose:
    """`propose` compiled, one for all policies of the process."""
    return torch.compile(propose, fullgraph=True, dynamic=False, **options)


def _compared(found: Candidates, expected: Candidates) -> list[tuple[str, Tensor, Tensor]]:
    energies = [(f"energy {name!r}", found.energies[name], energy) for name, energy in expected.energies.items()]
    return [("chunk", found.chunks, expected.chunks), *energies]


def _precision(device: torch.device, weights: torch.dtype) -> torch.dtype:
    """The type to whose digits products are rounded."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    if weights.itemsize != 4:
        return weights
    return torch.float16 if device.type == "cuda" else torch.float32  # TF32, which LeRobot allows, has float16's digits


def _graphs_skipped() -> int:
    return torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]
