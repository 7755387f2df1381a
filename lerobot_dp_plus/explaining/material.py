"""What is shown: a moment of a run, its candidates, how they came about, and what rules make of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.evaluation.arena import AGENT_RADIUS, ARENA, Run
from lerobot_dp_plus.evaluation.moment import Moment, judged, look, seeded_noise
from lerobot_dp_plus.explaining.watched import Watched
from lerobot_dp_plus.guidance import Gradient
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.policies.narrowing import among
from lerobot_dp_plus.projection import Kaczmarz, NoProjection
from lerobot_dp_plus.units import ACTION

#: Steps of a run among which the most ambiguous moment is looked for.
LOOKED_AT = 30
#: The disc that is put on the way, and what is left free around the agent's own; pixels.
RADIUS, FREE = 20.0, 3.0
GUIDANCE = Gradient(strength=1.0, inner_steps=3)
#: Places in a row of the landscape.
GRID = 33


@dataclass(frozen=True)
class Estimates:
    """What the sampler held at one of its calls, in the dataset's units, from the current step on.

    Args:
        number: of the call, from 1 on; 0 is the noise before the first.
        noise: the share of noise that is left, 0 … 1.
        chunks: (N, L, A).
    """

    number: int
    noise: float
    chunks: Tensor


@dataclass(frozen=True)
class Choice:
    """What the policy executes of the candidates that it draws for itself.

    Args:
        index: which of them.
        count: how many there are; the first so many of the moment.
        energies: what is known of each, by name, (count,).
        by: the energy that the selection ranks by; None if it ranks by none.
    """

    index: int
    count: int
    energies: Mapping[str, Tensor]
    by: str | None


@dataclass(frozen=True)
class Seen:
    """The moment that is shown.

    Args:
        step: control steps before it.
        picture: the scene, (S, S, 3) uint8.
        moment: the candidates and the ways among them.
        calls: how they came about.
        choice: what is executed.
    """

    step: int
    picture: np.ndarray
    moment: Moment
    calls: tuple[Estimates, ...]
    choice: Choice


@dataclass(frozen=True)
class Bent:
    """The same noise under a rule: candidates, and the energy of each place for the obstacle that the rule is about.

    Args:
        obstacle: centre and radius, pixels.
        moments: what is drawn, by the name of what bends it.
        landscape: energy of an agent at each of 8·`GRID` × 8·`GRID` places of the arena, row by row from the top.
    """

    obstacle: tuple[float, float, float]
    moments: Mapping[str, Moment]
    landscape: np.ndarray


def moment_of(loaded: Loaded, run: Run, seed: int, count: int) -> Moment:
    """What the policy might do now; the noise depends on the seed and on how many steps were done."""
    policy = loaded.policy
    asked = tuple(dict.fromkeys((*policy.config.energy_names, *policy.config.selection.energies)))
    return look(policy, run.window(), seeded_noise(policy, count, seed, run.steps), energies=asked)


def play(loaded: Loaded, run: Run, steps: int, watch: Callable[[], None]) -> None:
    """Let the policy act for so many steps or until the run is over; `watch` is called before each, and at the end."""
    loaded.policy.reset()
    torch.manual_seed(0)
    for _ in range(steps):
        watch()
        if run.over:
            return
        run.step(loaded.act(run.observation))
    watch()


def see(loaded: Loaded, run: Run, seed: int, steps: int | None, count: int) -> tuple[int, Moment]:
    """The step to show and its moment: after `steps` steps, or the most ambiguous of the first.

    The run is left where the moment is.

    Raises:
        ValueError: the run is over before.
    """
    if steps is None:
        found: list[tuple[float, int]] = []

        def note() -> None:
            weights = moment_of(loaded, run, seed, count).modes.weights
            found.append((-float(torch.special.entr(weights).sum()), run.steps))

        play(loaded, run, LOOKED_AT, note)
        steps = min(found)[1]
        run.reset(seed)
    play(loaded, run, steps, lambda: None)
    if run.steps < steps or run.over:
        raise ValueError(f"steps = {steps}: the run of seed {seed} is over after {run.steps}; show an earlier moment")
    return steps, moment_of(loaded, run, seed, count)


def calls_of(loaded: Loaded, run: Run, seed: int, count: int) -> tuple[Estimates, ...]:
    """How the candidates of a moment came about: the noise, what was expected at each call, and what came out.

    Empty for a policy that uses no noise.
    """
    policy = loaded.policy
    watched = Watched(policy.config.guidance)
    with switched(policy, guidance=watched):
        moment = moment_of(loaded, run, seed, count)
    if not watched.calls:
        return ()
    now, units = policy.config.n_obs_steps - 1, policy.model.units

    def physical(chunks: Tensor) -> Tensor:
        return units.physical(ACTION, chunks)[:, now:]

    first = watched.calls[0]
    held = [Estimates(0, 1.0, physical(first.x_t))]
    held += [Estimates(n, call.noise, physical(call.x1)) for n, call in enumerate(watched.calls, 1)]
    if not torch.equal(held[-1].chunks, moment.chunks):  # samplers that end a step before the data, and projections
        held.append(Estimates(len(watched.calls), 0.0, moment.chunks))
    return tuple(held)


def choice_of(policy: Any, moment: Moment) -> Choice:
    """What the policy's selection takes of the first candidates, as many as it draws by itself."""
    selection, now = policy.config.selection, policy.config.n_obs_steps - 1
    count = min(selection.candidates, moment.found.chunks.shape[1])
    ahead = among(moment.found.from_step(now), torch.arange(count)[None])
    index = int(selection.choose(ahead, None)[0])
    energies = {name: values[0] for name, values in ahead.energies.items()}
    by = selection.energies[0] if selection.energies else None
    return Choice(index, count, energies, by)


def on_the_way(moment: Moment, index: int, here: np.ndarray) -> tuple[float, float, float]:
    """A disc in the middle of what a candidate does, or of the farthest one if that is too short; not on the agent."""
    start = torch.as_tensor(here, dtype=moment.positions.dtype)
    far = (moment.positions - start).norm(dim=-1)  # (N, S)
    least = RADIUS + AGENT_RADIUS + 4 * FREE
    if float(far[index].max()) < least:
        index = int(far.amax(1).argmax())
    way, away = moment.positions[index], far[index]
    wanted = max(least, 0.75 * float(away.max()))
    x, y = way[int((away >= min(wanted, float(away.max()))).nonzero()[0])].tolist()
    radius = min(RADIUS, max(8.0, math.dist((x, y), here) - AGENT_RADIUS - 2 * FREE))
    return x, y, radius


def bend(loaded: Loaded, run: Run, seed: int, count: int, obstacle: tuple[float, float, float]) -> Bent:
    """The candidates of a moment with a disc on the way: as they are, guided, and projected."""
    policy = loaded.policy
    energies = policy.config.energies
    rule = replace(energies.obstacles, weight=1.0, clearance=AGENT_RADIUS + FREE)
    ways: dict[str, dict[str, Any]] = {
        "as drawn": {"projection": NoProjection()},
        "guided": {"projection": NoProjection(), "guidance": GUIDANCE},
        "projected": {"projection": Kaczmarz()},
    }
    if "sampler" not in heads.head_of(policy.config.objective).uses:
        del ways["guided"]  # nothing is denoised, so nothing can be guided on the way
    found = {}
    for name, parts in ways.items():
        with switched(policy, energies=replace(energies, obstacles=rule), **parts):
            policy.obstacles = torch.tensor([obstacle])
            try:
                found[name] = moment_of(loaded, run, seed, count)
            finally:
                policy.obstacles = None
    places = torch.linspace(0, ARENA, 8 * GRID)
    away = torch.hypot(places[None] - obstacle[0], places[:, None] - obstacle[1])
    landscape = (obstacle[2] + rule.clearance - away).clamp_min(0).square() / 2
    return Bent(obstacle, found, landscape.numpy())


def landscape_of(
    loaded: Loaded, run: Run, here: np.ndarray, energy: str, window: tuple[float, float, float]
) -> np.ndarray:
    """The energy of straight chunks to each of `GRID` × `GRID` places of a square (x, y, side), row by row from the top."""
    policy = loaded.policy
    config = policy.config
    x, y, side = window
    across, down = (torch.linspace(edge, edge + side, GRID) for edge in (x, y))
    ends = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1).reshape(-1, 1, 2)
    start = torch.as_tensor(here, dtype=torch.float32)
    steps = torch.arange(1 - (config.n_obs_steps - 1), config.chunk_length + 1).clamp_min(0) / config.chunk_length
    chunks = start + steps[:, None] * (ends - start)  # (places, H, 2)
    told = judged(policy, run.window(), policy.model.units.normalised(ACTION, chunks), energy)
    return told.reshape(GRID, GRID).numpy()


@contextmanager
def switched(policy: Any, **fields: Any) -> Iterator[None]:
    """Inside, fields of the policy's config are others."""
    before = {name: getattr(policy.config, name) for name in fields}
    try:
        for name, value in fields.items():
            setattr(policy.config, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(policy.config, name, value)
