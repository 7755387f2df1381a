"""An evaluation's folder as others may see it: figures, picture and a few films, without this machine's paths."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lerobot_dp_plus.evaluation.report import read_report
from lerobot_dp_plus.hub.card_folder import PICTURE, VIDEOS
from lerobot_dp_plus.hub.card_results import EVAL_INFO, REPORT
from lerobot_dp_plus.hub.files import read_json, write_whole

#: Films beyond these are left out: the page shows two, and everybody who evaluates downloads them.
MOST_VIDEOS, MOST_MEGABYTES = 4, 8.0
#: What holds paths of the machine the evaluation ran on.
FILM_KEYS = ("videos", "video_paths", "predicted_video_paths")


def collect_evaluation(
    source: Path, folder: Path, evaluated: str, published: str, first_seed: int | None = None
) -> list[str]:
    """Copies the evaluation in `source` into `folder`; returns what was left out and why, a sentence each.

    Args:
        evaluated: SHA-256 of the checkpoint's weights; published: of the file that holds their average and is published.
        first_seed: environment seed of the first episode, where `source` has no report.json.

    Raises:
        FileNotFoundError: no evaluation in `source`.
        ValueError: it is of other weights, or damaged.
    """
    info_file, report_file = source / EVAL_INFO, source / REPORT
    reports = {
        file.name: read_json(file) for file in [report_file, *sorted(source.glob("report_*.json"))] if file.is_file()
    }
    if not info_file.is_file() and REPORT not in reports:
        raise FileNotFoundError(f"{source} holds no {EVAL_INFO} and no {REPORT}: not the output of an evaluation")
    info = read_json(info_file) if info_file.is_file() else {}
    for name, report in reports.items():
        weights = report.get("weights_sha256")
        if weights not in (None, evaluated, published):
            raise ValueError(
                f"{source / name} is about weights with SHA-256 {weights}; those of the checkpoint have {evaluated}: "
                "evaluate this checkpoint, or give the folder of its evaluation"
            )
    left_out = []
    if info and REPORT not in reports:
        if [task.get("task_group") for task in info.get("per_task", [])] == ["pusht"]:
            reports[REPORT] = json.loads(json.dumps(asdict(read_report(info_file, first_seed=first_seed))))
        left_out.append(f"{EVAL_INFO} does not say which weights it is about; it was taken on your word")
    films = sorted((source / VIDEOS).rglob("*.mp4"), key=lambda file: (len(file.name), str(file)))
    chosen = choose_films(films, info)
    for film in chosen:
        (folder / VIDEOS).mkdir(exist_ok=True)
        shutil.copyfile(film, folder / VIDEOS / film.name)
    if len(chosen) < len(films):
        left_out.append(
            f"{len(films) - len(chosen)} of {len(films)} films (at most {MOST_VIDEOS}, of {MOST_MEGABYTES:g} MB each)"
        )
    if (source / PICTURE).is_file():
        shutil.copyfile(source / PICTURE, folder / PICTURE)
    kept = {film.name for film in chosen}
    for name, report in reports.items():
        public = _public(report, kept) | {"weights_sha256": report.get("weights_sha256") and published}
        _write(
            folder / name, public | {"checkpoint": None, "picture": PICTURE if (folder / PICTURE).is_file() else None}
        )
    if info:
        _write(folder / EVAL_INFO, _public(info, kept))
    return left_out


def choose_films(films: list[Path], info: Mapping[str, Any]) -> list[Path]:
    """At most `MOST_VIDEOS` of `films`, none too large, one per name: successes and failures in turn where known."""
    small = {film.name: film for film in reversed(films) if film.stat().st_size <= MOST_MEGABYTES * 1e6}
    ordered = sorted(small.values(), key=films.index)
    tasks = info.get("per_task", [])
    outcomes = tasks[0]["metrics"]["successes"] if len(tasks) == 1 else []
    good: list[Path] = []
    bad: list[Path] = []
    for film in ordered:
        episode = film.stem.removeprefix("eval_episode_")
        known = episode.isdigit() and int(episode) < len(outcomes)
        (good if not known or outcomes[int(episode)] else bad).append(film)
    failures = bad[: max(MOST_VIDEOS // 2, MOST_VIDEOS - len(good))]
    return sorted([*good[: MOST_VIDEOS - len(failures)], *failures], key=ordered.index)


def _public(value: Any, kept: set[str], key: str = "") -> Any:
    """`value` with lists of films reduced to those `kept`, as paths in the upload folder."""
    if isinstance(value, dict):
        return {name: _public(entry, kept, name) for name, entry in value.items()}
    if key in FILM_KEYS and isinstance(value, list):
        return [f"{VIDEOS}/{Path(film).name}" for film in value if Path(film).name in kept]
    return [_public(entry, kept) for entry in value] if isinstance(value, list) else value


def _write(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, json.dumps(content, indent=2) + "\n")
