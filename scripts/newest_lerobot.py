"""Tries the newest lerobot that the package index serves, where it is newer than the one tested; reports and never fails.

    newest_lerobot.py PYTHON [--seconds N]

PYTHON is an interpreter with pip, that of `.venv`. Nothing newer, or no answer, is one line after one short question. Else
this checkout and that lerobot go into an environment of their own, which is thrown away, and the tests that meet LeRobot
run there. The last line begins with "newest lerobot:".
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Tests that meet LeRobot's own code, small ones: hooks, loaders, a training, a push, the command line.
TESTS = (
    "tests/test_plugin.py",
    "tests/policies/test_next_lerobot.py",
    "tests/policies/test_next_lerobot_hooks.py",
    "tests/loading/test_install.py",
    "tests/loading/test_memory.py",
    "tests/publishing/test_push_after_training.py",
    "tests/policies/test_policy_host_loop.py",
)
#: Seconds that the question for the newest version may take; and all of the trying.
ASKING, TRYING = 20.0, 600.0
EXTRAS = "training,evaluation,pusht,diffusion"


def tested(constraints: Path) -> str:
    """The version of lerobot that constraints.txt pins."""
    found = re.search(r"^lerobot==(\S+)", constraints.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{constraints} pins no lerobot")
    return found[1]


def newest(python: str, seconds: float = ASKING) -> str | None:
    """The newest release that installs under `python`, or None if nobody says so in time."""
    question = ["-m", "pip", "index", "versions", "lerobot", "--disable-pip-version-check", "--no-input", "--retries=0"]
    try:
        asked = subprocess.run([python, *question], capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = re.match(r"lerobot \(([^)]+)\)", asked.stdout)
    return answer[1] if asked.returncode == 0 and answer else None


def is_newer(version: str, than: str) -> bool:
    """Whether a release number is greater, part by part."""
    left, right = ([int(part) for part in re.findall(r"\d+", each)] for each in (version, than))
    return left > right


def attempt(python: str, version: str, folder: Path, seconds: float) -> str:
    """Install lerobot `version` and this checkout into `folder`, run the tests there; what came of it, in one line."""
    end = time.monotonic() + seconds
    inside = str(folder / "env" / "bin" / "python")
    uv = shutil.which("uv", path=str(Path(python).parent))
    install = [uv, "pip", "install", "--python", inside] if uv else [inside, "-m", "pip", "install", "--quiet"]
    steps = (
        ("making an environment", [python, "-m", "venv", str(folder / "env")]),
        (
            "installing it",
            [*install, f"lerobot[{EXTRAS}]=={version}", "pytest", "h5py", "zarr", "jinja2", "matplotlib"],
        ),
        # Without what it asks for, which is the tested lerobot.
        ("installing this checkout", [*install, "--no-deps", str(ROOT)]),
    )
    try:
        for what, command in steps:
            if subprocess.run(command, timeout=_left(end), check=False, cwd=folder).returncode:
                return f"{version} is newer than the tested one; {what} failed, see above"
        command = [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
        with (folder / "tests.log").open("w+") as log:
            done = subprocess.run(
                command, timeout=_left(end), check=False, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
            log.seek(0)
            lines = log.read().splitlines()
    except subprocess.TimeoutExpired:
        return f"{version} is newer than the tested one; not finished in {seconds:g} s"
    print("\n".join(lines[-60:]))
    verdict = "all passed" if done.returncode == 0 else "not all passed"
    return f"{version} is newer than the tested one; {verdict}: {lines[-1] if lines else 'pytest said nothing'}"


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.1)


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's docstring; always 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="an interpreter with pip")
    parser.add_argument("--seconds", type=float, default=TRYING, help=f"for all of the trying (default {TRYING:g})")
    parser.add_argument("--asking", type=float, default=ASKING, help=f"for the question alone (default {ASKING:g})")
    options = parser.parse_args(argv)
    known = tested(ROOT / "constraints.txt")
    found = newest(options.python, options.asking)
    if found is None:
        said = f"the package index did not name one within {options.asking:g} s; tested is {known}"
    elif not is_newer(found, known):
        said = f"{found} is the newest for this Python and not newer than the tested {known}: nothing to try"
    else:
        with tempfile.TemporaryDirectory() as temporary:
            said = attempt(options.python, found, Path(temporary), options.seconds)
    print(f"newest lerobot: {said}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
