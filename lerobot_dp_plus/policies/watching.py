"""What a policy shows to those who watch it (`surprise/`), in the dataset's units."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import draccus
import torch
from torch import Tensor

from lerobot_dp_plus.policies import candidates as drawing
from lerobot_dp_plus.surprise import Evidence, Forecast
from lerobot_dp_plus.units import ACTION

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.episode import Replan
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

#: Fields of a config on which the size of signals depends.
SETTINGS = (
    "n_action_steps",
    "noise_scale",
    "symmetrise",
    "sampler",
    "guidance",
    "refinement",
    "selection",
    "execution",
)


@torch.no_grad()
def evidence(policy: "DpPlusPolicy", candidates: int | None = None) -> Evidence:
    """What the newest chunk of this thread's episode says of the plan before.

    If the selection draws fewer than `candidates`, as many are drawn here.

    Raises:
        ValueError: there is no chunk yet, or the policy does not know its data's units.
    """
    replan, model = policy.episode.replan, policy._averaged_model
    if replan is None:
        raise ValueError("there is no chunk yet to tell about; call select_action first")
    model.units.check_known()
    proposed = replan.proposed
    if candidates is not None and proposed.chunks.shape[1] < candidates:
        proposed = policy.propose(replan.window, candidates=candidates, energies=())
        proposed = proposed.from_step(policy.config.n_obs_steps - 1)
    physical = proposed._replace(chunks=model.units.physical(ACTION, proposed.chunks))
    tail = None if replan.tail is None else model.units.physical(ACTION, replan.tail)
    return Evidence(physical, tail, unexpected(policy, replan))


def unexpected(policy: "DpPlusPolicy", replan: "Replan") -> Tensor | None:
    """Normalised states now minus those that were expected when the plan before was made, (B, D); see `Evidence`."""
    before, model = replan.before, policy._averaged_model
    if before is None:
        return None
    was, now = (model.estimated(drawing.beside_the_weights(model, each.window)) for each in (before, replan))
    expected = model.expected(was, before.chosen.chunks[:, 0])
    if expected is None or not 0 < replan.executed <= expected.shape[1]:
        return None
    seen = torch.cat([now[key][:, -1] for key in model.expects], -1)
    return seen - expected[:, replan.executed - 1]


@torch.no_grad()
def forecast(policy: "DpPlusPolicy") -> Forecast | None:
    """States now, and those expected after the action that `select_action` gave last.

    None without a dynamics model, or if the plan was dropped.
    """
    episode, model = policy.episode, policy._averaged_model
    given = episode.executed - len(episode.actions)
    if episode.chosen is None or given < 1:
        return None
    window = model.estimated(drawing.beside_the_weights(model, episode.history.window()))
    expected = model.expected(window, episode.chosen.chunks[:, 0, given - 1 :])
    if expected is None:
        return None
    return Forecast(torch.cat([window[key][:, -1] for key in model.expects], -1), expected[:, 0])


@torch.no_grad()
def observed(policy: "DpPlusPolicy") -> dict[str, Tensor]:
    """The states of all frames of this thread's newest window by name, each (B, T_o, D); {} of pictures alone."""
    model = policy._averaged_model
    model.units.check_known()
    window = model.estimated(drawing.beside_the_weights(model, policy.episode.history.window()))
    return {
        key: model.units.physical(key, window[key]) for key in policy.config.low_dimensional_features if key in window
    }


def settings(policy: "DpPlusPolicy") -> Mapping[str, Any]:
    """How the policy acts, as far as the size of signals depends on it."""
    return {name: draccus.encode(getattr(policy.config, name)) for name in SETTINGS}
