"""What becomes of chunks that are drawn: they are refined, moved onto constraints, and told energies of."""

import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lerobot_dp_plus.encoders import WORD_IDS, WORDS_VALID
from lerobot_dp_plus.energies import IMITATION, TOTAL, added
from lerobot_dp_plus.guidance import World
from lerobot_dp_plus.heads import decided
from lerobot_dp_plus.notation import Energy, Scene
from lerobot_dp_plus.policies.chunk_model import ChunkModel
from lerobot_dp_plus.policies.windows import BEGAN
from lerobot_dp_plus.projection import NoProjection, violation
from lerobot_dp_plus.units import ACTION

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.recipe import Recipe

#: The energy that says how far constraints are broken, and what still counts as none, in units of the position.
VIOLATION, KEPT = "violation", 1e-3
#: Where a window holds the obstacles that are seen, in the dataset's units.
OBSTACLES = "obstacles"
#: The furthest that a normalised action may be moved once it is drawn: with MIN_MAX the whole range of the data.
FURTHEST = 2.0

logger = logging.getLogger(__name__)


def surroundings(
    model: ChunkModel, recipe: "Recipe", window: Mapping[str, Tensor], imitation: Energy
) -> tuple[World, dict[str, Energy]]:
    """What is known of the world in the windows (B, T_o, ...), and every energy by name.

    `imitation` is the one that a head computes.
    """
    units = model.units
    began = {key: window[BEGAN + key] for key in units.keys if BEGAN + key in window}
    said = (window[WORD_IDS], window[WORDS_VALID]) if WORD_IDS in window else None
    seen = units.all_physical(window), recipe.now, recipe.executed, recipe.forward, window.get(OBSTACLES)
    scene = Scene(*seen, units.all_physical(began), said)
    terms: dict[str, Energy] = {IMITATION: imitation, **model.energies(), **recipe.energies.terms}
    total = recipe.energies.sum(terms) if recipe.energies.weights else None
    return World(scene, total, partial(units.physical, ACTION), partial(units.normalised, ACTION)), terms


def settled(
    recipe: "Recipe", world: World, terms: Mapping[str, Energy], drawn: Tensor, fixed: Tensor | None, place: str
) -> tuple[Tensor, dict[str, Tensor]]:
    """Normalised chunks (B, N, H, A), refined if that is to be done at this `place` and then projected, and energies.

    A chunk that would be moved further than `FURTHEST`, or to what is no number, stays as it was drawn. `fixed` (B, N, H, A)
    holds what is decided, which stays so, and NaN for what is not; None if nothing is.
    """
    constraints, energies = recipe.energies.constraints, {}
    chunks, free = world.physical(drawn), None if fixed is None else fixed.isnan()
    projects = len(constraints) > 0 and not isinstance(recipe.projection, NoProjection)
    refines = recipe.refinement.place == place
    if refines or projects:
        found = chunks
        if refines:
            assert world.energy is not None  # else the config is refused
            found = recipe.refinement(found, world.scene, world.energy, free)
        if projects:
            found = recipe.projection(found, world.scene, constraints, free).chunks
        drawn, chunks = _near(world, drawn, chunks, found)
    if constraints:
        energies[VIOLATION] = violation(chunks, world.scene, constraints)
    told = {name: terms[name](chunks, world.scene) for name in sorted(recipe.told)}
    if TOTAL in recipe.asked:
        told[TOTAL] = added(recipe.energies.weights, told)
    if fixed is not None:  # conversions round
        drawn = decided(fixed, drawn)
    return drawn, energies | {name: told[name] for name in recipe.asked}


def _near(world: World, drawn: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Chunks as they are now, normalised and in the dataset's units, but as they were `drawn` where they went too far."""
    moved = world.normalised(after)
    near = ((moved - drawn).abs() <= FURTHEST).all(-1).all(-1)[..., None, None]  # NaN is not near
    if not torch.compiler.is_compiling() and not near.all():
        tell_once(
            "a chunk would have been moved further than the data reaches, so it stays as it was drawn: a constraint leaves no "
            "room, or the steps of a refinement are too large (set projection.reach or refinement.reach)"
        )
    return torch.where(near, moved, drawn), torch.where(near, after, before)


@cache
def tell_once(message: str) -> None:
    """Warn of something that does not stop the robot, once in a process."""
    logger.warning(message)
