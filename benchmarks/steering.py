"""Obstacles on the agent's path: `python -m benchmarks.steering`.

PushT's physics knows no obstacles, so an agent that enters one is a collision and the episode goes on. Every rule has the same
policy, the same candidates and the same seeds, 100000 and up. What changes is how the rule is used: not at all, to rank
candidates, by guidance, or by a projection before ranking. The share of seeds at which no obstacle of a kind fits is stated.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.obstacle_scenes import AGENT_RADIUS, KINDS, Placed, Run, depth, place, run
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.hub.intervals import wilson_percent

#: Episodes that run in step with each other.
TOGETHER = 100
#: What is left free around the agent's disc, in pixels: by a projection, which is exact, and by what is soft.
EXACT, SOFT = 3.0, 5.0
GRADIENT = {"type": "gradient", "strength": 1.0}


def rule(free: float) -> dict[str, Any]:
    """The energy of obstacles that are seen."""
    return {"energies": {"obstacles": {"weight": 1.0, "clearance": AGENT_RADIUS + free}}}


#: Strengths of guidance, weak to far too strong.
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: Guidance without a projection, at every strength. Candidates that still break the rule are not shown to the choice.
GUIDED: dict[str, dict[str, Any]] = {
    "without Jacobian": {"inner_steps": 10, "clip": 0.2},
    "with Jacobian": {"inner_steps": 3, "jacobian": True, "clip": 0.2},
}
SWEEP = {
    f"guidance {how}, strength {strength:g}": rule(SOFT) | {"guidance": GRADIENT | more | {"strength": strength}}
    for how, more in GUIDED.items()
    for strength in STRENGTHS
}
RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "ranking": rule(SOFT),
    "guidance, 3 inner steps": rule(SOFT) | {"guidance": {**GRADIENT, "inner_steps": 3}},
    "guidance, 10 inner steps": rule(SOFT) | {"guidance": {**GRADIENT, "inner_steps": 10}},
    "guidance, 30 inner steps": rule(SOFT) | {"guidance": {**GRADIENT, "inner_steps": 30}},
    "guidance with Jacobian": rule(SOFT) | {"guidance": {**GRADIENT, "inner_steps": 3, "jacobian": True, "clip": 0.2}},
    "projection": rule(EXACT) | {"projection": {"type": "kaczmarz"}},
    "guidance and projection": rule(EXACT)
    | {"guidance": {**GRADIENT, "inner_steps": 3}, "projection": {"type": "kaczmarz"}},
    **SWEEP,
}


def episodes(made: Any, seeds: Sequence[int], placed: Sequence[Placed] | None) -> tuple[list[Run], float]:
    """Episodes of all seeds, `TOGETHER` at a time, and milliseconds a chunk of one of them."""
    found: list[Run] = []
    times = []
    for start in range(0, len(seeds), TOGETHER):
        part = slice(start, start + TOGETHER)
        runs, seconds = run(made, seeds[part], None if placed is None else placed[part])
        found += runs
        times.append(1000 * seconds)
    return found, float(np.mean(times))


def share(values: Sequence[bool]) -> dict[str, Any]:
    """How many, of how many, percent and its 95 % Wilson interval."""
    count = sum(map(bool, values))
    low, high = wilson_percent(count, len(values))
    return {"count": count, "of": len(values), "percent": 100 * count / len(values), "interval_percent": [low, high]}


def measured(made: Any, seeds: Sequence[int], base: Sequence[Run], kind: str) -> dict[str, Any]:
    """Collisions, success and score of a policy with obstacles of this kind, and success without any on the same seeds."""
    fitting = [(seed, was, spot) for seed, was in zip(seeds, base, strict=True) if (spot := place(kind, seed, was.way))]
    runs, time = episodes(made, [seed for seed, _, _ in fitting], [spot for _, _, spot in fitting])
    deep = np.array([depth(each.way, spot) for each, (_, _, spot) in zip(runs, fitting, strict=True)])
    return {
        "collisions": share(list(deep > 0)),
        "deepest_px": float(deep.max()),
        "median_depth_px": float(np.median(deep[deep > 0])) if (deep > 0).any() else 0.0,
        "success": share([each.success for each in runs]),
        "success_without_obstacles": share([was.success for _, was, _ in fitting]),
        "score": float(np.mean([each.score for each in runs])),
        "on_path": float(np.mean([spot.on_path > 0 for _, _, spot in fitting])),
        "no_place": len(seeds) - len(fitting),
        "milliseconds_a_chunk": time,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steering", description=__doc__)
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--rules", nargs="+", choices=list(RULES), default=[name for name in RULES if name not in SWEEP]
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "steering.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=Path(options.policy).name, first_seed=REPORTING_SEED)
    seeds = range(REPORTING_SEED, REPORTING_SEED + options.episodes)
    controller = {"forward": {"type": "pusht"}}
    base, time = episodes(load_policy(options.policy, **controller), seeds, None)
    result: dict[str, Any] = {"base": {"success": share([each.success for each in base]), "milliseconds_a_chunk": time}}
    for name in options.rules:
        made = load_policy(options.policy, **controller, **RULES[name])
        for kind in options.kinds:
            found = result.setdefault(name, {})[kind] = measured(made, seeds, base, kind)
            print(f"{name}, {kind}: {said(found['collisions'])} collide, {said(found['success'])} succeed", flush=True)
            write_json(options.json, begun | {"result": result})
    columns = ("collisions %", "median depth px", "success %", "without obstacles %", "score", "ms a chunk")
    rows = [
        (
            f"{name}, {kind}",
            said(each["collisions"]),
            f"{each['median_depth_px']:.1f}",
            said(each["success"]),
            f"{each['success_without_obstacles']['percent']:.1f}",
            f"{each['score']:.3f}",
            f"{each['milliseconds_a_chunk']:.1f}",
        )
        for name in options.rules
        for kind, each in result[name].items()
    ]
    print_table(f"{options.episodes} episodes, 95 % Wilson intervals", columns, rows)
    return 0


def said(each: dict[str, Any]) -> str:
    low, high = each["interval_percent"]
    return f"{each['percent']:.1f} ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
