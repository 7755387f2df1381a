"""Candidate chunks for observation windows: how they are proposed, and what is checked on the way in and out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lerobot_dp_plus import heads
from lerobot_dp_plus.energies import EnergyTerm, NoEnergy
from lerobot_dp_plus.guidance import Guidance, World
from lerobot_dp_plus.notation import Candidates, Energy, Scene
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.policies.precision import sampling_dtype
from lerobot_dp_plus.policies.randomness import fresh_noise, generator_of
from lerobot_dp_plus.policies.windows import check_chunks, check_finite
from lerobot_dp_plus.samplers import Sampler
from lerobot_dp_plus.selection import Selection
from lerobot_dp_plus.units import ACTION


@dataclass(frozen=True)
class Recipe:
    """How chunks are proposed and judged: the parts of a config that decide this.

    Args:
        objective, sampler, guidance, energy: members of the axes of those names.
        stated: the name of `energy`.
        energies: names of the energies to compute.
        now: the row of a chunk that is executed at the current step.
        executed: how many rows from there on are executed.
    """

    objective: Objective
    sampler: Sampler
    guidance: Guidance
    energy: EnergyTerm
    stated: str
    energies: tuple[str, ...]
    now: int
    executed: int

    @classmethod
    def of(cls, config: DpPlusConfig, energies: tuple[str, ...] = ()) -> "Recipe":
        """The recipe of a config, with the energies that are asked for; a ValueError if one of them is not there."""
        if unknown := [name for name in energies if name not in config.energies]:
            raise ValueError(f"energies = {unknown}: this policy can tell {list(config.energies) or 'none'}")
        now, executed = config.n_obs_steps - 1, config.n_action_steps
        stated = EnergyTerm.get_choice_name(type(config.energy))
        drawn = config.objective, config.sampler, config.guidance
        return cls(*drawn, config.energy, stated, energies, now, executed)

    @property
    def deterministic(self) -> bool:
        """Whether the initial noise alone decides the chunks."""
        return heads.head_of(self.objective).deterministic(self.sampler)

    @property
    def needs_units(self) -> bool:
        """Whether anything is computed in the dataset's units."""
        return bool(self.energies) or "energy" in self.guidance.needs


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
    condition = model.network.condition(model.encoder(window))  # type: ignore[operator]
    head = heads.make(model.network, recipe.objective, recipe.sampler, recipe.guidance)  # type: ignore[arg-type]
    if not recipe.needs_units:
        return head.propose(condition, noise, None, generator)
    units = model.units
    scene = Scene(units.all_physical(window), recipe.now, recipe.executed)
    physical, normalised = partial(units.physical, ACTION), partial(units.normalised, ACTION)
    energy = None if isinstance(recipe.energy, NoEnergy) else recipe.energy
    found = head.propose(condition, noise, World(scene, energy, physical, normalised), generator)
    terms: dict[str, Energy] = {**model.energies(), recipe.stated: recipe.energy}
    chunks = physical(found.chunks)
    energies = {name: terms[name](chunks, scene) for name in recipe.energies}
    return Candidates(found.chunks, energies, found.log_prob, found.mode, found.noise)


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
) -> Candidates:
    """`count` chunks for each of the windows (B, T_o, ...), which `beside_the_weights` has moved.

    noise (B, N, H, A), or (B, H, A) where N = 1, is drawn if None. `energies` names those to compute. `propose` is the
    function of this file, or the same function compiled.

    Raises:
        ValueError: noise of another shape, NaN or infinity in a state or in pictures that states are read off, or an energy
            that cannot be told yet.
        FloatingPointError: a chunk is not finite though the observations are.
    """
    device, dtype = sampling_dtype(model)
    batch = next(iter(window.values())).shape[0]
    shape = (batch, count, config.horizon, config.action_feature.shape[0])  # type: ignore[union-attr]
    recipe, generator = Recipe.of(config, energies), None
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
    read = config.training_features if config.estimated_features else config.low_dimensional_features
    check_finite(window, [key for key in read if key in window])
    if recipe.stated in energies or "energy" in config.guidance.needs:
        model.units.check_known()
    for name, member in model.members():
        if config.auxiliaries[name].offers & set(energies):
            member.check_learned(model.units)
    candidates = propose(model, recipe, window, noise.to(dtype).reshape(shape), generator)
    check_chunks(candidates.chunks, window, config.observed_features)
    return candidates


def choose(selection: Selection, ahead: Candidates, before: Candidates | None, executed: int) -> Candidates:
    """The one of the candidates that is executed; their chunks begin at the current step.

    `before` was executed for `executed` steps until now. A selection is shown what it planned further.
    """
    tail = None
    if before is not None:
        plan = before.chunks[:, 0]  # (B, L, A)
        if plan.shape[0] == ahead.chunks.shape[0] and executed < plan.shape[1]:
            tail = plan[:, executed:]
    return ahead.at(selection.choose(ahead, tail))
