"""One moment of a run: what was observed, which chunks are drawn for it, where they lead, and which ways there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.evaluation.embodiment_of import robot_in
from lerobot_dp_plus.hub.files import read_json
from lerobot_dp_plus.modes import Found
from lerobot_dp_plus.notation import Candidates, Scene
from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.policies.candidates import beside_the_weights
from lerobot_dp_plus.policies.narrowing import feasible
from lerobot_dp_plus.policies.settling import VIOLATION
from lerobot_dp_plus.units import ACTION

#: Colours of the ways that people with any kind of colour vision tell apart (Okabe and Ito, 2008), and their names.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NAMES = ("blue", "red", "green", "pink", "yellow", "sky")
LETTERS = "ABCDEF"


def load(folder: Path, env: str | None = None) -> Loaded:
    """A policy of this package that draws its candidates uncompiled, so that it may be bent at every step.

    Of several robots it serves the one whose action environment `env` has.

    Raises:
        ValueError: it is another policy.
    """
    config = read_json(folder / "config.json")
    kind, robot = config.get("type"), robot_in(config, env)
    if not str(kind).startswith("dp_plus_"):
        raise ValueError(f"policy type {kind!r}: candidates are offered by the dp_plus_* types")
    served = [] if robot is None else [f"--embodiment={robot}"]
    loaded = load_switched(folder, ["--compile_sampler=false", *served])
    if loaded.policy.config.use_relative_actions:
        raise ValueError(f"{folder}: use_relative_actions = true; chunks are shown in places, and these are distances")
    return loaded


@dataclass(frozen=True)
class Moment:
    """What a policy might do now, of one observation.

    Args:
        window: what was observed, normalised, each (1, T_o, ...).
        found: the candidates, normalised and whole, (1, N, H, A), with their modes.
        chunks: the same in the dataset's units from the current step on, (N, L, A).
        positions: where the robot will be, (N, S, P), as `forward` says.
        modes: the ways among them, of one observation.
        scene: what energies see.
    """

    window: Mapping[str, Tensor]
    found: Candidates
    chunks: Tensor
    positions: Tensor
    modes: Found
    scene: Scene

    @property
    def ways(self) -> list[int]:
        """The modes that there are, the heaviest first."""
        weights = self.modes.weights[0]
        return [k for k in weights.argsort(descending=True, stable=True).tolist() if weights[k] > 0]

    def members(self, way: int) -> Tensor:
        """Which candidates are of a mode, (n,) int64."""
        return (self.modes.mode[0] == way).nonzero()[:, 0]

    @property
    def violation(self) -> Tensor:
        """The greatest depth of any broken rule for each candidate, (N,); zeros where there is no rule."""
        told = self.found.energies.get(VIOLATION)
        return torch.zeros(self.found.chunks.shape[1]) if told is None else told[0]

    def allowed(self) -> Tensor:
        """For each candidate the number of one that keeps the rules, itself if it does, (N,) int64; see `feasible`."""
        return feasible(self.violation[None])[0]


@torch.no_grad()
def look(
    policy: Any,
    window: Mapping[str, Tensor],
    noise: Tensor,
    start: Tensor | None = None,
    start_time: float = 0.5,
    energies: Sequence[str] | None = None,
) -> Moment:
    """The moment of a normalised window (1, T_o, ...), with a candidate for each row of noise (1, N, H, A).

    Args:
        policy: one of this package. Its config says how candidates are drawn, bent and judged.
        window: may hold the action (1, 1, A) that was executed last.
        start, start_time, energies: as for `policy.propose`.

    Raises:
        ValueError: as `policy.propose`; or the selection compares with another policy.
    """
    config, model = policy.config, policy._averaged_model
    if config.selection.contrast:
        raise ValueError(
            "selection.type = bidirectional compares with another policy at every chunk, which is not done here; load it with "
            "selection.type=coherent"
        )
    found = policy.propose(window, noise, noise.shape[1], energies, start=start, start_time=start_time)
    units, now = model.units, config.n_obs_steps - 1
    units.check_known()
    observed = model.estimated(beside_the_weights(model, window))
    scene = Scene(units.all_physical(observed), now, config.n_action_steps, config.forward)
    whole = units.physical(ACTION, found.chunks)
    chunks = whole[:, :, now:]
    modes = config.modes.of(chunks, scene, found.mode)
    found = found._replace(mode=modes.mode, weights=modes.weights, representatives=modes.nearest)
    return Moment(window, found, chunks[0], scene.positions(whole)[0], modes, scene)


@torch.no_grad()
def judged(policy: Any, window: Mapping[str, Tensor], chunks: Tensor, energy: str) -> Tensor:
    """The energy (N,) of chunks (N, H, A), normalised and whole, under the window of one observation.

    Nothing is drawn: every chunk is decided whole, see `fixed` of `policy.propose`.
    """
    many = {key: value.expand(len(chunks), *value.shape[1:]) for key, value in window.items()}
    noise = torch.zeros(len(chunks), 1, *chunks.shape[1:])
    return policy.propose(many, noise, 1, [energy], fixed=chunks).energies[energy][:, 0]


def seeded_noise(policy: Any, count: int, *seed: int) -> Tensor:
    """Noise (1, count, H, A) that depends on the numbers of `seed` alone."""
    config = policy.config
    number = sum(part * 1_000_003**place for place, part in enumerate(seed)) % 2**62
    drawn = torch.Generator().manual_seed(number)
    return config.noise_scale * torch.randn(1, count, config.horizon, *config.action_feature.shape, generator=drawn)


def in_words(weights: Sequence[float]) -> str:
    """How ambiguous a situation is, from the weights of its modes."""
    shares = [weight for weight in weights if weight > 0]
    if len(shares) == 1:
        return "All candidates do the same thing."
    number = {2: "Two", 3: "Three", 4: "Four"}.get(len(shares), str(len(shares)))
    told = [f"{100 * share:.0f} %" for share in shares]
    if shares[0] < 0.62:
        how = "and none is much more likely"
    elif shares[0] < 0.85:
        how = "and one is more likely"
    else:
        how = "and one is nearly certain"
    return f"{number} ways are open, {how}: {', '.join(told[:-1])} and {told[-1]} of the candidates."
