"""Success on PushT of a recipe, training included: `python -m benchmarks.pusht_quality --root DATASET`.

The recipe is trained through `lerobot train` once per training seed and its last checkpoint evaluated on seeds that chose
nothing, 100000 and up. With `--study`, one factor at a time is changed instead and judged on selection seeds from 90000.
Rows that only change how a trained policy is used, such as the number of candidates, evaluate the recipe's own weights.
Finished rows are kept in `--folder` and not run again, so a study may be run in parts. Flags `--policy.…` change the recipe
of all rows.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from scipy.stats import binomtest

from benchmarks.common import positive, print_table, provenance, write_figure, write_json
from benchmarks.contenders import ROOT
from benchmarks.figures import BARS, LIGHT

RECIPE = ROOT / "configs" / "pusht_foresight.json"
RESULTS = Path(__file__).parent / "results"
SELECTION_SEED, REPORTING_SEED = 90_000, 100_000
ENTRY = "import sys; from lerobot_dp_plus.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Row:
    """One factor: flags of the training and of the evaluation, and how many late checkpoints are averaged, if any."""

    name: str
    train: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    average: int = 0


RECIPE_ROW = Row("the recipe")

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
    Row("flow matching, velocity", train=("--policy.objective.type=flow_matching",)),
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


def run(arguments: Sequence[str], log: Path) -> float:
    """`dp-plus` with these arguments, offline, one thread; returns seconds.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    with log.open("wb") as file:
        status = subprocess.run(
            [sys.executable, "-c", ENTRY, *arguments], stdout=file, stderr=file, env=environment, cwd=ROOT
        ).returncode
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with {status}: {log.read_text()[-1500:]}")
    return time.monotonic() - started


def judged_on(options: argparse.Namespace) -> tuple[int, int]:
    """First environment seed and number of episodes."""
    return (SELECTION_SEED, options.study_episodes) if options.study else (REPORTING_SEED, options.episodes)


def kept(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> Path:
    """The file of a finished row."""
    first, episodes = judged_on(options)
    return folder / f"{_slug(row.name)}_seed_{seed}_{first}_{episodes}.json"


def measure(row: Row, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train (or reuse), evaluate; the report with the seconds of training."""
    trained = folder / ("recipe" if not row.train else _slug(row.name)) / f"seed_{seed}"
    first, episodes = judged_on(options)
    result = kept(row, seed, options, folder)
    if result.exists():
        return json.loads(result.read_text())
    done = trained / "seconds.json"
    if not done.exists():
        data = ["--dataset.repo_id=local/pusht", f"--dataset.root={options.root.resolve()}"]
        more = [f"--steps={options.steps}"] if options.steps else []
        trained.parent.mkdir(parents=True, exist_ok=True)
        log = trained.with_suffix(".log")
        flags = [f"--config_path={options.config.resolve()}", *data, f"--seed={seed}", f"--output_dir={trained}"]
        seconds = run(["train", *flags, *more, *options.policy, *row.train], log)
        write_json(done, {"seconds": seconds})
    subject = trained
    if row.average:
        subject = trained.with_name(f"{trained.name}_mean")
        flags = [str(trained), f"--last={row.average}", f"--output={subject}", "--overwrite"]
        run(["average", *flags], subject.with_suffix(".log"))
    evaluated = folder / f"{_slug(row.name)}_eval_{seed}"
    flags = [f"--policy={subject}", f"--episodes={episodes}", f"--seed={first}", f"--output_dir={evaluated}"]
    run(["evaluate", *flags, *row.evaluate], evaluated.with_suffix(".log"))
    keys = (
        "successes",
        "episodes",
        "success_percent",
        "interval_percent",
        "score",
        "seeds",
        "weights_sha256",
        "latency_ms",
    )
    report = json.loads((evaluated / "report.json").read_text())
    measured = {"name": row.name, "training_seed": seed, "train": row.train, "evaluate": row.evaluate}
    measured |= {"averaged_checkpoints": row.average} if row.average else {}
    measured |= {key: report[key] for key in keys} | json.loads(done.read_text())
    write_json(result, measured)
    return measured


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def together(rows: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Success in percent over all training seeds and the ends of its Wilson interval."""
    successes, episodes = sum(r["successes"] for r in rows), sum(r["episodes"] for r in rows)
    interval = binomtest(successes, episodes).proportion_ci(method="wilson")
    return 100 * successes / episodes, 100 * interval.low, 100 * interval.high


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
        f"{sum(r['seconds'] for r in rows) / len(rows) / 60:.1f}",
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
    parser.add_argument("--finished", action="store_true", help="table and picture of what is finished, nothing is run")
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "pusht_quality")
    parser.add_argument("--json", type=Path, help="results/pusht_quality.json, or results/pusht_study.json")
    options, options.policy = parser.parse_known_args(argv)
    strange = [flag for flag in options.policy if not flag.startswith("--policy.")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = (RECIPE_ROW, *(row for row in FACTORS if row.name.startswith(tuple(options.only))))
    lines, every = [], []
    for row in rows if options.study else (RECIPE_ROW,):
        seeds = [s for s in options.seeds if not options.finished or kept(row, s, options, folder).exists()]
        if not seeds:
            continue
        measured = [measure(row, seed, options, folder) for seed in seeds]
        every.append(measured)
        lines.append(pooled(measured))
        print(" | ".join(lines[-1]), flush=True)
    path = options.json or RESULTS / ("pusht_study.json" if options.study else "pusht_quality.json")
    write_json(
        path,
        provenance(config=options.config.name, policy=options.policy, rows=[report for row in every for report in row]),
    )
    if options.study:
        write_figure(draw(every), path.with_suffix(".png"))
    columns = ("success % by training seed", "together (95 % Wilson)", "score", "minutes of training")
    print_table("PushT, last checkpoint", columns, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
