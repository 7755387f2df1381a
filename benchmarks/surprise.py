"""How well a moved block is noticed, and how often nothing is taken for something: `python -m benchmarks.surprise`.

The published PushT policy acts on unseen seeds. In each run the block is moved by 30 px once, at a random replan among the
first hundred steps: the policy sees it at the next frame (`lead` 0), or a step before it replans (`lead` 1). Scores at that
replan are compared with those at the replans before it: AUROC with a 95 % interval of a bootstrap over runs. Every score has
only what is at hand in use, the rest of the plan that was not executed and the candidates of the new observation.

With `--alarms`, thresholds are calibrated on undisturbed runs of seeds 90000 and up, and alarms are counted in undisturbed
runs of seeds 100000 and up, and at the moved block.
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from scipy.stats import rankdata

from benchmarks.common import ROOT, positive, print_table, provenance, write_json
from benchmarks.judged import REPORTING_SEED
from benchmarks.surprise_scores import VARIANTS
from lerobot_dp_plus.evaluation.calibrate import calibrate, traces
from lerobot_dp_plus.evaluation.options import calibrate_parser
from lerobot_dp_plus.evaluation.watched_runs import in_batches, play
from lerobot_dp_plus.hub.intervals import wilson_percent
from lerobot_dp_plus.policies.acting import Loaded, load_policy
from lerobot_dp_plus.surprise import NEXT_STATE, SCORERS, Calibration, Monitor

CHECKPOINT = ROOT / "hub_cards" / "pusht_state"
#: How far the block is moved, and where its corners stay; px.
SHIFT, LOW, HIGH = 30.0, 20.0, 492.0
#: The agent's radius is 15 px.
CLEAR = 16.0
#: The block is moved in the first so many steps.
WITHIN = 100

#: Of two chunks, not of evidence.
ENERGIES = "change of the lowest energy"
#: Told at every step; at the first that sees the moved block.
NEXT = "expected next state (dynamics), every step"


def move_block(env: gym.Env, rng: np.random.Generator) -> bool:
    """Move the block by `SHIFT` in a random direction, inside the arena and clear of the agent; False if it cannot be."""
    arena: Any = env.unwrapped
    start = np.array(arena.block.position)
    for _ in range(100):
        angle = rng.uniform(0, 2 * np.pi)
        _put(arena, start + SHIFT * np.array([np.cos(angle), np.sin(angle)]))
        corners = np.asarray(arena.get_obs()["environment_state"])
        clear = min(shape.point_query(tuple(arena.agent.position)).distance for shape in arena.block.shapes)
        if corners.min() >= LOW and corners.max() <= HIGH and clear >= CLEAR:
            return True
    _put(arena, start)
    return False


def _put(arena: Any, place: np.ndarray) -> None:
    arena.block.position = tuple(place.tolist())
    arena.space.reindex_shapes_for_body(arena.block)


@dataclass
class Scores:
    """Scores at replans: (run, score) of undisturbed ones and of those that first saw the moved block."""

    before: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    moved: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    #: Of runs with a moved block, by signal: whether it was above its threshold at that replan, or since the move.
    alarmed: dict[str, list[bool]] = field(default_factory=dict)


def disturbed(loaded: Loaded, runs: int, lead: int, seed: int = 0, monitor: Monitor | None = None) -> Scores:
    """Scores of all variants in runs in which the block is moved `lead` steps before a replan."""
    policy, found = loaded.policy, Scores()
    every = policy.config.n_action_steps
    for batch in in_batches(range(REPORTING_SEED, REPORTING_SEED + runs)):
        rng = np.random.default_rng([seed, batch[0]])
        when = every * rng.integers(1, WITHIN // every + 1, len(batch))
        moved, over = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
        alarm = {name: np.zeros(len(batch), bool) for name in ("surprise", "strangeness", "any")}

        def interfere(step, environments, running, when=when, moved=moved, over=over, rng=rng):  # type: ignore[no-untyped-def]
            due = [i for i in np.flatnonzero(running) if step == when[i] - lead]
            changed = [i for i in due if move_block(environments[i], rng)]
            moved[changed] = True
            over[(when < step) | ((when == step + lead) & ~moved)] = True  # what follows is not looked at
            return changed

        stepwise = Monitor(NEXT_STATE)

        def watch(step, running, batch=batch, when=when, moved=moved, over=over, alarm=alarm, stepwise=stepwise):  # type: ignore[no-untyped-def]
            if monitor is not None:
                for name, above in above_thresholds(monitor, policy).items():
                    alarm[name] |= above & moved & (step <= when)
            told = stepwise.see(policy).surprise
            for index in np.flatnonzero(running & ~over) if told is not None else ():
                first = moved[index] and step == when[index] - lead
                if first or not moved[index]:
                    to = found.moved if first else found.before
                    to.setdefault(NEXT, []).append((batch[index], float(told[index])))
            replan = policy.episode.replan
            if step % every == 0 and replan.before is not None:
                evidence = policy.evidence()
                told = {name: score(evidence) for name, score in VARIANTS.items()}
                energies = [each.energies["end"].amin(1) for each in (replan.proposed, replan.before.chosen)]
                told[ENERGIES] = (energies[0] - energies[1]).abs()
                for index in np.flatnonzero(running & ~over):
                    first = moved[index] and step == when[index]
                    for name, values in told.items():
                        if values is not None and (first or not moved[index]):
                            to = found.moved if first else found.before
                            to.setdefault(name, []).append((batch[index], float(values[index])))

        play(loaded, batch, watch, interfere, over)
        for name, above in alarm.items():
            found.alarmed.setdefault(name, []).extend(above[moved].tolist())
    return found


def above_thresholds(monitor: Monitor, policy: Any) -> dict[str, np.ndarray]:
    """Which signals are above their thresholds at this step, each (B,) bool; `any` is the alarm."""
    signal, limits = monitor.see(policy), monitor.calibration
    found = {"any": signal.alarm.numpy()}
    for name in ("surprise", "strangeness"):
        value, limit = getattr(signal, name), getattr(limits, name)
        if value is not None and limit is not None:
            found[name] = (value > limit).numpy()
    return found


def auroc(positive_scores: np.ndarray, negative_scores: np.ndarray) -> float:
    """The probability that a score of the first kind exceeds one of the second; ties count half."""
    ranks = rankdata(np.concatenate([positive_scores, negative_scores]))
    first, second = len(positive_scores), len(negative_scores)
    return float((ranks[:first].sum() - first * (first + 1) / 2) / (first * second))


def auroc_of(moved: Sequence[tuple[int, float]], before: Sequence[tuple[int, float]]) -> dict[str, float]:
    """AUROC, and its 95 % interval over resampled runs."""
    sides = [np.array(side) for side in (moved, before)]
    by_run = [{run: side[side[:, 0] == run, 1] for run in np.unique(side[:, 0])} for side in sides]
    runs, rng = sorted(set(by_run[0]) | set(by_run[1])), np.random.default_rng(0)
    drawn = []
    for _ in range(200):
        sample = rng.choice(runs, len(runs))
        pair = [np.concatenate([side[run] for run in sample if run in side]) for side in by_run]
        drawn.append(auroc(*pair))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"auroc": auroc(sides[0][:, 1], sides[1][:, 1]), "low": float(low), "high": float(high)}


def separation(executed: int, candidates: int, lead: int, runs: int) -> dict[str, Any]:
    """AUROC of every variant for a policy that executes so many steps and draws so many candidates."""
    loaded = load(executed, candidates)
    torch.manual_seed(executed)
    found = disturbed(loaded, runs, lead)
    return {
        "executed": executed,
        "candidates": candidates,
        "lead": lead,
        "moved": len(found.moved[ENERGIES]),
        "undisturbed": len(found.before[ENERGIES]),
        "auroc": {name: auroc_of(found.moved[name], found.before[name]) for name in found.moved},
    }


def load(executed: int, candidates: int) -> Loaded:
    """The published policy with these switches."""
    return load_policy(CHECKPOINT, n_action_steps=executed, selection={"num_candidates": candidates})


def alarms(executed: int, scorer: str, options: Namespace) -> dict[str, Any]:
    """False alarms of fresh undisturbed runs, and alarms at a moved block, with thresholds of `--alpha`."""
    loaded = load(executed, 16)
    flags = [str(CHECKPOINT), f"--episodes={options.calibration}", f"--alpha={options.alpha}", f"--scorer={scorer}"]
    torch.manual_seed(executed)
    found: Calibration = calibrate(loaded, calibrate_parser().parse_args(flags))
    monitor = Monitor(found.scorer, found.usual, found, found.candidates)
    fresh = traces(loaded, monitor, range(REPORTING_SEED, REPORTING_SEED + options.fresh))
    result: dict[str, Any] = {
        "executed": executed,
        "scorer": scorer,
        "alpha": found.alpha,
        "calibrated_on": found.about,
    }
    result |= {"surprise": found.surprise, "strangeness": found.strangeness}
    result["false"] = share([alarmed for _, _, alarmed in fresh])
    result["false_of_successes"] = share([alarmed for succeeded, _, alarmed in fresh if succeeded])
    for name, limit in (("surprise", found.surprise), ("strangeness", found.strangeness)):
        told = [getattr(trace, name) for _, trace, _ in fresh]
        result[f"false_{name}"] = share([max(values, default=0.0) > (limit or np.inf) for values in told])
    for lead in options.leads:
        noticed = disturbed(loaded, options.runs, lead, monitor=monitor).alarmed
        result |= {f"noticed by {name}, lead {lead}": share(values) for name, values in noticed.items()}
    return result


def share(values: Sequence[bool]) -> dict[str, Any]:
    """How many of how many, in percent with Wilson's 95 % interval."""
    low, high = wilson_percent(sum(values), len(values))
    return {
        "of": len(values),
        "count": sum(values),
        "percent": 100 * sum(values) / len(values),
        "interval": [low, high],
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surprise", description=__doc__)
    parser.add_argument("--executed", type=positive, nargs="+", default=[2, 3, 4, 6], help="n_action_steps")
    parser.add_argument("--candidates", type=positive, nargs="+", default=[8, 16])
    parser.add_argument("--leads", type=int, nargs="+", default=[0, 1], help="steps from the move to the replan")
    parser.add_argument("--runs", type=positive, default=200, help="with a moved block")
    parser.add_argument("--alarms", action="store_true", help="thresholds and alarms as well")
    parser.add_argument(
        "--scorers", nargs="+", choices=[NEXT_STATE, *SCORERS], default=[NEXT_STATE, *SCORERS], help="of the alarms"
    )
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--calibration", type=positive, default=100, help="undisturbed runs for thresholds")
    parser.add_argument("--fresh", type=positive, default=100, help="undisturbed runs in which alarms are counted")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(argv)
    begun = provenance(options.json) if options.json else {}
    rows = [
        separation(executed, candidates, lead, options.runs)
        for executed in options.executed
        for candidates in options.candidates
        for lead in options.leads
    ]
    counted = []
    if options.alarms:
        counted = [alarms(executed, scorer, options) for executed in options.executed for scorer in options.scorers]
    names = [*VARIANTS, ENERGIES, NEXT]
    for row in rows:
        title = "executed {executed}, {candidates} candidates, lead {lead}: {moved} moved, {undisturbed} undisturbed"
        told = [(name, "{auroc:.3f} ({low:.3f}–{high:.3f})".format(**row["auroc"][name])) for name in names]
        print_table(title.format(**row), ("AUROC (95 %)",), told)
    for row in counted:
        title = "executed {executed}, {scorer}: thresholds {surprise:.4g} and {strangeness:.4g}".format(**row)
        shares = [(name, value) for name, value in row.items() if isinstance(value, dict) and "percent" in value]
        cells = [
            (name, "{count} of {of}, {percent:.1f} %".format(**value), "{:.1f}–{:.1f}".format(*value["interval"]))
            for name, value in shares
        ]
        print_table(title, ("runs", "95 %"), cells)
    if options.json:
        write_json(options.json, begun | {"separation": rows, "alarms": counted})
    return 0


if __name__ == "__main__":
    sys.exit(main())
