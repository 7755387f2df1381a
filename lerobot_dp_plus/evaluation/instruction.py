"""Does a policy do what it is told? `dp-plus evaluate policy=DIR --swap-task`.

The same scenes are played with the sentence that belongs to them, with one that names another thing, with a paraphrase that
training never had, without a sentence, and with one that fits several things. What is grasped first says what was heard: a
policy that looks only at the scene grasps the same thing whatever is said.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from lerobot.envs import EnvConfig
from rich.console import Console
from rich.table import Table

from lerobot_dp_plus.environments.sentences import COLOURS, KINDS
from lerobot_dp_plus.evaluation.told_scenes import hear, written
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.policies.acting import Loaded, load_switched

#: What is played unless told otherwise.
USUAL = ("named", "swapped", "paraphrase", "none", "ambiguous")
#: What an environment's `info` must say: see `environments.blocks.Blocks`.
TELLS = ("named", "fits", "target", "grasped", "delivered", "is_success")
FILE = "swap_task.json"
TOGETHER = 50


@dataclass(frozen=True)
class Heard:
    """What came of one kind of sentence.

    Attributes:
        kind: of `sentences.KINDS`.
        episodes: how many were played.
        fitting: episodes whose first grasp was something that the sentence fits.
        scene: those whose first grasp was what belongs to the scene, though the sentence names something else.
        another: those whose first grasp was anything else.
        nothing: those without a grasp.
        delivered: those in which something that the sentence fits was delivered.
        own: those in which what belongs to the scene was delivered.
        things: how often each thing was grasped first, by its number.
    """

    kind: str
    episodes: int
    fitting: int
    scene: int
    another: int
    nothing: int
    delivered: int
    own: int
    things: dict[int, int]

    @classmethod
    def of(cls, kind: str, ends: Sequence[dict[str, Any]]) -> "Heard":
        """From the last `info` of every episode."""
        grasped = [int(end["grasped"]) for end in ends]
        right = [thing in end["fits"] for thing, end in zip(grasped, ends, strict=True)]
        of_scene = [
            thing >= 0 and not fits and thing == int(end["target"])
            for thing, fits, end in zip(grasped, right, ends, strict=True)
        ]
        none = grasped.count(-1)
        delivered = sum(bool(end["is_success"]) for end in ends)
        things = {thing: grasped.count(thing) for thing in sorted(set(grasped) - {-1})}
        rest = len(ends) - sum(right) - sum(of_scene) - none
        own = sum(int(end["delivered"]) == int(end["target"]) for end in ends)
        return cls(kind, len(ends), sum(right), sum(of_scene), rest, none, delivered, own, things)


def played(
    loaded: Loaded, envs: Sequence[gym.Env], kind: str, seeds: Sequence[int], each_reading: bool = False
) -> list[dict[str, Any]]:
    """The last `info` of one episode for each seed, all at once, with sentences of this kind.

    Candidates are drawn for the sentence as it is, or for `each_reading` of it. A policy that asks, `selection.type=ask`, is
    answered by somebody who wants what belongs to the scene.

    Raises:
        ValueError: the environment does not say what was named and grasped.
    """
    told = {"instruction": kind}
    starts = [env.reset(seed=seed, options=told) for env, seed in zip(envs, seeds, strict=False)]
    observations, infos = [start[0] for start in starts], [start[1] for start in starts]
    missing = [name for name in TELLS if name not in infos[0]]
    if missing:
        raise ValueError(
            f"--swap-task: this environment's info lacks {', '.join(missing)}; legal are blocks, three_pucks"
        )
    over = [False] * len(infos)
    loaded.policy.reset()
    loaded.policy.ask = lambda question: COLOURS[envs[question.number].unwrapped.target]  # type: ignore[attr-defined]
    if each_reading:
        hear(loaded, envs[: len(infos)])
    while not all(over):
        batch = {key: np.stack([each[key] for each in observations]) for key in observations[0]}
        said = [env.get_wrapper_attr("task_description") for env in envs[: len(infos)]]
        actions = loaded.act(batch, task=said)
        for row, env in enumerate(envs[: len(infos)]):
            if not over[row]:
                observations[row], _, done, cut, infos[row] = env.step(actions[row])
                over[row] = done or cut
    return infos


def swap_task(
    policy: Path,
    env: EnvConfig,
    episodes: int,
    first_seed: int,
    kinds: Sequence[str] = USUAL,
    switches: Sequence[str] = (),
    each_reading: bool = False,
) -> list[Heard]:
    """Play `episodes` scenes, episode i from seed `first_seed` + i, once with each kind of sentence.

    Candidates are drawn for the sentence as it is, or an equal share for `each_reading` of it.

    Raises:
        ValueError: there are no episodes, there is no such kind, the policy reads no instructions, or the environment
            names none. FileNotFoundError: there is no policy.
    """
    if episodes < 1:
        raise ValueError(f"episodes={episodes}: expected at least 1.")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"--kinds {' '.join(unknown)}: legal are {', '.join(KINDS)}")
    loaded = load_switched(policy, switches)
    if not getattr(loaded.policy.config, "spoken_features", ()):
        raise ValueError(
            f"--swap-task: {policy} reads no instruction (words.type=none), so that nothing said could make a difference"
        )
    together = min(episodes, TOGETHER)
    ((_, vectors),) = env.create_envs(together).items()
    ((_, vector),) = vectors.items()
    heard = []
    for kind in kinds:
        torch.manual_seed(first_seed)  # the same noise for every kind
        ends: list[dict[str, Any]] = []
        for start in range(0, episodes, together):
            seeds = range(first_seed + start, first_seed + min(start + together, episodes))
            ends += played(loaded, vector.envs, kind, seeds, each_reading)
        heard.append(Heard.of(kind, ends))
    vector.close()
    return heard


def shown(heard: Sequence[Heard], console: Console | None = None) -> None:
    """Print the table: counts, and in brackets 95 % Wilson intervals in percent."""
    title = "What is grasped first, by what is said: counts, and 95 % intervals in percent"
    table = Table(title=title, title_style="bold")
    for name in ("said", "of", "fitting", "the scene's", "another", "nothing", "delivered", "its own"):
        table.add_column(name)
    for row in heard:
        counts = (row.fitting, row.scene, row.another, row.nothing, row.delivered, row.own)
        table.add_row(row.kind, str(row.episodes), *(_with_interval(count, row.episodes) for count in counts))
    (console or Console()).print(table)


def _with_interval(count: int, episodes: int) -> str:
    low, high = wilson_percent(count, episodes)
    return f"{count} ({low:.0f}–{high:.0f})"


def main(options: Any, switches: Sequence[str]) -> int:
    """The command of one checkpoint, with what `evaluate` has parsed and the switches of the policy."""

    def look(folder: Path, env: EnvConfig) -> dict[str, Any]:
        asked = options.episodes, options.seed, options.kinds, switches, options.readings
        heard = swap_task(folder, env, *asked)
        shown(heard)
        found = {"switches": list(switches), "kinds": [asdict(row) for row in heard]}
        return found | ({"readings": True} if options.readings else {})

    return written(options, FILE, look)
