"""A learned model of what a chunk leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lerobot_dp_plus.foresight.base import Foresight, ForesightModel
from lerobot_dp_plus.foresight.ends import Ends
from lerobot_dp_plus.foresight.frames import Frame, Observed, Scene
from lerobot_dp_plus.foresight.units import Units
from lerobot_dp_plus.foresight.weighting import Information, Weighting

ACTION = "action"


@Foresight.register_subclass("outcome")
@dataclass(frozen=True)
class Outcome(Foresight):
    """L = mean |g(o_{t−1}, o_t, a_t … a_{t+K−1}) − (ô_{t+1} … ô_{t+K})|, a residual MLP for all K steps at once.

    Source: our own; planning with a model learned from the same data goes back to Dyna (Sutton, 1991) and PETS
    (arXiv 1805.12114). The dataset's own speed is modelled, whatever `stride` the policy runs at.
    Cost: one call on B·N chunks per choice, no call of the policy's network.

    Args:
        steps: K, in frames of the data.
        dim, depth: width and number of residual blocks; 8·depth·dim² weights.
        weighting: how much each coordinate of an end counts in the energy.
        weight: of this loss beside the policy's.
    """

    steps: int = 12
    dim: int = 384
    depth: int = 3
    weight: float = 1.0
    frame: Frame = field(default_factory=Observed)
    weighting: Weighting = field(default_factory=Information)

    def __post_init__(self) -> None:
        for name in ("steps", "dim", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"foresight.{name} = {getattr(self, name)}: must be at least 1")
        if not self.weight > 0:
            raise ValueError(f"foresight.weight = {self.weight}: must be positive; to go without, foresight.type=none")

    @property
    def reach(self) -> int:
        return self.steps

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"energy"})

    def check(self, state_dims: Mapping[str, int], cameras: Mapping[str, tuple[int, ...]], action_dim: int) -> None:
        if cameras:
            raise ValueError(
                f"foresight.type=outcome foresees states, and the policy sees {', '.join(cameras)}: legal with images "
                "is foresight.type=none, or perception.type=regression, which reads states off them"
            )
        self.frame.check(state_dims, action_dim)

    def build(self, state_dims: Mapping[str, int], action_dim: int) -> "OutcomeModel":
        return OutcomeModel(
            state_dims,
            action_dim,
            steps=self.steps,
            dim=self.dim,
            depth=self.depth,
            weight=self.weight,
            frame=self.frame,
            weighting=self.weighting,
        )


class OutcomeModel(ForesightModel):
    """Normalised states and actions in, normalised states out; `Ends` says how good they are."""

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
    ):
        super().__init__()
        self.keys, self.steps, self.weight, self.frame = tuple(state_dims), steps, weight, frame
        self.weighting = weighting
        self.units = Units({**state_dims, ACTION: action_dim})
        self.ends = Ends(sum(state_dims.values()))
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
        """Widths of the frame's input and output, by looking at a scene of zeros."""
        states = {key: torch.zeros(1, 2, dim) for key, dim in state_dims.items()}
        scene = Scene(states, torch.zeros(1, self.steps, action_dim))
        future = {key: torch.zeros(1, self.steps, dim) for key, dim in state_dims.items()}
        return self.frame.look(scene).shape[-1], self.frame.change(scene, future).shape[-1]

    def forward(self, states: Mapping[str, Tensor], actions: Tensor) -> Tensor:
        """States at t − 1 and t, each (B, 2, D), and actions (B, L, A) from t on -> states side by side (B, K, C).

        Beyond L < K the last action is taken to hold; beyond K > L nothing is read.
        """
        scene = self._scene(states, actions)
        placed = self.frame.place(scene, self._predict(scene))
        return torch.cat([self._in_normalised(key, placed[key]) for key in self.keys], -1)

    def loss(
        self, states: Mapping[str, Tensor], actions: Tensor, future: Mapping[str, Tensor], valid: Tensor
    ) -> Tensor:
        scene = self._scene(states, actions)
        then = {key: self._in_frame_units(key, future[key]) for key in self.keys}
        if self.training:
            over = ~valid[:, -1]
            self.ends.gather(torch.cat([future[key][over, -1] for key in self.keys], -1))
        return self.weight * (self._predict(scene) - self.frame.change(scene, then)).abs() * valid[..., None]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        if self.units.replaces(state_dict, prefix + "units."):  # fine-tuning on other data, which ends where it ends
            state_dict |= {f"{prefix}ends.{name}": value.clone() for name, value in self.ends.named_buffers()}
        super()._load_from_state_dict(state_dict, prefix, *args)

    def check_learned(self) -> None:
        self.ends.check_seen()

    def energy(self, states: Mapping[str, Tensor], chunks: Tensor, executed: int) -> Tensor:
        """Mean of the distances from the ends when `executed` steps are done, and as far as is seen."""
        batch, candidates, length, _ = chunks.shape
        repeated = {key: states[key].repeat_interleave(candidates, 0) for key in self.keys}
        distance = self.ends.distance(self(repeated, chunks.flatten(0, 1)), self.weighting)  # (B·N, K)
        last = min(length, self.steps) - 1
        return ((distance[:, min(executed - 1, last)] + distance[:, last]) / 2).unflatten(0, (batch, candidates))

    def _predict(self, scene: Scene) -> Tensor:
        x = self.enter(self.frame.look(scene).to(self.enter.weight.dtype))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).float().unflatten(-1, (self.steps, -1))

    def _scene(self, states: Mapping[str, Tensor], actions: Tensor) -> Scene:
        actions = actions[:, : self.steps]
        if actions.shape[1] < self.steps:
            rest = actions[:, -1:].expand(-1, self.steps - actions.shape[1], -1)
            actions = torch.cat([actions, rest], 1)
        newest = {key: states[key][:, -2:] for key in self.keys}
        # With a single observation step the past is unknown: at rest.
        newest = {key: torch.cat([state[:, :1], state], 1)[:, -2:] for key, state in newest.items()}
        return Scene(
            {key: self._in_frame_units(key, state) for key, state in newest.items()},
            self._in_frame_units(ACTION, actions),
        )

    def _in_frame_units(self, key: str, value: Tensor) -> Tensor:
        return self.units.physical(key, value) if self.frame.in_units else value.float()

    def _in_normalised(self, key: str, value: Tensor) -> Tensor:
        return self.units.normalised(key, value) if self.frame.in_units else value
