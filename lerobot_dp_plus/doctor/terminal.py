"""Findings in a terminal: the gravest first, what to do under each."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from lerobot_dp_plus.doctor.finding import Finding, Gravity

STYLES = {Gravity.GRAVE: "bold red", Gravity.NOTE: "yellow", Gravity.FINE: "green"}


def show(findings: Sequence[Finding], console: Console) -> None:
    """One paragraph for each finding; what is fine in a line each."""
    for gravity in sorted(Gravity, reverse=True):
        own = [each for each in findings if each.gravity is gravity]
        if not own:
            continue
        console.print(Text(f"\n{gravity.said.capitalize()} ({len(own)})", style=STYLES[gravity]))
        for each in own:
            line = Text.assemble((f"{each.name}: ", "bold"), each.said, style="dim" if gravity is Gravity.FINE else "")
            console.print(Padding(line, (0, 0, 0, 2)))
            if each.do:
                console.print(Padding(Text(f"→ {each.do}", style="cyan"), (0, 0, 0, 4)))
