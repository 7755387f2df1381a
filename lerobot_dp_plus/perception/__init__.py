"""What a policy reads off its cameras because no sensor of the robot measures it.

Demonstrations are often recorded where more is known than the robot will know: a simulator or a tracker gives the
objects' poses. A policy that acts on poses learns faster, and its chunks can be ranked by what they lead to
(`foresight/`); a policy that sees is trained by the same run, which learns to read the poses off the pictures.

| member | what the network acts on | file |
|---|---|---|
| `none` | states as they are measured, and features of the pictures | `none.py` |
| `regression` | states alone; those not measured are ŝ = f(pictures), with L = mean |f − s| | `regression.py` |
"""

from lerobot_dp_plus.perception.base import Perception, PerceptionModel
from lerobot_dp_plus.perception.none import NoPerception
from lerobot_dp_plus.perception.regression import Regression

__all__ = ["NoPerception", "Perception", "PerceptionModel", "Regression"]
