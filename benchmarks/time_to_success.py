"""How long training takes to reach a success rate: `python -m benchmarks.time_to_success --root DATASET`.

Ours and LeRobot's `diffusion`, shrunk to our number of parameters, train on the same PushT dataset at the same time, each
in a process of its own with one thread: ours through `lerobot train`, LeRobot's through its own script, loader and loop.
Afterwards their checkpoints are evaluated in order, on selection seeds, until one reaches the target. A checkpoint's time
is from the start of its process, imports included, to the moment it was complete; evaluation is not counted.

Either side's learning rate falls to zero over its own number of updates. A side that does not reach the target in its
budget gives a lower bound, and the ratio is then printed as one. The limit is what the products of our updates alone would
take at the most operations a second one thread of this machine does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from benchmarks.common import add_device, positive, print_table, provenance, write_figure, write_json
from benchmarks.contenders import our_config
from benchmarks.figures import BARS
from benchmarks.floor import operations, peak
from benchmarks.judged import RECIPE, RESULTS, SELECTION_SEED
from benchmarks.paired import (
    IN_FLOAT32,
    add_normalised,
    data_flags,
    dp_plus,
    host_training,
    our_training,
    run,
    start,
)
from lerobot_dp_plus import cli


def commands(
    root: Path, folder: Path, steps: Mapping[str, int], save_every: Mapping[str, int], *, normalised: bool, device: str
) -> dict[str, list[str]]:
    """What each side runs: as many updates as its schedule has, a checkpoint every so many."""
    ours, host = (
        ("--env_eval_freq=0", "--log_freq=500", f"--save_freq={save_every[name]}", f"--output_dir={folder / name}")
        for name in ("ours", "host")
    )
    how: dict[str, Any] = {"steps": steps["host"], "our_steps": steps["ours"]}
    how |= {"normalised": normalised, "device": device}
    return {
        "ours": our_training(RECIPE, root, 1, *ours, steps=steps["ours"], device=device),
        "host": host_training(our_config(RECIPE), *data_flags(root, 1), *host, **how),
    }


def operations_of_an_update(root: Path, folder: Path, *more: str) -> int:
    """Those of one update of our recipe, in this process."""
    flags = [f"--config_path={RECIPE}", "--dataset.repo_id=local/pusht", f"--dataset.root={root.resolve()}", *more]
    flags += ["--steps=1", "--save_checkpoint=false", f"--output_dir={folder}"]
    return operations(lambda: cli.main(["train", *flags]))


def watch(started: dict[str, tuple[subprocess.Popen[bytes], float]], budgets: dict[str, float]) -> None:
    """Wait until every training has ended or used up its budget in seconds."""
    while any(process.poll() is None for process, _ in started.values()):
        for name, (process, began) in started.items():
            if process.poll() is None and time.time() - began > budgets[name]:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        time.sleep(1)


def checkpoints(folder: Path, began: float) -> list[tuple[float, int, Path]]:
    """(seconds, step, folder) of every complete checkpoint, in order."""
    found = []
    for state in sorted(folder.glob("checkpoints/[0-9]*/training_state/training_step.json")):
        model = state.parents[1] / "pretrained_model"
        found.append((state.stat().st_mtime - began, int(state.parents[1].name), model))
    return found


def success_of(model: Path, folder: Path, episodes: int) -> dict[str, Any]:
    """The report of `dp-plus evaluate` on selection seeds; both sides are judged in float32."""
    flags = [f"--policy={model}", f"--episodes={episodes}", f"--seed={SELECTION_SEED}", f"--output_dir={folder}"]
    flags += [IN_FLOAT32]
    run(dp_plus("evaluate", *flags), folder.with_suffix(".log"))
    return json.loads((folder / "report.json").read_text())


def curve(name: str, folder: Path, began: float, target: float, episodes: int, every: int) -> list[dict[str, Any]]:
    """Success of every `every`-th checkpoint and the last, until one reaches `target` percent."""
    points: list[dict[str, Any]] = []
    saved = checkpoints(folder / name, began)
    for seconds, step, model in [*saved[every - 1 : -1 : every], *saved[-1:]]:
        report = success_of(model, folder / f"{name}_eval_{step}", episodes)
        points.append(
            {"seconds": seconds, "step": step}
            | {key: report[key] for key in ("successes", "episodes", "success_percent", "interval_percent", "score")}
        )
        print(f"{name}: {seconds / 60:.1f} min, step {step}: {report['success_percent']:.1f} %", flush=True)
        if report["success_percent"] >= target:
            break
    return points


def compare(curves: dict[str, list[dict[str, Any]]], target: float) -> dict[str, Any]:
    """Minutes to the target, or the longest tried, and their ratio; `bound` if LeRobot's never got there.

    Raises:
        ValueError: ours never got there either, so there is nothing to compare.
    """
    reached = {
        name: next((point for point in points if point["success_percent"] >= target), None)
        for name, points in curves.items()
    }
    if (ours := reached["ours"]) is None:
        raise ValueError(f"ours did not reach {target} % within its budget; raise --minutes-ours or lower --target")
    host = (reached["host"] or curves["host"][-1])["seconds"]
    return {
        "target_percent": target,
        "ours_updates": ours["step"],
        "ours_minutes": ours["seconds"] / 60,
        "host_minutes": host / 60,
        "ratio": host / ours["seconds"],
        "bound": reached["host"] is None,
    }


def default_json(normalised: bool) -> Path:
    """Where results go if nothing is said; LeRobot's policy as it ships is another experiment."""
    return RESULTS / ("time_to_success.json" if normalised else "time_to_success_as_it_ships.json")


def draw(curves: dict[str, list[dict[str, Any]]], target: float, path: Path) -> None:
    """Success with its interval over minutes of training."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for name, colour, label in (("ours", BARS[0], "ours"), ("host", BARS[2], "LeRobot's diffusion, equal size")):
        points = curves[name]
        minutes, rates = [p["seconds"] / 60 for p in points], [p["success_percent"] for p in points]
        low = [p["success_percent"] - p["interval_percent"][0] for p in points]
        high = [p["interval_percent"][1] - p["success_percent"] for p in points]
        axes.errorbar(minutes, rates, yerr=[low, high], color=colour, marker="o", capsize=3, label=label)
    axes.axhline(target, color="#999999", linewidth=1)
    axes.set(xlabel="minutes of training, one thread", ylabel="success, %", ylim=(0, 100), xscale="log")
    axes.set_xticks(ticks := [1, 2, 5, 10, 20, 50, 100], [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(0.8 * min(p["seconds"] for c in curves.values() for p in c) / 60)
    axes.legend(frameon=False)
    write_figure(figure, path)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_success", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="a PushT dataset with keypoints")
    parser.add_argument("--target", type=float, default=60.0, help="success in percent")
    parser.add_argument("--minutes-ours", type=float, default=10.0, help="budget of our training")
    parser.add_argument("--minutes-host", type=float, default=60.0, help="budget of LeRobot's")
    parser.add_argument("--steps-ours", type=positive, default=3400, help="updates over which our rate falls to zero")
    parser.add_argument("--steps-host", type=positive, default=7200, help="and LeRobot's")
    parser.add_argument("--save-ours", type=positive, default=425, help="updates between checkpoints of ours")
    parser.add_argument("--save-host", type=positive, default=400, help="and of LeRobot's")
    parser.add_argument("--every-host", type=positive, default=4, help="evaluate every n-th checkpoint of LeRobot's")
    parser.add_argument("--episodes", type=positive, default=100)
    add_normalised(parser)
    add_device(parser)
    parser.add_argument("--folder", type=Path, help="keep checkpoints and evaluations here, a new folder")
    parser.add_argument("--json", type=Path, help="results/time_to_success.json; time_to_success_as_it_ships.json")
    options = parser.parse_args(argv)
    options.json = options.json or default_json(options.normalised)
    torch.set_num_threads(1)
    begun = provenance(device=options.device, host_normalised=options.normalised)  # a commit may follow before it ends
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.folder:
            folder = options.folder.resolve()
            if folder.exists():
                parser.error(f"--folder {options.folder} exists; give one that does not")
            folder.mkdir(parents=True)
        steps = {"ours": options.steps_ours, "host": options.steps_host}
        save_every = {"ours": options.save_ours, "host": options.save_host}
        lines = commands(options.root, folder, steps, save_every, normalised=options.normalised, device=options.device)
        for name, command in lines.items():
            print(f"{name}: {' '.join(command)}", flush=True)
        started = {name: start(command, folder / f"{name}.log") for name, command in lines.items()}
        watch(started, {"ours": 60 * options.minutes_ours, "host": 60 * options.minutes_host})
        curves = {}
        for name, (_, began) in started.items():
            if not checkpoints(folder / name, began):
                raise RuntimeError(f"{name} left no checkpoint: {(folder / f'{name}.log').read_text()[-2000:]}")
            every = 1 if name == "ours" else options.every_host
            curves[name] = curve(name, folder, began, options.target, options.episodes, every)
        result = compare(curves, options.target)
        work = result["ours_updates"] * operations_of_an_update(options.root, folder / "counted")
        result["limit_minutes"] = work / float(np.median(peak(7, device=options.device))) / 60
    write_json(options.json, begun | {"result": result, "curves": curves})
    draw(curves, options.target, options.json.with_suffix(".png"))
    least = "at least " if result["bound"] else ""
    print_table(
        f"minutes of training to {options.target:g} % of {options.episodes} episodes",
        ("ours", "LeRobot's diffusion, equal size", "ratio", "ours at the limit"),
        [
            (
                "minutes",
                f"{result['ours_minutes']:.1f}",
                ("more than " if result["bound"] else "") + f"{result['host_minutes']:.1f}",
                f"{least}{result['ratio']:.1f}×",
                f"{result['limit_minutes']:.1f}",
            )
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
