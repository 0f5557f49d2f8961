"""The page of `beholder serve editor=looks`: own photos are brought together and asked about in turn, wide and on a phone."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect
from support.page_visitor import PHONE, Visitor
from support.served_process import ServedProcess
from support.study_visitor import axe_findings

from beholder import images
from beholder.editing.looks import landscape


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[ServedProcess]:
    service = ServedProcess(tmp_path_factory.mktemp("looks"), "editor=looks", "components.candidates.count=60")
    service.start()
    yield service
    service.stop()


def photos(count: int) -> list:
    shapes = [(240, 360), (360, 240)]
    return [
        {"name": f"{seed}.png", "mimeType": "image/png", "buffer": images.encode(landscape.draw(seed, *shapes[seed % 2]))}
        for seed in range(count)
    ]


@pytest.mark.parametrize("phone", [False, True])
def test_photos_are_asked_about_in_turn(come: Callable[..., Visitor], service: ServedProcess, phone):
    visitor = come(service.url, **(PHONE if phone else {}))
    page = visitor.page
    expect(page.get_by_role("heading", name="Your photos, or a landscape?")).to_be_visible()
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    assert axe_findings(page) == []
    page.get_by_label("Use your own pictures").set_input_files(
        [*photos(3), {"name": "x.png", "mimeType": "image/png", "buffer": b"x"}]
    )
    expect(visitor.notice).to_contain_text("1 picture was not taken. This file is no picture that can be read here.")
    visitor.wait_for_question()
    assert re.search(r"#ask/set-[0-9a-f]{24}$", page.url)
    asked = []
    for _ in range(6):
        visitor.wait_for_question()
        asked.append(page.evaluate("JSON.parse(localStorage.getItem('beholder.open')).questions[0].image_id"))
        visitor.choose("left")
    assert len(set(asked)) == 3
    assert asked[3:] == asked[:3]
    assert visitor.shown.startswith("A: photo, ") or not visitor.shown.startswith("A: portrait")
    visitor.until_sent()
    page.locator("#see").click()
    expect(page.locator("#set-photos img[src]")).to_have_count(3)
    expect(page.locator("#edited[src]")).to_be_visible()
    ratio = page.evaluate("(({ width, height }) => width / height)(document.getElementById('edited').getBoundingClientRect())")
    assert ratio == pytest.approx(1.5, abs=0.02) or ratio == pytest.approx(1 / 1.5, abs=0.02)
    assert axe_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= (390 if phone else 1280)
    original, edited = (page.locator(f"#{each}").bounding_box() for each in ("original", "edited"))
    assert original is not None
    assert edited is not None
    beside = edited["x"] >= original["x"] + original["width"]
    assert beside != phone  # below each other on a phone, where each is as wide as it can be
    before = page.locator("#original").get_attribute("src")
    page.locator("#set-photos a").nth(1).click()
    expect(page.locator("#original")).not_to_have_attribute("src", str(before))
    expect(page.locator("#set-photos a").nth(1)).to_have_attribute("aria-current", "true")
    page.get_by_label("The same look for all of them").check()
    expect(page.locator("#result-words")).to_contain_text(re.compile("all 3 of them|Leave it as it is"))
    assert axe_findings(page) == []
    page.locator("#set-photos a").nth(2).click()
    expect(page.get_by_label("The same look for all of them")).to_be_checked()
    expect(page.locator("#result-words")).to_contain_text(re.compile("all 3 of them|Leave it as it is"))
    page.get_by_label("The same look for all of them").uncheck()
    expect(page.locator("#result-words")).to_contain_text(re.compile("like it best so|Leave it as it is"))
    page.get_by_role("link", name="Answer more questions").click()
    visitor.wait_for_question()
    assert "#ask/set-" in page.url


def test_a_single_photo_is_asked_about_alone(come: Callable[..., Visitor], service: ServedProcess):
    visitor = come(service.url)
    expect(visitor.page.get_by_role("heading", name="Your photos, or a landscape?")).to_be_visible()
    visitor.page.get_by_label("Use your own pictures").set_input_files(photos(1))
    visitor.wait_for_question()
    assert re.search(r"#ask/photo-[0-9a-f]{24}$", visitor.page.url)
