"""Another policy beside this one, whose chunks a selection compares with: loaded once, never trained, moved or saved with it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lerobot_dp_plus.notation import Candidates

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

#: What must be the same in both configs, so that windows and chunks mean the same.
SAME = (
    *("observed_features", "spoken_features", "action_feature"),
    *("n_obs_steps", "horizon", "stride", "observation_stride"),
)


class Contrast:
    """The weak policy of a policy, from the first time that it is asked for."""

    def __init__(self) -> None:
        self._loaded: tuple[str, DpPlusPolicy] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Contrast, ()  # a copy loads it anew

    def told(self, ahead: Candidates, policy: "DpPlusPolicy", window: Mapping[str, Tensor]) -> Candidates:
        """The candidates, which begin at the current step, with as many chunks of the weak policy for the same window.

        Its noises are those of the candidates, each that of another: they are as independent, and nothing more is drawn.

        Raises:
            ValueError: as `weak_policy`.
        """
        path = policy.config.selection.contrast
        if self._loaded is None or self._loaded[0] != path:
            self._loaded = path, weak_policy(path, policy)
        noise = None if ahead.noise is None else ahead.noise.roll(1, 1)
        weak = self._loaded[1].propose(window, noise, ahead.chunks.shape[1], energies=())
        return ahead._replace(contrast=weak.from_step(policy.config.n_obs_steps - 1).chunks.to(ahead.chunks))


def weak_policy(path: str, policy: "DpPlusPolicy") -> "DpPlusPolicy":
    """The policy at `path`, strictly loaded, on the device of `policy`.

    Raises:
        ValueError: there is none, or it does not fit; naming `selection.weak` and what differs.
    """
    from lerobot_dp_plus.policies.acting import load_policy  # which needs policies to be there
    from lerobot_dp_plus.policies.policy import DpPlusPolicy

    try:
        weak = load_policy(path, device=str(policy.config.device)).policy
    except (OSError, ValueError) as error:
        raise ValueError(f"selection.weak = {path}: {error}") from error
    if not isinstance(weak, DpPlusPolicy):
        raise ValueError(f"selection.weak = {path}: it is a {type(weak).__name__}; legal are the dp_plus_* types")
    for name in SAME:
        mine, its = getattr(policy.config, name), getattr(weak.config, name)
        if mine != its:
            raise ValueError(
                f"selection.weak = {path}: its {name} = {its}, and this policy has {mine}; take an earlier checkpoint of the "
                "same training"
            )
    units = [each._averaged_model.units for each in (policy, weak)]
    if any(
        not torch.allclose(*pair)
        for pair in zip(*(each.buffers() for each in units), strict=True)
        if pair[0].is_floating_point()
    ):
        raise ValueError(
            f"selection.weak = {path}: it was trained on other data, whose values are normalised otherwise; take an earlier "
            "checkpoint of the same training"
        )
    return weak.requires_grad_(False)
