"""What is learned beside the policy, from the same episodes and in the same run.

| field of the config | members | what it offers in use | folder or file |
|---|---|---|---|
| `dynamics` | `none`, `outcome` | the energy `end`: how far a chunk leads from where demonstrations end | `dynamics/` |
| `state_estimation` | `none`, `regression` | states read off pictures | `state_estimation/` |
| `auxiliary` | `none`, `next_state` | nothing: its loss shapes the image encoders | `base.py`, `next_state.py` |
| | `gaze_reconstruction`, `gaze_position` | nothing: its loss shapes the backbone | `gaze/` |
| | `text` | what is done, in words: `policy.describe` | `text/` |

Every member says which frames of the data it needs and gives a loss for each sample (`base.py`). A training sample holds the
union of the frames that are needed.
"""

from lerobot_dp_plus.auxiliary.base import (
    INSTRUCTION,
    SUBTASK,
    SUBTASKS_FILE,
    Auxiliary,
    AuxiliaryModel,
    Data,
    Further,
    Loss,
    Needs,
    NoFurther,
    Surroundings,
    View,
)
from lerobot_dp_plus.auxiliary.dynamics import Dynamics, NoDynamics, Outcome
from lerobot_dp_plus.auxiliary.gaze import GazePosition, GazeReconstruction
from lerobot_dp_plus.auxiliary.next_state import NextState
from lerobot_dp_plus.auxiliary.state_estimation import NoStateEstimation, Regression, StateEstimation
from lerobot_dp_plus.auxiliary.text import Text

__all__ = [
    "INSTRUCTION",
    "SUBTASK",
    "SUBTASKS_FILE",
    "Auxiliary",
    "AuxiliaryModel",
    "Data",
    "Dynamics",
    "Further",
    "GazePosition",
    "GazeReconstruction",
    "Loss",
    "Needs",
    "NextState",
    "NoDynamics",
    "NoFurther",
    "NoStateEstimation",
    "Outcome",
    "Regression",
    "StateEstimation",
    "Surroundings",
    "Text",
    "View",
]
