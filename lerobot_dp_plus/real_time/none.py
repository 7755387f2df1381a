"""Plan anew, whatever is being executed."""

from dataclasses import dataclass

from lerobot_dp_plus.real_time.base import RealTime


@RealTime.register_subclass("none")
@dataclass(frozen=True)
class NotContinued(RealTime):
    """The new chunk knows nothing of the plan. Where it takes over, the robot may jump to another way."""
