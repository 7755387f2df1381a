"""How late a policy is on this machine, and what of it fits: `dp-plus budget CHECKPOINT --hz 30`."""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lerobot_dp_plus.evaluation.evaluate import policy_switches
from lerobot_dp_plus.evaluation.folders import pretrained_folder
from lerobot_dp_plus.evaluation.options import budget_parser
from lerobot_dp_plus.heads import head_of
from lerobot_dp_plus.hub.files import write_whole
from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.policies.configuration_dp_plus import DpPlusConfig

WARM_UP = 2


@dataclass(frozen=True)
class Row:
    """What one setting costs.

    Args:
        calls: network calls of a chunk, `sampler.num_steps`; None for a policy that draws without a sampler.
        candidates: chunks that are drawn to choose from.
        median_ms, p90_ms: from a raw observation to a chunk in the data's units.
        delay: control steps that pass meanwhile, in nine cases of ten.
        most_hz: the highest control rate at which chunks are long enough for real-time chunking, as each goes on while the
            next is computed.
    """

    calls: int | None
    candidates: int
    median_ms: float
    p90_ms: float
    delay: int
    most_hz: float


def settings(config: DpPlusConfig, calls: Sequence[int], candidates: Sequence[int]) -> list[list[str]]:
    """Switches for every setting that this policy can have, as `load_switched` takes them; its own first."""
    steps: list[list[str]] = [[f"--sampler.num_steps={count}"] for count in calls]
    if not _samples(config):
        steps = [[]]
    drawn: list[list[str]] = [[]]
    if any(field.name == "num_candidates" for field in dataclasses.fields(config.selection)):
        drawn = [
            [f"--selection.num_candidates={count}"] if count > 1 else ["--selection.type=first"] for count in candidates
        ]
    return [[], *([*one, *other] for other in drawn for one in steps if one or other)]


def _samples(config: DpPlusConfig) -> bool:
    return "sampler" in head_of(config.objective).uses


def observation(config: DpPlusConfig) -> dict[str, Any]:
    """One raw observation of zeros, pictures as they are recorded, with an instruction where one is read."""
    shapes = {**config.observed_features, **config.recorded_cameras}
    nothing = {key: np.zeros(shape, dtype=np.float32) for key, shape in shapes.items()}
    return nothing | ({"task": "nothing"} if config.spoken_features else {})


@torch.no_grad()
def seconds_of(loaded: Loaded, seen: dict[str, Any]) -> float:
    """Seconds from a raw observation to the first action of a new chunk, in the data's units."""
    loaded.policy.reset()
    begun = time.perf_counter()
    loaded.act(seen)
    return time.perf_counter() - begun


def measured(
    folder: Path, switches: Sequence[str], hz: float, calls: Sequence[int], candidates: Sequence[int], repeats: int
) -> tuple[list[Row], DpPlusConfig]:
    """The rows of a checkpoint and its config. Settings take turns, so that a busy moment of the machine hits them alike.

    Raises:
        ValueError: it is no policy of this package, or a setting is illegal for it.
    """
    first = load_switched(folder, switches)
    if not isinstance(first.policy.config, DpPlusConfig):
        raise ValueError(f"{folder}: policy type {first.policy.config.type!r}; a budget is of dp_plus_* policies")
    every = settings(first.policy.config, calls, candidates)
    made = [first, *(load_switched(folder, [*switches, *more]) for more in every[1:])]
    seen = observation(first.policy.config)
    times: list[list[float]] = [[] for _ in made]
    for turn in range(WARM_UP + repeats):
        for loaded, spent in zip(made, times, strict=True):
            seconds = seconds_of(loaded, seen)
            if turn >= WARM_UP:
                spent.append(1000 * seconds)
    rows: dict[tuple[int | None, int], Row] = {}
    for loaded, spent in zip(made, times, strict=True):
        config = loaded.policy.config
        count = config.sampler.num_steps if _samples(config) else None
        p90 = float(np.percentile(spent, 90))
        most = config.chunk_length // 2 * 1000 / p90
        row = Row(count, config.selection.candidates, float(np.median(spent)), p90, math.ceil(p90 * hz / 1000), most)
        rows.setdefault((row.calls, row.candidates), row)
    return list(rows.values()), first.policy.config


def best(rows: Sequence[Row], budget_ms: float) -> Row | None:
    """Of what fits into a budget: the most candidates, and then the most calls. None if nothing fits."""
    fitting = [row for row in rows if row.p90_ms <= budget_ms]
    return max(fitting, key=lambda row: (row.candidates, row.calls or 0), default=None)


def table(rows: Sequence[Row], length: int, budget_ms: float) -> str:
    """The rows as text."""
    lines = [f"{'calls':>6}{'candidates':>12}{'median ms':>11}{'90 % ms':>9}{'delay':>7}{'most Hz':>9}  fits"]
    for row in rows:
        fits = "yes" if row.p90_ms <= budget_ms else f"no: over {budget_ms:g} ms"
        if 2 * row.delay > length:
            fits = f"no: chunks of {length} steps do not reach over a delay of {row.delay}"
        lines.append(
            f"{row.calls or '–':>6}{row.candidates:>12}{row.median_ms:>11.1f}{row.p90_ms:>9.1f}{row.delay:>7}{row.most_hz:>9.0f}  {fits}"
        )
    return "\n".join(lines)


def advice(row: Row | None, config: DpPlusConfig, hz: float, budget_ms: float) -> str:
    """What to set, in a sentence and flags."""
    if row is None or 2 * row.delay > config.chunk_length:
        return (
            f"Nothing fits into {budget_ms:g} ms. Train one with fewer network calls (objective.type=shortcut), a smaller "
            "network or smaller pictures (image_encoder.resize), or a longer horizon."
        )
    flags = [f"--policy.sampler.num_steps={row.calls}"] if row.calls else []
    if config.selection.candidates > 1:
        several = f"--policy.selection.num_candidates={row.candidates}"
        flags.append(several if row.candidates > 1 else "--policy.selection.type=first")
    least, most = max(row.delay, 1), config.chunk_length - row.delay
    flags.append(f"--policy.n_action_steps={min(max(config.n_action_steps, least), most)}")
    return f"At {hz:g} Hz a chunk is {row.delay} steps late. In real time, n_action_steps may be {least} to {most}: {' '.join(flags)}"


def main(argv: Sequence[str], run: object = None) -> int:
    """`dp-plus budget CHECKPOINT --hz 30 [--ms 100] [--calls …] [--candidates …] [--policy.…]`."""
    options, extra = budget_parser().parse_known_args(argv)
    if strange := [flag for flag in extra if flag.startswith("--") and not flag.startswith("--policy.")]:
        raise ValueError(f"{' '.join(strange)}: no option of dp-plus budget; --policy.… are those of the policy")
    for name in ("hz", "ms"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"--{name}={value}: must be above 0")
    if options.repeats < 1:
        raise ValueError(f"--repeats={options.repeats}: must be at least 1")
    folder, switches = pretrained_folder(options.checkpoint), policy_switches(extra)
    rows, config = measured(folder, switches, options.hz, options.calls, options.candidates, options.repeats)
    budget_ms = options.ms or config.chunk_length // 2 * 1000 / options.hz
    print(
        f"chunks of {config.chunk_length} steps, {config.device}, {torch.get_num_threads()} threads; the first row is as it is saved"
    )
    print(table(rows, config.chunk_length, budget_ms))
    print(advice(best(rows, budget_ms), config, options.hz, budget_ms))
    if options.json:
        write_whole(options.json, json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n")
    return 0
