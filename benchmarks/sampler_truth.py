"""What samplers make of a perfect network, at equal calls: `python -m benchmarks.sampler_truth`.

Pure mathematics, no training: of numbers x₁ from a mixture of normal distributions the denoiser is known in closed form, so
that all that is wrong with the samples is the sampler's. Every path × sampler × number of network calls is judged against the
true quantiles; samplers that call more than once a step make fewer steps. Deterministic samplers start from quantiles of the
noise, stochastic ones from as many draws. The second part is how the grid of `linear_beta` was chosen.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path as File
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import print_table, provenance, write_json
from benchmarks.mixture import Judgement, Mixture, even_noise, gaussian
from lerobot_dp_plus.paths import LinearBetaPath, Path, SquaredCosinePath, StraightPath, even_grid
from lerobot_dp_plus.samplers import DDIM, Ancestral, DPMpp2M, Heun, Langevin, PredictorCorrector, Sampler

RESULT = File(__file__).parent / "results" / "sampler_truth.json"
TRUTHS = {
    "three modes": Mixture(weights=(0.5, 0.3, 0.2), means=(-0.7, 0.1, 0.8), widths=(0.12, 0.06, 0.09)),
    "one wide mode": gaussian(-0.2, 0.5),
    "one narrow mode": gaussian(0.3, 0.1),
}
PATHS: dict[str, Path] = {
    "straight": StraightPath(),
    "squared_cosine": SquaredCosinePath(),
    "linear_beta": LinearBetaPath(),
}
#: `euler` is `ddim`.
SAMPLERS: dict[str, type[Sampler]] = {
    **{"ancestral": Ancestral, "ddim": DDIM, "heun": Heun, "dpmpp_2m": DPMpp2M},
    **{"predictor_corrector": PredictorCorrector, "langevin": Langevin},
}
CALLS = (1, 2, 3, 4, 5, 8, 10, 20)
#: Powers p of the grids φ = φ₀·(1 − k/n)^p that were tried.
POWERS = (1.0, 1.25, 1.5, 2.0)
COUNT = 4001


def judged(truth: Mixture, path: Path, sampler: Sampler, times: Tensor | None = None) -> Judgement:
    """The sampler on its own times or the given ones, (num_steps + 1,)."""
    generator = torch.Generator().manual_seed(0)
    noise = even_noise(COUNT)
    if sampler.order is None:
        noise = torch.randn(COUNT, 1, 1, dtype=torch.float64, generator=generator)
    clock = None if times is None else times[:, None].expand(-1, COUNT).unbind()
    return truth.judge(sampler(lambda x, t: truth.ends(path, x, t), path, noise, generator, clock))


def within(name: str, calls: int) -> Sampler:
    """As many steps as so many calls allow."""
    return max(
        (SAMPLERS[name](num_steps=n) for n in range(1, calls + 1)), key=lambda s: (s.num_calls <= calls) * s.num_steps
    )


def row(truth: str, path: str, sampler: Sampler, found: Judgement, **more: Any) -> dict[str, Any]:
    """For the JSON."""
    weights = TRUTHS[truth].weights
    return {
        "truth": truth,
        "path": path,
        "sampler": Sampler.get_choice_name(type(sampler)),
        "steps": sampler.num_steps,
        "calls": sampler.num_calls,
        **more,
        "weight_error": max(abs(one - other) for one, other in zip(found.weights, weights, strict=True)),
        **asdict(found),
    }


def compare() -> list[dict[str, Any]]:
    """Every truth × path × number of calls × sampler."""
    rows = []
    for truth in TRUTHS:
        for path in PATHS:
            for calls in CALLS:
                for name in SAMPLERS:
                    sampler = within(name, calls)
                    rows.append(row(truth, path, sampler, judged(TRUTHS[truth], PATHS[path], sampler), allowed=calls))
    return rows


def angle_grid(path: Path, steps: int, power: float) -> Tensor:
    """The times at which the angle, tan φ = σ/α, is φ₀·(1 − k/steps)^power, (steps + 1,)."""
    dense = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    angle = torch.atan2(path.sigma(dense), path.alpha(dense)).numpy()
    wanted = angle[0] * (1 - np.arange(steps + 1) / steps) ** power
    times = torch.from_numpy(np.interp(wanted, angle[::-1], dense.numpy()[::-1]))
    times[0], times[-1] = 0, 1
    return times


def grids(calls: int = 10) -> list[dict[str, Any]]:
    """Every truth × grid × sampler on `linear_beta`."""
    path, like = PATHS["linear_beta"], torch.zeros(1, dtype=torch.float64)
    rows = []
    for truth in TRUTHS:
        for name in SAMPLERS:
            sampler = within(name, calls)
            tried = {"even in t": even_grid(sampler.num_steps, like)}
            tried |= {f"power {power:g}": angle_grid(path, sampler.num_steps, power) for power in POWERS}
            for grid, times in tried.items():
                rows.append(row(truth, "linear_beta", sampler, judged(TRUTHS[truth], path, sampler, times), grid=grid))
    return rows


def cells(entry: dict[str, Any]) -> tuple[str, ...]:
    """What a table says of a row."""
    spreads = " ".join(f"{spread:.2f}" for spread in entry["spreads"])
    return (f"{100 * entry['weight_error']:.1f}", spreads, f"{100 * entry['stray']:.1f}", f"{entry['distance']:.3f}")


COLUMNS = ("weights off by, %", "spread ÷ true", "stray, %", "distance")


def best(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The sampler of least distance for each path and number of calls, the mean over truths."""
    found: dict[str, dict[str, str]] = {path: {} for path in PATHS}
    for path in PATHS:
        for calls in CALLS:
            distance = {
                name: math.fsum(
                    entry["distance"]
                    for entry in rows
                    if (entry["path"], entry["allowed"], entry["sampler"]) == (path, calls, name)
                )
                for name in SAMPLERS
            }
            found[path][str(calls)] = min(distance, key=lambda name: distance[name])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=File, default=RESULT, help=f"where the figures go; default {RESULT.name}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    begun = provenance(options.json, samples=COUNT)
    rows, tried = compare(), grids()
    result = {**begun, "best": best(rows), "rows": rows, "grids_of_linear_beta": tried}
    for path in PATHS:
        shown = [e for e in rows if (e["truth"], e["path"]) == ("three modes", path) and e["allowed"] in (5, 10, 20)]
        lines = [(f"{e['allowed']} calls, {e['sampler']}, {e['steps']} steps", *cells(e)) for e in shown]
        print_table(f"{path}: three modes", COLUMNS, lines)
    lines = [(f"{e['sampler']}, {e['grid']}", *cells(e)) for e in tried if e["truth"] == "three modes"]
    print_table("linear_beta: grids at ten calls, three modes", COLUMNS, lines)
    print(f"least distance, all truths: {result['best']}")
    write_json(options.json, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
