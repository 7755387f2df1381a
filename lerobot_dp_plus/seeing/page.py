"""One page that needs no other file: what was found, how sure that is, what was assumed, pictures."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from lerobot_dp_plus.explaining.page import Chapter
from lerobot_dp_plus.hub.files import write_whole

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def write_page(
    path: Path,
    name: str,
    refused: str,
    command: str,
    figures: Sequence[tuple[str, str]],
    assumed: Sequence[str],
    chapters: Sequence[Chapter],
) -> Path:
    """Write the page.

    Args:
        refused: which assumption failed and the way out; empty if none did.
        command: how to train on the copy.
        figures: name and value of each figure.
        assumed: what is taken for granted.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return write_whole(
        path,
        page.render(name=name, refused=refused, command=command, figures=figures, assumed=assumed, chapters=chapters),
    )
