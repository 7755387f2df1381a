"""Trainings that are kept, and what the policies they end in are worth: success on given episodes, rates and ratios."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest, bootstrap

from benchmarks.common import moment, write_json
from benchmarks.contenders import ROOT
from benchmarks.paired import dp_plus, resumed, run, running

RECIPE = ROOT / "configs" / "pusht_foresight.json"
#: What a training by a recipe as it is begins its folder's name with, whoever asks for it.
RECIPE_FOLDER = "recipe"
#: What an evaluation of it is called.
RECIPE_NAME = "the recipe"
#: Environment seeds from which recipes are chosen, and from which results are reported.
SELECTION_SEED, REPORTING_SEED = 90_000, 100_000
#: What is kept of an evaluation's report.
REPORTED = (
    *("successes", "episodes", "success_percent", "interval_percent", "score", "seeds"),
    *("weights_sha256", "latency_ms"),
)


def slug(name: str) -> str:
    """The name of a file or folder for this name."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


class Trained(NamedTuple):
    """A trained policy: where it lies, the digest of what defines it, the seconds it took and the commit that trained it.

    Both are None if it was given.
    """

    folder: Path
    key: str
    seconds: float | None
    commit: str | None = None


def digest(*defining: Any) -> str:
    """Eight hexadecimal digits that stand for all of this."""
    return hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()[:8]


def training_key(command: Sequence[str], start: str = "") -> str:
    """Digest of a training: its command without executable, seed and output, with the content of its config's file.

    `start` is the digest of the checkpoint that `--policy.pretrained_path` names, if any, and stands for its path.
    """
    said: list[Any] = []
    for argument in command[1:]:
        flag, _, value = argument.partition("=")
        if flag == "--config_path":
            said.append(json.loads(Path(value).read_text()))
        elif flag == "--policy.pretrained_path":
            said.append([flag, start or value])
        elif flag not in ("--seed", "--output_dir"):
            said.append(argument)
    return digest(said)


def evaluation_key(trained: str, first: int, episodes: int, flags: Sequence[str], average: int = 0) -> str:
    """Digest of an evaluation of the policy whose digest is `trained`, or of the mean of its last checkpoints."""
    return digest(trained, first, episodes, list(flags), average)


def training_place(name: str, command: Sequence[str], seed: int, folder: Path, start: str = "") -> Path:
    """Where `train_once` keeps this training: `folder`/NAME_DIGEST/seed_N."""
    return folder / f"{slug(name)}_{training_key(command, start)}" / f"seed_{seed}"


def train_once(name: str, command: Sequence[str], seed: int, folder: Path, start: str = "") -> Trained:
    """Run a training in `training_place` unless it has ended there; an interrupted one goes on from its last checkpoint.

    Its seconds are those of all its parts, each up to the last checkpoint; None if the beginning of one is not known.

    Raises:
        RuntimeError: the training failed, or another process runs it at this moment.
    """
    place = training_place(name, command, seed, folder, start)
    done, begun = place / "seconds.json", place.with_suffix(".begun.json")
    if not done.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        output = f"--output_dir={place}"
        if (process := running(output)) is not None:
            raise RuntimeError(f"process {process} trains in {place} at this moment; wait for it, or end it")
        when = moment()
        last = place / "checkpoints" / "last" / "pretrained_model" / "train_config.json"
        line: list[str] = [*command, output]
        spent: float | None = 0.0
        if last.exists():
            spent = _spent(place, begun)
            line = [*resumed(command), f"--config_path={last}", "--resume=true", output]
        elif place.exists():
            shutil.rmtree(place)  # it was interrupted before its first checkpoint
        write_json(begun, {"at": time.time(), "spent": spent})
        seconds = run(line, place.with_suffix(".log"))
        write_json(done, {"seconds": None if spent is None else spent + seconds} | when)
    found = json.loads(done.read_text())
    return Trained(place, training_key(command, start), found["seconds"], found.get("commit"))


def _spent(place: Path, begun: Path) -> float | None:
    """Seconds of an interrupted training up to its last checkpoint; None if it is not known when it began."""
    earlier: dict[str, Any] = json.loads(begun.read_text()) if begun.exists() else {"spent": None}
    if earlier["spent"] is None:
        return None
    last = (place / "checkpoints" / "last" / "training_state" / "training_step.json").stat().st_mtime
    return earlier["spent"] + max(0.0, last - earlier["at"])  # or this part ended before a checkpoint of its own


def evaluation_file(name: str, seed: int, first: int, episodes: int, folder: Path, key: str) -> Path:
    """Where `evaluate_once` keeps an evaluation with this key."""
    return folder / f"{slug(name)}_seed_{seed}_{first}_{episodes}_{key}.json"


def saved(training: Path) -> dict[int, Path]:
    """The policy of every complete checkpoint by its number of updates, in order."""
    states = training.glob("checkpoints/[0-9]*/training_state/training_step.json")
    return {int(state.parents[1].name): state.parents[1] / "pretrained_model" for state in sorted(states)}


def evaluate_once(
    name: str,
    trained: Trained,
    seed: int,
    first: int,
    episodes: int,
    folder: Path,
    *flags: str,
    step: int | None = None,
    average: int = 0,
    **about: Any,
) -> dict[str, Any]:
    """What `evaluate` reports of a trained policy, kept in `folder` under a digest and not run again.

    It is the last checkpoint's policy, that of the checkpoint after `step` updates, or the mean of the last `average`.
    """
    key = evaluation_key(trained.key if step is None else f"{trained.key}_{step}", first, episodes, flags, average)
    kept = evaluation_file(name, seed, first, episodes, folder, key)
    if not kept.exists():
        subject = trained.folder if step is None else saved(trained.folder)[step]
        if average:
            subject = subject.with_name(f"{subject.name}_mean")
            line = [str(trained.folder), f"--last={average}", f"--output={subject}", "--overwrite"]
            run(dp_plus("average", *line), subject.with_suffix(".log"))
            about["averaged_checkpoints"] = average
        report = evaluate(subject, first, episodes, kept.with_name(f"{kept.stem}_eval"), *flags)
        about = {"name": name, "training_seed": seed} | about | {"evaluate": flags}
        write_json(kept, about | report | {"seconds": trained.seconds, "training_commit": trained.commit})
    return json.loads(kept.read_text())


def evaluate(policy: Path, first: int, episodes: int, folder: Path, *flags: str) -> dict[str, Any]:
    """What `dp-plus evaluate` reports on the environment seeds from `first`, every episode's outcome, commit and date."""
    begun = moment()
    judged = [f"--policy={policy}", f"--episodes={episodes}", f"--seed={first}", f"--output_dir={folder}"]
    run(dp_plus("evaluate", *judged, *flags), folder.with_suffix(".log"))
    report = json.loads((folder / "report.json").read_text())
    (task,) = json.loads((folder / "eval_info.json").read_text())["per_task"]
    of_episodes = {name: task["metrics"][name] for name in ("successes", "max_rewards")}
    return {key: report[key] for key in REPORTED} | begun | {"of_episodes": of_episodes}


def published(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reports without the outcomes of single episodes."""
    return [{key: found for key, found in report.items() if key != "of_episodes"} for report in reports]


def together(reports: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Success in percent over all training seeds and the ends of its Wilson interval."""
    successes, episodes = sum(r["successes"] for r in reports), sum(r["episodes"] for r in reports)
    interval = binomtest(successes, episodes).proportion_ci(method="wilson")
    return 100 * successes / episodes, 100 * interval.low, 100 * interval.high


def of_an_episode(metric: str, reports: Sequence[dict[str, Any]]) -> np.ndarray:
    """Mean over training seeds of every episode's `successes` or `max_rewards`, (episodes,)."""
    return np.mean([report["of_episodes"][metric] for report in reports], axis=0, dtype=float)


def ratio(above: np.ndarray, below: np.ndarray) -> dict[str, float] | None:
    """Σ above ÷ Σ below with the 95 % interval of a paired bootstrap over episodes; None with fewer than 5 below."""
    if np.count_nonzero(below) < 5:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold none of the few
        interval = bootstrap(
            (above, below),
            lambda a, b, axis: a.sum(axis) / b.sum(axis),
            paired=True,
            vectorized=True,
            method="percentile",
            rng=0,
        ).confidence_interval
    return {"ratio": float(above.sum() / below.sum()), "low": float(interval.low), "high": float(interval.high)}
