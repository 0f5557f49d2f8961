"""Photographs the page of a running service for docs/: `PYTHONPATH=tests python tests/browser/photograph.py http://127.0.0.1:8000/`."""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, StorageState, expect, sync_playwright
from support.page_visitor import PHONE, Visitor

DOCS = Path(__file__).parents[2] / "docs"
LIKED = {"more of a smile": 2, "glasses": 1, "less of a smile": -2, "older": -1}


def visit(browser: Browser, url: str, choices: int, **options: Any) -> Visitor:
    """Somebody who likes smiles, and glasses a little, after so many choices."""
    kept: StorageState = {
        "cookies": [],
        "origins": [{"origin": url.rstrip("/"), "localStorage": [{"name": "beholder.person", "value": "ana"}]}],
    }
    context = browser.new_context(storage_state=kept, **options)
    visitor = Visitor(context.new_page(), f"{url}#ask/seed-12")
    for _ in range(choices):
        visitor.wait_for_question()
        left, right = (sum(points for words, points in LIKED.items() if words in side) for side in visitor.shown.split(" | "))
        visitor.choose("left" if left > right else "right" if right > left else "neither")
    visitor.wait_for_question()
    return visitor


def keep(visitor: Visitor, name: str, width: int) -> None:
    """The view, without the pixels that nobody needs on a page about it."""
    visitor.page.mouse.move(2, 2)
    visitor.page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")
    picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS).save(DOCS / name, optimize=True)


def main(url: str) -> None:
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        keep(visit(browser, url, 4, viewport={"width": 1280, "height": 680}, device_scale_factor=2), "page.png", 1120)
        phone = visit(browser, url, 8, **PHONE, color_scheme="dark")
        phone.page.locator("#see").tap()
        expect(phone.page.locator("#edited[src]")).to_be_visible()
        keep(phone, "page-phone.png", 390)


if __name__ == "__main__":
    main(sys.argv[1])
