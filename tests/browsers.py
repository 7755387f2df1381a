"""A real browser for pages: Chromium, which `.ci/run` installs where it can, and playwright, of the extra `dev`."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """It runs for as long as a module's tests; they are skipped where there is none."""
    if PROGRAM is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; the extra dev has it")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        running = started.chromium.launch(executable_path=PROGRAM, args=flags)
        yield running
        running.close()
