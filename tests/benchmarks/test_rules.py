"""The table of every rule says what the files of results say; and no file names a folder of a machine."""

import json

from benchmarks import rules
from benchmarks.common import RESULTS


def test_figures_are_those_of_the_files() -> None:
    lines = {line.split(" | ")[0].strip("| "): line for line in rules.table().splitlines()[2:]}
    assert len(lines) == len(rules.ROWS), "each rule has a line of its own"
    refined = json.loads((RESULTS / "refining.json").read_text())["result"]["1, 20 × 100"]
    line = lines["`first`, 20 small steps of refinement"]
    assert f"{refined['success']['percent']:.1f}" in line and f"{refined['score']:.3f}" in line
    coherent = lines["`coherent`"].split(" | ")
    held = json.loads((RESULTS / "holding.json").read_text())["result"]
    (switches,) = (each["with_a_switch"] for each in held if each["rule"] == "coherent" and each["every"] == 2)
    assert coherent[4].startswith(f"{switches['percent']:.1f} (") and coherent[3] == "", "no obstacles were tried"


def test_every_rule_names_what_there_is() -> None:
    for row in rules.ROWS:
        found = rules.cells(
            row,
            {name: rules.kept(name) for name in ("refining", "holding", "steering")}
            | {
                "choosing": rules.kept("choosing") | rules.kept("choosing_held"),
                "steering_guidance": rules.kept("steering_guidance"),
            },
        )
        assert any(found[1:]), row.name


def test_no_file_names_a_folder_of_a_machine() -> None:
    for path in RESULTS.glob("*.json"):
        told = path.read_text()
        assert not any(f'"{flag}=/' in told for flag in ("--dataset.root", "--config_path", "--output_dir")), path.name
