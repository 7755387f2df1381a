"""From observations to chunks: the whole of it as one function, and that function compiled.

`propose` is perception, condition, network calls, sampler and foresight in one piece without Python state, so that
`torch.compile` can take it whole: Inductor's C++ on a CPU, one CUDA graph on a GPU.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from lerobot_dp_plus.networks.foreseen import Foreseen
from lerobot_dp_plus.notation import Network
from lerobot_dp_plus.paths import tabulated
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

logger = logging.getLogger(__name__)

#: Graphs one policy may hold: each costs a compilation, so a batch that keeps changing its size had better run eagerly.
MAX_GRAPHS = 8
#: Largest difference, of normalised actions and of energies, between the first compiled chunks and uncompiled ones;
#: relative above 1. Rounding of float32 makes 1e-6; where products are rounded to fewer digits, so many of theirs.
TOLERANCE, ROUNDINGS = 1e-3, 8
#: Runs until a CUDA graph is what runs: Inductor warms up, then records, then replays.
RUNS_TO_REPLAY = 3
#: Held while a graph is made; Dynamo's limits are set for the whole process.
COMPILING = threading.Lock()


class Proposal(NamedTuple):
    """Candidates (B, N, H, A), and how far each is foreseen to lead from where demonstrations end, (B, N), if asked."""

    chunks: Tensor
    energy: Tensor | None = None


def propose(
    model: ChunkModel,
    config: DpPlusConfig,
    window: Mapping[str, Tensor],
    noise: Tensor,
    foresee: bool,
    generator: torch.Generator | None = None,
) -> Proposal:
    """N chunks for each of the observation windows (B, T_o, ...) from noise (B, N, H, A); `foresee` asks for energies.

    The observation is digested once, what depends on time alone is computed ahead for all calls.
    """
    window = model.perceived(window)
    chunks = _draw(model, config, window, noise.flatten(0, 1), generator).unflatten(0, noise.shape[:2])
    if not foresee:
        return Proposal(chunks)
    assert model.foresight is not None  # the config has seen to it
    ahead = chunks[:, :, config.n_obs_steps - 1 :]
    return Proposal(chunks, model.foresight.energy(window, ahead, config.n_action_steps))


def _draw(
    model: ChunkModel,
    config: DpPlusConfig,
    window: Mapping[str, Tensor],
    noise: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    sampler, objective = config.sampler, config.objective
    condition = model.condition(window, copies=noise.shape[0] // next(iter(window.values())).shape[0])
    clock = sampler.clock(objective.sampling_path, noise)
    path = tabulated(objective.sampling_path, clock)
    network = cast(Network, Foreseen(model.network, [path.network_time(t) for t in clock[:-1]], condition))
    wrap = config.guidance.wrap_flow_map if "flow_map" in sampler.needs else config.guidance.wrap
    kept = {"keep_noise": True} if "kept_noise" in sampler.needs else {}
    denoise = objective.denoiser(network, condition, path=path, **kept)
    denoise = wrap(denoise, path, bound=objective.data_bound, **kept)
    return sampler(denoise, path, noise, generator, clock)


class CompiledPropose:
    """`propose` as one compiled region, a graph per shape of its inputs; eager, after one warning, where that fails.

    Holds no weights and is no module: graphs read the model's own weights at every call, so that training, loading and
    averaging need no recompilation, and nothing of it enters a state dict. A copy, also a pickled one, compiles afresh.
    Three cases stay eager by design: a stochastic sampler, whose draws belong to a generator; a shape beyond the first
    `MAX_GRAPHS`; and on a GPU every thread but the first, since a CUDA graph belongs to a thread and writes to one place.
    """

    def __init__(self) -> None:
        self._shapes: set[tuple[object, ...]] = set()
        self._gave_up = self._full = self._told = False
        self._owners: dict[torch.device, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledPropose, ()

    def __call__(
        self,
        model: ChunkModel,
        config: DpPlusConfig,
        window: Mapping[str, Tensor],
        noise: Tensor,
        foresee: bool,
        generator: torch.Generator | None = None,
    ) -> Proposal:
        """As `propose`, to rounding."""
        if self._gave_up or config.sampler.order is None:
            return propose(model, config, window, noise, foresee, generator)
        shapes = ((key, tuple(value.shape)) for key, value in window.items())
        weights = next(model.parameters()).dtype
        shape = (*shapes, tuple(noise.shape), noise.device, _precision(noise.device, weights), config.sampler, foresee)
        if noise.is_cuda and not self._is_mine(noise.device):
            return propose(model, config, window, noise, foresee)
        if shape not in self._shapes and len(self._shapes) == MAX_GRAPHS:
            if not self._full:
                logger.warning("compile_sampler: %d shapes are compiled already, others stay uncompiled", MAX_GRAPHS)
            self._full = True
            return propose(model, config, window, noise, foresee)
        # Inference mode marks tensors, and marked ones would need graphs of their own.
        with torch.inference_mode(False), torch.no_grad():
            arguments = model, config, {key: value.clone() for key, value in window.items()}, noise.clone(), foresee
            if shape in self._shapes:
                return self._attempt(lambda: _run(*arguments), *arguments)
            # First uncompiled: to compare with, and because constants that a path remembers at first use would otherwise
            # change under the graph and cost a second one.
            expected = propose(*arguments)
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

    def _attempt(self, run: Callable[[], Proposal], *arguments: Any) -> Proposal:
        """What `run` gives, or the same uncompiled. Whatever went wrong: a robot is waiting, and errors of the input's
        own come again. Not all are the compiler's: CUDA graphs of Inductor refuse threads, for one, by an assertion."""
        try:
            return run()
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
            return self._give_up(reason, *arguments)

    def _first_run(self, shape: tuple[object, ...], expected: Proposal, *arguments: Any) -> Proposal:
        device = expected.chunks.device
        skipped, started = _graphs_skipped(), time.perf_counter()
        # Dynamo counts the graphs of all policies of a process together; MAX_GRAPHS bounds ours.
        with torch._dynamo.config.patch(recompile_limit=1000, accumulated_recompile_limit=1000):
            for _ in range(RUNS_TO_REPLAY if device.type == "cuda" else 1):
                found = _run(*arguments)
        weights = next(arguments[0].parameters()).dtype
        tolerance = max(TOLERANCE, ROUNDINGS * torch.finfo(_precision(device, weights)).eps)
        for what, one, other in zip(("chunk", "energy"), found, expected, strict=True):
            if one is None or other is None:
                continue
            difference = ((one - other).abs() / other.abs().clamp_min(1)).max().item()
            if not difference <= tolerance:  # NaN differs
                return self._give_up(f"a compiled {what} differs by {difference:.1e}", *arguments)
        self._shapes.add(shape)
        count = found.chunks.shape[:2].numel()
        logger.info("sampler compiled in %.1f s for a batch of %d", time.perf_counter() - started, count)
        if device.type == "cuda" and _graphs_skipped() > skipped:
            logger.warning("compile_sampler: compiled, but without a CUDA graph; torch's warning above says why")
        return found

    def _give_up(self, reason: str, *arguments: Any) -> Proposal:
        logger.warning("compile_sampler: sampling goes on uncompiled, with the same results, because %s", reason)
        self._gave_up = True
        return propose(*arguments)


def _precision(device: torch.device, weights: torch.dtype) -> torch.dtype:
    """The type to whose digits products are rounded."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    if weights.itemsize != 4:
        return weights
    return torch.float16 if device.type == "cuda" else torch.float32  # TF32, which LeRobot allows, has float16's digits


def _graphs_skipped() -> int:
    return torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]


def _run(
    model: ChunkModel, config: DpPlusConfig, window: Mapping[str, Tensor], noise: Tensor, foresee: bool
) -> Proposal:
    if not noise.is_cuda:
        return _on_cpu(model, config, window, noise, foresee)
    torch.compiler.cudagraph_mark_step_begin()
    found = _on_gpu(model, config, window, noise, foresee)
    # The graph writes its next result to the same place.
    return Proposal(found.chunks.clone(), None if found.energy is None else found.energy.clone())


_on_cpu = torch.compile(propose, fullgraph=True, dynamic=False)
_on_gpu = torch.compile(propose, fullgraph=True, dynamic=False, mode="reduce-overhead")
