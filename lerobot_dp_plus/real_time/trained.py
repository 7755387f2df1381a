"""Show the network what is decided, as in training."""

from dataclasses import dataclass
from typing import ClassVar

from lerobot_dp_plus.real_time.base import RealTime


@RealTime.register_subclass("trained")
@dataclass(frozen=True)
class Trained(RealTime):
    """The decided steps go into the network without noise, each with the time t = 1, and the others are drawn.

    Training-time real-time chunking, arXiv 2512.05964. The policy must have been trained with `max_delay` of at least the
    delay: in training the first steps of a chunk, a random number up to that, are shown so, and the loss is of the others.
    Cost: no further call, but a time for every step at each.
    """

    fixes: ClassVar[bool] = True
    shows: ClassVar[bool] = True
