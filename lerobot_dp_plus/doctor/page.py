"""One page that needs no other file: findings, the suggested training, pictures."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from lerobot_dp_plus.doctor.finding import Finding, Gravity
from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.hub.files import write_whole

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def write_page(
    path: Path,
    name: str,
    findings: Sequence[Finding],
    command: str,
    why: Sequence[str],
    config: str,
    chapters: Sequence[Chapter],
) -> Path:
    """Write the page."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    groups = [
        (each.said, each.name.lower(), [f for f in findings if f.gravity is each])
        for each in sorted(Gravity, reverse=True)
    ]
    return write_whole(
        path, page.render(name=name, groups=groups, command=command, why=why, config=config, chapters=chapters)
    )
