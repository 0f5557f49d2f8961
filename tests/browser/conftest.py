"""A real Chromium, and a server beside it."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.api_double import Double
from support.page_visitor import Visitor

from beholder.editing.stylegan import StyleGAN

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}

PATIENCE = 40_000  # milliseconds: for a machine with much else to do
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")  # not longer: while Playwright runs, nothing else in this thread can run an event loop
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", own))), None)
        if found is None:
            pytest.fail("no Chromium is here: `apt-get install chromium` as root, or `.venv/bin/playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])  # root has no sandbox
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def editor() -> StyleGAN:
    return StyleGAN.load()


@pytest.fixture(scope="package")
def drawn() -> dict[tuple[str, str, int | None], bytes]:
    return {}


@pytest.fixture
def double(editor: StyleGAN, drawn: dict[tuple[str, str, int | None], bytes]) -> Iterator[Double]:
    double = Double(editor, drawn)
    double.start()
    yield double
    if double.runs:
        double.stop()


@pytest.fixture
def come(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens the page for a visitor with a browser of their own; afterwards nothing must have gone wrong in it."""
    visitors = []

    def open_page(url: str, *, name: str | None = None, **options: Any) -> Visitor:
        kept = [{"name": "beholder.person", "value": name}] if name else []
        origin = {"origin": url.split("/#")[0].rstrip("/"), "localStorage": kept}
        options = {"storage_state": {"cookies": [], "origins": [origin]}, **options}
        context = chromium.new_context(**{**WIDE, **options})
        context.set_default_timeout(PATIENCE)
        visitors.append(Visitor(context.new_page(), url))
        return visitors[-1]

    yield open_page
    wrong = [error for visitor in visitors for error in visitor.errors]
    for visitor in visitors:
        visitor.page.context.close()
    assert wrong == []


@pytest.fixture
def ana(come: Callable[..., Visitor], double: Double) -> Visitor:
    """Somebody who took the left one five times, before their recommendation."""
    double.was_here("ana", "seed-1", ["left"] * 5)
    return come(f"{double.url}#result/seed-1", name="ana")


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.page


@pytest.fixture
def visitor(come: Callable[..., Visitor], double: Double) -> Visitor:
    return come(double.url)
