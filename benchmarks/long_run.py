"""Success over updates and over minutes, well past our minutes: `python -m benchmarks.long_run --root DATASET`.

The recipe and LeRobot's `diffusion`, shrunk to our number of parameters, train on the same PushT dataset through `dp-plus train`,
each with one thread, its learning rate falling to zero over its own updates. Every checkpoint is evaluated on selection seeds,
90000 and up, the last one also on reporting seeds, 100000 and up; both sides in float32.

LeRobot's side is trained once, through our loader. The three loaders give the same batches and so the same weights, which a
test checks; so there is one curve over updates and one over minutes for each loader, minutes = updates × seconds an update
(`benchmarks.pace`), measured for all sides and loaders in turns in one run. Ours has its three as well, in the JSON.

Its success has stopped rising if the mean of its last two checkpoints is less than `RISE` points above that of the two before.
If it has not, LeRobot's curve is the beginning of one, and is called so. The default budget is about two hours of one core.

Either side's minutes to `--target` percent are those of its first checkpoint that has as much. The limit is what the products of
our updates alone would take at the most operations a second that one thread of this machine does.

Trainings and evaluations are kept in `--folder`, which `benchmarks.pusht_quality` shares, and are not run again; an interrupted
training goes on from its last checkpoint.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks import common, judged, paired
from benchmarks.contenders import our_config
from benchmarks.figures import headline, success_curves
from benchmarks.floor import operations, peak
from benchmarks.pace import LOADERS, SIDES, kept_pace, minutes
from lerobot_dp_plus import cli

#: Percentage points by which success still rises.
RISE = 5.0
#: How a side is evaluated.
JUDGED = {"ours": (), "host": (paired.IN_FLOAT32,)}


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """The training of each side."""
    config, device = options.config, options.device
    number_format = paired.precision(config, device=device)
    ours = our_config(config, dtype=number_format)
    how: dict[str, Any] = {"our_steps": paired.our_steps(config, options.steps), "device": device}
    updates = options.steps_host or paired.host_updates(ours)
    host = paired.host_through_our_loader(
        ours, options.root, options.seed, steps=updates, normalised=options.normalised, **how
    )
    return {
        "ours": paired.our_training(config, options.root, options.seed, steps=options.steps, device=device),
        "host": host,
    }


def curve(side: str, trained: judged.Trained, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """The reports of every checkpoint on selection seeds, in order, with its updates as `step`."""
    reports = []
    for step in judged.saved(trained.folder):
        where = (options.seed, judged.SELECTION_SEED, options.episodes, folder, *JUDGED[side])
        found = judged.evaluate_once(f"{SIDES[side]} after {step}", trained, *where, step=step)
        reports.append(found | {"step": step})
        print(f"{SIDES[side]}, {step} updates: {found['success_percent']:.1f} %", flush=True)
    return reports


def stopped(reports: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether success has stopped rising, by the rule above; None with fewer than four checkpoints."""
    rates = [report["success_percent"] for report in reports]
    return bool(np.mean(rates[-2:]) - np.mean(rates[-4:-2]) < RISE) if len(rates) >= 4 else None


def times(curves: Mapping[str, Sequence[Mapping[str, Any]]], paces: Mapping[str, Any], target: float) -> dict[str, Any]:
    """Updates and minutes of `side + loader` to the target, or the most tried with `reached` false; LeRobot's ÷ ours."""
    found: dict[str, Any] = {}
    for side, reports in curves.items():
        first = next((report for report in reports if report["success_percent"] >= target), None)
        for loader in LOADERS:
            step = (first or reports[-1])["step"]
            took = {"updates": step, "minutes": minutes(paces, side, loader, step), "reached": first is not None}
            found[f"{side} + {loader}"] = took
    best = found["ours + memory"]
    for took in found.values():
        took["times_ours"] = took["minutes"] / best["minutes"] if best["reached"] else None
    return found


def operations_of_an_update(config: Path, root: Path, *more: str, device: str = "cpu") -> int:
    """Those of one update of our training, in this process."""
    line = paired.our_training(config, root, 1, *more, steps=1, device=device)
    with tempfile.TemporaryDirectory() as scratch:
        flags = [*line[line.index("train") :], "--save_checkpoint=false", f"--output_dir={scratch}/counted"]
        return operations(lambda: cli.main(flags))


def draw(curves: Mapping[str, Sequence[dict[str, Any]]], paces: Mapping[str, Any]) -> Figure:
    """Success over updates, and over minutes of one thread, one line for each of LeRobot's loaders."""
    drawn = [("ours", "memory"), *(("host", loader) for loader in LOADERS)]
    over_updates = {SIDES[side]: ([r["step"] for r in reports], reports) for side, reports in curves.items()}
    over_minutes = {
        f"{SIDES[side]}, {LOADERS[loader].title}": (
            [minutes(paces, side, loader, r["step"]) for r in curves[side]],
            curves[side],
        )
        for side, loader in drawn
    }
    axes = {"updates (log)": over_updates, "minutes of training (log) = updates × seconds an update": over_minutes}
    figure = success_curves(axes)
    ours, host = curves["ours"], curves["host"]
    told = [f"{side} has {reports[at]['success_percent']:.0f} % after {minutes(paces, key, 'memory', reports[at]['step']):.0f} minutes"
            for side, key, reports, at in (("ours", "ours", ours, 0), ("LeRobot's diffusion of equal size", "host", host, -1))]  # fmt: skip
    headline(
        figure,
        f"{told[0].capitalize()}, {told[1]}",
        "both through our loader; 100 episodes a point; ours knows the T's frame and the mirror image, LeRobot's neither; its curve "
        "still rises",
    )
    return figure


def without_places(told: Any, root: Path) -> Any:
    """The same, whose commands name no folder of this machine: the dataset is DIR, and files are told from this repository."""
    if isinstance(told, str):
        return told.replace(f"{common.ROOT}/", "").replace(str(root), "DIR")
    if isinstance(told, Mapping):
        return {key: without_places(each, root) for key, each in told.items()}
    return [without_places(each, root) for each in told] if isinstance(told, list | tuple) else told


def default_json(options: argparse.Namespace) -> Path:
    """Where results go if nothing is said.

    Raises:
        ValueError: another number of updates or LeRobot's policy as it ships would replace the experiment's results.
    """
    changed = {"--steps": options.steps, "--steps-host": options.steps_host, "--no-normalised": not options.normalised}
    if found := [name for name, given in changed.items() if given]:
        raise ValueError(f"{', '.join(found)}: give --json FILE, or the default file would hold another experiment")
    return common.RESULTS / (
        "long_run.json" if options.config.resolve() == judged.RECIPE else f"long_run_{options.config.stem}.json"
    )


def main(argv: list[str] | None = None) -> int:
    options, path = _options(argv)
    torch.set_num_threads(1)
    told = {"config": options.config.name, "host_normalised": options.normalised, "device": options.device}
    begun = common.provenance(path, dtype=paired.precision(options.config, device=options.device), **told)
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lines = commands(options)
    folders = {"ours": judged.RECIPE_FOLDER, "host": paired.HOST_FOLDER}
    names = {"ours": judged.RECIPE_NAME, "host": paired.HOST_FOLDER}
    for side, command in lines.items():
        print(f"{SIDES[side]}: dp-plus {' '.join(command[3:])}", flush=True)

    def judge(side: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        trained = judged.train_once(folders[side], lines[side], options.seed, folder)
        found = curve(side, trained, options, folder)
        where = (options.seed, judged.REPORTING_SEED, options.last_episodes, folder, *JUDGED[side])
        return found, judged.evaluate_once(names[side], trained, *where)

    with ThreadPoolExecutor(options.jobs) as pool:
        judgements = dict(zip(lines, pool.map(judge, lines), strict=True))
    curves = {side: found for side, (found, _) in judgements.items()}
    last = {side: found for side, (_, found) in judgements.items()}
    paces = kept_pace(lines, options.rounds, folder, options.pace_again)
    result: dict[str, Any] = {"target_percent": options.target, "times": times(curves, paces, options.target)}
    result["stopped_rising"] = {side: stopped(found) for side, found in curves.items()}
    result["minutes"] = {
        f"{side} + {loader}": [minutes(paces, side, loader, report["step"]) for report in curves[side]]
        for side in curves
        for loader in LOADERS
    }
    work = operations_of_an_update(options.config, options.root, device=options.device)
    limit = result["times"]["ours + memory"]["updates"] * work
    result["limit_minutes"] = limit / float(np.median(peak(7, device=options.device))) / 60
    reports = {
        "curves": {side: judged.published(found) for side, found in curves.items()},
        "last": {side: judged.published([found])[0] for side, found in last.items()},
    }
    told = begun | {"result": result, "pace": paces, **reports, "commands": {s: c[3:] for s, c in lines.items()}}
    common.write_json(path, without_places(told, options.root))
    common.write_figure(draw(curves, paces), common.picture_of(path))
    _print(curves, last, result, paces)
    return 0


def _options(argv: list[str] | None) -> tuple[argparse.Namespace, Path]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_run", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with what the config reads")
    parser.add_argument("--config", type=Path, default=judged.RECIPE)
    parser.add_argument("--seed", type=int, default=1, help="training seed")
    parser.add_argument("--steps", type=common.positive, help="our updates, if not the config's")
    parser.add_argument(
        "--steps-host", type=common.positive, help="LeRobot's; about two hours of one core if not given"
    )
    parser.add_argument("--episodes", type=common.positive, default=100, help="of every checkpoint, on selection seeds")
    parser.add_argument(
        "--last-episodes", type=common.positive, default=500, help="of the last one, on reporting seeds"
    )
    parser.add_argument("--target", type=float, default=60.0, help="success in percent whose minutes are printed")
    parser.add_argument("--rounds", type=common.positive, default=3, help="in which the pace is measured")
    parser.add_argument("--pace-again", action="store_true", help="measure the pace though it is kept")
    parser.add_argument(
        "--jobs", type=common.positive, default=1, help="2: both sides at the same time, one thread each"
    )
    paired.add_normalised(parser)
    common.add_device(parser)
    parser.add_argument("--folder", type=Path, default=common.ROOT / "outputs" / "pusht_quality")
    parser.add_argument("--json", type=Path, help="results/long_run.json; of another config long_run_CONFIG.json")
    options = parser.parse_args(argv)
    try:
        return options, options.json or default_json(options)
    except ValueError as error:
        parser.error(str(error))


def _print(
    curves: Mapping[str, Any], last: Mapping[str, Any], result: Mapping[str, Any], paces: Mapping[str, Any]
) -> None:
    rows = []
    for side, reports in curves.items():
        for report in reports:
            took = (f"{minutes(paces, side, loader, report['step']):.1f}" for loader in LOADERS)
            low, high = report["interval_percent"]
            success = f"{report['success_percent']:.0f} ({low:.1f}–{high:.1f})"
            rows.append((f"{SIDES[side]}, {report['step']:,}", *took, success, f"{report['score']:.3f}"))
    titles = tuple(f"min, {loader.title}" for loader in LOADERS.values())
    common.print_table("every checkpoint, selection seeds", (*titles, "success % (95 % Wilson)", "score"), rows)
    for side, report in last.items():
        low, high = report["interval_percent"]
        state = {True: "has stopped rising", False: "still rises", None: "too few checkpoints to tell whether it rises"}
        print(
            f"{SIDES[side]}, last checkpoint: {report['success_percent']:.1f} % of {report['episodes']} ({low:.1f}–{high:.1f}), "
            f"score {report['score']:.3f}; success {state[result['stopped_rising'][side]]}"
        )
    rows = []
    for name, took in result["times"].items():
        side, loader = name.split(" + ")
        more = "" if took["reached"] else "more than "
        ratio = (
            "–" if took["times_ours"] is None else f"{'' if took['reached'] else 'at least '}{took['times_ours']:.1f}×"
        )
        rows.append(
            (f"{SIDES[side]}, {LOADERS[loader].title}", f"{more}{took['minutes']:.1f}", ratio, f"{took['updates']:,}")
        )
    common.print_table(f"minutes to {result['target_percent']:g} %", ("minutes", "÷ ours, our loader", "updates"), rows)
    print(f"our updates at the limit of this machine: {result['limit_minutes']:.2f} minutes")


if __name__ == "__main__":
    sys.exit(main())
