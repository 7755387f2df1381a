"""The table of faults follows the code, and the runner tells what is noticed from what is not."""

import json
import py_compile
import sys
from pathlib import Path

import pytest

from benchmarks import mutations
from benchmarks.common import ROOT
from benchmarks.mutants import MUTANTS, Mutant
from benchmarks.mutations import IMPORT, NOTICED, UNNOTICED, broken, line_of

SIGN = '"""A sign."""\n\n\ndef sign(x):\n    return (x > 0) - (x < 0)\n'
TESTS = "from toy.sign import sign\n\n\ndef test_sign():\n    assert sign(2) == 1 and sign(-2) == -1\n"


def fault(old: str = "(x < 0)", new: str = "(x <= 0)", test: str = "tests/test_sign.py") -> Mutant:
    return Mutant("toy/sign.py", old, new, f"{old} became {new}", (test,))


WRONG, AT_ZERO, NO_NAME = fault("(x > 0) -", "(x > 0) +"), fault(), fault("def sign", "def sing")


@pytest.fixture
def toy(tmp_path) -> Path:
    """A package with a test that does not look at zero."""
    mutations.SERVER.set_forkserver_preload(["pytest", "benchmarks.common"])  # the toy needs no more
    for file, text in {"toy/__init__.py": "", "toy/sign.py": SIGN, "tests/test_sign.py": TESTS}.items():
        (tmp_path / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / file).write_text(text)
    return tmp_path / "tree"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{Path(mutant.file).stem}: {mutant.breaks}")
def test_every_fault_can_still_be_made(mutant: Mutant) -> None:
    """Its text is there once, the file is Python with it, and its tests are there."""
    assert broken(ROOT, mutant) != (ROOT / mutant.file).read_text()
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text() if name else file.endswith(".py")


def test_every_room_of_the_core_is_broken_somewhere() -> None:
    rooms = {
        "ema.py",
        "notation.py",
        "paths.py",
        "units.py",
        "policies",
        "asking",
        "auxiliary",
        "augmentation",
        "encoders",
        "energies",
    }
    rooms |= {
        "gradients.py",
        "guidance",
        "refinement",
        "heads",
        "likelihood",
        "modes",
        "networks",
        "objectives",
        "samplers",
        "selection",
        "execution",
        "surprise",
        "forward_maps",
        "projection",
        "real_time",
    }
    assert {Path(mutant.file).parts[1] for mutant in MUTANTS} == rooms
    assert len({(mutant.file, mutant.old) for mutant in MUTANTS}) == len(MUTANTS)


def test_what_is_noticed_is_told_from_what_is_not(toy, tmp_path, capsys) -> None:
    target = tmp_path / "found.json"
    assert mutations.main([f"--json={target}"], toy, [WRONG, AT_ZERO, NO_NAME]) == 1
    found = json.loads(target.read_text())
    assert [row["said"] for row in found["rows"]] == [NOTICED, UNNOTICED, IMPORT]
    assert found["rows"][0]["by"] == "tests/test_sign.py::test_sign" and found["rows"][0]["line"] == 5
    assert found["counts"] == {NOTICED: 1, UNNOTICED: 1, IMPORT: 1} and len(found["commit"]) >= 40
    said = capsys.readouterr().out
    assert f"{UNNOTICED:15} toy/sign.py:5  {AT_ZERO.breaks}\n" in said
    assert "3 faults in" in said and "1 noticed, 1 broke at import, 1 NOT NOTICED" in said
    assert (toy / "toy" / "sign.py").read_text() == SIGN, "the tree itself is left alone"


def test_all_noticed_is_a_success_and_some_of_the_table_are_no_result(toy, monkeypatch, capsys) -> None:
    monkeypatch.setattr(mutations, "write_json", lambda *_: pytest.fail("part of the table is no result"))
    assert mutations.main(["--only=+"], toy, [WRONG, AT_ZERO]) == 0
    assert "1 faults in" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        mutations.main(["--only=nowhere"], toy, [WRONG])


def test_an_endless_loop_is_noticed(toy, monkeypatch) -> None:
    monkeypatch.setattr(mutations.run, "__defaults__", (3.0,))
    ((_, verdict),) = mutations.judged(toy, [fault("    return", "    while True:\n        pass\n    return")])
    assert (verdict.said, verdict.by) == (NOTICED, "no end within 3 s")


def test_tests_that_fail_without_a_fault_are_refused(toy) -> None:
    (toy / "tests" / "test_sign.py").write_text(TESTS.replace("== 1", "== 2"))
    with pytest.raises(
        ValueError, match=r"without a fault the tests must pass: noticed, tests/test_sign\.py::test_sign"
    ):
        list(mutations.judged(toy, [WRONG]))


def test_tests_that_are_not_there_are_refused(toy) -> None:
    with pytest.raises(ValueError, match=r"no such tests: tests/gone\.py"):
        line_of(toy, fault(test="tests/gone.py"))
    with pytest.raises(ValueError, match=r"(?s)pytest ended with 4:.*test_gone"):
        list(mutations.judged(toy, [fault(test="tests/test_sign.py::test_gone")]))


@pytest.mark.parametrize(
    ("mutant", "message"),
    [
        (fault("(y < 0)"), r"toy/sign\.py: must hold this text once and holds it 0 times: '\(y < 0\)'"),
        (fault("0)"), "once and holds it 2 times"),
        (fault("(x < 0)", "(x <"), r"toy/sign\.py, \(x < 0\) became \(x <: "),
    ],
)
def test_a_table_that_does_not_follow_the_code_is_refused(toy, mutant: Mutant, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        broken(toy, mutant)


def test_the_table_is_printed(toy, capsys) -> None:
    assert mutations.main(["--list"], toy, [WRONG, AT_ZERO]) == 0
    said = capsys.readouterr().out
    assert "2 faults" in said and "toy/sign.py:5" in said and "tests/test_sign.py" in said


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_was_compiled_of_a_text_goes_with_it(tmp_path, monkeypatch, elsewhere) -> None:
    """A fault of the same length, written in the same second, would not be seen otherwise."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "cache") if elsewhere else None)
    file = tmp_path / "sign.py"
    file.write_text(SIGN)
    compiled = Path(py_compile.compile(str(file), doraise=True))
    assert compiled.is_file() and compiled.is_relative_to(tmp_path / "cache") is elsewhere
    mutations.write(file, SIGN.replace("-", "+"))
    assert not compiled.exists()
