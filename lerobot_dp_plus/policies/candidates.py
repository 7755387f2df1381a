"""Candidate chunks for observation windows: how they are proposed, and what is checked on the way in and out."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.notation import Candidates, Scene, take_rows, unsaid, unseen
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies import continuing, fitting, readings
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.mirroring import mirror_of, propose_both
from lerobot_dp_plus.policies.precision import sampling_dtype
from lerobot_dp_plus.policies.randomness import fresh_noise, generator_of
from lerobot_dp_plus.policies.recipe import Recipe
from lerobot_dp_plus.policies.settling import OBSTACLES, settled, surroundings
from lerobot_dp_plus.policies.windows import check_chunks, check_finite
from lerobot_dp_plus.refinement import CANDIDATES
from lerobot_dp_plus.units import ACTION

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

#: Where a window holds a chunk to draw near, (B, H, A) normalised.
START = "start"


def propose(
    model: ChunkModel,
    recipe: Recipe,
    window: Mapping[str, Tensor],
    noise: Tensor,
    generator: torch.Generator | None = None,
) -> Candidates:
    """N chunks for each of the observation windows (B, T_o, ...) from noise (B, N, H, A), with the energies asked for.

    It is one piece without Python state, to be compiled whole. The observation is encoded once for all candidates, and for
    all readings of its instruction, if it has several.
    """
    window = model.estimated(window)
    head, mirror = head_of(model, recipe), mirror_of(recipe.symmetry, model.units)
    tokens = readings.said_by(model.encoder, model.encoder(window if mirror is None else mirror.both(window)), window)
    condition = model.network.condition(tokens)  # type: ignore[operator]
    without = unsaid if recipe.guidance.drops_words else unseen
    absent = model.network.condition(without(tokens)) if recipe.guidance.contrasts else None  # type: ignore[operator]
    draw_from = head.propose if mirror is None else partial(propose_both, head, mirror)
    several = readings.DRAWN_FOR in window
    if several:
        draw_from = partial(readings.propose_for_each, head, window)
    start = None if START not in window else window[START][:, None].expand_as(noise)
    fixed, shown, plan, decided = continuing.known(recipe.real_time, window, noise)
    if not recipe.needs_units:
        given = heads.Given(None, generator, fixed, absent, start, recipe.skipped, shown, plan)
        return continuing.with_decided(draw_from(condition, noise, given), decided)

    def imitation(chunks: Tensor, scene: Scene) -> Tensor:
        known = condition if mirror is None else take_rows(condition, len(chunks))  # of the true observations
        chunks = model.units.normalised(ACTION, chunks)
        if several:  # each by the sentence that it was drawn for
            known, alone = readings.for_each(condition, window), chunks.flatten(0, 1)[:, None]
            return head.imitation(known, alone, recipe.energies.imitation.draws).reshape(chunks.shape[:2])
        return head.imitation(known, chunks, recipe.energies.imitation.draws)

    world, terms = surroundings(model, recipe, window, imitation)
    given = heads.Given(world, generator, fixed, absent, start, recipe.skipped, shown, plan)
    found = continuing.with_decided(draw_from(condition, noise, given), decided)
    chunks, energies = settled(recipe, world, terms, found.chunks, decided, CANDIDATES)
    return Candidates(chunks, energies, found.log_prob, found.mode, found.noise)


def settle(
    model: ChunkModel, recipe: Recipe, window: Mapping[str, Tensor], chosen: Candidates, place: str
) -> Candidates:
    """Chunks (B, 1, H, A), refined if that is to be done at this `place` and projected, with the energies asked for."""
    window = model.estimated(window)

    def imitation(chunks: Tensor, scene: Scene) -> Tensor:
        condition = model.network.condition(model.encoder(window))  # type: ignore[operator]
        chunks = model.units.normalised(ACTION, chunks)
        return head_of(model, recipe).imitation(condition, chunks, recipe.energies.imitation.draws)

    world, terms = surroundings(model, recipe, window, imitation)
    decided = continuing.known(recipe.real_time, window, chosen.chunks).decided
    chunks, energies = settled(recipe, world, terms, chosen.chunks, decided, place)
    check_energies(energies)
    return chosen._replace(chunks=chunks, energies=energies)


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
            f"start: objective.type = {chosen} draws its chunks without a sampler, so none can begin near a start"
        )
    inner = config.sampler.times(config.objective.sampling_path, torch.zeros(1, dtype=torch.float64))[:-1]  # type: ignore[attr-defined]
    return min(int((inner < time).sum()), len(inner) - 1)


def head_of(model: ChunkModel, parts: Recipe | DpPlusConfig) -> heads.Head:
    """The head that the parts of a config, or of a recipe, make of a model's network."""
    return heads.make(model.acting, parts.objective, parts.sampler, parts.guidance)


def with_given(window: Mapping[str, Tensor], policy: "DpPlusPolicy", count: int) -> Mapping[str, Tensor]:
    """The window of `count` candidates, with the obstacles that are seen and what the instruction may mean, if that is set."""
    return readings.with_readings(with_obstacles(window, policy.obstacles, policy.config), policy, count)


def with_obstacles(
    window: Mapping[str, Tensor], obstacles: Tensor | None, config: DpPlusConfig
) -> Mapping[str, Tensor]:
    """The window, with the obstacles that are seen; see `Scene.obstacles`.

    Raises:
        ValueError: their shape is not legal, a value is not finite, a radius is negative, or the config lets nothing keep
            clear of them.
    """
    if obstacles is None:
        return window
    obstacles = torch.as_tensor(obstacles)
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
    if (rows[..., width] < 0).any():
        raise ValueError(f"policy.obstacles: there is the radius {rows[..., width].min():g}; must be at least 0")
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
    recipe: Recipe,
    window: Mapping[str, Tensor],
    noise: Tensor | None,
    count: int,
) -> Candidates:
    """`count` chunks for each of the windows (B, T_o, ...), which `beside_the_weights` has moved.

    noise (B, N, H, A), or (B, H, A) where N = 1, is drawn if None. `recipe` is one of the config. `propose` is the function
    of this file, or the same function compiled.

    Raises:
        ValueError: a `count` below 1 or above `fitting.MOST`, an odd one where half of the chunks are mirrored, noise of
            another shape, NaN or infinity in a state or in pictures that states are read off, or an energy that cannot be
            told yet.
        FloatingPointError: a chunk is not finite though the observations are.
    """
    device, dtype = sampling_dtype(model)
    batch = next(iter(window.values())).shape[0]
    shape = (batch, count, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
    generator = None
    fitting.check_count(config, "candidates", count)
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
    for key, said in ((continuing.FIXED, "a whole chunk, with NaN for what is not decided"), (START, "a whole chunk")):
        if key in window and window[key].shape != (batch, *shape[2:]):
            raise ValueError(f"{key} has shape {tuple(window[key].shape)}; must be {(batch, *shape[2:])}: {said}")
    if START in window and not window[START].isfinite().all():
        raise ValueError("start: there is a NaN or an infinity in it; what is not wanted of it is filled with a guess")
    read = config.training_features if config.estimated_features else config.low_dimensional_features
    check_finite(window, [key for key in read if key in window])
    if recipe.energies.constraints or recipe.computed & set(recipe.energies.names) or recipe.symmetry is not None:
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


def unexecuted(before: Candidates | None, batch: int, executed: int) -> Tensor | None:
    """What the chosen chunk `before` planned beyond its first `executed` steps, (B, L, A).

    None if there was none for a batch of this size, or if nothing is left.
    """
    if before is None:
        return None
    plan = before.chunks[:, 0]
    return plan[:, executed:] if len(plan) == batch and executed < plan.shape[1] else None
