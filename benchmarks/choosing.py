"""What is executed of a policy's chunks, on PushT: `python -m benchmarks.choosing --weak DIR`.

Rules of selection and of execution side by side, on the same weights and the same reporting seeds, 100000 and up: success,
score, how jerky the executed actions are, how often the policy looks again and how many network calls that takes. The base
of each rule is stated, because with these weights ranking by outcome is worth more than anything that is done to chunks
afterwards. Rules whose episodes share a batch run in step with each other; `agreement` decides for a whole batch at
once, so its episodes run alone.

`--weak` is the checkpoint that bidirectional decoding contrasts with. Without it its rows are left out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.obstacle_scenes import Run, run
from benchmarks.steering import share
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.hub.files import sha256

#: Episodes that run in step with each other.
TOGETHER = 25
#: How near chunks must be to the newest to count in a mean over chunks, px; some agents' radii.
RADIUS = 30.0
RANKED, FIRST = {"type": "lowest_energy", "num_candidates": 16}, {"type": "first"}
HELD = {"type": "hold_mode", "num_candidates": 16}


def ensemble(**fields: Any) -> dict[str, Any]:
    """A mean over chunks, a new one at every step."""
    return {"execution": {"type": "ensemble", **fields}}


RULES: dict[str, dict[str, Any]] = {
    "ranked, 6 steps": {},
    "ranked, 1 step": {"n_action_steps": 1},
    "ranked, agreement of 10 px": {"execution": {"type": "agreement", "spread": 10.0}},
    "ranked, agreement of 20 px": {"execution": {"type": "agreement", "spread": 20.0}},
    "ranked, ensemble, m 0.01": ensemble(m=0.01),
    "ranked, ensemble, m −0.5": ensemble(m=-0.5),
    "ranked, ensemble, m 0.01, radius": ensemble(m=0.01, radius=RADIUS),
    "first, 6 steps": {"selection": FIRST},
    "first, 1 step": {"selection": FIRST, "n_action_steps": 1},
    "first, ensemble, m 0.01": {"selection": FIRST} | ensemble(m=0.01),
    "first, ensemble, m −0.5": {"selection": FIRST} | ensemble(m=-0.5),
    "first, ensemble, m 0.01, radius": {"selection": FIRST} | ensemble(m=0.01, radius=RADIUS),
    "coherent, 6 steps": {"selection": {"type": "coherent"}},
    "coherent, 2 steps": {"selection": {"type": "coherent"}, "n_action_steps": 2},
    "bidirectional, 6 steps": {"selection": {"type": "bidirectional"}},
    "bidirectional, 2 steps": {"selection": {"type": "bidirectional"}, "n_action_steps": 2},
    "ranked, 2 steps": {"n_action_steps": 2},
    "hold_mode, 2 steps": {"selection": HELD, "n_action_steps": 2},
    "hold_mode, 1 step": {"selection": HELD, "n_action_steps": 1},
    "densest, 6 steps": {"selection": {"type": "densest"}},
    "most likely, 6 steps": {"selection": {"type": "most_likely"}},
    "first, refined, 6 steps": {
        "selection": FIRST,
        "energies": {"end": {"weight": 1.0}},
        "refinement": {"type": "gradient", "steps": 20, "step": 100.0},
    },
}


def jerk(actions: np.ndarray) -> float:
    """Mean length of the second difference of an episode's actions (T, 2), px; 0 of fewer than three."""
    return float(np.linalg.norm(np.diff(actions, 2, axis=0), axis=1).mean()) if len(actions) > 2 else 0.0


def measured(runs: Sequence[Run], calls: int) -> dict[str, Any]:
    """Figures of a rule's episodes. `calls` is how often a chunk asks the network, each time for all candidates at once."""
    steps, chunks = (np.array([len(each.actions) for each in runs]), np.array([each.chunks for each in runs]))
    return {
        "success": share([each.success for each in runs]),
        "score": float(np.mean([each.score for each in runs])),
        "jerk_px": float(np.mean([jerk(each.actions) for each in runs])),
        "steps": float(steps.mean()),
        "executed_steps_a_chunk": float(steps.sum() / chunks.sum()),
        "network_calls_an_episode": float(calls * chunks.mean()),
    }


def episodes(made: Any, seeds: Sequence[int], together: int) -> tuple[list[Run], float]:
    """Episodes of all seeds, and processor milliseconds a chunk of one of them."""
    found: list[Run] = []
    times = []
    for start in range(0, len(seeds), together):
        runs, seconds = run(made, seeds[start : start + together])
        found += runs
        times.append(1000 * seconds)
    return found, float(np.mean(times))


def switches(rule: dict[str, Any], weak: Path | None) -> dict[str, Any]:
    """The rule with the weak checkpoint where it needs one."""
    selection = rule.get("selection", RANKED)
    return rule | {"selection": selection | {"weak": str(weak)} if selection["type"] == "bidirectional" else selection}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choosing", description=__doc__)
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--weak", type=Path, help="checkpoint folder of the weak policy")
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--json", type=Path, default=RESULTS / "choosing.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    weak = options.weak and {"weights_sha256": sha256(options.weak / "model.safetensors")}
    begun = provenance(options.json, policy=Path(options.policy).name, first_seed=REPORTING_SEED, weak=weak)
    seeds = range(REPORTING_SEED, REPORTING_SEED + options.episodes)
    result: dict[str, Any] = {}
    for name in options.rules:
        rule = switches(RULES[name], options.weak)
        contrasted = rule["selection"]["type"] == "bidirectional"
        if contrasted and options.weak is None:
            continue
        made = load_policy(options.policy, forward={"type": "pusht"}, **rule)
        alone = rule.get("execution", {}).get("type") == "agreement"
        runs, time = episodes(made, seeds, 1 if alone else TOGETHER)
        calls = made.policy.config.sampler.num_steps * (2 if contrasted else 1)
        result[name] = measured(runs, calls) | {"milliseconds_a_chunk": time, "together": 1 if alone else TOGETHER}
        print(f"{name}: {_cells(result[name])}", flush=True)
        write_json(options.json, begun | {"result": result})
    columns = ("success %", "score", "jerk px", "steps", "steps a chunk", "calls an episode", "ms a chunk")
    print_table(
        f"{options.episodes} episodes, 95 % Wilson intervals",
        columns,
        [(name, *_cells(result[name])) for name in result],
    )
    return 0


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    low, high = each["success"]["interval_percent"]
    return (
        f"{each['success']['percent']:.1f} ({low:.1f}–{high:.1f})",
        f"{each['score']:.3f}",
        f"{each['jerk_px']:.1f}",
        f"{each['steps']:.0f}",
        f"{each['executed_steps_a_chunk']:.2f}",
        f"{each['network_calls_an_episode']:.0f}",
        f"{each['milliseconds_a_chunk']:.1f}",
    )


if __name__ == "__main__":
    raise SystemExit(main())
