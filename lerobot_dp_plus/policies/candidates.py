"""Candidate chunks for observation windows: how they are proposed, and what is checked on the way in and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.energies import IMITATION, TOTAL, Energies, added
from lerobot_dp_plus.forward_maps import ForwardMap
from lerobot_dp_plus.guidance import Guidance, World
from lerobot_dp_plus.notation import Candidates, Energy, Scene, unseen
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.precision import sampling_dtype
from lerobot_dp_plus.policies.randomness import fresh_noise, generator_of
from lerobot_dp_plus.policies.windows import check_chunks, check_finite
from lerobot_dp_plus.projection import NoProjection, Projection
from lerobot_dp_plus.samplers import Sampler
from lerobot_dp_plus.selection import Selection
from lerobot_dp_plus.units import ACTION

#: The energy that says how far constraints are broken, and what still counts as none, in units of the position.
VIOLATION, KEPT = "violation", 1e-3
#: Where a window holds the obstacles that are seen, in the dataset's units.
OBSTACLES = "obstacles"
#: Where a window holds what is decided of the chunks, (B, H, A) normalised, with NaN for what is not.
FIXED = "fixed"
#: Where a window holds a chunk to draw near, (B, H, A) normalised.
START = "start"


@dataclass(frozen=True)
class Recipe:
    """How chunks are proposed and judged: the parts of a config that decide this.

    Args:
        objective, sampler, guidance, forward, energies, projection: members of the axes of those names.
        asked: names of the energies to compute.
        now: the row of a chunk that is executed at the current step.
        executed: how many rows from there on are executed.
        skipped: how many of the sampler's first steps are left out, where a window holds a chunk to draw near.
    """

    objective: Objective
    sampler: Sampler
    guidance: Guidance
    forward: ForwardMap
    energies: Energies
    projection: Projection
    asked: tuple[str, ...]
    now: int
    executed: int
    skipped: int = 0

    @classmethod
    def of(cls, config: DpPlusConfig, energies: tuple[str, ...] = (), skipped: int = 0) -> "Recipe":
        """The recipe of a config, with the energies that are asked for; a ValueError if one of them is not there."""
        legal = [*config.energy_names, IMITATION]
        if unknown := [name for name in energies if name not in legal]:
            raise ValueError(f"energies = {unknown}: this policy can tell {legal}")
        now, executed = config.n_obs_steps - 1, config.n_action_steps
        drawn = config.objective, config.sampler, config.guidance
        return cls(*drawn, config.forward, config.energies, config.projection, energies, now, executed, skipped)

    @property
    def deterministic(self) -> bool:
        """Whether the initial noise alone decides the chunks."""
        return heads.head_of(self.objective).deterministic(self.sampler)

    @property
    def needs_units(self) -> bool:
        """Whether anything is computed in the dataset's units."""
        return bool(self.computed or self.energies.constraints)

    @property
    def computed(self) -> frozenset[str]:
        """Names of the energies that are asked for, or followed, or summed."""
        followed = TOTAL in self.asked or "energy" in self.guidance.needs
        return frozenset(self.asked) | frozenset(self.energies.weights if followed else ())


def propose(
    model: ChunkModel,
    recipe: Recipe,
    window: Mapping[str, Tensor],
    noise: Tensor,
    generator: torch.Generator | None = None,
) -> Candidates:
    """N chunks for each of the observation windows (B, T_o, ...) from noise (B, N, H, A), with the energies asked for.

    It is one piece without Python state, to be compiled whole. The observation is encoded once for all candidates.
    """
    window = model.estimated(window)
    head, tokens = head_of(model, recipe), model.encoder(window)
    condition = model.network.condition(tokens)  # type: ignore[operator]
    absent = model.network.condition(unseen(tokens)) if recipe.guidance.contrasts else None  # type: ignore[operator]
    fixed, start = (None if key not in window else window[key][:, None].expand_as(noise) for key in (FIXED, START))
    known = generator, fixed, absent, start, recipe.skipped
    if not recipe.needs_units:
        return head.propose(condition, noise, None, *known)
    units = model.units
    scene = Scene(units.all_physical(window), recipe.now, recipe.executed, recipe.forward, window.get(OBSTACLES))
    physical, normalised = partial(units.physical, ACTION), partial(units.normalised, ACTION)

    def imitation(chunks: Tensor, scene: Scene) -> Tensor:
        return head.imitation(condition, normalised(chunks), recipe.energies.imitation.draws)

    terms: dict[str, Energy] = {IMITATION: imitation, **model.energies(), **recipe.energies.terms}
    total = recipe.energies.sum(terms) if recipe.energies.weights else None
    found = head.propose(condition, noise, World(scene, total, physical, normalised), *known)
    chunks, drawn, energies = physical(found.chunks), found.chunks, {}
    if constraints := recipe.energies.constraints:
        free = None if fixed is None else fixed.isnan()
        chunks, energies[VIOLATION] = recipe.projection(chunks, scene, constraints, free)
        if not isinstance(recipe.projection, NoProjection):
            drawn = normalised(chunks)
    told = {name: terms[name](chunks, scene) for name in sorted(recipe.computed - {TOTAL})}
    if TOTAL in recipe.asked:
        told[TOTAL] = added(recipe.energies.weights, told)
    energies |= {name: told[name] for name in recipe.asked}
    return Candidates(drawn, energies, found.log_prob, found.mode, found.noise)


def steps_before(config: DpPlusConfig, time: float) -> int:
    """How many of the sampler's first steps begin before a time t; its last step never counts.

    Raises:
        ValueError: t is not in [0, 1), or the head has no sampler.
    """
    if not 0 <= time < 1:
        raise ValueError(
            f"start_time = {time}: must be at least 0, which is noise, and less than 1, which is the start itself"
        )
    if "sampler" not in heads.head_of(config.objective).uses:
        chosen = Objective.get_choice_name(type(config.objective))
        raise ValueError(
            f"start: objective.type = {chosen} draws its chunks without noise, so none can begin near a start"
        )
    inner = config.sampler.times(config.objective.sampling_path, torch.zeros(1, dtype=torch.float64))[:-1]  # type: ignore[attr-defined]
    return min(int((inner < time).sum()), len(inner) - 1)


def head_of(model: ChunkModel, parts: Recipe | DpPlusConfig) -> heads.Head:
    """The head that the parts of a config, or of a recipe, make of a model's network."""
    return heads.make(model.network, parts.objective, parts.sampler, parts.guidance)  # type: ignore[arg-type]


def with_obstacles(
    window: Mapping[str, Tensor], obstacles: Tensor | None, config: DpPlusConfig
) -> Mapping[str, Tensor]:
    """The window, with the obstacles that are seen; see `Scene.obstacles`.

    Raises:
        ValueError: their shape is not legal, a value is not finite, or the config lets nothing keep clear of them.
    """
    if obstacles is None:
        return window
    rows = obstacles[None] if obstacles.dim() == 2 else obstacles
    batch, width = len(next(iter(window.values()))), len(config.forward.coordinates(config.action_feature.shape[0]))  # type: ignore[union-attr]
    legal = width + 1, 2 * width + 1
    if rows.dim() != 3 or len(rows) not in (1, batch) or rows.shape[2] not in legal:
        raise ValueError(
            f"policy.obstacles has shape {tuple(obstacles.shape)}; must be (K, {legal[0]}), or (K, {legal[1]}) with "
            f"velocities, or one such table for each of the {batch} observations"
        )
    if not rows.isfinite().all():
        raise ValueError("policy.obstacles: there is a NaN or an infinity among them")
    if not config.energies.obstacles.weight:
        raise ValueError(
            "policy.obstacles is set, and energies.obstacles.weight = 0, so nothing would keep clear of them; give it a "
            "weight, or set policy.obstacles = None"
        )
    return {**window, OBSTACLES: rows}


def with_last_action(window: Mapping[str, Tensor], before: Candidates | None, executed: int) -> Mapping[str, Tensor]:
    """The window, with the action (B, 1, A) that was executed last, if `before` was executed for `executed` steps."""
    if before is None or not 0 < executed <= before.chunks.shape[2]:
        return window
    if len(before.chunks) != len(next(iter(window.values()))):
        return window
    return {**window, ACTION: before.chunks[:, 0, executed - 1 : executed]}


def beside_the_weights(model: ChunkModel, window: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Windows of any floating type and device, on the weights' device and in the type of sampling."""
    device, dtype = sampling_dtype(model)
    return {key: value.to(device, dtype if value.is_floating_point() else None) for key, value in window.items()}


def draw(
    propose: Callable[..., Candidates],
    model: ChunkModel,
    config: DpPlusConfig,
    window: Mapping[str, Tensor],
    noise: Tensor | None,
    count: int,
    energies: tuple[str, ...],
    start_time: float = 0.0,
) -> Candidates:
    """`count` chunks for each of the windows (B, T_o, ...), which `beside_the_weights` has moved.

    noise (B, N, H, A), or (B, H, A) where N = 1, is drawn if None. `energies` names those to compute. `start_time` is when
    sampling begins if the window holds a start. `propose` is the function of this file, or the same function compiled.

    Raises:
        ValueError: noise of another shape, NaN or infinity in a state or in pictures that states are read off, or an energy
            that cannot be told yet.
        FloatingPointError: a chunk is not finite though the observations are.
    """
    device, dtype = sampling_dtype(model)
    batch = next(iter(window.values())).shape[0]
    shape = (batch, count, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
    skipped = steps_before(config, start_time) if START in window else 0
    recipe, generator = Recipe.of(config, energies, skipped), None
    if noise is None:
        noise = config.noise_scale * fresh_noise(shape, device)
    else:
        if noise.numel() != torch.Size(shape).numel() or noise.shape[-2:] != shape[-2:]:
            legal = shape if count > 1 else (shape[0], *shape[2:])
            raise ValueError(f"noise has shape {tuple(noise.shape)}; must be {legal}")
        noise = noise.to(device)
        if not recipe.deterministic:
            # A stochastic sampler takes its further draws from the noise, so that equal noise means equal actions.
            generator = generator_of(noise)
    for key, said in ((FIXED, "a whole chunk, with NaN for what is not decided"), (START, "a whole chunk")):
        if key in window and window[key].shape != (batch, *shape[2:]):
            raise ValueError(f"{key} has shape {tuple(window[key].shape)}; must be {(batch, *shape[2:])}: {said}")
    if START in window and not window[START].isfinite().all():
        raise ValueError("start: there is a NaN or an infinity in it; what is not wanted of it is filled with a guess")
    read = config.training_features if config.estimated_features else config.low_dimensional_features
    check_finite(window, [key for key in read if key in window])
    if recipe.energies.constraints or recipe.computed & set(recipe.energies.names):
        model.units.check_known()
    for name, member in model.members():
        if config.auxiliaries[name].offers & recipe.computed:
            member.check_learned(model.units)
    candidates = propose(model, recipe, window, noise.to(dtype).reshape(shape), generator)
    check_chunks(candidates.chunks, window, config.observed_features)
    check_energies(candidates.energies)
    return candidates


def check_energies(energies: Mapping[str, Tensor]) -> None:
    """Raise a FloatingPointError, naming it, if an energy is NaN: nothing can be ranked by it."""
    for name, energy in energies.items():
        if wrong := int(energy.isnan().sum()):
            raise FloatingPointError(
                f"the energy {name} is NaN for {wrong} of {energy.numel()} chunks, so nothing can be chosen by it; a term acts "
                "no longer with the weight 0, as --policy.energies.function.weight=0"
            )


def feasible(violation: Tensor) -> Tensor:
    """For each candidate the number of one that keeps the constraints, (B, N) int64: its own if it does.

    violation (B, N). If no candidate keeps them, it is the one that breaks them least. A selection that is shown these
    candidates instead can only choose among them.
    """
    kept = violation <= KEPT
    kept = torch.where(kept.any(1, keepdim=True), kept, violation <= violation.amin(1, keepdim=True))
    count = kept.sum(1, keepdim=True)
    place = torch.arange(kept.shape[1], device=kept.device) % count  # the others are dealt out in turn
    among = kept.int().argsort(dim=1, descending=True, stable=True).gather(1, place)
    return torch.where(kept, torch.arange(kept.shape[1], device=kept.device), among)


def choose(selection: Selection, ahead: Candidates, before: Candidates | None, executed: int) -> Candidates:
    """The one of the candidates that is executed; their chunks begin at the current step.

    `before` was executed for `executed` steps until now. A selection is shown what it planned further. Candidates that
    break a constraint are not shown to it, if there are others.
    """
    if VIOLATION in ahead.energies:
        ahead = ahead.rows(feasible(ahead.energies[VIOLATION]))
    return ahead.at(selection.choose(ahead, unexecuted(before, len(ahead.chunks), executed)))


def unexecuted(before: Candidates | None, batch: int, executed: int) -> Tensor | None:
    """What the chosen chunk `before` planned beyond its first `executed` steps, (B, L, A).

    None if there was none for a batch of this size, or if nothing is left.
    """
    if before is None:
        return None
    plan = before.chunks[:, 0]
    return plan[:, executed:] if len(plan) == batch and executed < plan.shape[1] else None
