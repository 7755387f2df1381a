"""What a policy might do: its candidates as a person or a program wants to see them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lerobot_dp_plus.modes import Modes
from lerobot_dp_plus.notation import Candidates
from lerobot_dp_plus.policies.episode import Episode
from lerobot_dp_plus.policies.numbers import as_weights
from lerobot_dp_plus.units import ACTION


@torch.no_grad()
def candidates(
    self: Any,
    observation: Mapping[str, Tensor],
    n: int = 16,
    *,
    noise: Tensor | None = None,
    energies: Sequence[str] | None = None,
    fixed: Tensor | None = None,
    modes: Modes | None = None,
) -> Candidates:
    """N chunks for each observation, in the dataset's units and from the current step on, and all that is known of them.

    It leaves the episode alone. The observation is encoded once, whatever N is.

    Args:
        observation: normalised, as the preprocessor gives it: the newest frame (B, ...) of each feature, or whole windows
            (B, T_o, ...).
        n: how many chunks.
        noise: (B, N, H, A); drawn if None.
        energies: names of those to compute; all that the policy can tell, if None.
        fixed: what is decided already of the chunks (B, H, A), normalised, NaN where it is not; see `with_prefix`.
        modes: how modes are told apart; the config's if None.

    Returns:
        Candidates with chunks (B, N, L, A), energies, mode, weights, representatives and ambiguity.

    Raises:
        ValueError: as `propose`; or n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: must be at least 1")
    history = Episode.of(self.config).history
    history.glance(as_weights(self.model, observation, self.config.observed_features), None)
    window = history.window()
    if fixed is not None:
        window = {**window, "fixed": fixed}
    found = self.propose(window, noise, n, energies).from_step(self.config.n_obs_steps - 1)
    self.model.units.check_known()
    chunks = self.model.units.physical(ACTION, found.chunks)
    told = (modes or self.config.modes).of(chunks)
    return found._replace(chunks=chunks, mode=told.mode, weights=told.weights, representatives=told.nearest)


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
