"""Importing this package changes nothing for other policies: how they are read, helped with, loaded and refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBES = Path(__file__).with_name("other_policies.py")


def asked(folder: Path, *with_us: str) -> dict[str, dict]:
    """Every probe by name, in a fresh interpreter."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, str(PROBES), str(folder), *with_us],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    return asked(folder), asked(folder, "with us")


def test_results_help_and_errors_are_lerobots_own(both):
    without, with_us = both
    assert without.keys() == with_us.keys()
    changed = {name: (without[name], with_us[name]) for name in without if without[name] != with_us[name]}
    assert not changed, json.dumps(changed, indent=1)[:5000]


def test_the_probes_reach_what_they_are_for(both):
    """Else two empty answers would be the same."""
    without, _ = both
    assert without["file and flags"]["made"]["policy"]["chunk_size"] == 50
    assert without["evaluation"]["made"]["policy"]["chunk_size"] == without["checkpoint"]["made"]["chunk_size"] == 30
    assert "Couldn't parse 'abc' into an int" in without["a wrong value"]["err"]
    assert "Couldn't parse 'abc' into an int" in without["evaluation, a wrong value"]["err"]
    assert without["a refused one"]["raised"] == "ParsingError"
    assert "unrecognized arguments: --policy.telepathy" in without["an unknown flag"]["err"]
    assert "invalid choice: 'actt'" in without["an unknown type"]["err"]
    for name in ("help", "help of its config", "help of another"):
        assert "--" in without[name]["out"] and len(without[name]["out"]) > 2000
    assert "are not valid for" in without["another member"]["err"] and "telepathy" in without["a spoilt one"]["text"]
    assert without["no folder"]["raised"] == without["no folder for the policy"]["raised"] == "HFValidationError"
    assert without["no config for the policy"]["raised"] == "FileNotFoundError"
    assert without["pipeline"]["made"] == "0" and "raised" in without["no folder for it"]
    assert "observation.words" in without["windows"]["made"]
