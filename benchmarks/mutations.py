"""Which faults the tests do not notice: `python -m benchmarks.mutations`.

One core line after another is broken in a scratch copy of the tree, and the tests that are to notice it are run there. The
limit is to notice them all. A fault that no test notices can come in unseen, so it asks for a test. `mutants.py` holds the
table; the working tree is never touched. `--only TEXT` takes those whose file or sentence holds the text, and writes no file.
"""

import argparse
import ast
import importlib.util
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from tqdm import tqdm

from benchmarks.common import RESULTS, ROOT, print_table, provenance, write_json
from benchmarks.mutants import MUTANTS, Mutant

RESULT = RESULTS / "mutations.json"
#: What no test reads, or what is large.
LEFT_OUT = (".git", ".venv", "outputs", "__pycache__", ".*_cache", "build", "dist", "*.egg-info")
#: A fault may make an endless loop. Whoever waits for it notices.
PATIENCE = 300.0
#: Every run is a process of its own, forked from one that has imported what takes seconds, and nothing of the package.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pytest", "torch._dynamo", "torchvision", "benchmarks.common"])
NOTICED, UNNOTICED, IMPORT = "noticed", "NOT NOTICED", "broke at import"


@dataclass(frozen=True)
class Verdict:
    """What tests said of one mutant: the first test that failed, if one did, and the seconds they took."""

    said: str
    by: str
    seconds: float


def line_of(root: Path, mutant: Mutant) -> int:
    """The line at which a mutant begins.

    Raises:
        ValueError: its text does not occur once, or its tests are not there: the table must follow the code.
    """
    text = (root / mutant.file).read_text()
    if (count := text.count(mutant.old)) != 1:
        raise ValueError(f"{mutant.file}: must hold this text once and holds it {count} times: {mutant.old!r}")
    if gone := [test for test in mutant.tests if not (root / test.partition("::")[0]).is_file()]:
        raise ValueError(f"{mutant.file}, {mutant.breaks}: no such tests: {', '.join(gone)}")
    return text[: text.index(mutant.old)].count("\n") + 1


def broken(root: Path, mutant: Mutant) -> str:
    """The text of the mutant's file with the fault; raises a ValueError as `line_of`, or where it is no Python."""
    line_of(root, mutant)
    text = (root / mutant.file).read_text().replace(mutant.old, mutant.new)
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{mutant.file}, {mutant.breaks}: {error}") from error
    return text


def write(file: Path, text: str) -> None:
    """Put a text into a module. What Python compiled of it goes: it is told apart by size and time alone."""
    file.write_text(text)
    kept = Path(importlib.util.cache_from_source(str(file))).parent  # beside it, or where PYTHONPYCACHEPREFIX says
    for compiled in kept.glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def _pytest(folder: Path, tests: Sequence[str], said: Path) -> None:
    """Run in a process of its own, which ends with pytest's exit status; what is printed goes into a file."""
    with said.open("w") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", *tests])
    sys.stdout.flush()
    os._exit(status)


def run(folder: Path, tests: Sequence[str], patience: float | None = PATIENCE) -> Verdict:
    """Run tests in a copy of the tree, for so many seconds at most.

    Raises:
        ValueError: they cannot be run at all, for another reason than a failing import.
    """
    said = folder.parent / "said.txt"
    process = SERVER.Process(target=_pytest, args=(folder, tests, said))
    started = time.perf_counter()
    process.start()
    process.join(patience)
    seconds = time.perf_counter() - started
    if process.exitcode is None:
        process.kill()
        process.join()
        return Verdict(NOTICED, f"no end within {patience:g} s", seconds)
    if process.exitcode == 0:
        return Verdict(UNNOTICED, "", seconds)
    text = said.read_text(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", text, re.MULTILINE)
    if failed and "::" in failed[1]:
        return Verdict(NOTICED, failed[1], seconds)
    if failed or "while loading conftest" in text:
        return Verdict(IMPORT, failed[1] if failed else "conftest", seconds)
    raise ValueError(f"pytest ended with {process.exitcode}:\n{text[-2000:]}")


def judged(root: Path, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Every mutant and what its tests say of it, in a copy of `root`.

    Raises:
        ValueError: a mutant does not apply, or the tests fail without any.
    """
    texts = [broken(root, mutant) for mutant in mutants]
    with tempfile.TemporaryDirectory(prefix="mutations_") as scratch:
        copy = Path(scratch) / root.name
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        unbroken = run(copy, list(dict.fromkeys(test for mutant in mutants for test in mutant.tests)), patience=None)
        if unbroken.said != UNNOTICED:
            raise ValueError(f"without a fault the tests must pass: {unbroken.said}, {unbroken.by}")
        for mutant, text in zip(mutants, texts, strict=True):
            file = copy / mutant.file
            before = file.read_text()
            write(file, text)
            verdict = run(copy, mutant.tests)
            write(file, before)
            yield mutant, verdict


def report(root: Path, mutants: Sequence[Mutant]) -> list[dict[str, Any]]:
    """Judges them all, and says a line of each as it comes; rows for the JSON."""
    rows, lines = [], {mutant: line_of(root, mutant) for mutant in mutants}
    with tqdm(total=len(mutants), desc="mutations", unit="mutation", leave=False) as progress:
        for mutant, verdict in judged(root, mutants):
            said = {"line": lines[mutant], **asdict(verdict), "seconds": round(verdict.seconds, 1)}
            rows.append(asdict(mutant) | said)
            by = f"  [{verdict.by}, {verdict.seconds:.0f} s]" if verdict.by else ""
            progress.write(f"{verdict.said:15} {mutant.file}:{lines[mutant]}  {mutant.breaks}{by}")
            progress.update()
    return rows


def main(arguments: Sequence[str] | None = None, root: Path = ROOT, table: Sequence[Mutant] = MUTANTS) -> int:
    """Breaks, prints, writes; 1 if a fault went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose file or sentence holds the text")
    parser.add_argument("--list", action="store_true", help="print the table and run nothing")
    parser.add_argument("--json", type=Path, help=f"where the verdicts go; default {RESULT.name}, nowhere with --only")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in table if options.only in mutant.file or options.only in mutant.breaks]
    if not mutants:
        parser.error(f"--only {options.only}: no file or sentence of the table holds it")
    if options.list:
        lines = [(f"{m.file}:{line_of(root, m)}", m.breaks, "\n".join(m.tests)) for m in mutants]
        print_table(f"{len(mutants)} faults", ("what is broken", "who is to notice"), lines)
        return 0
    target = options.json or (None if options.only else RESULT)
    begun = provenance(target) if target else {}
    started = time.perf_counter()
    rows = report(root, mutants)
    seconds, counts = time.perf_counter() - started, Counter(entry["said"] for entry in rows)
    said = ", ".join(f"{counts[one]} {one}" for one in (NOTICED, IMPORT, UNNOTICED))
    print(f"{len(rows)} faults in {seconds:.0f} s: {said}")
    if target:
        write_json(target, {**begun, "seconds": round(seconds), "counts": dict(counts), "rows": rows})
    return 1 if counts[UNNOTICED] else 0


if __name__ == "__main__":
    sys.exit(main())
