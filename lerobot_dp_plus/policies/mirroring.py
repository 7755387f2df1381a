"""Half of the candidates from the mirrored observation: a head's proposals for both, as one set."""

import torch
from torch import Tensor

from lerobot_dp_plus.augmentation import Symmetrised, Symmetry
from lerobot_dp_plus.guidance import World
from lerobot_dp_plus.heads import Given, Head, Plan, decided
from lerobot_dp_plus.notation import Candidates, Condition, Scene
from lerobot_dp_plus.units import Units


def mirror_of(symmetry: Symmetry | None, units: Units) -> Symmetrised | None:
    """The mirror of a policy whose values have these units; None without a symmetry."""
    if symmetry is None:
        return None
    return Symmetrised(symmetry, units.physical, units.normalised, frozenset(units.keys))


def propose_both(head: Head, mirror: Symmetrised, condition: Condition, noise: Tensor, given: Given) -> Candidates:
    """As `Head.propose`, with a condition of 2B rows: those of the observations, then those of their mirror images.

    The first half of the noises (B, N, H, A) is for the observations, the second for the mirror images, whose chunks are
    mirrored back. So with equal halves a symmetric observation has a symmetric set of candidates. What is fixed, and what
    chunks are drawn near to, is mirrored as well. Energies that are followed on the way see every chunk where it will be
    executed, in the true world.
    """

    def seen_from_both(chunks: Tensor | None) -> Tensor | None:
        if chunks is None:
            return None
        first, second = chunks.chunk(2, 1)
        return torch.cat([first, mirror.mirrored_back(second)])

    def halves(each: Tensor) -> Tensor:
        return torch.cat(each.chunk(2, 1))

    world, fixed, start = _seen_from_both(given.world, mirror), seen_from_both(given.fixed), seen_from_both(given.start)
    shown, plan = None if given.shown is None else halves(given.shown), None
    if given.plan is not None:
        plan = Plan(given.plan.how, seen_from_both(given.plan.actions), halves(given.plan.weights))  # type: ignore[arg-type]
    both = Given(world, given.generator, fixed, given.absent, start, given.skipped, shown, plan)
    found = head.propose(condition, torch.cat(noise.chunk(2, 1)), both)
    chunks = mirror.together(found.chunks)
    if given.fixed is not None:  # conversions round
        chunks = decided(given.fixed, chunks)
    return Candidates(chunks, noise=None if found.noise is None else noise)


def _seen_from_both(world: World | None, mirror: Symmetrised) -> World | None:
    """The world whose energy is told chunks (2B, N/2, H, A), the second half of them mirrored."""
    if world is None or world.energy is None:
        return world
    energy, true = world.energy, Symmetrised(mirror.symmetry)  # chunks come in the dataset's units

    def both(chunks: Tensor, scene: Scene) -> Tensor:
        return torch.cat(energy(true.together(chunks), scene).chunk(2, 1))

    return World(world.scene, both, world.physical, world.normalised)
