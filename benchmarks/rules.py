"""Every rule at a glance, of what the other benchmarks kept: `python -m benchmarks.rules` prints a table in Markdown.

Success, score, jerk and milliseconds are those of `choosing` or `refining`; switches at forks, looking every 2 steps, those of
`holding`; collisions with one obstacle those of `steering`. It measures nothing. What was not measured is left empty.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.common import RESULTS
from benchmarks.steering import said


class Row(NamedTuple):
    """A rule, and its names in the files of results."""

    name: str
    choosing: str = ""
    refining: str = ""
    holding: str = ""
    steering: tuple[str, str] | None = None


ROWS = (
    Row(
        "lowest energy of 16, every 6 steps", "ranked, 6 steps", holding="lowest energy", steering=("steering", "none")
    ),
    Row("the same, every step", "ranked, 1 step"),
    Row("the same, `ensemble`", "ranked, ensemble, m 0.01"),
    Row("the same, ranked by obstacles, too", steering=("steering_guidance", "ranking")),
    Row("the same, guidance, strength 0.3", steering=("steering_guidance", "guidance without Jacobian, strength 0.3")),
    Row("the same, `projection`", steering=("steering", "projection")),
    Row("`hold_mode`, every 2 steps", "hold_mode, 2 steps", holding="hold_mode"),
    Row("`hold_mode`, every step", "hold_mode, 1 step"),
    Row("`first`, every 6 steps", "first, 6 steps", holding="first"),
    Row("`first`, 20 small steps of refinement", refining="1, 20 × 100"),
    Row("`first`, `ensemble`", "first, ensemble, m 0.01"),
    Row("`coherent`", "coherent, 6 steps", holding="coherent"),
    Row("`bidirectional`", "bidirectional, 6 steps"),
    Row("half of 16 mirrored, lowest energy", refining="16, mirrored"),
)
COLUMNS = ("rule", "success %", "score", "collisions %", "switches %", "jerk px", "ms a chunk")


def kept(name: str) -> Any:
    """The result in a file, or nothing if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["result"] if path.exists() else {}


def cells(row: Row, results: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    found: Mapping[str, Any] = results["choosing"].get(row.choosing) or results["refining"].get(row.refining) or {}
    blocked: Mapping[str, Any] = {}
    if row.steering:
        file, name = row.steering
        blocked = results[file].get(name, {}).get("one", {})
    found = found or blocked
    held: Sequence[Any] = [each for each in results["holding"] if each["rule"] == row.holding and each["every"] == 2]
    return (
        row.name,
        said(found["success"]) if found else "",
        f"{found['score']:.3f}" if found else "",
        said(blocked["collisions"]) if blocked else "",
        said(held[0]["with_a_switch"]) if held else "",
        f"{found['jerk_px']:.1f}" if "jerk_px" in found else "",
        f"{found['milliseconds_a_chunk']:.1f}" if found else "",
    )


def table() -> str:
    """The table in Markdown."""
    results = {name: kept(name) for name in ("choosing", "refining", "holding", "steering", "steering_guidance")}
    results["choosing"] |= kept("choosing_held")
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(cells(row, results) for row in ROWS)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table())
