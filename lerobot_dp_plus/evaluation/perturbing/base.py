"""What a perturbation is, and how one is read from a command line."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import gymnasium as gym
from torch import Tensor


class Untouched:
    """What acts in one batch of episodes; this one changes nothing."""

    def observed(self, observation: dict[str, Any]) -> dict[str, Any]:
        """An observation as the environment's processor gives it: pictures up to 1, states in their units."""
        return observation

    def seen(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What the policy is given, normalised."""
        return batch

    def decided(self, action: Tensor) -> Tensor:
        """What the policy gives (B, A), normalised."""
        return action

    def before(self, env: gym.Env, environment: str, number: int, step: int) -> None:
        """Before control step `step`, counted from 1, of episode `number` of the batch; `environment` is its `env.type`."""


#: By name, in the order of the folder's table.
PERTURBATIONS: dict[str, type["Perturbation"]] = {}


@dataclass(frozen=True)
class Perturbation:
    """One way to make an episode harder, of some strength.

    A member states what is the same for all its levels in its class line: `class Delay(Perturbation, name="delay", unit="steps")`.

    Attributes:
        level: how much.
        name: on the command line; a class without one is no member. unit: of the level, in words.
        least, most: the bounds of a level. Without `most` it is counted, and so a whole number.
        label: the name, and when, where that can be chosen.

    Raises:
        ValueError: there is no such level.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    least: ClassVar[float]
    most: ClassVar[float | None]

    level: float

    def __init_subclass__(cls, *, name: str = "", unit: str = "", least: float = 0, most: float | None = None) -> None:
        cls.name, cls.unit, cls.least, cls.most = name, unit, least, most
        if name:
            PERTURBATIONS[name] = cls

    def __post_init__(self) -> None:
        if self.most is None:
            legal = self.level == int(self.level) and self.level >= self.least
            bounds = f"a whole number of at least {self.least:g}"
        else:
            legal = self.least <= self.level <= self.most
            bounds = f"from {self.least:g} to {self.most:g}"
        if not legal:
            raise ValueError(f"perturb {self.name} = {self.level:g}: must be {bounds}")

    @property
    def label(self) -> str:
        return self.name

    def check(self, environment: str) -> None:
        """Raise a ValueError where it cannot be done in environments of this type; most can be done in all."""

    def begin(self, seed: int) -> Untouched:
        """What acts in a batch of episodes, whose random numbers follow from `seed`."""
        return Untouched()

    def switches(self) -> list[str]:
        """Arguments of LeRobot's `eval` that do it."""
        return []


def parsed(text: str) -> list[Perturbation]:
    """`delay=0,2,4` as perturbations; `push@30=20` is one with a number of its own.

    Raises:
        ValueError: no such name or level; naming what is legal.
    """
    given, _, levels = text.partition("=")
    name, _, when = given.partition("@")
    if name not in PERTURBATIONS:
        raise ValueError(f"perturb {text!r}: legal are {', '.join(PERTURBATIONS)}, as in --perturb delay=0,2,4")
    try:
        numbers = [float(each) for each in levels.split(",")]
    except ValueError as error:
        raise ValueError(f"perturb {text!r}: expected numbers after the name, as in --perturb {name}=0,1") from error
    if not when:
        return [PERTURBATIONS[name](number) for number in numbers]
    timed = [each.name for each in PERTURBATIONS.values() if "when" in {field.name for field in fields(each)}]
    if name not in timed:
        raise ValueError(f"perturb {text!r}: {name} acts at every step; legal with @ are {', '.join(timed)}")
    try:
        return [PERTURBATIONS[name](number, float(when)) for number in numbers]  # type: ignore[call-arg]
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"perturb {text!r}: expected a number after @, as in --perturb {name}@30=20") from error
