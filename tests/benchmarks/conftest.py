"""Fixtures of the benchmarks' tests."""

import json
from pathlib import Path

import pytest

from benchmarks import judged


@pytest.fixture
def called(monkeypatch) -> list[list[str]]:
    """Commands of `dp-plus` as they come; they are not run, evaluations find one success."""
    called: list[list[str]] = []

    def note(command, log) -> float:
        called.append(arguments := command[3:])
        if arguments[0] == "evaluate":
            report = dict.fromkeys(("successes", "success_percent", "interval_percent", "score", "seeds"), 1)
            report |= {"weights_sha256": "", "latency_ms": 1, "episodes": 1}
            (log.with_suffix("")).mkdir()
            (log.with_suffix("") / "report.json").write_text(json.dumps(report))
            info = {"per_task": [{"metrics": {"successes": [True], "max_rewards": [1.0]}}]}
            (log.with_suffix("") / "eval_info.json").write_text(json.dumps(info))
        if arguments[0] == "train":
            next(Path(a.split("=")[1]) for a in arguments if a.startswith("--output_dir")).mkdir(parents=True)
        return 1.0

    monkeypatch.setattr(judged, "run", note)
    return called
