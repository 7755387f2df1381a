"""How much a policy loses by being late, on PushT: `python -m benchmarks.realtime --policy DIR`.

A chunk drawn for the observation of control step t takes over at step t + d, and a new one is begun every s steps. Until it
is there, the plan goes on. A row is a delay d, a cycle s and a way to go on from the plan (`real_time`). Beside each delay stands
the policy that is not late and looks as seldom, every 2d steps: its actions are as old as those of a late one with s = d, so
it is the ceiling. Reporting seeds, 100000 and up.

Rows that a file holds already, of the same weights and as many episodes, are kept; so ways and delays may be added by another run.

The second difference of the executed actions is told at the seams, where a new chunk takes over, and between them. Milliseconds
are processor time for one chunk of one of the episodes that run in step with each other.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gym_pusht.envs import PushTEnv
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.common import RESULTS, picture_of, positive, print_table, provenance, write_figure, write_json
from benchmarks.figures import headline
from benchmarks.judged import REPORTING_SEED
from benchmarks.steering import share
from lerobot_dp_plus import load_policy
from lerobot_dp_plus.evaluation.delayed import Delayed
from lerobot_dp_plus.hub.files import sha256
from lerobot_dp_plus.policies.acting import Loaded

STEPS, TOGETHER = 300, 50
WAYS: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "inpainting": {"type": "inpainting"},
    "guided": {"type": "guided"},
    "guided, no Jacobian": {"type": "guided", "jacobian": False},
    "guided, whole overlap": {"type": "guided", "overlap": 100},
    "trained": {"type": "trained"},
}
NOT_LATE = "not late"


def second_differences(actions: np.ndarray, seams: Sequence[int]) -> tuple[list[float], list[float]]:
    """|a_{k+1} − 2·a_k + a_{k−1}| of an episode's actions (T, 2): those across a seam, and the others.

    A seam at step k lies between the actions k − 1 and k.
    """
    sizes = np.linalg.norm(np.diff(actions, 2, axis=0), axis=1)  # entry i is about action i + 1
    across = {each + shift for each in seams for shift in (-2, -1)}
    return [s for i, s in enumerate(sizes) if i in across], [s for i, s in enumerate(sizes) if i not in across]


def run(made: Loaded, seeds: Sequence[int]) -> dict[str, Any]:
    """Episodes in step with each other: success and score of each, second differences, seconds of a chunk."""
    policy: Delayed = made.policy
    envs = [PushTEnv(obs_type="environment_state_agent_pos") for _ in seeds]
    observed = [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)]
    policy.reset()
    torch.manual_seed(seeds[0])
    executed: list[list[np.ndarray]] = [[] for _ in seeds]
    best, done, spent = np.zeros(len(seeds)), np.zeros(len(seeds), bool), 0.0
    for _ in tqdm(range(STEPS), desc="episodes", leave=False):
        begun, before = time.process_time(), policy.chunks
        actions = made.act({key: np.stack([each[key] for each in observed]) for key in observed[0]})
        spent += (time.process_time() - begun) * (policy.chunks > before)
        for i in np.flatnonzero(~done):
            observed[i], reward, done[i], _, _ = envs[i].step(actions[i].astype(np.float32))
            executed[i].append(actions[i])
            best[i] = max(best[i], reward)
        if done.all():
            break
    at, between = [], []
    for each in executed:
        there, elsewhere = second_differences(np.array(each), policy.seams)
        at, between = at + there, between + elsewhere
    return {
        "success": [bool(ok) for ok in done],
        "score": np.minimum(best / 0.95, 1).tolist(),
        "steps": [len(each) for each in executed],
        "at": at,
        "between": between,
        "seconds": spent / policy.chunks / len(seeds),
    }


def measured(made: Loaded, delay: int, every: int, frames_between: bool, episodes: int) -> dict[str, Any]:
    """The figures of a row."""
    late = made._replace(policy=Delayed(made.policy, delay, every, frames_between))
    seeds = range(REPORTING_SEED, REPORTING_SEED + episodes)
    found = [run(late, seeds[start : start + TOGETHER]) for start in range(0, episodes, TOGETHER)]

    def together(key: str) -> list[Any]:
        return [value for each in found for value in each[key]]

    return {
        "delay": delay,
        "every": every,
        "success": share(together("success")),
        "score": float(np.mean(together("score"))),
        "steps": float(np.mean(together("steps"))),
        "second_difference_at_seams_px": float(np.mean(together("at"))) if together("at") else None,
        "second_difference_between_px": float(np.mean(together("between"))),
        "milliseconds_a_chunk": 1000 * float(np.mean([each["seconds"] for each in found])),
    }


def rows(delays: Sequence[int], ways: Sequence[str], length: int) -> list[tuple[str, int, int, bool]]:
    """(way, d, s, whether frames between chunks are seen) of every row that fits chunks of this length."""
    found = [(NOT_LATE, 0, every, True) for every in sorted({*(2 * d for d in delays), *(3 * d for d in delays)} - {0})]
    for delay in (each for each in delays if each):
        found += [(way, delay, every, True) for every in (delay, 2 * delay) for way in ways]
        if "trained" in ways:
            found.append(("trained", delay, delay, False))
    return [row for row in found if row[1] + row[2] <= length]


def kept(path: Path, episodes: int, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of the file, if there is one and it is of these weights and seeds and of as many episodes."""
    before = json.loads(path.read_text()) if path.exists() else {}
    if not before or any(before.get(key) != value for key, value in known.items()):
        return {}
    return {name: row for name, row in before["result"].items() if row["success"]["of"] == episodes}


def title(way: str, delay: int, every: int, frames_between: bool) -> str:
    """How a row is called."""
    seen = "" if frames_between else ", frames of chunks alone"
    return f"{way}{seen}, d = {delay}, s = {every}"


def draw(result: dict[str, dict[str, Any]]) -> Figure:
    """Success over the delay, one line for each way with s = d, and the ceiling; beside it how rough the seams are.

    A way whose second difference at the seams, the whole line, is that between them, the dotted one, has smooth seams.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.add_subplot(1, 2, 1, xlabel="delay, control steps of 0.1 s", ylabel="success %", ylim=(0, 100))
    rough = figure.add_subplot(
        1, 2, 2, xlabel="delay, control steps of 0.1 s", ylabel="second difference, px: at seams —, between ···"
    )
    for way in (NOT_LATE, *WAYS):
        known = {
            each["every"] / 2 if way == NOT_LATE else each["delay"]: each
            for name, each in result.items()
            if name.startswith(f"{way}, d") and (way == NOT_LATE or each["every"] == each["delay"])
        }
        if not known:
            continue
        delays = sorted(known)
        shares = [known[delay]["success"] for delay in delays]
        percent = np.array([share["percent"] for share in shares])
        low, high = np.array([share["interval_percent"] for share in shares]).T
        label, style = ("not late, every 2d steps", "o--") if way == NOT_LATE else (way, "o-")
        drawn = axes.errorbar(delays, percent, yerr=[percent - low, high - percent], fmt=style, capsize=3, label=label)
        for key, line in (("at_seams", "o-"), ("between", "o:")):
            sizes = [known[delay][f"second_difference_{key}_px"] for delay in delays]
            rough.plot(delays, sizes, line, color=drawn.lines[0].get_color())
    axes.legend()
    rough.set_ylim(bottom=0)
    late = max((each["delay"] for each in result.values()), default=0)
    if found := {
        way: each
        for way in WAYS
        for name, each in result.items()
        if name.startswith(f"{way}, d") and each["delay"] == each["every"] == late
    }:
        best, worst = (pick(found, key=lambda way: found[way]["success"]["percent"]) for pick in (max, min))
        shares = [found[way]["success"]["percent"] for way in (best, worst)]
        point = f"{late} steps late: {best} has {shares[0]:.0f} %, {worst} {shares[1]:.0f} %"
        headline(figure, point, "dashed: a policy that is not late and looks as seldom; 95 % Wilson intervals")
    return figure


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.realtime", description=__doc__)
    parser.add_argument("--policy", type=Path, required=True, help="a checkpoint that was trained with max_delay")
    parser.add_argument("--episodes", type=positive, default=200)
    parser.add_argument("--delays", type=int, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", type=Path, default=RESULTS / "realtime.json")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    known = {"weights_sha256": sha256(options.policy / "model.safetensors"), "first_seed": REPORTING_SEED}
    begun = provenance(options.json, policy=options.policy.name, **known)
    result = kept(options.json, options.episodes, known)
    length = load_policy(options.policy).policy.config.chunk_length
    for way, delay, every, frames in rows(options.delays, options.ways, length):
        how = {} if way == NOT_LATE else {"real_time": WAYS[way]}
        if (name := title(way, delay, every, frames)) in result:
            continue
        made = load_policy(options.policy, n_action_steps=every, **how)
        found = measured(made, delay, every, frames, options.episodes)
        result[name] = found | {key: begun[key] for key in ("commit", "date")}
        print(f"{name}: {_cells(result[name])}", flush=True)
        write_json(options.json, begun | {"result": result})
    columns = ("success %", "score", "at seams px", "between px", "ms a chunk")
    print_table(f"{options.episodes} episodes", columns, [(name, *_cells(each)) for name, each in result.items()])
    write_figure(draw(result), picture_of(options.json))
    return 0


def _cells(each: dict[str, Any]) -> tuple[str, ...]:
    low, high = each["success"]["interval_percent"]
    seams = each["second_difference_at_seams_px"]
    return (
        f"{each['success']['percent']:.1f} ({low:.1f}–{high:.1f})",
        f"{each['score']:.3f}",
        "" if seams is None else f"{seams:.1f}",
        f"{each['second_difference_between_px']:.1f}",
        f"{each['milliseconds_a_chunk']:.1f}",
    )


if __name__ == "__main__":
    raise SystemExit(main())
