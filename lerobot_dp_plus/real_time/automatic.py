"""What a policy can do best."""

from dataclasses import dataclass

from lerobot_dp_plus.real_time.base import RealTime
from lerobot_dp_plus.real_time.guided import Guided
from lerobot_dp_plus.real_time.trained import Trained


@RealTime.register_subclass("automatic")
@dataclass(frozen=True)
class Automatic(RealTime):
    """`trained` if the policy was trained with a `max_delay`, else `guided`."""

    def chosen(self, max_delay: int) -> RealTime:
        return Trained() if max_delay else Guided()
