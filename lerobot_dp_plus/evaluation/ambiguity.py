"""How many things a policy might do, against how many a sentence fits. `dp-plus evaluate policy=DIR --ambiguity`.

Every scene is looked at once, before the first step. The candidates' modes are the things of the table. A sentence that fits one
thing should leave one, and one that fits three should leave three: the ambiguity, the entropy of the modes' weights, is then 0 and
log 3 = 1.10. Nothing is executed. With `--readings` an equal share of the candidates is drawn for each sentence that names one
thing where the sentence fits several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.envs import EnvConfig
from rich.console import Console
from rich.table import Table

from lerobot_dp_plus.environments.things import THINGS, scene_of
from lerobot_dp_plus.evaluation.told_scenes import hear, written
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.modes import NoModes, Things
from lerobot_dp_plus.notation import entropy
from lerobot_dp_plus.policies.acting import Loaded, batched, load_switched

FILE, TOGETHER = "ambiguity.json", 50
#: Sentences that fit one thing, and those that fit several.
KINDS = ("named", "ambiguous")
#: The least share of the candidates that counts as a thing found.
LEAST = 0.05


@dataclass(frozen=True)
class Scenes:
    """What candidates do where a sentence fits so many things.

    Attributes:
        fits: how many things the sentence fits.
        scenes: how many there were.
        entropy: mean entropy of the shares of things, in nats; log(`fits`) if all that fit are equally likely.
        found: mean number of things that at least `LEAST` of the candidates go to.
        complete: scenes in which all things that fit are among these.
        wrong: mean share of the candidates that go to a thing that does not fit.
    """

    fits: int
    scenes: int
    entropy: float
    found: float
    complete: int
    wrong: float


@torch.no_grad()
def looked_at(
    loaded: Loaded,
    envs: Sequence[Any],
    things: Things,
    kind: str,
    seeds: Sequence[int],
    count: int,
    each_reading: bool = False,
) -> list[dict[str, Any]]:
    """The shares of things, and which fit, of one scene for each seed; with candidates for `each_reading` or as it is said."""
    starts = [env.reset(seed=seed, options={"instruction": kind}) for env, seed in zip(envs, seeds, strict=False)]
    observation: dict[str, Any] = {key: np.stack([each[0][key] for each in starts]) for key in starts[0][0]}
    observation["task"] = [env.get_wrapper_attr("task_description") for env in envs[: len(starts)]]
    if each_reading:
        hear(loaded, envs[: len(starts)])
    batch = loaded.preprocess(batched(observation, loaded.policy.config)[0])
    told = loaded.policy.candidates(batch, count, modes=NoModes())
    found = things.of(told.chunks, scene_of(envs[: len(starts)]))
    return [
        {"shares": shares, "fits": tuple(start[1]["fits"])}
        for shares, start in zip(found.weights.tolist(), starts, strict=True)
    ]


def summed(scenes: Sequence[Mapping[str, Any]]) -> list[Scenes]:
    """A row for each number of things that a sentence fits."""
    rows = []
    for fits in sorted({len(each["fits"]) for each in scenes}):
        own = [each for each in scenes if len(each["fits"]) == fits]
        shares = torch.tensor([each["shares"] for each in own])
        right = torch.tensor([[thing in each["fits"] for thing in range(shares.shape[1])] for each in own])
        there = shares >= LEAST
        rows.append(
            Scenes(
                fits,
                len(own),
                float(entropy(shares).mean()),
                float(there.sum(1).float().mean()),
                int((there | ~right).all(1).sum()),
                float((shares * ~right).sum(1).mean()),
            )
        )
    return rows


def ambiguity(
    policy: Path,
    env: Any,
    scenes: int,
    first_seed: int,
    count: int,
    switches: Sequence[str] = (),
    each_reading: bool = False,
) -> list[Scenes]:
    """Look at `scenes` scenes with a sentence of each kind, with `count` candidates for each.

    They are drawn for the sentence as it is, or an equal share for `each_reading` of it.

    Raises:
        ValueError: the environment has no things, or the policy reads no instruction.
    """
    if env.type not in THINGS:
        raise ValueError(f"--ambiguity: env.type = {env.type} says nothing of things; legal are {', '.join(THINGS)}")
    loaded = load_switched(policy, switches)
    if not getattr(loaded.policy.config, "spoken_features", ()):
        raise ValueError(f"--ambiguity: {policy} reads no instruction, so none could be ambiguous")
    together = min(scenes, TOGETHER)
    ((_, vectors),) = env.create_envs(together).items()
    ((_, vector),) = vectors.items()
    found: list[dict[str, Any]] = []
    for kind in KINDS:
        torch.manual_seed(first_seed)
        for start in range(0, scenes, together):
            seeds = range(first_seed + start, first_seed + min(start + together, scenes))
            found += looked_at(loaded, vector.envs, THINGS[env.type], kind, seeds, count, each_reading)
    vector.close()
    return summed(found)


def shown(rows: Sequence[Scenes], console: Console | None = None) -> None:
    """Print the table."""
    table = Table(title="What candidates go to, by how many things the sentence fits", title_style="bold")
    for name in ("fits", "scenes", "ambiguity (equal)", "things found", "all that fit", "to others"):
        table.add_column(name)
    for row in rows:
        low, high = wilson_percent(row.complete, row.scenes)
        table.add_row(
            str(row.fits),
            str(row.scenes),
            f"{row.entropy:.2f} ({np.log(row.fits):.2f})",
            f"{row.found:.2f}",
            f"{row.complete} ({low:.0f}–{high:.0f} %)",
            f"{100 * row.wrong:.1f} %",
        )
    (console or Console()).print(table)


def main(options: Any, switches: Sequence[str]) -> int:
    """The command of one checkpoint, with what `evaluate` has parsed and the switches of the policy."""

    def look(folder: Path, env: EnvConfig) -> dict[str, Any]:
        asked = options.episodes, options.seed, options.ambiguity, switches, options.readings
        rows = ambiguity(folder, env, *asked)
        shown(rows)
        found = {"candidates": options.ambiguity, "rows": [asdict(row) for row in rows]}
        return found | ({"readings": True} if options.readings else {})

    return written(options, FILE, look)
