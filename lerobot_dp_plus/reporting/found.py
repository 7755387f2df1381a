"""What lies in a folder of a training or an evaluation."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lerobot_dp_plus
from lerobot_dp_plus.evaluation.folders import ROBUSTNESS
from lerobot_dp_plus.hub.card_results import EVAL_INFO, REPORT, read_episodes
from lerobot_dp_plus.hub.files import by_number, read_json, training_step
from lerobot_dp_plus.policies.folders import pretrained_folder
from lerobot_dp_plus.policies.metrics_file import FILE as METRICS
from lerobot_dp_plus.policies.metrics_file import read_metrics

VERSIONS = ("lerobot", "torch", "gymnasium", "numpy")


@dataclass(frozen=True)
class Found:
    """What a page can tell; what is not there is empty.

    Args:
        name: what the page is about.
        metrics: lines of metrics.jsonl.
        evaluation: the evaluation's folder; None for none.
        report, summary: its files.
        episodes, latency: a dict for each of its episodes.
        films: of episodes, {(task, episode): file}.
        robustness: rows of robustness.json, success under each level of what makes it harder.
        picture: of PushT's distribution of actions.
        config, train_config: of the checkpoint; step: of the checkpoint.
        versions: of what this runs on now.
        commands: what to type, and what that does.
    """

    name: str
    metrics: list[dict[str, Any]] = field(default_factory=list)
    evaluation: Path | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    episodes: list[dict[str, Any]] = field(default_factory=list)
    latency: list[dict[str, Any]] = field(default_factory=list)
    films: Mapping[tuple[str, int], Path] = field(default_factory=dict)
    robustness: list[dict[str, Any]] = field(default_factory=list)
    picture: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    train_config: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[tuple[str, str], ...] = ()


def look(folder: Path) -> Found:
    """What lies in `folder`, in the training that an evaluation there is of, or in evaluations beside a training.

    Raises:
        FileNotFoundError: neither a training nor an evaluation is there.
    """
    evaluation = (
        folder if any((folder / name).is_file() for name in (EVAL_INFO, "episodes.jsonl", ROBUSTNESS)) else None
    )
    training, checkpoint = _training(folder), _checkpoint(folder)
    if evaluation is None and training is None and checkpoint is None:
        raise FileNotFoundError(
            f"{folder} holds neither an evaluation ({EVAL_INFO}, episodes.jsonl) nor a training ({METRICS}, checkpoints/)"
        )
    if evaluation is None and checkpoint is not None:
        evaluation = _beside(folder, checkpoint)
    report = read_json(evaluation / REPORT) if evaluation else {}
    if checkpoint is None and report.get("checkpoint"):
        checkpoint = _checkpoint(Path(report["checkpoint"]))
        training = training or _training(Path(report["checkpoint"]))
    return Found(
        folder.resolve().name,
        read_metrics(training / METRICS) if training else [],
        evaluation,
        report,
        read_json(evaluation / "summary.json") if evaluation else {},
        _episodes(evaluation, report) if evaluation else [],
        _lines(evaluation / "latency.jsonl") if evaluation else [],
        dict(_films(evaluation)) if evaluation else {},
        read_json(evaluation / ROBUSTNESS).get("rows", []) if evaluation else [],
        picture if evaluation and (picture := evaluation / "action_distribution.png").is_file() else None,
        read_json(checkpoint / "config.json") if checkpoint else {},
        read_json(checkpoint / "train_config.json") if checkpoint else {},
        training_step(checkpoint) if checkpoint else None,
        _versions(),
        tuple(_commands(folder, evaluation, checkpoint, report)),
    )


def _training(folder: Path) -> Path | None:
    """The nearest folder, from `folder` upwards, that a training wrote its metrics into."""
    return next((each for each in (folder, *folder.parents[:3]) if (each / METRICS).is_file()), None)


def _checkpoint(folder: Path) -> Path | None:
    try:
        return pretrained_folder(folder)
    except FileNotFoundError:
        return None


def _beside(folder: Path, checkpoint: Path) -> Path | None:
    """The evaluation of this checkpoint in or beside a training; of several, the newest."""
    wanted = {str(checkpoint), str(checkpoint.resolve())}
    places = [*folder.glob("*/" + REPORT), *folder.parent.glob("*/" + REPORT)]
    places += Path("outputs/evaluate").glob("*/" + REPORT)
    fitting = [
        file
        for file in places
        if {named := str(read_json(file).get("checkpoint")), str(Path(named).resolve())} & wanted
    ]
    return max(fitting, key=lambda file: file.stat().st_mtime).parent if fitting else None


def _episodes(evaluation: Path, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of this package's file, or as much as LeRobot's says."""
    lines = _lines(evaluation / "episodes.jsonl")
    if lines or not (evaluation / EVAL_INFO).is_file():
        return lines
    info, found = read_episodes(evaluation / EVAL_INFO), []
    first = (report.get("seeds") or [None])[0]
    rewards = iter(info.best_rewards)
    for index, (group, successes) in enumerate(info.tasks):
        task = f"{group}_{sum(other == group for other, _ in info.tasks[:index])}"
        for number, success in enumerate(successes):
            seed = None if first is None else first + number
            kind = "success" if success else "failed"
            best = next(rewards)
            found.append(
                {"task": task, "episode": number, "seed": seed, "success": success, "kind": kind, "max_reward": best}
            )
    return found


def _films(evaluation: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    for file in sorted((evaluation / "videos").rglob("eval_episode_*.mp4"), key=by_number):
        yield (file.parent.name, int(file.stem.rpartition("_")[2])), file


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in VERSIONS}
    return {"lerobot_dp_plus": lerobot_dp_plus.__version__, **found, "python": platform.python_version()}


def _commands(
    folder: Path, evaluation: Path | None, checkpoint: Path | None, report: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if checkpoint is not None:
        more = [f"--episodes={report['episodes']}"] if report.get("episodes") else []
        more += [f"--seed={report['seeds'][0]}"] if report.get("seeds") else []
        more += list(report.get("extra_arguments") or [])
        yield " ".join(["dp-plus evaluate", str(checkpoint), *more]), "evaluate it"
        if (checkpoint / "train_config.json").is_file():
            yield f"lerobot train --config_path={checkpoint / 'train_config.json'}", "train it again"
        yield f"dp-plus explain {checkpoint}", "see how it plans"
    if evaluation is not None:
        yield f"dp-plus compare {evaluation} OTHER", "compare it with another evaluation"
    yield f"dp-plus report {folder}", "make this page"
