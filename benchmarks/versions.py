"""How fast this code is beside another checkout of it: `python -m benchmarks.versions --before CHECKOUT`.

Two processes hold the policies that come along, one of this code and one of the other, and take turns of a fraction of a
second, so that a busy machine slows both alike. A turn is a few chunks of each policy, or a few updates of its training, in
processor time of one thread. A ratio is that of neighbours in time; below 1 this code is faster.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.common import RESULTS, ROOT, positive, print_table, provenance, ratios, summary, write_json


class Side:
    """A process with one version of the code."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        shown = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("versions_side.py"))],
            cwd=checkout,
            env=shown,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.tasks: list[str] = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line[0] in "[0123456789":
                return json.loads(line)
        raise RuntimeError(f"the process in {self._checkout} ended with {self._process.wait()}")

    def seconds(self, task: str) -> float:
        """Processor seconds of a turn."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of another version")
    parser.add_argument("--rounds", type=positive, default=40)
    parser.add_argument("--json", type=Path, default=RESULTS / "versions.json")
    options = parser.parse_args(argv)
    if not (options.before / "hub_cards" / "pusht_state").is_dir():
        parser.error(f"--before {options.before}: no checkout of this repository")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=options.before, capture_output=True, text=True, check=True
    ).stdout.strip()
    begun = provenance(options.json, before=commit)
    sides = {"before": Side(options.before.resolve()), "after": Side(ROOT)}
    common = [task for task in sides["after"].tasks if task in sides["before"].tasks]
    took: dict[str, dict[str, list[float]]] = {task: {side: [] for side in sides} for task in common}
    for number in tqdm(range(options.rounds + 1), unit="round", leave=False):
        for task in common:
            # Who begins changes from round to round.
            for side in sorted(sides, reverse=bool(number % 2)):
                seconds = sides[side].seconds(task)
                if number:  # the first round warms up
                    took[task][side].append(seconds)
    for process in sides.values():
        process.close()
    found = {task: ratios(each["after"], each["before"]) for task, each in took.items()}
    write_json(
        options.json,
        begun | {"ratio": found, "seconds": {t: {s: summary(v) for s, v in e.items()} for t, e in took.items()}},
    )
    rows = [(t, f"{r['median']:.3f} ({r['p10']:.3f}–{r['p90']:.3f})") for t, r in found.items()]
    print_table("this code ÷ the other, processor time", ("median (p10–p90)",), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
