"""A choice that is kept: candidates of the mode that was chosen, where modes are the same in every chunk."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lerobot_dp_plus.encoders import WORD_IDS
from lerobot_dp_plus.modes import Modes
from lerobot_dp_plus.notation import Candidates, Scene
from lerobot_dp_plus.policies.candidates import beside_the_weights
from lerobot_dp_plus.policies.narrowing import dealt
from lerobot_dp_plus.policies.readings import meant

if TYPE_CHECKING:
    from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig
    from lerobot_dp_plus.policies.episode import Episode
    from lerobot_dp_plus.policies.policy import DpPlusPolicy


def scene_of(policy: "DpPlusPolicy", window: Mapping[str, Tensor], modes: Modes) -> Scene | None:
    """What `modes` must know of a normalised window (B, T_o, ...), in the dataset's units; None if they need nothing."""
    if not modes.needs_scene:
        return None
    model, read = policy._averaged_model, meant(policy)
    model.units.check_known()
    with policy._evaluating.of(model):
        seen = model.estimated(beside_the_weights(model, window))
    return Scene(model.units.all_physical(seen), readings=() if read is None else read.sentences)


def narrowed(
    episode: "Episode", config: "DpPlusConfig", ahead: Candidates, numbers: Tensor, window: Mapping[str, Tensor]
) -> Tensor:
    """The numbers (B, N) of candidates to decide between: those of the mode that is kept, where one is.

    Nothing is kept any longer where another sentence is said, or where none of these candidates is of that mode.
    """
    kept = episode.mode
    if not config.modes.keeps or kept is None or len(kept) != len(numbers):
        return numbers
    assert ahead.mode is not None
    said = window.get(WORD_IDS)
    if said is not None and episode.said is not None and said.shape == episode.said.shape:
        kept = torch.where((said == episode.said).flatten(1).all(1), kept, -1)
    own = ahead.mode.gather(1, numbers) == kept[:, None]
    return numbers.gather(1, dealt(own | ~own.any(1, keepdim=True)))


def keep(episode: "Episode", proposed: Candidates, index: Tensor, window: Mapping[str, Tensor]) -> None:
    """Remember the modes of the chosen candidates, `index` (B,), and what was said."""
    assert proposed.mode is not None
    episode.mode = proposed.mode.gather(1, index[:, None])[:, 0]
    episode.said = window.get(WORD_IDS)
