"""A person sends PushT's agent to a place: which way of bending the policy gets it there? `python -m benchmarks.wishes`.

The goal is 120 px from where the agent starts, in a direction drawn for each seed, inside the arena. It is reached if the agent
comes within 20 px. Every way has the same policy, noise, seeds and goals; seeds from 100000 on.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from lerobot_dp_plus.evaluation.arena import AGENT_RADIUS, ARENA
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.steering.options import WAYS
from lerobot_dp_plus.steering.session import Session

AWAY, CANDIDATES = 120.0, 16


def goal(seed: int, agent: np.ndarray) -> tuple[float, float]:
    """A place at the distance `AWAY` from the agent, inside the arena."""
    rng = np.random.default_rng(seed)
    while True:
        angle = rng.uniform(0, 2 * math.pi)
        place = agent + AWAY * np.array([math.cos(angle), math.sin(angle)])
        if (place >= AGENT_RADIUS).all() and (place <= ARENA - AGENT_RADIUS).all():
            return float(place[0]), float(place[1])


def sent(loaded: Loaded, way: str, seeds: range, steps: int) -> dict[str, Any]:
    """How many goals are reached within so many control steps, after how many, how near the others come, and the time."""
    taken: list[int] = []
    nearest: list[float] = []
    done, begun = 0, time.process_time()
    for seed in seeds:
        session = Session(loaded, seed, CANDIDATES, way)
        place = goal(seed, session.arena.agent)
        session.perform({"do": "send", "x": place[0], "y": place[1]})
        least = AWAY
        for _ in range(steps):
            session.perform({"do": "step"})
            done, least = done + 1, min(least, math.dist(session.arena.agent, place))
            if session.goal is None or session.arena.over:
                break
        if session.goal is None:
            taken.append(session.arena.steps)
        nearest.append(least)
        session.close()
    return {
        "reached": len(taken),
        "of": len(seeds),
        "interval_percent": list(wilson_percent(len(taken), len(seeds))),
        "median_steps": float(np.median(taken)) if taken else None,
        "median_nearest_px": float(np.median(nearest)),
        "milliseconds_a_step": 1000 * (time.process_time() - begun) / done,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wishes", description=__doc__)
    parser.add_argument("--policy", type=Path, default=ROOT / "hub_cards" / "pusht_state")
    parser.add_argument("--episodes", type=positive, default=100)
    parser.add_argument("--steps", type=positive, default=25)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, default=RESULTS / "wishes.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=options.policy.name, first_seed=REPORTING_SEED, steps=options.steps)
    loaded = load_switched(options.policy)
    seeds = range(REPORTING_SEED, REPORTING_SEED + options.episodes)
    result: dict[str, dict[str, Any]] = {}
    for way in options.ways:
        result[way] = sent(loaded, way, seeds, options.steps)
        write_json(options.json, begun | {"result": result})
    columns = ("goals reached %", "after steps", "nearest px", "ms a step")
    rows = [(way, *_said(each)) for way, each in result.items()]
    print_table(f"{options.episodes} goals, 95 % Wilson intervals", columns, rows)
    return 0


def _said(each: dict[str, Any]) -> tuple[str, ...]:
    low, high = each["interval_percent"]
    share = f"{100 * each['reached'] / each['of']:.0f} ({low:.0f}–{high:.0f})"
    after = "–" if each["median_steps"] is None else f"{each['median_steps']:.0f}"
    return share, after, f"{each['median_nearest_px']:.0f}", f"{each['milliseconds_a_step']:.0f}"


if __name__ == "__main__":
    raise SystemExit(main())
