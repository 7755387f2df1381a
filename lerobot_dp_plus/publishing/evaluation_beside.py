"""The evaluation that lies beside the weights. What counts is the SHA-256 in its report, never its place alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lerobot_dp_plus.hub.card_results import EVAL_INFO, REPORT


class Found(NamedTuple):
    """What was looked through: the folder to use, if any, and those that cannot be used, each with the reason."""

    folder: Path | None
    others: list[tuple[Path, str]]


def find_evaluation(pretrained: Path, digest: str) -> Found:
    """The evaluation of the weights with SHA-256 `digest`, in or beside the training that wrote `pretrained`.

    Looked through are the folders in the checkpoint, in the training's output_dir and beside it, whatever their names:
    outputs/demo/eval for outputs/demo/train. Of several the one with most episodes, then the newest, is taken.
    """
    fitting: list[tuple[int, float, Path]] = []
    others: list[tuple[Path, str]] = []
    for folder in _candidates(pretrained):
        report = folder / REPORT
        try:
            said = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        except ValueError:
            others.append((folder, f"its {REPORT} is damaged"))
            continue
        weights = said.get("weights_sha256") if isinstance(said, dict) else None
        if weights == digest:
            fitting.append((int(said.get("episodes") or 0), report.stat().st_mtime, folder))
        elif weights is None:
            others.append((folder, "it does not say which weights it is about"))
        else:
            others.append((folder, "it is about other weights"))
    return Found(max(fitting)[-1] if fitting else None, others)


def _candidates(pretrained: Path) -> Iterator[Path]:
    """Folders with the output of an evaluation, one level into each folder around the weights, each once."""
    here = pretrained.resolve()
    around = [here]
    if here.name == "pretrained_model":
        around.append(here.parent)
        if here.parent.parent.name == "checkpoints":
            training = here.parent.parent.parent
            around += [training, training.parent]
    seen: set[Path] = set()
    for base in around:
        for folder in sorted(base.iterdir()):
            if (
                folder.is_dir()
                and folder not in seen
                and any((folder / name).is_file() for name in (EVAL_INFO, REPORT))
            ):
                seen.add(folder)
                yield folder
