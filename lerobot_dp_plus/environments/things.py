"""The things of tables on which a sentence may fit several, as a policy's modes: how they are called and where they are listed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lerobot_dp_plus.environments.sentences import COLOURS
from lerobot_dp_plus.modes import Things
from lerobot_dp_plus.modes.things import LISTED, OWN
from lerobot_dp_plus.notation import Scene

#: By `env.type`. MetaWorld moves its hand by a hundredth of an action in each of the two steps that an action is executed
#: for, and `three_pucks` lists the goal after the pucks.
THINGS = {"blocks": Things(names=COLOURS), "three_pucks": Things(names=COLOURS, listed=4, step=0.02)}


def scene_of(envs: Sequence[Any]) -> Scene:
    """Where things and robot are in the environments' own words, whatever the policy sees."""
    listed, own = (
        torch.as_tensor(np.stack([getattr(env.unwrapped, name) for env in envs]), dtype=torch.float32)[:, None]
        for name in ("environment_state", "agent_pos")
    )
    return Scene({LISTED: listed, OWN: own})
