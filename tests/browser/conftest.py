"""A real Chromium, and a server beside it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from beholder.editing.stylegan import StyleGAN
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))  # the double and the visitor, which tests share

from double import Double
from visitor import Visitor

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
WIDE = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="package")  # not longer: while Playwright runs, nothing else in this thread can run an event loop
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.fail("these tests need Chromium: make setup installs it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])  # root has no sandbox
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def editor() -> StyleGAN:
    return StyleGAN.load()


@pytest.fixture(scope="package")
def drawn() -> dict[tuple[str, str], bytes]:
    return {}


@pytest.fixture
def double(editor: StyleGAN, drawn: dict[tuple[str, str], bytes]) -> Iterator[Double]:
    double = Double(editor, drawn)
    double.start()
    yield double
    if double.runs:
        double.stop()


@pytest.fixture
def come(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens the page for a visitor with a browser of their own; afterwards nothing must have gone wrong in it."""
    visitors = []

    def open_page(url: str, **options: object) -> Visitor:
        context = chromium.new_context(**{**WIDE, **options})
        context.set_default_timeout(15_000)
        visitors.append(Visitor(context.new_page(), url))
        return visitors[-1]

    yield open_page
    wrong = [error for visitor in visitors for error in visitor.errors]
    for visitor in visitors:
        visitor.page.context.close()
    assert wrong == []


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.page


@pytest.fixture
def visitor(come: Callable[..., Visitor], double: Double) -> Visitor:
    return come(double.url)
