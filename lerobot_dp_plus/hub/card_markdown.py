"""Text from files, made safe for Markdown: a name shows as it is and never becomes a link, a table cell or HTML.

The template escapes by default: what an expression gives is escaped unless it is `Markdown` already.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from huggingface_hub import CardData

#: Characters that mean something somewhere in GitHub-flavoured Markdown; `<` and `&` also in HTML.
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&!]")
_PLAIN_IN_CODE = re.compile(r"[^`|\n\r]+")
_HARMLESS = " -./=,:()'\"+@%?;"


class Markdown(str):
    """Text that is Markdown on purpose."""

    __slots__ = ()


def escape(text: object) -> Markdown:
    """`text` on one line, every special character escaped; an underscore inside a word means nothing and stays.

    What means something at the start of a line only, such as a dash, is left as it is.
    """
    line = " ".join(str(text).split())

    def quoted(match: re.Match[str]) -> str:
        before, after = line[: match.start()][-1:], line[match.end() :][:1]
        if match[0] == "_" and before.isalnum() and after.isalnum():
            return "_"
        return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match[0], "\\" + match[0])

    return Markdown(_SPECIAL.sub(quoted, line))


def code(text: object) -> Markdown:
    """`text` as inline code, also in a table."""
    line = " ".join(str(text).split())
    if line and _PLAIN_IN_CODE.fullmatch(line):
        return Markdown(f"`{line}`")
    # No backtick fence survives a pipe both inside and outside of tables; entities do.
    entities = "".join(ch if ch.isalnum() or ch in _HARMLESS else f"&#{ord(ch)};" for ch in line)
    return Markdown(f"<code>{entities}</code>")


def codes(texts: Iterable[object]) -> Markdown:
    """Several pieces of inline code."""
    return Markdown(" ".join(code(text) for text in texts))


def link(text: str, address: str) -> Markdown:
    """A link."""
    return Markdown(f"[{escape(text)}]({url(address)})")


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Markdown:
    """A table, its cells escaped where they are not `Markdown`; empty text if there is no row."""
    titles, body = list(head), [[cell if isinstance(cell, Markdown) else escape(cell) for cell in row] for row in rows]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *(f"| {' | '.join(row)} |" for row in body)]
    return Markdown("\n".join(lines) if body else "")


def url(address: str) -> Markdown:
    """An address free of what would end it early, in Markdown and in an HTML attribute."""
    return Markdown(quote(address, safe="/:?#&=%@+,;~-._"))


def one_line(value: object, what: str) -> str:
    """`value` for a command or a line of code.

    Raises:
        ValueError: it holds a control character, such as the line break that would end a code block.
    """
    text = str(value)
    if any(not character.isprintable() for character in text):
        raise ValueError(f"{what} = {text!r}: expected printable characters on one line")
    return text


def environment() -> jinja2.Environment:
    """A template language without surprises: unknown names are errors, text is escaped."""

    def finalize(value: Any) -> str:
        return value if isinstance(value, Markdown) else escape(value)

    made = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        autoescape=False,  # of HTML, which would escape Markdown's quotes; `finalize` is ours
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["code"] = code
    return made


def page(template: Path, metadata: CardData, values: dict[str, Any]) -> str:
    """A README.md of the Hub: `metadata` as its front matter, and the file `template` filled with `values`."""
    body = environment().from_string(template.read_text(encoding="utf-8")).render(values)
    return f"---\n{metadata.to_yaml()}\n---\n\n{body}"
