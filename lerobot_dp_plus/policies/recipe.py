"""How chunks are proposed and judged, as one value: what of a config decides it."""

from dataclasses import dataclass

from lerobot_dp_plus import heads
from lerobot_dp_plus.augmentation import Symmetry
from lerobot_dp_plus.energies import IMITATION, TOTAL, Energies
from lerobot_dp_plus.forward_maps import ForwardMap
from lerobot_dp_plus.guidance import Guidance
from lerobot_dp_plus.objectives import Objective
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
from lerobot_dp_plus.projection import Projection
from lerobot_dp_plus.real_time import RealTime
from lerobot_dp_plus.refinement import NoRefinement, Refinement
from lerobot_dp_plus.samplers import Sampler


@dataclass(frozen=True)
class Recipe:
    """How chunks are proposed and judged: the parts of a config that decide this.

    Args:
        objective, sampler, guidance, forward, energies, refinement, projection: members of the axes of those names.
        symmetry: the mirror by which half of the candidates are proposed; None if all are proposed as they are.
        asked: names of the energies to compute.
        now: the row of a chunk that is executed at the current step.
        executed: how many rows from there on are executed.
        real_time: how chunks go on from a plan, where a window holds one.
        skipped: how many of the sampler's first steps are left out, where a window holds a chunk to draw near.
    """

    objective: Objective
    sampler: Sampler
    guidance: Guidance
    forward: ForwardMap
    energies: Energies
    refinement: Refinement
    projection: Projection
    symmetry: Symmetry | None
    asked: tuple[str, ...]
    now: int
    executed: int
    real_time: RealTime
    skipped: int = 0

    @classmethod
    def of(
        cls, config: DpPlusConfig, energies: tuple[str, ...] = (), skipped: int = 0, executed: int | None = None
    ) -> "Recipe":
        """The recipe of a config, with the energies that are asked for; a ValueError if one of them is not there.

        `executed` is the config's n_action_steps if None.
        """
        legal = [*config.energy_names, IMITATION]
        if unknown := [name for name in energies if name not in legal]:
            raise ValueError(f"energies = {unknown}: this policy can tell {legal}")
        now, executed = config.n_obs_steps - 1, executed or config.n_action_steps
        drawn = config.objective, config.sampler, config.guidance
        moved = config.forward, config.energies, config.refinement, config.projection
        symmetry = config.augmentation if config.symmetrise else None
        continued = config.real_time.chosen(config.max_delay)
        return cls(*drawn, *moved, symmetry, energies, now, executed, continued, skipped)  # type: ignore[arg-type]

    @property
    def deterministic(self) -> bool:
        """Whether the initial noise alone decides the chunks."""
        return heads.head_of(self.objective).deterministic(self.sampler)

    @property
    def differentiates(self) -> bool:
        """Whether gradients may be asked for while chunks are drawn."""
        asks = self.guidance.differentiates or self.real_time.differentiates
        return asks or not isinstance(self.refinement, NoRefinement)

    @property
    def needs_units(self) -> bool:
        """Whether anything is computed in the dataset's units."""
        return bool(self.computed or self.energies.constraints)

    @property
    def computed(self) -> frozenset[str]:
        """Names of the energies that are asked for, or followed, or summed."""
        followed = "energy" in self.guidance.needs or self.refinement.place is not None
        return self.told | {TOTAL, *self.energies.weights} if followed else self.told

    @property
    def told(self) -> frozenset[str]:
        """Names of the energies that are told of the chunks, without their sum."""
        return frozenset(self.asked) - {TOTAL} | frozenset(self.energies.weights if TOTAL in self.asked else ())
