"""Escaping, judged by a Markdown parser: what went in comes out as text, in a paragraph and in a table cell."""

import html
import random
import re

import pytest
from markdown_it import MarkdownIt

from lerobot_dp_plus.hub.card_markdown import Markdown, code, environment, escape, link, one_line

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = [
    "a|b",
    "*bold* and _lean_ and __init__",
    "snake_case_name",
    "[text](https://example.org)",
    "![picture](x.png)",
    "<script>alert(1)</script>",
    "`code` and ``more``",
    "back\\slash \\| pipe",
    "~~gone~~",
    "&amp; & &#124;",
    "{{ 7 * 7 }} {% raw %}",
    "# heading",
    "$x$",
    "5 < 6 > 4",
    "line\nbreak",
]


def strings() -> list[str]:
    draw = random.Random(3)
    alphabet = "ab1 |*_`[]()<>&#!~\\$-+.:\"'{}"
    return ["".join(draw.choices(alphabet, k=12)).strip() or "x" for _ in range(300)]


def shown(rendered: str) -> str:
    """The text a reader sees."""
    return html.unescape(re.sub(r"<[^>]*>", "", rendered))


@pytest.mark.parametrize("text", NASTY)
def test_text_is_shown_as_it_is(text: str) -> None:
    check_shown(text)


def test_so_is_any_jumble_of_special_characters() -> None:
    for text in strings():
        check_shown(text)


def check_shown(text: str) -> None:
    wanted = " ".join(text.split())
    for mark in (escape, code):
        paragraph = PARSER.render(f"see {mark(text)} end")
        assert shown(paragraph).strip() == f"see {wanted} end"
        assert set(re.findall(r"<(\w+)", paragraph)) <= {"p", "code"}
        table = PARSER.render(f"| a | b |\n|---|---|\n| {mark(text)} | end |\n")
        cells = re.findall(r"<td>(.*?)</td>", table, re.DOTALL)
        assert [shown(cell) for cell in cells] == [wanted, "end"]


def test_links_end_where_they_should() -> None:
    rendered = PARSER.render(f"{link('a](b', 'https://example.org/x(y) z?q=1')} end")
    assert re.findall(r'href="([^"]*)"', rendered) == ["https://example.org/x%28y%29%20z?q=1"]
    assert shown(rendered).strip() == "a](b end"


def test_templates_escape_by_default_and_refuse_unknown_names() -> None:
    made = environment()
    assert made.from_string("{{ name }} {{ own }}").render(name="*x*", own=Markdown("*x*")) == r"\*x\* *x*"
    with pytest.raises(Exception, match="'name' is undefined"):
        made.from_string("{{ name }}").render()


def test_a_line_break_cannot_enter_a_command() -> None:
    with pytest.raises(ValueError, match=r"env.type = 'a\\nrm"):
        one_line("a\nrm -r x", "env.type")
