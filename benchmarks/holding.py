"""Is a mode held by a policy that looks often? `python -m benchmarks.holding`.

Episodes begin at forks of PushT (`forks.py`), where both ways round the T are exactly as good. They last 200 steps. A switch
is a chosen chunk that ends on one side of the fork's line while the agent is on the other, both by more than 12 px, before
the T has moved by 8 px. Looking every 6 of 7 steps, the policy that comes along holds its way by itself; so what counts is
looking every 2.

With `--push` the T is moved three times by so many pixels in a random direction, 10 to 29 steps apart: a plan that is held
must not blind the policy. Forks 0 to 99 served to choose the rule; those that are reported begin at 100000.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import forks
from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.steering import TOGETHER, said, share
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.demos.pusht_model import ARENA
from lerobot_dp_plus.units import ACTION

STEPS, OFF, MOVED = 200, 12.0, 8.0
#: Where a pushed T may be, in pixels.
ROOM = (80.0, 430.0)
RULES: dict[str, dict[str, Any]] = {
    "first": {"type": "first"},
    "coherent": {"type": "coherent"},
    "lowest energy": {"type": "lowest_energy"},
    "hold_mode": {"type": "hold_mode"},
}
#: The rule and how often the policy looks.
ROWS = (("lowest energy", 6), ("lowest energy", 2), ("first", 2), ("coherent", 2), ("hold_mode", 2), ("hold_mode", 3))


def side(points: np.ndarray) -> np.ndarray:
    """Signed distance in pixels of points (..., 2) from the fork's line."""
    return (points.sum(-1) - ARENA) / math.sqrt(2)


def run(made: Any, seeds: Sequence[int], push: float = 0.0, steps: int = STEPS) -> list[dict[str, Any]]:
    """Episodes from the forks of these seeds, in step with each other: success, score, steps taken and switches of each."""
    envs = [PushTEnv(obs_type="environment_state_agent_pos") for _ in seeds]
    observed = [
        env.reset(seed=seed, options={"reset_to_state": forks.around(seed)})[0]
        for env, seed in zip(envs, seeds, strict=True)
    ]
    starts = np.array([env.block.position for env in envs])
    rngs = [np.random.default_rng([seed, 2]) for seed in seeds]
    pushes = [set(rng.integers(10, 30, size=3).cumsum().tolist()) for rng in rngs]
    policy = made.policy
    policy.reset()
    torch.manual_seed(seeds[0])
    done, best, took = np.zeros(len(seeds), bool), np.zeros(len(seeds)), np.full(len(seeds), steps)
    switches = np.zeros(len(seeds), int)
    for step in range(steps):
        fresh = not policy._actions
        actions = made.act({key: np.stack([each[key] for each in observed]) for key in observed[0]})
        if fresh:
            chunks = policy.model.units.physical(ACTION, policy.chosen.chunks[:, 0])
            end, here = side(chunks[:, -1].numpy()), side(np.array([env.agent.position for env in envs]))
            moved = np.linalg.norm(np.array([env.block.position for env in envs]) - starts, axis=1)
            switched = (np.minimum(abs(end), abs(here)) > OFF) & (end * here < 0) & (moved < MOVED)
            switches += switched & ~done
        for i, env in enumerate(envs):
            if done[i]:
                continue
            if push and step in pushes[i]:
                angle = rngs[i].uniform(0, 2 * math.pi)
                to = np.array(env.block.position) + push * np.array([math.cos(angle), math.sin(angle)])
                env.block.position = tuple(to.clip(*ROOM).tolist())
                env.space.reindex_shapes_for_body(env.block)
            observed[i], reward, done[i], _, _ = env.step(np.asarray(actions[i], dtype=np.float32))
            best[i] = max(best[i], reward)
            took[i] = step + 1 if done[i] else steps
        if done.all():
            break
    rows = zip(done.tolist(), np.minimum(best / 0.95, 1).tolist(), took.tolist(), switches.tolist(), strict=True)
    return [{"success": s, "score": b, "steps": t, "switches": n} for s, b, t, n in rows]


def measured(path: str, name: str, every: int, seeds: Sequence[int], push: float) -> dict[str, Any]:
    """One row of the table."""
    made = load_policy(path, n_action_steps=every, selection=RULES[name])
    runs = [
        each for start in range(0, len(seeds), TOGETHER) for each in run(made, seeds[start : start + TOGETHER], push)
    ]
    return {
        "rule": name,
        "every": every,
        "push_px": push,
        "success": share([each["success"] for each in runs]),
        "with_a_switch": share([each["switches"] > 0 for each in runs]),
        "score": float(np.mean([each["score"] for each in runs])),
        "steps": float(np.mean([each["steps"] for each in runs])),
        "switches_an_episode": float(np.mean([each["switches"] for each in runs])),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holding", description=__doc__)
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--first-seed", type=int, default=REPORTING_SEED)
    parser.add_argument("--push", type=float, nargs="*", default=[0.0, 40.0], help="pixels; 0 for none")
    parser.add_argument("--json", type=Path, default=RESULTS / "holding.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=Path(options.policy).name, first_seed=options.first_seed, steps=STEPS)
    seeds, found = range(options.first_seed, options.first_seed + options.episodes), []
    for push in options.push:
        for name, every in ROWS:
            found.append(row := measured(options.policy, name, every, seeds, push))
            print(f"{name}, every {every}, pushed {push:g}: {said(row['success'])}", flush=True)
            write_json(options.json, begun | {"result": found})
    table = [
        (
            f"{row['rule']}, every {row['every']}",
            f"{row['push_px']:g}",
            said(row["with_a_switch"]),
            said(row["success"]),
            f"{row['score']:.3f}",
            f"{row['steps']:.0f}",
        )
        for row in found
    ]
    columns = ("pushed px", "with a switch %", "success in 200 steps %", "score", "steps")
    print_table(f"{options.episodes} forks, 95 % Wilson intervals", columns, table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
