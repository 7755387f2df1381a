"""What a trained policy's likelihood and imitation energy can tell apart: `python -m benchmarks.likelihood`.

Human chunks of PushT against foreign and disturbed ones, under the published policy `hub_cards/pusht_state`. Two questions.
At which s_min is log p a number that more steps do not change? And how well do log p and the imitation energy tell the
demonstrator's chunk from others (area under the curve, 0.5 for chance)? Costs are processor time of one thread.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import print_table, provenance, write_json
from benchmarks.human_chunks import FOREIGN, HUMAN, POLICY, Chunks, auroc, human_chunks
from lerobot_dp_plus import heads, load_policy
from lerobot_dp_plus.heads import Denoising
from lerobot_dp_plus.likelihood import Likelihood

RESULT = Path(__file__).parent / "results" / "likelihood.json"
#: Chunks that are judged in one call.
BATCH = 200
S_MIN = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
DRAWS = (8, 16, 32)


def timed(judge: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What it says of each chunk, and processor milliseconds a chunk."""
    begun = time.thread_time()
    found = judge().flatten()
    return found, 1000 * (time.thread_time() - begun) / len(found)


def head_of(policy: Any) -> Denoising:
    """The head of the policy's averaged weights."""
    config = policy.config
    made = heads.make(policy._averaged_model.network, config.objective, config.sampler, config.guidance)
    assert isinstance(made, Denoising)
    return made


def convergence(head: Denoising, data: Chunks, how: Likelihood) -> dict[str, Any]:
    """How log p of the demonstrators' chunks changes with twice the steps, and how far signs are from the exact trace."""
    own, exact = data.chunks["own"][:, None], replace(how, trace="exact")
    few, cost = timed(lambda: head.log_prob(data.condition, own, exact))
    many, _ = timed(lambda: head.log_prob(data.condition, own, replace(exact, steps=2 * how.steps)))
    guess, cheap = timed(lambda: head.log_prob(data.condition, own, how))
    finer, _ = timed(lambda: head.log_prob(data.condition, own, replace(how, steps=2 * how.steps)))
    return {
        "s_min": how.s_min,
        "steps": how.steps,
        "mean": many.mean().item(),
        "deviation": many.std().item(),
        "difference_median": (few - many).abs().median().item(),
        "difference_p95": (few - many).abs().quantile(0.95).item(),
        "difference_median_of_signs": (guess - finer).abs().median().item(),
        "offset_of_signs": (guess - few).mean().item(),
        "deviation_of_signs": (guess - few).std().item(),
        "ms_exact": cost,
        "ms_signs": cheap,
    }


def told_apart(name: str, data: Chunks, judge: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """The area under the curve for every kind of foreign chunk; `judge` (M, 1, H, A) -> (M, 1), higher is better."""
    own, cost = timed(lambda: judge(data.chunks["own"][:, None]))
    areas = {kind: auroc(own, judge(data.chunks[kind][:, None]).flatten()) for kind in FOREIGN}
    return {"judge": name, "ms": cost, **areas}


def judges(head: Denoising, data: Chunks) -> dict[str, Callable[[Tensor], Tensor]]:
    """All that are compared."""
    found: dict[str, Callable[[Tensor], Tensor]] = {}
    for s_min in S_MIN:
        for probes in (1, 2):
            how = Likelihood(s_min=s_min, probes=probes)
            found[f"log p, s_min {s_min}, {probes} of signs"] = lambda c, how=how: head.log_prob(data.condition, c, how)
    exact = Likelihood(trace="exact")
    found[f"log p, s_min {exact.s_min}, exact"] = lambda c: head.log_prob(data.condition, c, exact)
    for end in ("x0", "x1"):
        for draws in DRAWS:
            found[f"-imitation, {end}, {draws} draws"] = lambda c, end=end, draws=draws: (
                -head.imitation(data.condition, c, draws, end=end)
            )
    return found


def measure(policy: Path = POLICY, human: Path = HUMAN, count: int = BATCH, seed: int = 0) -> dict[str, Any]:
    """Both tables, for `count` observations."""
    loaded = load_policy(policy)
    head, data = head_of(loaded.policy), human_chunks(loaded, count, seed, human)
    steps = [convergence(head, data, Likelihood(s_min=s_min)) for s_min in S_MIN]
    with torch.no_grad():
        apart = [told_apart(name, data, judge) for name, judge in judges(head, data).items()]
    return {"observations": count, "seed": seed, "convergence": steps, "told_apart": apart}


def show(result: dict[str, Any]) -> None:
    """Both tables."""
    rows = [
        (
            f"s_min {row['s_min']}",
            f"{row['mean']:.1f} ± {row['deviation']:.1f}",
            f"{row['difference_median']:.3f} ({row['difference_p95']:.2f})",
            f"{row['difference_median_of_signs']:.3f}",
            f"{row['offset_of_signs']:+.2f} ± {row['deviation_of_signs']:.2f}",
            f"{row['ms_exact']:.1f}",
            f"{row['ms_signs']:.2f}",
        )
        for row in result["convergence"]
    ]
    columns = ("log p", "16 against 32 steps (p95)", "with signs", "signs − exact", "ms exact", "ms signs")
    print_table("log p of the demonstrators' chunks", columns, rows)
    lines = [
        (row["judge"], *(f"{row[kind]:.3f}" for kind in FOREIGN), f"{row['ms']:.2f}") for row in result["told_apart"]
    ]
    print_table("the demonstrator's chunk against", (*FOREIGN, "ms"), lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, default=POLICY, help="a policy of PushT from keypoints")
    parser.add_argument("--human", type=Path, default=HUMAN, help="pusht_human.npz")
    parser.add_argument("--count", type=int, default=BATCH, help=f"observations; default {BATCH}")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of observations")
    parser.add_argument("--json", type=Path, default=RESULT, help=f"where the figures go; default {RESULT.name}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    begun = provenance(options.json)
    result = {**begun, **measure(options.policy, options.human, options.count, options.seed)}
    show(result)
    write_json(options.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
