"""What a policy might do: its candidates as a person or a program wants to see them. They are methods of the policy."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lerobot_dp_plus.likelihood import Likelihood
from lerobot_dp_plus.modes import Modes
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies import candidates as drawing
from lerobot_dp_plus.policies import continuing, fitting, keeping, relative
from lerobot_dp_plus.policies.episode import Episode
from lerobot_dp_plus.policies.mirroring import mirror_of
from lerobot_dp_plus.policies.narrowing import told_apart
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.policies.readings import give, given
from lerobot_dp_plus.policies.recipe import Recipe

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy


def sample(
    self: "DpPlusPolicy", window: Mapping[str, Tensor], noise: Tensor | None = None, candidates: int | None = None
) -> Tensor:
    """Candidate chunks (B, N, H, A), normalised, for observation windows (B, T_o, ...); leaves the episode alone.

    N is `candidates`, or the selection's number if None.

    Raises:
        ValueError: noise of another shape; NaN or infinity, which would reach the robot, in a state or in pictures that
            states are read off; or weights loaded under an objective not their own and untrained since.
    """
    return self.propose(window, noise, candidates, energies=()).chunks


@torch.no_grad()
def propose(
    self: "DpPlusPolicy",
    window: Mapping[str, Tensor],
    noise: Tensor | None = None,
    candidates: int | None = None,
    energies: Sequence[str] | None = None,
    fixed: Tensor | None = None,
    start: Tensor | None = None,
    start_time: float = 0.5,
) -> Candidates:
    """As `sample`, with what is known of each chunk.

    Args:
        window, noise, candidates: as for `sample`.
        energies: names of those to compute; if None, all that the policy learned and all that have a weight. `imitation`
            is there for every policy, if it is asked for.
        fixed: what is decided already of the chunks, (B, H, A), normalised, NaN where it is not; see `with_prefix`.
        start: a chunk to draw near, (B, H, A), normalised. Sampling begins at α(t)·start + σ(t)·noise: SDEdit, arXiv
            2108.01073, which ITPS, arXiv 2411.16627, calls biased initialisation.
        start_time: that t; the sampler's first time that is not before it. Nearer to 1 less of the start is changed. It costs
            as many network calls as the sampler has times left.

    Raises:
        ValueError: as `sample`; an energy does not exist or cannot be computed yet; `fixed` or the start has another shape or
            is not finite; or the start's time is not in [0, 1).
    """
    window = as_weights(self.model, window, self.config.observed_features)
    if fixed is not None:
        if fixed.isinf().any():
            raise ValueError("fixed: there is an infinity in it; must be numbers, and NaN for what is not decided")
        window = {**window, continuing.FIXED: fixed}
    if start is not None:
        window = {**window, drawing.START: start}
    asked = self.config.energy_names if energies is None else tuple(energies)
    count = self.config.selection.candidates if candidates is None else candidates
    recipe = Recipe.of(self.config, asked, 0 if start is None else drawing.steps_before(self.config, start_time))
    return self._candidates(recipe, window, noise, count)


@torch.no_grad()
def log_prob(
    self: "DpPlusPolicy", window: Mapping[str, Tensor], chunks: Tensor, likelihood: Likelihood | None = None
) -> Tensor:
    """Log-density (B, N), in nats, of normalised chunks (B, N, H, A) under observation windows (B, T_o, ...).

    It is that of chunks with a little noise, `likelihood.s_min`, without which it does not converge. `likelihood` is the
    config's if None. With `symmetrise` it is that of the mixture of both halves, log ½(p(A|O) + p(MA|MO)): the mirror M
    is its own inverse and affine, so it keeps volumes.

    Raises:
        ValueError: chunks of another shape, or a head that has no density; by name.
    """
    config, model = self.config, self._averaged_model
    shape = (config.horizon, *config.action_feature.shape)  # type: ignore[union-attr]
    if chunks.dim() != 4 or chunks.shape[2:] != shape:
        raise ValueError(f"chunks have shape {tuple(chunks.shape)}; must be (B, N, {shape[0]}, {shape[1]})")
    window = drawing.beside_the_weights(model, as_weights(self.model, window, config.observed_features))
    mirror = mirror_of(Recipe.of(config).symmetry, model.units)
    with self._evaluating.of(model):
        window = model.estimated(window)
        chunks = chunks.to(next(iter(window.values())))
        if mirror is not None:
            model.units.check_known()
            window, chunks = mirror.both(window), torch.cat([chunks, mirror.mirrored_back(chunks)])
        condition = model.network.condition(model.encoder(window))  # type: ignore[operator]
        found = drawing.head_of(model, config).log_prob(condition, chunks, likelihood or config.likelihood)
    if found is not None:
        return found if mirror is None else torch.logaddexp(*found.chunk(2)) - math.log(2)
    raise ValueError(f"objective.type = {config.objective.get_choice_name(type(config.objective))} has no density")


@torch.no_grad()
def candidates(
    self: "DpPlusPolicy",
    observation: Mapping[str, Tensor],
    n: int = 16,
    *,
    noise: Tensor | None = None,
    energies: Sequence[str] | None = None,
    fixed: Tensor | None = None,
    start: Tensor | None = None,
    start_time: float = 0.5,
    log_prob: bool = False,
    modes: Modes | None = None,
) -> Candidates:
    """N chunks for each observation, in the dataset's units and from the current step on, and all that is known of them.

    It leaves the episode alone. The observation is encoded once, whatever N is.

    Args:
        observation: normalised, as the preprocessor gives it: the newest frame (B, ...) of each feature, or whole windows
            (B, T_o, ...).
        n: how many chunks.
        noise: (B, N, H, A); drawn if None.
        energies, fixed, start, start_time: as for `propose`.
        log_prob: whether the log-density of each chunk is computed; see `log_prob`.
        modes: how modes are told apart; the config's if None.

    Returns:
        Candidates with chunks (B, N, L, A), energies, mode, weights, representatives and ambiguity.

    Raises:
        ValueError: as `propose`; or n is below 1, above `fitting.MOST`, or odd where half of the chunks are mirrored.
    """
    fitting.check_count(self.config, "n", n)
    history = Episode.of(self.config).history
    history.glance(as_weights(self.model, observation, self.config.observed_features), None)
    window = history.window()
    found = self.propose(window, noise, n, energies, fixed, start, start_time)
    if log_prob:
        found = found._replace(log_prob=self.log_prob(window, found.chunks))
    found = found.from_step(self.config.n_obs_steps - 1)
    units = self.model.units
    chunks = relative.absolute(self.config, units, window, found.chunks)
    told_by = modes or self.config.modes
    told = told_apart(found, told_by, units, keeping.scene_of(self, window, told_by))
    return told._replace(chunks=chunks)


@torch.no_grad()
def describe(self: "DpPlusPolicy", observation: Mapping[str, Tensor]) -> list[str]:
    """What the policy is about to do, in words, a sentence for each observation; it leaves the episode alone.

    The observation is as for `candidates`. The sentence is the likeliest word, one after the other. It is learned beside the
    actions and from the same tokens, but the actions do not depend on it: it tells what such a scene is usually followed by.

    Raises:
        ValueError: the policy has not learned to tell; or as `candidates`.
    """
    history = Episode.of(self.config).history
    history.glance(as_weights(self.model, observation, self.config.observed_features), None)
    model = self._averaged_model
    with self._evaluating.of(model):
        told = model.described(drawing.beside_the_weights(model, history.window()))
    if told is None:
        chosen = self.config.auxiliary.get_choice_name(type(self.config.auxiliary))
        raise ValueError(
            f"auxiliary.type = {chosen}: the policy has not learned to say what it does; train one with "
            "--policy.auxiliary.type=text"
        )
    return told


#: What the instruction may mean. See `readings.given`.
readings = property(given, give)


def with_prefix(actions: Tensor, horizon: int, now: int) -> Tensor:
    """A chunk (B, H, A) of which the first actions (B, P, A) from the current step on are decided, NaN elsewhere.

    Raises:
        ValueError: there are more actions than steps from the current one on.
    """
    batch, count, width = actions.shape
    if now + count > horizon:
        raise ValueError(f"a prefix of {count} actions: a chunk has {horizon - now} steps from the current one on")
    fixed = actions.new_full((batch, horizon, width), float("nan"))
    fixed[:, now : now + count] = actions
    return fixed
