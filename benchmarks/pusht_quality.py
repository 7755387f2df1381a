"""Success on PushT of a recipe, training included: `python -m benchmarks.pusht_quality --root DATASET`.

The recipe is trained through `lerobot train` once per training seed, and at the same time LeRobot's `diffusion` with as many
parameters (from pixels its U-Net alone) through its own script and loader, each with one thread; the last checkpoints are
evaluated on the same seeds that chose nothing, 100000 and up. Ratios are over the same episodes, with the interval of a paired
bootstrap over them. The limit is the share of episodes that at least one of these policies solved. With `--no-host` the recipe
runs alone.

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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import add_device, positive, print_table, provenance, write_figure, write_json
from benchmarks.contenders import IMAGE, ROOT, our_config
from benchmarks.figures import BARS, LIGHT, quality
from benchmarks.judged import (
    RECIPE,
    RECIPE_FOLDER,
    REPORTING_SEED,
    RESULTS,
    SELECTION_SEED,
    evaluate,
    evaluation_key,
    of_an_episode,
    published,
    ratio,
    slug,
    together,
    train_once,
    training_key,
)
from benchmarks.paired import (
    IN_FLOAT32,
    add_normalised,
    data_flags,
    dp_plus,
    host_training,
    our_steps,
    our_training,
    run,
)


@dataclass(frozen=True)
class Row:
    """One factor: flags of the training and of the evaluation, and how many late checkpoints are averaged, if any.

    With a `command` that trains, instead of the recipe.
    """

    name: str
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    average: int = 0
    command: tuple[str, ...] = ()


RECIPE_ROW = Row("the recipe")
VELOCITY = ("--policy.objective.type=flow_matching", "--policy.objective.prediction=v")

#: What the recipe is made of, each taken away or changed alone.
FACTORS = (
    Row("one candidate, no choice", evaluate=("--policy.selection.type=first",)),
    Row("4 candidates", evaluate=("--policy.selection.num_candidates=4",)),
    Row("64 candidates", evaluate=("--policy.selection.num_candidates=64",)),
    Row("the first within 0.05 of the lowest energy", evaluate=("--policy.selection.tolerance=0.05",)),
    Row("16 candidates, the most coherent", evaluate=("--policy.selection.type=coherent",)),
    Row("4 of 7 steps executed", evaluate=("--policy.n_action_steps=4",)),
    Row("2 network calls", evaluate=("--policy.sampler.type=ddim", "--policy.sampler.num_steps=2")),
    Row("chunks started from 0.3 of the noise", evaluate=("--policy.noise_scale=0.3",)),
    Row("ends weighted equally", evaluate=("--policy.foresight.weighting.type=equal",)),
    Row("foresight as observed, not in the block's frame", train=("--policy.foresight.frame.type=observed",)),
    Row(
        "demonstrations at their own speed",
        train=(
            "--policy.stride=1",
            "--policy.horizon=16",
            "--policy.network.patch_size=16",
            "--policy.n_action_steps=8",
        ),
    ),
    Row("no mirror images", train=("--policy.augmentation.type=none",)),
    Row("flow matching, velocity, dpmpp_2m", train=VELOCITY),
    Row("flow matching, velocity, euler", train=VELOCITY, evaluate=("--policy.sampler.type=euler",)),
    Row(
        "flow matching, x₁, euler",
        train=("--policy.objective.type=flow_matching", "--policy.sampler.type=euler"),
    ),
    Row("diffusion on noise", train=("--policy.objective.prediction=epsilon",)),
    Row("logit-normal times", train=("--policy.objective.times.type=logit_normal",)),
    Row("four actions a token", train=("--policy.network.patch_size=4",)),
    Row("half the width", train=("--policy.network.dim=128",)),
    Row("U-Net", train=("--policy.network.type=unet1d", "--policy.network.down_dims=[112,224]")),
    Row(
        "U-Net, half the updates",  # about the same time
        train=("--policy.network.type=unet1d", "--policy.network.down_dims=[112,224]", "--steps=1250"),
    ),
    Row("DiT", train=("--policy.network.type=dit",)),
    Row("no average of the weights", train=("--policy.ema.enabled=false",)),
    Row("mean of 5 late checkpoints instead", train=("--policy.ema.enabled=false", "--save_freq=250"), average=5),
    Row("mean of 5 late checkpoints as well", train=("--save_freq=250",), average=5),
)


def judged_on(options: argparse.Namespace) -> tuple[int, int]:
    """First environment seed and number of episodes."""
    return (SELECTION_SEED, options.study_episodes) if options.study else (REPORTING_SEED, options.episodes)


def training(row: Row, seed: int, options: argparse.Namespace) -> list[str]:
    """The command that trains a row; its flags may change the steps."""
    if row.command:
        return [*row.command, *data_flags(options.root, seed)]
    how = {"steps": options.steps, "device": options.device}
    return our_training(options.config, options.root, seed, *options.policy, *row.train, **how)


def name_of_training(row: Row) -> str:
    """That of the first row that trains alike."""
    if row.command:
        return row.name
    return next((other.name for other in FACTORS if row.train and other.train == row.train), RECIPE_FOLDER)


def kept(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> Path:
    """The file of a finished row."""
    first, episodes = judged_on(options)
    trained = training_key(training(row, seed, options))
    key = evaluation_key(trained, first, episodes, row.evaluate, row.average)
    return folder / f"{slug(row.name)}_seed_{seed}_{first}_{episodes}_{key}.json"


def measure(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train (or reuse), evaluate; the report with the seconds of training."""
    first, episodes = judged_on(options)
    result = kept(row, seed, options, folder)
    if result.exists():
        return json.loads(result.read_text())
    trained = train_once(name_of_training(row), training(row, seed, options), seed, folder)
    subject = trained.folder
    if row.average:
        subject = subject.with_name(f"{subject.name}_mean")
        flags = [str(trained.folder), f"--last={row.average}", f"--output={subject}", "--overwrite"]
        run(dp_plus("average", *flags), subject.with_suffix(".log"))
    measured: dict[str, Any] = {"name": row.name, "training_seed": seed}
    measured |= {"train": row.train or row.command[1:], "evaluate": row.evaluate}
    measured |= {"averaged_checkpoints": row.average} if row.average else {}
    report = evaluate(subject, first, episodes, result.with_name(f"{result.stem}_eval"), *row.evaluate)
    measured |= report | {"seconds": trained.seconds}
    write_json(result, measured)
    return measured


def solvable(every: Sequence[Sequence[dict[str, Any]]]) -> float:
    """Percent of the episodes that at least one of these policies solved: what is known to be possible."""
    return 100 * float(np.any([report["of_episodes"]["successes"] for row in every for report in row], axis=0).mean())


def compare(ours: Sequence[dict[str, Any]], host: Sequence[dict[str, Any]]) -> dict[str, dict[str, float] | None]:
    """LeRobot's failures ÷ ours and our score ÷ LeRobot's over the same episodes."""
    return {
        "failures_ratio": ratio(1 - of_an_episode("successes", host), 1 - of_an_episode("successes", ours)),
        "score_ratio": ratio(of_an_episode("max_rewards", ours), of_an_episode("max_rewards", host)),
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
    }
    if found := [name for name, given in changed.items() if given]:
        raise ValueError(f"{', '.join(found)}: give --json FILE, or the default file would hold another experiment")
    if options.config.resolve() != RECIPE:
        return RESULTS / f"{options.config.stem}{'_study' if options.study else ''}.json"
    return RESULTS / ("pusht_study.json" if options.study else "pusht_quality.json")


def draw(study: Sequence[Sequence[dict[str, Any]]]) -> Figure:
    """A bar for each row with its interval, a dot for each training seed, a line at the recipe."""
    figure = Figure(figsize=(8, 0.6 + 0.32 * len(study)))
    axes = figure.subplots()
    for place, rows in enumerate(study):
        rate, low, high = together(rows)
        axes.barh(place, rate, xerr=[[rate - low], [high - rate]], color=BARS[0] if place == 0 else LIGHT, capsize=2)
        axes.plot([r["success_percent"] for r in rows], [place] * len(rows), "o", ms=3, color="black")
    axes.axvline(together(study[0])[0], color=BARS[0], lw=1, ls="--")
    axes.set_yticks(range(len(study)), [rows[0]["name"] for rows in study], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="success, % (bar: all seeds, 95 % Wilson interval; dots: training seeds)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def pooled(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """A line of the table: every training seed, and all episodes together with their Wilson interval.

    The interval is that of the episodes; how much training seeds differ is seen from their rates.
    """
    rate, low, high = together(rows)
    return (
        rows[0]["name"],
        ", ".join(f"{r['success_percent']:.1f}" for r in rows),
        f"{rate:.1f} ({low:.1f}–{high:.1f}) of {sum(r['episodes'] for r in rows)}",
        f"{sum(r['score'] for r in rows) / len(rows):.3f}",
        "–" if None in (seconds := [r["seconds"] for r in rows]) else f"{sum(seconds) / len(rows) / 60:.1f}",
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pusht_quality", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with keypoints")
    parser.add_argument("--config", type=Path, default=RECIPE)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="training seeds")
    parser.add_argument("--episodes", type=positive, default=500, help="of the recipe, on reporting seeds")
    parser.add_argument("--study", action="store_true", help="one factor at a time instead, on selection seeds")
    parser.add_argument("--only", nargs="+", default=[""], help="rows of the study whose name begins with one of these")
    parser.add_argument("--study-episodes", type=positive, default=100)
    parser.add_argument("--steps", type=positive, help="updates, if not the config's")
    parser.add_argument(
        "--host", action=argparse.BooleanOptionalAction, default=True, help="LeRobot's beside the recipe"
    )
    add_normalised(parser)
    add_device(parser)
    parser.add_argument("--steps-host", type=positive, default=1500, help="its updates, about as long as ours")
    parser.add_argument("--finished", action="store_true", help="table and picture of what is finished, nothing is run")
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "pusht_quality")
    parser.add_argument(
        "--json", type=Path, help="results/pusht_quality.json or pusht_study.json; of another config CONFIG.json"
    )
    options, options.policy = parser.parse_known_args(argv)
    strange = [flag for flag in options.policy if not flag.startswith("--policy.")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    try:
        path = options.json or default_json(options)
    except ValueError as error:
        parser.error(str(error))
    about = {"device": options.device, "config": options.config.name, "policy": options.policy}
    begun = provenance(**about)  # a commit may follow before it ends
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows: tuple[Row, ...] = (RECIPE_ROW,)
    if options.study:
        rows += tuple(row for row in FACTORS if row.name.startswith(tuple(options.only)))
    elif options.host:
        config = our_config(options.config, *options.policy)
        how = {"steps": options.steps_host, "our_steps": our_steps(options.config, options.steps)}
        how |= {"normalised": options.normalised, "device": options.device}
        command = host_training(config, "--env_eval_freq=0", **how)
        size = "U-Net of equal size" if IMAGE in config.input_features else "equal size"
        name = f"LeRobot's diffusion, {size}" + ("" if options.normalised else ", keypoints as they are")
        rows += (Row(name, evaluate=(IN_FLOAT32,), command=tuple(command)),)
    every: list[list[dict[str, Any]]] = []
    for turn in [[row] for row in rows] if options.study else [rows]:  # those of a turn run at the same time
        reports: list[list[dict[str, Any]]] = [[] for _ in turn]
        for seed in options.seeds:
            found = [row for row in turn if not options.finished or kept(row, seed, options, folder).exists()]
            with ThreadPoolExecutor(len(turn)) as pool:
                measured = pool.map(partial(measure, seed=seed, options=options, folder=folder), found)
                for row, report in zip(found, measured, strict=True):
                    reports[turn.index(row)].append(report)
        for row in filter(None, reports):
            every.append(row)
            print(" | ".join(pooled(row)), flush=True)
    ratios = compare(*every) if not options.study and len(every) == 2 else {}
    summary = ratios if options.study else {"limit_percent": solvable(every), **ratios}
    write_json(path, begun | summary | {"rows": published([report for row in every for report in row])})
    write_figure(draw(every) if options.study else quality(every, summary["limit_percent"]), path.with_suffix(".png"))
    columns = ("success % by training seed", "together (95 % Wilson)", "score", "minutes of training")
    print_table("PushT, last checkpoint", columns, [pooled(row) for row in every])
    for name, title in (("failures_ratio", "failures, LeRobot's ÷ ours"), ("score_ratio", "score, ours ÷ LeRobot's")):
        if found := ratios.get(name):
            print(f"{title}: {found['ratio']:.2f} (95 % {found['low']:.2f}–{found['high']:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
