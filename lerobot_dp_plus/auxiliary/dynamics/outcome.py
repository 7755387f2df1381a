"""A learned model of what a chunk leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn

from lerobot_dp_plus.auxiliary.base import Around, AuxiliaryModel, Data, Loss, Needs, Surroundings, View
from lerobot_dp_plus.auxiliary.dynamics.base import Dynamics
from lerobot_dp_plus.auxiliary.dynamics.ends import Context, Ends, Gaussian
from lerobot_dp_plus.auxiliary.dynamics.ends.context import sentence_vector
from lerobot_dp_plus.auxiliary.dynamics.frames import Frame, Moment, Observed
from lerobot_dp_plus.auxiliary.dynamics.weighting import Information, Weighting
from lerobot_dp_plus.legal import at_least
from lerobot_dp_plus.notation import Energy, Scene, Tokens
from lerobot_dp_plus.units import ACTION, Units

#: The frame of an episode's start, from any frame of it: a window that reaches so far back is filled with its first one.
START = -(10**6)


@Dynamics.register_subclass("outcome")
@dataclass(frozen=True)
class Outcome(Dynamics):
    """L = mean |g(o_{t−1}, o_t, a_t … a_{t+K−1}) − (ô_{t+1} … ô_{t+K})|, a residual MLP for all K steps at once.

    Source: our own; planning with a model learned from the same data goes back to Dyna (Sutton, 1991) and PETS
    (arXiv 1805.12114). The dataset's own speed is modelled, whatever `stride` the policy runs at.
    Cost: one call on B·N chunks per choice, no call of the policy's network.

    Args:
        steps: K, in frames of the data.
        dim, depth: width and number of residual blocks; 8·depth·dim² weights.
        weighting: how much each coordinate of an end counts in the energy.
        ends: where demonstrations end, in one place or several, or by start and sentence.
        weight: the weight of this loss beside the policy's.
    """

    offers: ClassVar[frozenset[str]] = frozenset({"end"})

    steps: int = 12
    dim: int = 384
    depth: int = 3
    weight: float = 1.0
    frame: Frame = field(default_factory=Observed)
    weighting: Weighting = field(default_factory=Information)
    ends: Ends = field(default_factory=Gaussian)

    def __post_init__(self) -> None:
        at_least("dynamics", self, steps=1, dim=1, depth=1)
        if not self.weight > 0:
            raise ValueError(f"dynamics.weight = {self.weight}: must be positive; to go without, dynamics.type=none")

    def needs(self, n_obs_steps: int, observation_stride: int) -> Needs:
        before = tuple(observation_stride * step for step in range(1 - min(2, n_obs_steps), 1))
        start = (START,) if self.reads_start else ()
        return Needs(observations=(*start, *before, *range(1, self.steps + 1)), actions=tuple(range(self.steps)))

    @property
    def reads_start(self) -> bool:
        return self.ends.reads_start

    def check(self, data: Data) -> None:
        if data.cameras and not data.estimated:
            raise ValueError(
                f"dynamics.type=outcome predicts states, and the policy sees {', '.join(data.cameras)}: legal with images is "
                "dynamics.type=none, or state_estimation.type=regression, which reads states off them"
            )
        self.frame.check(data.state_dims, data.action_dim)
        self.ends.check(data.speaks)

    def check_training(self, dropped: int) -> None:
        if self.steps <= dropped:
            raise ValueError(
                f"dynamics.steps = {self.steps}: must be more than {dropped}, the frames that are left out at the end of an "
                "episode, or no end is ever seen; or raise n_action_steps"
            )

    def build(self, surroundings: Surroundings) -> "OutcomeModel":
        return OutcomeModel(
            surroundings.state_dims,
            surroundings.action_dim,
            steps=self.steps,
            dim=self.dim,
            depth=self.depth,
            weight=self.weight,
            frame=self.frame,
            weighting=self.weighting,
            ends=self.ends,
        )


class OutcomeModel(AuxiliaryModel):
    """Normalised states and actions in, normalised states out; `EndsModel` says how good they are."""

    def __init__(
        self,
        state_dims: Mapping[str, int],
        action_dim: int,
        *,
        steps: int,
        dim: int,
        depth: int,
        weight: float,
        frame: Frame,
        weighting: Weighting,
        ends: Ends,
    ):
        super().__init__()
        self.keys, self.steps, self.weight, self.frame = tuple(state_dims), steps, weight, frame
        self.weighting = weighting
        self.reads_start, self.reads_words = ends.reads_start, ends.reads_words
        self.ends = ends.build(sum(state_dims.values()))
        features, outputs = self._sizes(state_dims, action_dim)
        self.enter = nn.Linear(features, dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
            for _ in range(depth)
        )
        head = nn.Linear(dim, steps * outputs)
        self.leave = nn.Sequential(nn.LayerNorm(dim), head)
        nn.init.zeros_(head.weight)  # start from "nothing changes"

    def _sizes(self, state_dims: Mapping[str, int], action_dim: int) -> tuple[int, int]:
        """Widths of the frame's input and output, by looking at a moment of zeros."""
        states = {key: torch.zeros(1, 2, dim) for key, dim in state_dims.items()}
        moment = Moment(states, torch.zeros(1, self.steps, action_dim))
        future = {key: torch.zeros(1, self.steps, dim) for key, dim in state_dims.items()}
        return self.frame.look(moment).shape[-1], self.frame.change(moment, future).shape[-1]

    def forward(self, states: Mapping[str, Tensor], actions: Tensor, units: Units) -> Tensor:
        """States at t − 1 and t, each (B, 2, D), and actions (B, L, A) from t on -> states side by side (B, K, C).

        All of them are normalised. If there are fewer than K actions, the last one is held. More than K are not read.
        """
        return self._outcome(self._moment(self._framed(states, units), self._framed({ACTION: actions}, units)), units)

    def loss(self, view: View, tokens: Sequence[Tokens], units: Units, **around: Unpack[Around]) -> Loss:
        """Mean error of the steps that are real; while training, the ends of episodes are gathered."""
        states = {key: view.observations[key][:, : -self.steps] for key in self.keys}
        future = {key: view.observations[key][:, -self.steps :] for key in self.keys}
        real = view.real[:, -self.steps :]
        if self.training:
            over = ~real[:, -1]
            last = torch.cat([future[key][over, -1] for key in self.keys], -1)
            self.ends.gather(last, self._taught(view).rows(over))
        error = self.error(states, view.actions, future, real, units).mean(-1)  # (B, K)
        count = real.sum(1)
        return Loss(error.sum(1) / count.clamp_min(1), count)

    def error(
        self,
        states: Mapping[str, Tensor],
        actions: Tensor,
        future: Mapping[str, Tensor],
        real: Tensor,
        units: Units,
    ) -> Tensor:
        """Weighted error (B, K, O) of each step and coordinate, zero where `real` (B, K) is False.

        actions (B, K, A); future holds the states at t + 1 … t + K, each (B, K, D). Beyond an
        episode's end they are its last state.
        """
        moment = self._moment(self._framed(states, units), self._framed({ACTION: actions}, units))
        change = self.frame.change(moment, self._framed(future, units))
        return self.weight * (self._predict(moment) - change).abs() * real[..., None]

    def forget_data(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        state_dict |= {f"{prefix}ends.{name}": value.clone() for name, value in self.ends.named_buffers()}

    @property
    def predicts(self) -> tuple[str, ...]:
        return self.keys

    def states_ahead(self, states: Mapping[str, Tensor], actions: Tensor, units: Units) -> Tensor:
        return self({key: state[:, -2:] for key, state in states.items()}, actions, units)

    def check_learned(self, units: Units) -> None:
        self.ends.check_seen()
        if self.frame.in_units:
            units.check_known()

    def energies(self, units: Units) -> dict[str, Energy]:
        return {"end": lambda chunks, scene: self.distance_from_end(chunks, scene, units)}

    def distance_from_end(self, chunks: Tensor, scene: Scene, units: Units) -> Tensor:
        """How far each chunk (B, N, H, A) leads from where demonstrations end, (B, N).

        The mean of two distances: after `scene.executed` steps, and after the last predicted step.
        """
        batch, candidates, _, _ = chunks.shape
        states = {key: scene.states[key] for key in self.keys}
        actions = {ACTION: chunks[:, :, scene.now :].flatten(0, 1)}
        if not self.frame.in_units:
            states, actions = (
                {key: units.normalised(key, value) for key, value in values.items()} for values in (states, actions)
            )
        repeated = {key: value.repeat_interleave(candidates, 0) for key, value in states.items()}
        outcome = self._outcome(self._moment(repeated, actions), units)
        told = outcome.unflatten(0, (batch, candidates)), self.weighting, self._context(scene, units)
        distance = self.ends.distance(*told)  # (B, N, K)
        last = min(actions[ACTION].shape[1], self.steps) - 1
        return (distance[..., min(scene.executed - 1, last)] + distance[..., last]) / 2

    def _taught(self, view: View) -> Context:
        """What is known of the episodes of a batch; sentences always, as they cost nothing."""
        start = torch.cat([view.observations[key][:, 0] for key in self.keys], -1) if self.reads_start else None
        return Context(start, None if view.said is None else sentence_vector(*view.said))

    def _context(self, scene: Scene, units: Units) -> Context:
        """What is known of the episodes of a scene, as far as goals depend on it."""
        start = None
        if self.reads_start:
            began = {key: scene.began.get(key, scene.states[key][:, 0]) for key in self.keys}
            start = torch.cat([units.normalised(key, value) for key, value in began.items()], -1)
        said = scene.said if self.reads_words else None
        return Context(start, None if said is None else sentence_vector(*said))

    def _outcome(self, moment: Moment, units: Units) -> Tensor:
        """The states to come side by side, (B, K, C), normalised."""
        placed = self.frame.place(moment, self._predict(moment))
        if self.frame.in_units:
            placed = {key: units.normalised(key, value) for key, value in placed.items()}
        return torch.cat([placed[key] for key in self.keys], -1)

    def _predict(self, moment: Moment) -> Tensor:
        x = self.enter(self.frame.look(moment).to(self.enter.weight.dtype))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).float().unflatten(-1, (self.steps, -1))

    def _framed(self, values: Mapping[str, Tensor], units: Units) -> dict[str, Tensor]:
        """Normalised values in the units of the frame."""
        return (
            units.all_physical(values) if self.frame.in_units else {key: value.float() for key, value in values.items()}
        )

    def _moment(self, states: Mapping[str, Tensor], actions: Mapping[str, Tensor]) -> Moment:
        """The last two of the states, each (B, T, D), and K actions. If actions are fewer, the last is held."""
        acts = actions[ACTION][:, : self.steps]
        if acts.shape[1] < self.steps:
            acts = torch.cat([acts, acts[:, -1:].expand(-1, self.steps - acts.shape[1], -1)], 1)
        newest = {key: states[key][:, -2:] for key in self.keys}
        # With a single observation step the past is unknown. It is taken to be at rest.
        return Moment({key: torch.cat([state[:, :1], state], 1)[:, -2:] for key, state in newest.items()}, acts)
