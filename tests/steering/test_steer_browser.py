"""The page in a real browser: a person clicks a way, draws an obstacle, sets a goal, and sees the scene change.

It needs Chromium, which `.ci/run` installs where it can, and playwright, which comes with the extra `dev`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import served

#: A folder for screenshots, for those who want to look: DP_PLUS_SCREENSHOTS=DIR.
SCREENSHOTS = os.environ.get("DP_PLUS_SCREENSHOTS")


@pytest.fixture
def opened(browser, session) -> Iterator[Any]:
    """(the page, the session behind it). Nothing on the page may fail unseen."""
    made = session(candidates=32)
    failed: list[str] = []
    with served(made) as server:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on(
            "console",
            lambda said: failed.append(said.text) if said.type == "error" and "409" not in said.text else None,
        )
        page.on(
            "request",
            lambda asked: failed.append(asked.url) if not asked.url.startswith((server.url, "data:")) else None,
        )
        page.set_default_timeout(10_000)
        page.goto(server.url)
        page.wait_for_selector("#middles g")
        yield page, made
        page.close()
    assert not failed


def shows(page, place: str, text: str) -> None:
    """Wait until something is said."""
    page.locator(place, has_text=text).wait_for(timeout=10_000)


def at(page, x: float, y: float) -> tuple[float, float]:
    """A place of the arena, in pixels of the screen."""
    box = page.locator("#scene").bounding_box()
    return box["x"] + x / 512 * box["width"], box["y"] + y / 512 * box["height"]


def test_a_click_on_a_line_takes_that_way(opened) -> None:
    page, made = opened
    assert page.locator("#middles g").count() == len(made.ids) >= 1
    assert page.locator("#plan").get_attribute("d") in (None, "")
    number = made.ids[-1]
    path = page.locator(f"#middles g[data-mode='{number}'] .line").get_attribute("d")
    x, y = map(float, re.findall(r"[\d.]+ [\d.]+", path)[-1].split())  # where the line ends
    page.mouse.click(*at(page, x, y))
    shows(page, "#said", "way is taken")
    assert page.locator("#plan").get_attribute("d").startswith("M")
    assert made.plan
    page.click("#step")
    shows(page, "#progress", "step 1,")
    assert made.arena.steps == 1


def test_a_disc_that_is_dragged_becomes_an_obstacle_and_can_be_removed(opened) -> None:
    page, made = opened
    picture = page.locator("#fans").inner_html()
    ax, ay = made.arena.agent
    x, y = (ax + 70 if ax < 256 else ax - 70), (ay + 20 if ay < 256 else ay - 20)
    page.get_by_role("radio", name="Draw an obstacle").check()
    page.mouse.move(*at(page, x, y))
    page.mouse.down()
    page.mouse.move(*at(page, x + 18, y))
    page.mouse.move(*at(page, x + 30, y))
    page.mouse.up()
    page.wait_for_selector("#obstacles circle")
    (disc,) = made.obstacles
    assert disc == pytest.approx((x, y, 30), abs=2)
    assert "Obstacle 1, radius 30 px" in page.locator("#things").inner_text()
    changed = page.locator("#fans").inner_html()
    assert bool((made.moment.violation <= 1e-3).all())
    page.click("#things button")
    page.wait_for_selector("#obstacles circle", state="detached")
    assert not made.obstacles and page.locator("#fans").inner_html() == picture
    assert isinstance(changed, str)


def test_what_is_refused_is_said_on_the_page(opened) -> None:
    page, made = opened
    page.get_by_role("radio", name="Draw an obstacle").check()
    page.mouse.click(*at(page, *made.arena.agent))
    page.wait_for_selector("#error:not([hidden])")
    assert "an obstacle cannot lie on the agent" in page.locator("#error").inner_text()
    page.get_by_role("radio", name="Set a goal").check()
    page.mouse.click(*at(page, 3, 3))
    shows(page, "#error", "outside")
    page.mouse.click(*at(page, 256, 256))
    page.wait_for_selector("#goal circle")
    assert page.locator("#error").is_hidden() and made.goal == pytest.approx((256, 256), abs=1)


def test_it_plays_pauses_and_starts_anew(opened) -> None:
    page, made = opened
    page.click("#play")
    page.locator("#progress", has_text=re.compile(r"step ([3-9]|\d\d+),")).wait_for()
    page.click("#play")
    shows(page, "#play", "Play")
    page.wait_for_timeout(300)
    steps = made.arena.steps
    page.wait_for_timeout(400)
    assert made.arena.steps == steps >= 3
    page.get_by_role("radio", name="Guided diffusion").check()
    page.fill("#seed", "100002")
    page.click("#reset")
    shows(page, "#progress", "step 0,")
    assert made.seed == 100_002 and made.way == "guided"


def test_everything_works_by_keyboard_and_has_a_name(opened) -> None:
    page, made = opened
    group = page.locator("#middles g").last
    assert "% of the candidates" in group.get_attribute("aria-label")
    group.focus()
    page.keyboard.press("Enter")
    shows(page, "#said", "way is taken")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => !b.innerText.trim() && !b.ariaLabel).length"
    )
    assert unnamed == 0 and made.plan


def test_wishes_are_shown_together(opened) -> None:
    """A way that is taken, then a goal and an obstacle: the picture of `docs/steering.md`."""
    page, made = opened
    page.click("#modes button >> nth=0")
    shows(page, "#said", "way is taken")
    page.click("#step")
    shows(page, "#progress", "step 1,")
    page.get_by_role("radio", name="Set a goal").check()
    page.mouse.click(*at(page, 130, 250))
    page.wait_for_selector("#goal circle")
    page.get_by_role("radio", name="Draw an obstacle").check()
    page.mouse.move(*at(page, 190, 335))
    page.mouse.down()
    page.mouse.move(*at(page, 190, 363))
    page.mouse.up()
    page.wait_for_selector("#obstacles circle")
    listed = page.locator("#things").inner_text()
    assert "Obstacle 1, radius 28 px" in listed and "Goal at " in listed
    assert made.goal == pytest.approx((130, 250), abs=2)
    ends = made.moment.positions[:, -1]
    goal = ends.new_tensor(made.goal)
    assert (
        (ends - goal).norm(dim=-1) < (ends.new_tensor(made.arena.agent.tolist()) - goal).norm()
    ).float().mean() > 0.9
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / "steer.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_wide_and_narrow_light_and_dark(opened, scheme: str) -> None:
    page, _ = opened
    page.emulate_media(color_scheme=scheme)
    page.click("#modes button >> nth=0")
    shows(page, "#said", "way is taken")
    for width in (400, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, "nothing reaches beyond the window"
        heights = page.evaluate(
            "[...document.querySelectorAll('button, .tools label')].map(each => each.getBoundingClientRect().height)"
        )
        assert min(heights) >= 28, "everything can be hit with a finger"
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"steer_{width}_{scheme}.png", full_page=True)
    style = "getComputedStyle(document.body)"
    assert contrast(*page.evaluate(f"[{style}.backgroundColor, {style}.color]")) > 7


def contrast(*colours: str) -> float:
    """WCAG's contrast of two colours rgb(r, g, b)."""
    light = []
    for each in colours:
        parts = [int(value) / 255 for value in re.findall(r"\d+", each)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)
