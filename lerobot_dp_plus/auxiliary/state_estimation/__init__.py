"""States that a policy reads off its cameras because no sensor of the robot measures them.

Demonstrations are often recorded where more is known than the robot will know: a simulator or a tracker gives the poses of
objects. A policy that acts on poses learns faster, and its chunks can be ranked by what they lead to (`dynamics/`). The run
that trains it also learns to read the poses off the pictures. In use the pictures are all it has.

| member | what the network acts on | file |
|---|---|---|
| `none` | states as they are measured, and the pictures | `base.py` |
| `regression` | states alone; those not measured are ŝ = f(pictures), with L the mean of ‖f − s‖₁ | `regression.py` |
"""

from lerobot_dp_plus.auxiliary.state_estimation.base import NoStateEstimation, StateEstimation, StateEstimator
from lerobot_dp_plus.auxiliary.state_estimation.regression import Regression

__all__ = ["NoStateEstimation", "Regression", "StateEstimation", "StateEstimator"]
