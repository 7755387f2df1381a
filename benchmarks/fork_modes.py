"""How a policy proposes both ways at a fork of PushT, and whether they are found: `python -m benchmarks.fork_modes`.

For each "around" fork (`benchmarks/forks.py`) the policy draws chunks. A chunk goes by one side of the T or by the other. Both
sides are proposed if each has at least a fifth of the chunks. Modes are found by `modes.type=gaussian_mixture` in the chunks'
ends and in whole chunks. The limit is the null: as many points drawn from one Gaussian with the mean and covariance of the
chunks' points. What is found there is found in noise. "mirrored" is the policy with `symmetrise=true`, which draws half of the
chunks for the mirrored observation and mirrors them back: with fresh noise, and with the noise of the other half.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.common import ROOT, positive, print_table, provenance, write_json
from benchmarks.forks import around, side
from benchmarks.judged import REPORTING_SEED
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.demos.pusht_features import PushTEnv
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.modes import GaussianMixture
from lerobot_dp_plus.notation import entropy
from lerobot_dp_plus.policies.acting import Loaded
from lerobot_dp_plus.units import ACTION

WAYS = ("as it is", "mirrored", "mirrored, same noise")


def window_of(loaded: Loaded, state: np.ndarray) -> dict[str, Tensor]:
    """What the policy sees, normalised, of an agent that has rested at a reset state; each (1, T_o, ...)."""
    env = PushTEnv(obs_type="environment_state_agent_pos")
    seen, _ = env.reset(seed=0, options={"reset_to_state": state})
    env.close()
    batch = loaded.preprocess(
        {
            "observation.state": torch.tensor(seen["agent_pos"])[None].float(),
            "observation.environment_state": torch.tensor(seen["environment_state"])[None].float(),
            "task": [""],
        }
    )
    steps = loaded.policy.config.n_obs_steps
    return {key: batch[key][:, None].repeat_interleave(steps, 1) for key in loaded.policy.config.observed_features}


def proposals(loaded: Loaded, window: dict[str, Tensor], noise: Tensor, way: str) -> Tensor:
    """Chunks (1, N, L, 2) in pixels from the current step on, from noise (1, N, H, 2)."""
    policy = loaded.policy
    if way == WAYS[2]:
        noise = noise.chunk(2, dim=1)[0].repeat(1, 2, 1, 1)
    chunks = policy.sample(window, noise, noise.shape[1])
    return policy.model.units.physical(ACTION, chunks)[:, :, policy.config.n_obs_steps - 1 :]


def null_of(points: Tensor, generator: torch.Generator) -> Tensor:
    """As many points of one Gaussian, moved and scaled to have exactly the mean and covariance of points (B, N, D)."""

    def root(values: Tensor) -> Tensor:
        return torch.linalg.cholesky(values.mT @ values)

    drawn = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    drawn = drawn - drawn.mean(1, keepdim=True)
    centre = points.double().mean(1, keepdim=True)
    standard = torch.linalg.solve_triangular(root(drawn), drawn.mT, upper=False)
    return centre + (root(points.double() - centre) @ standard).mT


def measure(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """All forks in one way of proposing."""
    loaded = load_policy(options.policy, device="cpu", symmetrise=way != WAYS[0])
    found: dict[str, list[float]] = {}
    shape = (1, options.candidates, loaded.policy.config.horizon, 2)
    for seed in tqdm(range(options.seed, options.seed + options.forks), desc=way, leave=False, disable=None):
        generator = torch.Generator().manual_seed(seed)
        window = window_of(loaded, around(seed, options.jitter))
        chunks = proposals(loaded, window, torch.randn(shape, generator=generator), way)
        row: dict[str, float] = {"positive": float((side(chunks.numpy()) > 0).mean())}
        for space in ("end", "whole"):
            modes = GaussianMixture(space=space)
            points = modes.points(chunks)
            weights = modes.find(points).weights
            row |= {
                f"{space}_modes": int((weights[0] > 0).sum()),
                f"{space}_ambiguity": float(entropy(weights)),
                f"{space}_null_modes": int((modes.find(null_of(points, generator)).weights[0] > 0).sum()),
            }
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    return found


def share(true: np.ndarray) -> str:
    """Percent of the forks and its 95 % Wilson interval."""
    count = int(true.sum())
    low, high = wilson_percent(count, len(true))
    return f"{100 * count / len(true):.0f} ({low:.0f}–{high:.0f})"


def line(name: str, found: dict[str, list[float]]) -> tuple[str, ...]:
    """A row of the table."""
    p = np.array(found["positive"])
    several = {key: share(np.array(found[f"{key}_modes"]) > 1) for key in ("end", "whole", "end_null", "whole_null")}
    both = (share(np.minimum(p, 1 - p) >= least) for least in (0.2, 0.35))
    return (name, f"{p.mean():.2f} ± {p.std():.2f}", *both, *several.values())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fork_modes", description=__doc__)
    parser.add_argument("--policy", type=Path, default=ROOT / "hub_cards" / "pusht_state")
    parser.add_argument("--forks", type=positive, default=40, help="how many")
    parser.add_argument("--seed", type=int, default=REPORTING_SEED, help="of the first")
    parser.add_argument("--candidates", type=positive, default=64, help="N, even")
    parser.add_argument("--jitter", type=float, default=0.0, help="pixels off the line, see benchmarks/forks.py")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    options = parser.parse_args(argv)
    kept = provenance(options.json) if options.json else {}
    results = {way: measure(way, options) for way in WAYS}
    title = f"{options.forks} forks, jitter {options.jitter:g} px, N = {options.candidates}; % of forks (95 % Wilson)"
    columns = ("p(+)", "both ≥ 20 %", "both ≥ 35 %", "modes of ends", "of whole", "null of ends", "null of whole")
    print_table(title, columns, [line(way, found) for way, found in results.items()])
    if options.json:
        write_json(options.json, kept | {"forks": options.forks, "jitter": options.jitter, "ways": results})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
