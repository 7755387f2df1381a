"""What is learned beside the policy: which frames it needs, its loss, and what it offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, NotRequired, Self, TypedDict, Unpack

import draccus
from torch import Tensor, nn

from lerobot_dp_plus.notation import Condition, Energy, Tokens
from lerobot_dp_plus.units import Units

#: What a sample's sentence may be: what the episode was told, or the part of it that is being done.
INSTRUCTION, SUBTASK = "instruction", "subtask"
#: Where a dataset may say sub-tasks, {"episode": [[seconds, "what is done from then on"], …]}.
SUBTASKS_FILE = "meta/subtasks.json"


class Needs(NamedTuple):
    """Frames of a training sample, in ascending order. 0 is the current frame; the unit is a step of the data."""

    observations: tuple[int, ...] = ()
    actions: tuple[int, ...] = ()
    #: Frames whose pictures are looked at.
    pictures: tuple[int, ...] = ()


@dataclass(frozen=True)
class View:
    """The frames of a batch that one reader asked for, normalised.

    Args:
        observations: states at `Needs.observations` and pictures at `Needs.pictures`, by name, each (B, T, ...).
        actions: (B, K, A), those of `Needs.actions`.
        valid: which of the actions count, (B, K) bool.
        real: which of the observations exist, (B, T) bool; beyond an episode's end its last one is repeated.
        sentences: B sentences, of what `Auxiliary.tells`; None where the data say nothing.
        said: what the processor made of the instructions, as `Words.ids` gives it; None if nobody reads them.
    """

    observations: Mapping[str, Tensor]
    actions: Tensor
    valid: Tensor
    real: Tensor
    sentences: Sequence[str | None] = ()
    said: tuple[Tensor, Tensor] | None = None


class Loss(NamedTuple):
    """The loss of each sample (B,), and its weight (B,). The mean is Σ weight·each / Σ weight."""

    each: Tensor
    weight: Tensor

    @property
    def mean(self) -> Tensor:
        """The loss of all samples, ()."""
        return (self.each * self.weight).sum() / self.weight.sum().clamp_min(1)


class Data(NamedTuple):
    """What a training is to learn from.

    Args:
        state_dims: the width of every state, by name.
        cameras: the shape (3, H, W) of every camera, by name.
        action_dim: A.
        estimated: whether states are read off the cameras.
        crops: whether image encoders see only a part of a picture, cut out at random while training.
        privileged: the width of what is recorded for further losses alone, by name.
        remembers: whether the network keeps keys and values of tokens of pictures, for others to read.
        writes: whether its backbone can go on with text from tokens of pictures or of things.
        speaks: whether instructions are read.
    """

    state_dims: Mapping[str, int]
    cameras: Mapping[str, tuple[int, ...]]
    action_dim: int
    estimated: bool = False
    crops: bool = False
    privileged: Mapping[str, int] = {}
    remembers: bool = False
    writes: bool = False
    speaks: bool = False


class Surroundings(NamedTuple):
    """What an auxiliary model is built for.

    Args:
        state_dims: the width of every state, by name.
        cameras: the shape (3, H, W) of every camera, by name.
        action_dim: A.
        token_width: width of the policy's tokens of the observation steps and of its patches, together.
        see: makes an encoder of pictures of the policy's kind, and returns it and C. The encoder takes pictures
            by name, each (B, T, 3, H, W). It gives one span of tokens, a feature (B, T, C) for each frame.
        read: (Q, D) -> a module from the network's condition to what Q learned queries read of it, (B, Q, D); None if the
            network keeps nothing to be read.
        write: (V, L) -> a module from words (B, at most L) of V, the network and its condition to scores of the next word
            (B, …, V); None if the network cannot go on with text.
    """

    state_dims: Mapping[str, int]
    cameras: Mapping[str, tuple[int, int, int]]
    action_dim: int
    token_width: int
    see: Callable[[], tuple[nn.Module, int]]
    read: Callable[[int, int], nn.Module] | None = None
    write: Callable[[int, int], nn.Module] | None = None


class Around(TypedDict):
    """What a loss may need of the policy around it.

    Args:
        every: whether the loss of every sample is asked for. Otherwise a member may look at only some, to save time.
        condition: what the policy's network made of the tokens.
        network: that network.
    """

    every: bool
    condition: NotRequired[Condition]
    network: NotRequired[nn.Module | None]


class AuxiliaryModel(nn.Module, ABC):
    """What is trained in the same run as the policy."""

    @abstractmethod
    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        """The weighted loss of a batch.

        tokens are those of the policy's own observations. Members take what they need of `Around`, by name.
        """

    @property
    def predicts(self) -> tuple[str, ...]:
        """The states that `states_ahead` predicts; none if it does not."""
        return ()

    def states_ahead(self, states: Mapping[str, Tensor], actions: Tensor, units: Units) -> Tensor | None:
        """The states to come under actions (B, L, A), side by side and normalised, (B, K, C); None if it predicts none."""
        return None

    def describe(self, tokens: Sequence[Tokens], condition: Condition, network: nn.Module) -> list[str] | None:
        """What is about to be done, in words, a sentence for each sample; None if it has none."""
        return None

    def energies(self, units: Units) -> dict[str, Energy]:
        """The energies it offers, by name."""
        return {}

    def check_learned(self, units: Units) -> None:
        """Raise a ValueError unless it has learned enough to tell its energies."""

    def forget_data(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Remove from weights about to be loaded what former data left there. The new data have other units."""


@dataclass(frozen=True)
class Auxiliary(ABC):
    """What every such part of a config offers. Each field that holds one has a registry of its own."""

    #: Names of the energies that its model offers.
    offers: ClassVar[frozenset[str]] = frozenset()
    #: Whether its loss teaches a network's backbone.
    teaches_backbone: ClassVar[bool] = False
    #: What it looks at in the data and the policy never reads. Training needs it.
    looks_at: ClassVar[frozenset[str]] = frozenset()
    #: Whether policy and energies then act on estimated states instead of pictures.
    reads_pictures: ClassVar[bool] = False

    @property
    def tells(self) -> str | None:
        """The sentence of a sample that it learns from, `INSTRUCTION` or `SUBTASK`; None if it needs none."""
        return None

    def adopting(self, sentences: Iterable[str]) -> Self:
        """The member as it is after it has met all sentences of the data that it `tells`; may raise as `check`."""
        return self

    def strangers(self, sentences: Iterable[str]) -> list[str]:
        """Words of these sentences that it cannot tell."""
        return []

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        """The frames of a training sample, for a policy that sees so many observations, so many steps apart."""
        return Needs()

    def estimates(self, state_dims: Mapping[str, int]) -> tuple[str, ...]:
        """Which of these states it estimates. Training needs them. In use they are neither needed nor read."""
        return ()

    def check(self, data: Data) -> None:  # noqa: B027  (a member may have nothing to refuse)
        """Raise a ValueError, naming the field and what is legal, unless it can learn from these data."""

    def check_training(self, dropped: int) -> None:  # noqa: B027
        """Raise a ValueError unless it can learn when `dropped` frames at each episode's end are left out."""

    @abstractmethod
    def build(self, surroundings: Surroundings) -> AuxiliaryModel | None:
        """The model, or None if nothing is learned."""


@dataclass(frozen=True)
class Further(draccus.ChoiceRegistry, Auxiliary):
    """The axis `auxiliary`: a further loss that offers nothing in use."""


@Further.register_subclass("none")
@dataclass(frozen=True)
class NoFurther(Further):
    """No further loss."""

    def build(self, surroundings: Surroundings) -> None:
        return None
