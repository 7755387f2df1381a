"""Nobody gets a LeRobot that was not tested, and a newer one is noticed: the bound of the package, and the step of CI."""

import importlib.metadata
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import newest_lerobot  # noqa: E402

TESTED = newest_lerobot.tested(ROOT / "constraints.txt")


def test_the_bound_admits_what_was_tested_and_nothing_after_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (Requirement(each) for each in project["dependencies"] if each.startswith("lerobot["))
    tested = Version(TESTED)
    assert bound.specifier.contains(tested)
    following = [
        f"{tested.major}.{tested.minor}.{tested.micro + 1}",
        f"{tested.major}.{tested.minor + 1}.0",
        f"{tested.major + 1}.0",
    ]
    assert not [version for version in following if bound.specifier.contains(version)]


def test_the_package_that_is_installed_here_is_the_one_that_is_pinned():
    if importlib.metadata.version("lerobot") != TESTED:
        # Only where the newest is tried on purpose.
        assert newest_lerobot.is_newer(importlib.metadata.version("lerobot"), TESTED)


def index(folder: Path, script: str) -> str:
    """An interpreter whose `-m pip index versions lerobot` runs `script`."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f'echo "lerobot ({TESTED})"', f"{TESTED} is the newest for this Python .* nothing to try"),
        ('echo "lerobot (0.0.9)"', "0.0.9 is the newest for this Python .* nothing to try"),
        ('echo "no network" >&2; exit 1', "did not name one within"),
        ("exec sleep 30", "did not name one within 0.5 s"),
        ('echo "something else"', "did not name one within"),
    ],
)
def test_without_a_newer_one_it_is_one_line_and_no_failure(tmp_path, capsys, script, said):
    import re

    assert newest_lerobot.main([index(tmp_path, script), "--asking", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and re.search(f"^newest lerobot: .*{said}", lines[0])


def test_no_interpreter_is_no_failure(tmp_path, capsys):
    assert newest_lerobot.main([str(tmp_path / "absent")]) == 0
    assert "did not name one" in capsys.readouterr().out


def fake_environment(tmp_path: Path, tests: str) -> str:
    """An interpreter that knows a newer lerobot, "makes" an environment, and installs nothing into it."""
    inside = tmp_path / "inside"
    inside.write_text(f'#!/bin/sh\ncase "$*" in *pytest\\ -q*) {tests};; *pip*) exit 0;; esac\n')
    inside.chmod(0o755)
    script = f"""case "$*" in
*index*) echo "lerobot (99.1)";;
*venv*) mkdir -p "$3/bin" && cp {inside} "$3/bin/python";;
esac"""
    return index(tmp_path, script)


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ('echo "3 passed in 1s"', "99.1 is newer than the tested one; all passed: 3 passed in 1s"),
        ('echo "1 failed, 2 passed"; exit 1', "99.1 is newer than the tested one; not all passed: 1 failed, 2 passed"),
        ("exec sleep 30", "99.1 is newer than the tested one; not finished in 2 s"),
    ],
)
def test_a_newer_one_is_tried_and_reported(tmp_path, capsys, tests, said):
    seconds = ["--seconds", "2"] if "sleep" in tests else []
    assert newest_lerobot.main([fake_environment(tmp_path, tests), *seconds]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"newest lerobot: {said}"


def test_what_it_runs_is_there():
    assert [name for name in newest_lerobot.TESTS if not (ROOT / name).is_file()] == []


def test_ci_decides_by_all_but_the_newest_lerobot(tmp_path):
    """`make` is a stand-in: the summary repeats pytest's closing line, and the newest lerobot changes no status."""
    make = tmp_path / "make"
    for outcome, lint, docs, package, expected in (
        ("5 passed in 2s", 0, 0, 0, 0),
        ("1 failed, 4 passed in 2s", 0, 0, 0, 1),
        ("5 passed in 2s", 2, 0, 0, 1),
        ("5 passed in 2s", 0, 1, 0, 1),
        ("5 passed in 2s", 0, 0, 1, 1),
    ):
        status = 1 if "failed" in outcome else 0
        make.write_text(
            f'#!/bin/sh\ncase $1 in test) echo "{outcome}"; exit {status};; lint) exit {lint};;\n'
            f"docs) exit {docs};; package) exit {package};;\n"
            'newest) echo "newest lerobot: 9.9; 3 failed"; exit 7;; esac\n'
        )
        make.chmod(0o755)
        done = subprocess.run(
            [str(ROOT / ".ci" / "run")],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected
        assert done.stdout.splitlines()[-3:] == [
            "newest lerobot: 9.9; 3 failed",
            f"make test: exit {status}; {outcome}",
            f"make lint: exit {lint}; make docs: exit {docs}; make package: exit {package}",
        ]
