"""One page that needs no other file: pictures and film are inside it."""

import base64
from dataclasses import dataclass
from pathlib import Path

import jinja2

from lerobot_dp_plus.hub.files import write_whole

TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Chapter:
    """A picture or a film, and what it shows.

    Args:
        title, said: the point, in a line and in a sentence.
        file: PNG or MP4.
        alt: what is on the picture, for those who do not see it.
    """

    title: str
    said: str
    file: Path
    alt: str

    @property
    def is_film(self) -> bool:
        """Whether it moves."""
        return self.file.suffix == ".mp4"

    @property
    def data(self) -> str:
        """The file as a data URL."""
        kind = "video/mp4" if self.is_film else "image/png"
        return f"data:{kind};base64,{base64.b64encode(self.file.read_bytes()).decode()}"


def write_page(path: Path, title: str, about: str, chapters: list[Chapter], note: str = "") -> Path:
    """Write the page. `note` says what is missing, if anything is."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return write_whole(path, page.render(title=title, about=about, chapters=chapters, note=note))
