"""Gradient steps on drawn chunks through a learned model, and mirrored candidates: `python -m benchmarks.refining`.

GPC-OPT (arXiv 2502.00622) improves a proposal by the gradient of what a learned model predicts of it. Here the policy that
comes along is refined by the energy `end` of its own outcome model, with more and larger steps, at one candidate and at 16.
What the model predicts of the first chunk of every episode, and how far its actions are moved, stand beside the success. A
model that is exploited promises more and more while success falls. All rows have the same seeds, 100000 and up.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.steering import episodes, share
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.units import ACTION

FIRST, RANKED = {"type": "first"}, {"type": "lowest_energy", "num_candidates": 16}
#: Sizes of a step in px² by unit of the energy.
SMALL, MIDDLE, LARGE = 100.0, 1000.0, 10000.0


def refined(steps: int, step: float, **more: Any) -> dict[str, Any]:
    """Switches for so many gradient steps by the learned energy."""
    return {
        "energies": {"end": {"weight": 1.0}},
        "refinement": {"type": "gradient", "steps": steps, "step": step, **more},
    }


ROWS: dict[str, dict[str, Any]] = {
    "1 candidate": {"selection": FIRST},
    **{
        f"1, {steps} × {step:g}": {"selection": FIRST, **refined(steps, step)}
        for step in (SMALL, MIDDLE, LARGE)
        for steps in (1, 5, 20)
    },
    f"1, 20 × {LARGE:g}, reach 10": {"selection": FIRST, **refined(20, LARGE, reach=10.0)},
    "16 candidates": {"selection": RANKED},
    "16, mirrored": {"selection": RANKED, "symmetrise": True},
    f"16, 20 × {SMALL:g}": {"selection": RANKED, **refined(20, SMALL)},
    **{f"16, {steps} × {MIDDLE:g}": {"selection": RANKED, **refined(steps, MIDDLE)} for steps in (1, 5, 20)},
    f"16, 5 × {MIDDLE:g}, before the choice": {"selection": RANKED, **refined(5, MIDDLE, of="candidates")},
}


def starts(made: Any, seeds: Sequence[int]) -> dict[str, Tensor]:
    """What the policy sees first of each episode, normalised, (B, T_o, ...)."""
    env = PushTEnv(obs_type="environment_state_agent_pos")
    seen = [env.reset(seed=seed)[0] for seed in seeds]
    env.close()
    batch = made.preprocess(
        {
            "observation.state": torch.tensor(np.stack([each["agent_pos"] for each in seen])).float(),
            "observation.environment_state": torch.tensor(
                np.stack([each["environment_state"] for each in seen])
            ).float(),
            "task": [""] * len(seen),
        }
    )
    config = made.policy.config
    return {key: batch[key][:, None].repeat_interleave(config.n_obs_steps, 1) for key in config.observed_features}


def promised(policy: str, seeds: Sequence[int], switches: dict[str, Any]) -> dict[str, float]:
    """What the model predicts of one chunk for each first observation, as it was drawn and refined, and the way between."""
    drawn = load_policy(policy, selection=FIRST)
    moved = load_policy(
        policy, **{**switches, "selection": FIRST, "refinement": {**switches["refinement"], "of": "candidates"}}
    )
    window, (h, a) = starts(drawn, seeds), (drawn.policy.config.horizon, 2)
    noise = torch.randn(len(seeds), 1, h, a, generator=torch.Generator().manual_seed(0))
    before, after = (made.policy.propose(window, noise, energies=["end"]) for made in (drawn, moved))
    ways = [drawn.policy.model.units.physical(ACTION, each.chunks) for each in (before, after)]
    far = (ways[1] - ways[0])[:, :, drawn.policy.config.n_obs_steps - 1 :].norm(dim=-1)
    return {
        "energy_drawn": float(before.energies["end"].median()),
        "energy_refined": float(after.energies["end"].median()),
        "moved_px": float(far.mean()),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refining", description=__doc__)
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--seed", type=int, default=REPORTING_SEED, help="of the first episode")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--json", type=Path, default=RESULTS / "refining.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=Path(options.policy).name, first_seed=options.seed)
    seeds = range(options.seed, options.seed + options.episodes)
    result: dict[str, Any] = {}
    for name in options.rows:
        switches = ROWS[name]
        runs, time = episodes(load_policy(options.policy, **switches), seeds, None)
        result[name] = {
            "success": share([each.success for each in runs]),
            "score": float(np.mean([each.score for each in runs])),
            "milliseconds_a_chunk": time,
            **(promised(options.policy, seeds, switches) if "refinement" in switches else {}),
        }
        print(f"{name}: {line(name, result[name])[1:]}", flush=True)
        write_json(options.json, begun | {"result": result})
    columns = ("success %", "score", "energy as drawn", "refined", "moved px", "ms a chunk")
    print_table(
        f"{options.episodes} episodes, 95 % Wilson intervals",
        columns,
        [line(name, result[name]) for name in options.rows],
    )
    return 0


def line(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    low, high = found["success"]["interval_percent"]
    told = [f"{found[key]:.2f}" if key in found else "" for key in ("energy_drawn", "energy_refined", "moved_px")]
    success = f"{found['success']['percent']:.1f} ({low:.1f}–{high:.1f})"
    return (name, success, f"{found['score']:.3f}", *told, f"{found['milliseconds_a_chunk']:.1f}")


if __name__ == "__main__":
    raise SystemExit(main())
