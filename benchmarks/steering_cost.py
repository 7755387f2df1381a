"""What candidates and rules cost: `python -m benchmarks.steering_cost`.

A choice for one observation, on one thread, with `hub_cards/pusht_state`: one candidate, 16 candidates, and 16 with three
energies, a projection and a ranking by their sum. The obstacle lies on the way of the candidates. The cases take turns, so that a busy machine slows all alike. The limits are
those that were set for this: 3.2 times one candidate for 16 of them, 1.5 times those for all rules.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, write_json
from lerobot_dp_plus import load_policy

ONE, MANY, RULED = "one candidate", "16 candidates", "16, three energies, projection and ranking"
CASES: dict[str, dict[str, Any]] = {
    ONE: {"selection": {"type": "first"}},
    MANY: {"selection": {"type": "densest", "num_candidates": 16}},
    RULED: {
        "selection": {"type": "lowest_energy", "num_candidates": 16, "energy": "total"},
        "energies": {
            "end": {"weight": 1.0},
            "smoothness": {"weight": 1e-4},
            "obstacles": {"weight": 1.0, "clearance": 40.0},
        },
        "forward": {"type": "pusht"},
        "projection": {"type": "kaczmarz"},
    },
}
#: (what, beside what): the most that was to be.
LIMITS = {(MANY, ONE): 3.2, (RULED, MANY): 1.5}


def choice(path: str, changes: dict[str, Any]) -> Callable[[], None]:
    """A function that makes one choice anew, of a policy that has seen one observation."""
    policy = load_policy(path, **changes).policy
    torch.manual_seed(0)
    seen = {key: torch.rand(1, *shape) - 0.5 for key, shape in policy.config.observed_features.items()}
    middle = policy.candidates(seen, 16).chunks.mean((1, 2))  # (1, 2)
    if policy.config.energies.obstacles.weight:
        policy.obstacles = torch.cat([middle, torch.zeros(1, 1)], 1)  # the clearance is its size
    policy.select_action(seen)

    def choose() -> None:
        policy.drop_queued_actions()
        policy.select_action(seen)

    return choose


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steering_cost", description=__doc__)
    parser.add_argument("--policy", default=str(ROOT / "hub_cards" / "pusht_state"))
    parser.add_argument("--rounds", type=positive, default=200)
    parser.add_argument("--json", type=Path, default=RESULTS / "steering_cost.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    begun = provenance(options.json, policy=Path(options.policy).name)
    choices = {name: choice(options.policy, changes) for name, changes in CASES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in choices}
    for _ in range(options.rounds):
        for name, choose in choices.items():
            start = time.process_time()
            choose()
            seconds[name].append(time.process_time() - start)
    ratios = {
        f"{what} ÷ {beside}": {
            "percentiles": np.percentile(np.divide(seconds[what], seconds[beside]), [10, 50, 90]).tolist(),
            "limit": limit,
        }
        for (what, beside), limit in LIMITS.items()
    }
    milliseconds = {name: 1000 * float(np.median(each)) for name, each in seconds.items()}
    write_json(options.json, begun | {"milliseconds": milliseconds, "ratios": ratios})
    print_table("one choice", ("ms, median",), [(name, f"{each:.2f}") for name, each in milliseconds.items()])
    rows = [
        (name, "{1:.2f} ({0:.2f}–{2:.2f})".format(*each["percentiles"]), f"{each['limit']:g}")
        for name, each in ratios.items()
    ]
    print_table("ratios, p10–p90 of the rounds", ("times", "limit"), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
