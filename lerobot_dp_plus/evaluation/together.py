"""How many episodes are played together, in `dp-plus evaluate` and `lerobot eval` alike. Standard library only."""

import math
from typing import Any

#: Episodes played at once: each step of all of them is one call of the policy. ALOHA's hold a renderer each.
TOGETHER = {"pusht": 50, "aloha": 10, "aloha_lite": 10, "blocks": 50, "three_pucks": 10, "metaworld_lite": 2}
#: The same in an environment that is not in the table.
ELSEWHERE = 10
EPISODES = 50  # LeRobot's eval.n_episodes


def batch_size(episodes: Any, most: int) -> int | None:
    """The fewest batches of at most `most`, equally large, so that hardly an episode is played in vain.

    None where `episodes` is no number of episodes: LeRobot refuses it.
    """
    try:
        count = EPISODES if episodes is None else int(episodes)
    except (TypeError, ValueError):
        return None
    return math.ceil(count / math.ceil(count / most)) if count > 0 else None
