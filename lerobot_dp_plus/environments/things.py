"""The things of tables on which a sentence may fit several, as a policy's modes: how they are called and where they are listed."""

from lerobot_dp_plus.environments.sentences import COLOURS
from lerobot_dp_plus.modes import Things

#: By `env.type`. MetaWorld moves its hand by a hundredth of an action in each of the two steps that an action is executed
#: for, and `three_pucks` lists the goal after the pucks.
THINGS = {"blocks": Things(names=COLOURS), "three_pucks": Things(names=COLOURS, listed=4, step=0.02)}
