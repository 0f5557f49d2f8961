"""Photographs a study's page for docs/: `PYTHONPATH=tests:platform python tests/browser/photograph_study.py`."""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from support.page_visitor import PHONE
from support.study_double import study_config
from support.study_server import StudyServer
from support.study_visitor import Participant

from beholder.recommending.store.choice_store import Store
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

ROOT = Path(__file__).parents[2]
STUDY = f"""
name: faces
title: First impressions
images: {ROOT / "data/sample/images"}
questions: [{{attribute: attractive, rating: "How attractive is this face?", pair: "Which face is more attractive?"}}]
pairs: {{per_person: 14, third: not_sure}}
ratings: {{per_person: 14, low: 1, high: 7, low_label: not at all, high_label: very, not_sure: true}}
order: [pairs, ratings]
"""
SLIDER = f"""
name: slider
title: First impressions
images: {ROOT / "data/sample/images"}
ask: in_blocks
questions: [{{attribute: calm, rating: "How calm is this face?", instructions: Go by your first impression.}}]
ratings: {{per_person: 14, low: 0, high: 100, show: slider, low_label: not at all, high_label: very, not_sure: true}}
"""


def keep(visitor: Participant, name: str, width: int) -> None:
    """The view, without the pixels that nobody needs on a page about it."""
    visitor.page.mouse.move(2, 2)
    visitor.page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(visitor.page.screenshot())).convert("RGB")
    picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS).save(
        ROOT / "docs" / name, optimize=True
    )


def visit(browser: Browser, url: str, answers: int, **options: Any) -> Participant:
    """Somebody after so many answers."""
    visitor = Participant(browser.new_context(locale="en-US", **options).new_page(), url)
    for number in range(answers):
        visitor.wait_for_trial()
        visitor.page.wait_for_timeout(900)
        visitor.press(str(number % 7 + 1))
    visitor.wait_for_trial()
    return visitor


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        store = Store.at(Path(scratch) / "choices.db")
        service = StudyService(StudyStore(store), Workspace(scratch))
        service.create(study_config(STUDY))
        service.store.set_state("faces", "open")
        server = StudyServer(service)
        found = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        url = f"{server.url}/study/faces"
        keep(visit(browser, url, 9, viewport={"width": 1280, "height": 680}, device_scale_factor=2), "study.png", 1120)
        keep(visit(browser, url, 18, **PHONE, color_scheme="dark"), "study-phone.png", 390)
        service.create(study_config(SLIDER))
        service.store.set_state("slider", "open")
        page = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 680}, device_scale_factor=2).new_page()
        visitor = Participant(page, f"{server.url}/study/slider")
        visitor.until("part")
        page.locator("#begin").click()
        visitor.wait_for_trial()
        page.locator("#slider").fill("73")
        keep(visitor, "study-slider.png", 1120)
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
