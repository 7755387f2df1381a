"""Thresholds for surprise and strangeness from undisturbed runs: `dp-plus calibrate CHECKPOINT`.

The first runs say what usual observations are, the others give the scores that thresholds are read off. Only successful
runs count: in the others something may have been wrong.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lerobot_dp_plus.evaluation.evaluate import policy_switches
from lerobot_dp_plus.evaluation.folders import pretrained_folder, weights_digest
from lerobot_dp_plus.evaluation.options import calibrate_parser
from lerobot_dp_plus.evaluation.watched_runs import in_batches, play
from lerobot_dp_plus.policies.acting import Loaded, load_switched
from lerobot_dp_plus.surprise import NEXT_STATE, SCORERS, Calibration, Monitor, Trace, Usual, needed, side_by_side
from lerobot_dp_plus.units import ACTION


def usual_observations(loaded: Loaded, seeds: Sequence[int]) -> Usual:
    """The Gaussian of what successful runs from these seeds observe, as the policy's augmentation leaves it.

    Raises:
        ValueError: no run succeeded, or the policy observes no states.
    """
    policy, kept = loaded.policy, []
    for batch in in_batches(seeds):
        windows: list[tuple[dict[str, Tensor], Tensor]] = []

        def watch(_: int, running: np.ndarray, to: list[tuple[dict[str, Tensor], Tensor]] = windows) -> None:
            to.append((policy.observed(), torch.from_numpy(running.copy())))

        succeeded = play(loaded, batch, watch)
        good = torch.tensor(succeeded)
        kept += [{key: value[good & running] for key, value in states.items()} for states, running in windows]
    found = {key: torch.cat([each[key] for each in kept]) for key in kept[0]}
    if not found:
        raise ValueError("the policy observes pictures alone: there are no states to be strange")
    if not len(next(iter(found.values()))):
        raise ValueError(
            f"none of {len(seeds)} runs from seed {seeds[0]} succeeded: there is nothing usual to learn from"
        )
    return Usual.fit(side_by_side(augmented(policy.config, found)))  # type: ignore[arg-type]


def augmented(config: Any, states: dict[str, Tensor]) -> dict[str, Tensor]:
    """States (n, T, D) and, behind them, the same as the training's augmentation changes them at random, from a fixed seed."""
    count = len(next(iter(states.values())))
    sample = {**states, ACTION: torch.zeros(count, 1, config.action_feature.shape[0])}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        changed = [config.augmentation.apply(sample) for _ in range(2)]
    return {key: torch.cat([each[key] for each in changed]) for key in states}


def traces(loaded: Loaded, monitor: Monitor, seeds: Sequence[int]) -> list[tuple[bool, Trace, bool]]:
    """Of each run: whether it succeeded, its signals, whether it alarmed."""
    found: list[tuple[bool, Trace, bool]] = []
    for batch in in_batches(seeds):
        told = [Trace([], []) for _ in batch]
        alarmed = np.zeros(len(batch), bool)

        def watch(_: int, running: np.ndarray, told: list[Trace] = told, alarmed: np.ndarray = alarmed) -> None:
            signal = monitor.see(loaded.policy)
            alarmed |= running & signal.alarm.numpy()
            for values, name in ((signal.surprise, "surprise"), (signal.strangeness, "strangeness")):
                if values is not None:
                    for index in np.flatnonzero(running):
                        getattr(told[index], name).append(float(values[index]))

        succeeded = play(loaded, batch, watch)
        found += zip(succeeded, told, alarmed.tolist(), strict=True)
    return found


def calibrate(loaded: Loaded, options: Any, **about: Any) -> Calibration:
    """What `dp-plus calibrate` writes, from the options of `calibrate_parser`.

    Raises:
        ValueError: too few runs, or too few that succeed, for alpha; or an option that is not legal; by name.
    """
    if options.episodes < needed(options.alpha / 2):
        raise ValueError(
            f"episodes = {options.episodes}: alpha = {options.alpha:g} for two signals takes at least "
            f"{needed(options.alpha / 2)}"
        )
    if options.fit_episodes < 1:
        raise ValueError(f"fit_episodes = {options.fit_episodes}: must be at least 1")
    policy = loaded.policy
    scorer = options.scorer or (NEXT_STATE if policy.model.expects else "distance")
    candidates = None if scorer != "distance" else options.candidates
    first = options.seed + options.fit_episodes
    usual = usual_observations(loaded, range(options.seed, first))
    monitor = Monitor(scorer, usual, candidates=candidates)
    runs = traces(loaded, monitor, range(first, first + options.episodes))
    good = [trace for succeeded, trace, _ in runs if succeeded]
    about |= {
        "environment": options.env,
        "seeds": [first, first + options.episodes - 1],
        "seeds_of_usual": [options.seed, first - 1],
        "successes": len(good),
        "episodes": len(runs),
    }
    return Calibration.of(
        scorer,
        good,
        options.alpha,
        options.per,
        candidates=candidates,
        usual=usual,
        settings=policy.settings(),
        about=about,
    )


def main(argv: Sequence[str], run: object = None) -> int:
    """`dp-plus calibrate CHECKPOINT [--env pusht] [--episodes 100] [--alpha 0.05] … [--policy.…]`."""
    options, extra = calibrate_parser().parse_known_args(argv)
    if strange := [flag for flag in extra if flag.startswith("--") and not flag.startswith("--policy.")]:
        raise ValueError(f"{' '.join(strange)}: no option of dp-plus calibrate; --policy.… are those of the policy")
    if options.scorer not in (None, NEXT_STATE, *SCORERS):
        raise ValueError(f"scorer = {options.scorer!r}: legal are {', '.join((NEXT_STATE, *SCORERS))}")
    folder = pretrained_folder(options.checkpoint)
    loaded = load_switched(folder, policy_switches(extra))
    torch.manual_seed(options.seed)
    found = calibrate(loaded, options, weights_sha256=weights_digest(folder))
    file = found.save(options.output or folder)
    print(f"{file}: alarm in at most {100 * found.alpha:g} % of {'runs' if found.per == 'run' else 'steps'}")
    for name in ("surprise", "strangeness"):
        if (limit := getattr(found, name)) is not None:
            said = f" ({found.scorer})" if name == "surprise" else ""
            print(f"  {name}{said} above {limit:.4g}, from {found.about['successes']} successful runs")
    if options.check_episodes:
        seeds = range(options.check_seed, options.check_seed + options.check_episodes)
        alarms = sum(alarmed for _, _, alarmed in traces(loaded, Monitor.load(file.parent), seeds))
        print(f"  {alarms} of {len(seeds)} undisturbed runs from seed {seeds[0]} alarmed")
    return 0
