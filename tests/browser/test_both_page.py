"""The page of `beholder serve editor=both`: a portrait and own photos in one visit, each with its own words and sliders."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from support.page_visitor import Visitor
from support.served_process import ServedProcess
from support.study_visitor import axe_findings

from beholder import images
from beholder.editing.looks import landscape


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[ServedProcess]:
    service = ServedProcess(tmp_path_factory.mktemp("both"), "editor=both", "components.candidates.count=60")
    service.start()
    yield service
    service.stop()


def groups(page: Page) -> str:
    """What is changed or can be by hand, and what may be ticked to change."""
    expect(page.locator("#edited[src]")).to_be_visible()
    places = ("#sliders label", "#add-slider option", "#groups label")
    return " ".join(text for place in places for text in page.locator(place).all_text_contents())


def test_a_portrait_and_own_photos_are_brought_in_one_visit(come: Callable[..., Visitor], service: ServedProcess):
    visitor = come(service.url)
    page = visitor.page
    expect(page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()
    expect(page.locator("#photo-says")).to_contain_text("Up to 30 photos")
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    assert axe_findings(page) == []
    page.locator("#portraits button").first.click()
    visitor.wait_for_question()
    assert "#ask/seed-" in page.url
    assert visitor.shown.startswith("A: portrait, ")
    for _ in range(5):
        visitor.choose("left")
        visitor.wait_for_question()
    visitor.until_sent()
    page.locator("#see").click()
    of_portraits = groups(page)
    assert "Smile" in of_portraits
    assert "Warmth" not in of_portraits
    page.get_by_role("link", name="Choose another picture").click()

    files: list = [
        {"name": f"{seed}.png", "mimeType": "image/png", "buffer": images.encode(landscape.draw(seed, 240, 360))} for seed in (1, 2)
    ]
    page.get_by_label("Use your own photos").set_input_files(files)
    page.wait_for_url("**/#ask/set-*")
    visitor.wait_for_question()
    assert visitor.shown.startswith("A: photo, ")
    expect(page.locator("#progress")).to_have_text("5 more to your recommendation")
    for _ in range(5):
        visitor.choose("left")
        visitor.wait_for_question()
    visitor.until_sent()
    page.locator("#see").click()
    expect(page.locator("#set-photos img[src]")).to_have_count(2)
    of_photos = groups(page)
    assert "Smile" not in of_photos
    assert "Warmth" in of_photos
    ratio = page.evaluate("(({ width, height }) => width / height)(document.getElementById('edited').getBoundingClientRect())")
    assert ratio == pytest.approx(1.5, abs=0.02)
    assert axe_findings(page) == []
