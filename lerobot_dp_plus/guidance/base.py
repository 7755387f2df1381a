"""What every guidance offers, and what it may know."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

import draccus
from torch import Tensor

from lerobot_dp_plus.notation import Condition, Denoiser, Energy, FlowMap, Prediction, Scene, Shift
from lerobot_dp_plus.paths import Path


@dataclass(frozen=True)
class World:
    """What is known of the world that chunks are executed in.

    Args:
        scene: what was observed, in the dataset's units, B rows.
        energy: the energy to follow, of chunks (B, N, H, A) in the dataset's units; None if there is none.
        physical, normalised: actions (..., A) into the dataset's units, and back.
    """

    scene: Scene
    energy: Energy | None
    physical: Callable[[Tensor], Tensor]
    normalised: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Situation:
    """What a guidance may know beside the denoiser that it bends.

    Args:
        path: the path that is sampled along.
        bound: largest |x₁| of the denoiser; it holds for the bent denoiser too. None for no bound.
        keep_noise: the noise end stays as the network gave it, also where the data end is changed.
        candidates: N; in chunks (B·N, H, A) the candidates of one observation follow each other.
        world: the scene and an energy; None if nobody needs them.
        condition: what the network knows of the observation.
        denoiser: makes the denoiser under another such condition, which may have several times as many rows.
        absent: what the network makes of a dropped observation, as many rows as `condition` has; None if it has not
            learned to do without. A policy fills it with the condition of values that stand for "not seen". In training
            it must have shown the network the same values in place of some observations (arXiv 2207.12598, §3.1).
    """

    path: Path
    bound: float | None = None
    keep_noise: bool = False
    candidates: int = 1
    world: World | None = None
    condition: Condition = None
    denoiser: Callable[[Condition], Denoiser] | None = None
    absent: Condition = None

    def moved(self, prediction: Prediction, x1: Tensor, x_t: Tensor, t: Tensor) -> Prediction:
        """The prediction at x_t with its data end moved to `x1`, within the bound; the noise end explains the rest."""
        if self.bound is not None:
            x1 = x1.clamp(-self.bound, self.bound)
        return Prediction(prediction.x0, x1) if self.keep_noise else self.path.with_data(x1, x_t, t)


@dataclass(frozen=True)
class Guidance(draccus.ChoiceRegistry, ABC):
    """A denoiser -> denoiser map; or, for samplers that draw every step from N(μ, Σ), a shift of μ."""

    #: What must be given for it: "energy" stands for a sum of energies that is not empty, "variance" for a sampler whose
    #: steps have a Σ.
    needs: ClassVar[frozenset[str]] = frozenset()

    @property
    def contrasts(self) -> bool:
        """Whether it needs what the network makes of a dropped observation."""
        return False

    @property
    def drops_words(self) -> bool:
        """Whether it is the words of the observation alone that are dropped."""
        return False

    @property
    def differentiates(self) -> bool:
        """Whether it asks for a gradient."""
        return "energy" in self.needs

    @abstractmethod
    def wrap(self, denoise: Denoiser, situation: Situation) -> Denoiser:
        """The bent denoiser."""

    def shift(self, situation: Situation) -> Shift | None:
        """How the mean of each reverse step is moved; None for not at all."""
        return None

    def wrap_flow_map(self, denoise: Denoiser, situation: Situation) -> FlowMap:
        """The same for a denoiser that is a flow map. The ends of a chord are bent like those of a tangent."""
        flow_map = cast(FlowMap, denoise)

        def jump(x_t: Tensor, t: Tensor, u: Tensor | None = None) -> Prediction:
            return self.wrap(lambda x, time: flow_map(x, time, u), situation)(x_t, t)

        return jump


def followed(situation: Situation, name: str) -> tuple[World, Energy]:
    """The world and the energy that a guidance of this name follows.

    Raises:
        ValueError: there is none.
    """
    world = situation.world
    if world is None or world.energy is None:
        raise ValueError(f"guidance.type={name} follows the energies, and none has a weight; give one a weight")
    return world, world.energy
