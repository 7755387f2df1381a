"""Success on PushT at few network calls a chunk: `python -m benchmarks.few_calls --root DATASET`.

For every training seed a policy is trained by `--base`, or taken from `--start`, and trained on by `--config`, whose objective
is made for few calls. Both last checkpoints are evaluated at every number of calls on the same seeds that chose nothing, 100000
and up; before that objective with `ddim` where there are fewer than four calls, as multistep samplers then have nothing to go by.
The ratios are success after it over success before it at the most calls, on the same episodes, with the interval of a paired
bootstrap over them. That success before it is the limit as well: what the few calls imitate. `--control` trains the base's own
objective on for as many updates too, to tell what the objective does from what more training does.

Trainings and evaluations are kept in `--folder`, which `benchmarks.pusht_quality` shares, under a digest of all that defines them
and are not run again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import common, judged, paired
from benchmarks.figures import BARS, FLOOR, headline, plain
from lerobot_dp_plus.evaluation.folders import pretrained_folder, weights_digest

CONFIG = common.ROOT / "configs" / "pusht_foresight_few_calls.json"
BEFORE, AFTER, CONTROL = "before", "after", "control"


def train(seed: int, options: argparse.Namespace, folder: Path) -> dict[str, judged.Trained]:
    """Every policy of this training seed."""

    def command(config: Path, *flags: str) -> list[str]:
        return paired.our_training(config, options.root, seed, *flags, steps=options.steps, device=options.device)

    if options.start:
        last = pretrained_folder(options.start.resolve())
        key = judged.digest(weights_digest(last), json.loads((last / "config.json").read_text()))
        before = judged.Trained(options.start.resolve(), key, None)
    else:
        before = judged.train_once(judged.RECIPE_FOLDER, command(options.base), seed, folder)
        last = before.folder / "checkpoints" / "last" / "pretrained_model"
    further = command(options.config, f"--policy.pretrained_path={last}")
    trainings = {AFTER: [*further, *options.policy]}
    if options.control:
        own = json.loads((last / "config.json").read_text())
        axes = ((name, own[name]) for name in ("objective", "sampler"))
        trainings[CONTROL] = [*further, *(f"--policy.{name}.type={axis['type']}" for name, axis in axes)]
    stem = options.config.stem
    return {BEFORE: before} | {
        name: judged.train_once(f"{stem}_{name}", line, seed, folder, before.key) for name, line in trainings.items()
    }


def at(calls: int, name: str) -> tuple[str, ...]:
    """Flags with which a policy makes so many network calls a chunk."""
    few = ("--policy.sampler.type=ddim",) if name != AFTER and calls < 4 else ()
    return (*few, f"--policy.sampler.num_steps={calls}")


def measure(seed: int, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Train and evaluate one seed, or read what is kept."""
    reports = []
    for name, trained in train(seed, options, folder).items():
        for calls in options.calls if name == AFTER else options.calls_before or options.calls:
            evaluation = f"{options.config.stem}_{name}_{calls}"
            where = (seed, judged.REPORTING_SEED, options.episodes, folder, *at(calls, name))
            report = judged.evaluate_once(evaluation, trained, *where, calls=calls)
            reports.append(report | {"name": name})
            print(f"seed {seed}, {name}, {calls} calls: {reports[-1]['success_percent']:.1f} %", flush=True)
    return reports


def by_calls(reports: Sequence[dict[str, Any]], name: str) -> dict[int, list[dict[str, Any]]]:
    """The reports on policies of this name, of every training seed, by their number of calls."""
    mine = [report for report in reports if report["name"] == name]
    return {calls: [r for r in mine if r["calls"] == calls] for calls in sorted({r["calls"] for r in mine})}


def kept_success(reports: Sequence[dict[str, Any]]) -> dict[str, dict[str, float] | None]:
    """Success after, at every number of calls, over success before at the most."""
    before, after = by_calls(reports, BEFORE), by_calls(reports, AFTER)
    most = judged.of_an_episode("successes", before[max(before)])
    return {str(calls): judged.ratio(judged.of_an_episode("successes", found), most) for calls, found in after.items()}


def draw(reports: Sequence[dict[str, Any]]) -> Figure:
    """Success over calls with its interval, a dot for each training seed, the limit dashed."""
    figure = Figure(figsize=(6, 3.6))
    axes = figure.subplots()
    labels = {
        BEFORE: "as it was trained",
        AFTER: "after as many updates of `shortcut`",
        CONTROL: "trained on as before",
    }
    for name, colour, shift in ((BEFORE, BARS[1], 0.97), (AFTER, BARS[0], 1.03), (CONTROL, FLOOR, 1.0)):
        found = by_calls(reports, name)
        if not found:
            continue
        rates = {calls: judged.together(rows) for calls, rows in found.items()}
        places = [calls * shift for calls in rates]
        error = [[m - low for m, low, _ in rates.values()], [high - m for m, _, high in rates.values()]]
        middle = [m for m, _, _ in rates.values()]
        axes.errorbar(places, middle, yerr=error, color=colour, marker="s", ms=4, capsize=3, label=labels[name])
        dots = [(place, r["success_percent"]) for place, rows in zip(places, found.values(), strict=True) for r in rows]
        axes.plot(*zip(*dots, strict=True), ".", ms=4, color="black")
    before = by_calls(reports, BEFORE)
    axes.axhline(judged.together(before[max(before)])[0], color=FLOOR, lw=1, ls="--")
    lowest = min(report["success_percent"] for report in reports)
    axes.set(
        xscale="log", xlabel="network calls a chunk", ylabel="success, %", ylim=(max(0, 10 * (lowest // 10) - 10), 101)
    )
    ticks = sorted({report["calls"] for report in reports})
    axes.set_xticks(ticks, [str(calls) for calls in ticks])
    axes.minorticks_off()
    plain(axes)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.tight_layout()
    after = by_calls(reports, AFTER)
    least, most = min(after), max(before)
    point = f"Taught to jump, {judged.together(after[least])[0]:.1f} % with {least} network call{'s' if least > 1 else ''} a chunk"
    point += f"; before, {judged.together(before[most])[0]:.1f} % with {most}"
    told = f"squares: all {len(before[most])} training seeds, 95 % Wilson interval; dots: each seed; dashed: before"
    headline(figure, point, f"{told}; the axis does not begin at 0")
    return figure


def line(rows: Sequence[dict[str, Any]], kept: dict[str, float] | None) -> tuple[str, ...]:
    """A line of the table: policies of all training seeds at one number of calls."""
    rate, low, high = judged.together(rows)
    return (
        f"{rows[0]['name']}, {rows[0]['calls']}",
        ", ".join(f"{r['success_percent']:.1f}" for r in rows),
        f"{rate:.1f} ({low:.1f}–{high:.1f}) of {sum(r['episodes'] for r in rows)}",
        f"{sum(r['score'] for r in rows) / len(rows):.3f}",
        f"{kept['ratio']:.3f} ({kept['low']:.3f}–{kept['high']:.3f})" if kept else "",
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_calls", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with what the configs read")
    parser.add_argument("--config", type=Path, default=CONFIG, help="trains on, with an objective for few calls")
    parser.add_argument("--base", type=Path, default=judged.RECIPE, help="trains what --config goes on from")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from instead of --base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="training seeds")
    parser.add_argument("--calls", type=common.positive, nargs="+", default=[1, 2, 4, 10])
    parser.add_argument(
        "--calls-before", type=common.positive, nargs="+", help="of the policy before, and of the control"
    )
    parser.add_argument("--episodes", type=common.positive, default=500)
    parser.add_argument("--steps", type=common.positive, help="updates of every training, if not the configs'")
    parser.add_argument("--control", action="store_true", help="as many updates of the base's objective too")
    parser.add_argument(
        "--jobs", type=common.positive, default=1, help="training seeds at the same time, one thread each"
    )
    common.add_device(parser)
    parser.add_argument("--folder", type=Path, default=common.ROOT / "outputs" / "pusht_quality")
    parser.add_argument("--json", type=Path, help="results/few_calls.json; of another config few_calls_CONFIG.json")
    options, options.policy = parser.parse_known_args(argv)
    strange = [flag for flag in options.policy if not flag.startswith("--policy.")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    if options.policy and not options.json:
        parser.error("--policy.… flags: give --json FILE, or the default file would hold another experiment")
    own = options.config.resolve() == CONFIG
    path = options.json or common.RESULTS / ("few_calls.json" if own else f"few_calls_{options.config.stem}.json")
    begun = common.provenance(path, device=options.device, config=options.config.name, policy=options.policy)
    folder = options.folder.resolve()
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda seed: measure(seed, options, folder), options.seeds)
        reports = [report for of_seed in found for report in of_seed]
    kept = kept_success(reports)
    common.write_json(path, begun | {"kept": kept, "rows": judged.published(reports)})
    common.write_figure(draw(reports), common.picture_of(path))
    lines = [
        line(rows, kept[str(calls)] if name == AFTER else None)
        for name in (BEFORE, CONTROL, AFTER)
        for calls, rows in by_calls(reports, name).items()
    ]
    most = max(by_calls(reports, BEFORE))
    columns = ("success % by training seed", "together (95 % Wilson)", "score", f"÷ before at {most}")
    common.print_table("PushT, calls a chunk", columns, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
