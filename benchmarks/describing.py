"""Whether a policy says what is done: `python -m benchmarks.describing DIR`, for one with `auxiliary.of=subtask` on `blocks`.

It describes every frame of demonstrations in scenes that no training had (run 7 of `dp-plus demos blocks`; `--seed` for others).
What it says is compared with what the demonstrator was at: the whole sentence, and its first word alone, which is the part of the
task. Three kinds of sentences are counted apart. One that has the colour need only be repeated. With one that has the shape, the
colour is in the picture alone. Where one fits several things, neither it nor at first the picture tells which of them is brought.
Frames of one episode are alike, so intervals are those of a mean over episodes.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.common import RESULTS, positive, print_table, provenance, write_json
from lerobot_dp_plus.demos.blocks_episodes import Recipe, generate
from lerobot_dp_plus.environments.sentences import COLOURS
from lerobot_dp_plus.evaluation.statistics import Mean, mean_interval
from lerobot_dp_plus.policies.acting import Loaded, load_policy

KINDS = BY_COLOUR, BY_SHAPE, AMBIGUOUS = "by colour", "by shape", "ambiguous"


class Episode(NamedTuple):
    """What kind of sentence was said; how often the whole description, and its first word, were right, as shares of the frames."""

    kind: str
    whole: float
    part: float


def described(loaded: Loaded, recipe: Recipe, index: int) -> Episode:
    """One held-out demonstration, all of its frames."""
    record = generate(recipe, index)
    names = {"observation.state": "state", "observation.environment_state": "objects", "observation.image": "image"}
    seen = {key: record[name] for key, name in names.items() if key in loaded.policy.config.input_features}
    told, wanted = loaded.describe(seen, task=str(record["task"])), record["subtask"].tolist()
    whole = [one == other for one, other in zip(told, wanted, strict=True)]
    part = [one.split()[:1] == other.split()[:1] for one, other in zip(told, wanted, strict=True)]
    return Episode(kind_of(recipe, index, str(record["task"])), float(np.mean(whole)), float(np.mean(part)))


def shown(share: Mean) -> str:
    """0.952 (0.847–0.987)"""
    ends = "" if share.low is None or share.high is None else f" ({share.low:.3f}–{share.high:.3f})"
    return f"{share.mean:.3f}{ends}"


def kind_of(recipe: Recipe, index: int, task: str) -> str:
    """One of `KINDS`."""
    if np.random.default_rng([recipe.seed, index]).random() < recipe.ambiguous:  # as `generate` draws it
        return AMBIGUOUS
    return BY_COLOUR if any(colour in task for colour in COLOURS) else BY_SHAPE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.describing", description=__doc__)
    parser.add_argument("policy", type=Path)
    parser.add_argument("--episodes", type=positive, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, default=RESULTS / "describing.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, episodes=options.episodes, seed=options.seed)
    loaded, recipe = load_policy(options.policy), Recipe(seed=options.seed, images=True)
    found = [described(loaded, recipe, index) for index in range(options.episodes)]
    table, rows = {}, []
    for name in KINDS:
        episodes = [each for each in found if each.kind == name]
        if not episodes:
            continue
        shares = {field: mean_interval([getattr(each, field) for each in episodes]) for field in ("whole", "part")}
        table[name] = {"episodes": len(episodes)} | {field: share._asdict() for field, share in shares.items()}
        rows.append((name, str(len(episodes)), *map(shown, shares.values())))
    write_json(options.json, begun | {"table": table})
    print_table("frames told right", ("episodes", "the sentence", "its first word"), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
