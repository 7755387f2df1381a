"""Success on PushT of a recipe, training included: `python -m benchmarks.pusht_quality --root DATASET`.

The recipe is trained through `lerobot train` once per training seed, and at the same time LeRobot's `diffusion` with as many
parameters (from pixels its U-Net alone), for about two hours, each with one thread; the last checkpoints are evaluated on the
same seeds that chose nothing, 100000 and up. LeRobot's is trained through our loader. Its own, without workers and with 4, gives the
same weights, which a test checks, so the table has a line for each loader with the minutes that it takes: updates × seconds an
update, measured side by side (`benchmarks.pace`). Ratios are over the same episodes, with the interval of a paired bootstrap
over them. The limit is the share of episodes that at least one of these policies solved. With `--no-host` the recipe runs alone.
How success grows is what `benchmarks.long_run` shows, which shares these trainings.

With `--study`, one factor at a time is changed instead and judged on selection seeds from 90000.
Rows that only change how a trained policy is used, such as the number of candidates, evaluate the recipe's own weights.
Finished rows are kept in `--folder` under a digest of all that defines them and not run again, so a study may be run in parts.
Rows with the same training share its weights, and so does `benchmarks.few_calls`. Flags `--policy.…` change the recipe of all
rows.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common, judged, paired
from benchmarks.contenders import our_config
from benchmarks.factors import FACTORS, FACTORS_OF_PICTURES, RECIPE_ROW, Row
from benchmarks.figures_quality import quality, study
from benchmarks.pace import LOADERS, SIDES, kept_pace, minutes, pace_file

#: Flags that name folders of a machine, of which no file tells.
FOLDERS = ("--config_path=", "--dataset.root=", "--output_dir=")


def judged_on(options: argparse.Namespace) -> tuple[int, int]:
    """First environment seed and number of episodes."""
    return (
        (judged.SELECTION_SEED, options.study_episodes) if options.study else (judged.REPORTING_SEED, options.episodes)
    )


def training(row: Row, seed: int, options: argparse.Namespace) -> list[str]:
    """The command that trains a row; its flags may change the steps."""
    if row.command:
        return row.command(seed)
    how = {"steps": options.steps, "device": options.device}
    return paired.our_training(options.config, options.root, seed, *options.policy, *row.train, **how)


def name_of_training(row: Row) -> str:
    """That of the first row that trains alike."""
    if row.command:
        return paired.HOST_FOLDER
    return next((other.name for other in FACTORS if row.train and other.train == row.train), judged.RECIPE_FOLDER)


def finished(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> bool:
    """Whether this row is kept."""
    first, episodes = judged_on(options)
    key = judged.evaluation_key(
        judged.training_key(training(row, seed, options)), first, episodes, row.evaluate, row.average
    )
    return judged.evaluation_file(row.name, seed, first, episodes, folder, key).exists()


def measure(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train and evaluate, or read what is kept; the report with the seconds of training."""
    command = training(row, seed, options)
    trained = judged.train_once(name_of_training(row), command, seed, folder)
    first, episodes = judged_on(options)
    report = judged.evaluate_once(row.name, trained, seed, first, episodes, folder, *row.evaluate, average=row.average)
    return report | {"train": row.train or [flag for flag in command[3:] if not flag.startswith(FOLDERS)]}


def host_row(options: argparse.Namespace) -> Row:
    """LeRobot's policy, trained through our loader."""
    dtype = paired.precision(options.config, *options.policy, device=options.device)
    config = our_config(options.config, *options.policy, dtype=dtype)
    how = {
        "steps": options.steps_host or paired.host_updates(config),
        "our_steps": paired.our_steps(options.config, options.steps),
    }
    how |= {"normalised": options.normalised, "device": options.device}
    command = partial(paired.host_through_our_loader, config, options.root, **how)
    name = paired.HOST_FOLDER + ("" if options.normalised else ", keypoints as they are")
    return Row(name, evaluate=(paired.IN_FLOAT32,), command=command)


def solvable(every: Sequence[Sequence[dict[str, Any]]]) -> float:
    """Percent of the episodes that at least one of these policies solved: what is known to be possible."""
    return 100 * float(np.any([report["of_episodes"]["successes"] for row in every for report in row], axis=0).mean())


def compare(ours: Sequence[dict[str, Any]], host: Sequence[dict[str, Any]]) -> dict[str, dict[str, float] | None]:
    """LeRobot's failures ÷ ours and our score ÷ LeRobot's over the same episodes."""
    return {
        "failures_ratio": judged.ratio(
            1 - judged.of_an_episode("successes", host), 1 - judged.of_an_episode("successes", ours)
        ),
        "score_ratio": judged.ratio(
            judged.of_an_episode("max_rewards", ours), judged.of_an_episode("max_rewards", host)
        ),
    }


def default_json(options: argparse.Namespace) -> Path:
    """Where results go if nothing is said: one file for the recipe's comparison, its study, and every other config.

    Raises:
        ValueError: a changed recipe, a part of the study or LeRobot's policy as it ships would replace another's results.
    """
    changed = {
        "--policy.… flags": options.policy,
        "--only": options.study and options.only != [""],
        "--no-normalised": options.host and not options.study and not options.normalised,
        "--steps-host": options.host and not options.study and options.steps_host,
    }
    if found := [name for name, given in changed.items() if given]:
        raise ValueError(f"{', '.join(found)}: give --json FILE, or the default file would hold another experiment")
    if options.config.resolve() != judged.RECIPE:
        return common.RESULTS / f"{options.config.stem}{'_study' if options.study else ''}.json"
    return common.RESULTS / ("pusht_study.json" if options.study else "pusht_quality.json")


def longer(config: str) -> dict[str, Any]:
    """How LeRobot's policy of equal size does after the long training of `benchmarks.long_run`, where that is known."""
    kept = common.RESULTS / "long_run.json"
    if not kept.exists() or (found := json.loads(kept.read_text()))["config"] != config:
        return {}
    updates, took = found["curves"]["host"][-1]["step"], found["result"]["minutes"]["host + memory"][-1]
    said = f"{updates:,} updates, {took:.0f} minutes, our loader"
    return {"longer": found["last"]["host"], "longer_name": said}


def pooled(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A line of the table: every training seed, and all episodes together with their Wilson interval.

    The interval is that of the episodes; how much training seeds differ is seen from their rates.
    """
    rate, low, high = judged.together(rows)
    return (
        rows[0]["name"],
        ", ".join(f"{r['success_percent']:.1f}" for r in rows),
        f"{rate:.1f} ({low:.1f}–{high:.1f}) of {sum(r['episodes'] for r in rows)}",
        f"{sum(r['score'] for r in rows) / len(rows):.3f}",
        "–" if None in (seconds := [r["seconds"] for r in rows]) else f"{sum(seconds) / len(rows) / 60:.1f}",
    )


def lines_by_loader(
    every: Sequence[Sequence[dict[str, Any]]], updates: dict[str, int], paces: dict[str, Any]
) -> list[tuple[str, ...]]:
    """Lines of the table: ours, and LeRobot's through each loader, all three with the same weights."""
    ours, host = every
    lines = []
    for side, rows, loaders in (("ours", ours, ["memory"]), ("host", host, list(LOADERS))):
        for loader in loaders:
            _, *cells, _ = pooled(rows)
            took = minutes(paces, side, loader, updates[side])
            lines.append((f"{SIDES[side]}, {LOADERS[loader].title}", *cells, f"{took:.1f}"))
    return lines


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pusht_quality", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with keypoints")
    parser.add_argument("--config", type=Path, default=judged.RECIPE)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="training seeds")
    parser.add_argument("--episodes", type=common.positive, default=500, help="of the recipe, on reporting seeds")
    parser.add_argument("--study", action="store_true", help="one factor at a time instead, on selection seeds")
    parser.add_argument("--only", nargs="+", default=[""], help="rows of the study whose name begins with one of these")
    parser.add_argument("--study-episodes", type=common.positive, default=100)
    parser.add_argument("--steps", type=common.positive, help="updates, if not the config's")
    parser.add_argument(
        "--host", action=argparse.BooleanOptionalAction, default=True, help="LeRobot's beside the recipe"
    )
    paired.add_normalised(parser)
    common.add_device(parser)
    parser.add_argument(
        "--steps-host", type=common.positive, help="its updates; about two hours of one core if not given"
    )
    parser.add_argument(
        "--seeds-host", type=int, nargs="+", help="its training seeds; the first of --seeds if not given"
    )
    parser.add_argument("--rounds", type=common.positive, default=3, help="in which seconds an update are measured")
    parser.add_argument("--pace-again", action="store_true", help="measure them though they are kept")
    parser.add_argument("--finished", action="store_true", help="table and picture of what is finished, nothing is run")
    parser.add_argument("--folder", type=Path, default=common.ROOT / "outputs" / "pusht_quality")
    parser.add_argument(
        "--json", type=Path, help="results/pusht_quality.json or pusht_study.json; of another config CONFIG.json"
    )
    options, options.policy = parser.parse_known_args(argv)
    strange = [flag for flag in options.policy if not flag.startswith("--policy.")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    hosts = options.seeds_host or options.seeds[:1]
    if strange := sorted(set(hosts) - set(options.seeds)):
        parser.error(
            f"--seeds-host {strange[0]} is not among --seeds {' '.join(map(str, options.seeds))}; add it there"
        )
    try:
        path = options.json or default_json(options)
    except ValueError as error:
        parser.error(str(error))
    about = {"device": options.device, "config": options.config.name, "policy": options.policy}
    about["dtype"] = paired.precision(options.config, *options.policy, device=options.device)
    begun = common.provenance(path, **about)  # a commit may follow before it ends
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows: tuple[Row, ...] = (RECIPE_ROW,)
    if options.study:
        pictures = our_config(options.config).state_estimation.reads_pictures
        factors = FACTORS + (FACTORS_OF_PICTURES if pictures else ())
        rows += tuple(row for row in factors if row.name.startswith(tuple(options.only)))
    elif options.host:
        rows += (host_row(options),)
    every: list[list[dict[str, Any]]] = []
    turns: Sequence[Sequence[Row]] = [[row] for row in rows] if options.study else [rows]
    for turn in turns:  # those of a turn run at the same time
        reports: list[list[dict[str, Any]]] = [[] for _ in turn]
        for seed in options.seeds:
            wanted = [row for row in turn if not row.command or seed in hosts]
            found = [row for row in wanted if not options.finished or finished(row, seed, options, folder)]
            with ThreadPoolExecutor(max(1, len(found))) as pool:
                measured = pool.map(partial(measure, seed=seed, options=options, folder=folder), found)
                for row, report in zip(found, measured, strict=True):
                    reports[turn.index(row)].append(report)
        for of_row in filter(None, reports):
            every.append(of_row)
            print(" | ".join(pooled(of_row)), flush=True)
    compared = not options.study and len(every) == 2
    summary: dict[str, Any] = compare(*every) if compared else {}
    ratios = dict(summary)
    lines = [pooled(reports) for reports in every]
    if not options.study:
        summary = {"limit_percent": solvable(every)} | summary
    trainings = {s: training(row, hosts[0], options) for s, row in zip(("ours", "host"), rows, strict=False)}
    if compared and (not options.finished or pace_file(trainings, options.rounds, folder).exists()):
        updates = {side: paired.steps_of(command, options.config) for side, command in trainings.items()}
        paces = kept_pace(trainings, options.rounds, folder, options.pace_again)
        lines = lines_by_loader(every, updates, paces)
        summary |= {"updates": updates, "pace": paces}
    common.write_json(
        path, begun | summary | {"rows": judged.published([report for reports in every for report in reports])}
    )
    name = options.config.name
    drawn = study(every) if options.study else quality(every, summary["limit_percent"], name, **longer(name))
    common.write_figure(drawn, common.picture_of(path))
    columns = ("success % by training seed", "together (95 % Wilson)", "score", "minutes of training")
    common.print_table("PushT, last checkpoint", columns, lines)
    for name, title in (("failures_ratio", "failures, LeRobot's ÷ ours"), ("score_ratio", "score, ours ÷ LeRobot's")):
        if of_title := ratios.get(name):
            print(f"{title}: {of_title['ratio']:.2f} (95 % {of_title['low']:.2f}–{of_title['high']:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
