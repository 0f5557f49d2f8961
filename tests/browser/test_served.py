"""The page on the service itself: a visit with a restart in its middle, to a recommendation that follows from the choices."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect
from support.page_visitor import Visitor
from support.served_process import ServedProcess


class Service(ServedProcess):
    def get(self, path):
        with urlopen(self.url + path) as answer:
            return json.load(answer)


@pytest.fixture
def service(tmp_path: Path):
    service = Service(tmp_path)
    service.start()
    yield service
    service.stop()


def test_visit_of_the_service_with_a_restart(come: Callable[..., Visitor], service):
    visitor = come(service.url)
    page = visitor.page
    page.locator("#who").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_role("button", name="Keep").click()
    person = page.evaluate("() => localStorage.getItem('beholder.person')")
    visitor.choose_portrait(6)
    visitor.press("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp")
    visitor.until_sent()
    visitor.until_next_is_there()
    service.stop()
    visitor.press("ArrowLeft")
    expect(visitor.notice).to_contain_text("1 choice is kept here")
    service.start()
    page.locator("#notice-again").dispatch_event("click")  # the page may have gone on by itself before a mouse gets there
    visitor.until_sent()
    expect(visitor.notice).to_be_hidden()
    assert service.get(f"v1/users/{person}")["rounds"] == 3
    visitor.press(*["ArrowLeft"] * 5)
    expect(visitor.progress).to_have_text("8 choices")
    page.locator("#see").click()
    expect(page.locator("#runners img[src]").first).to_be_visible()
    expect(page.locator("#edited[src]")).to_be_visible()
    assert service.get(f"v1/users/{person}")["rounds"] == 8
    page.locator("#who").click()
    page.get_by_role("button", name="Forget me").click()
    page.locator("#forget-now").click()
    expect(page.locator("#receipt-list")).to_contain_text("8 choices that you made")
    expect(page.locator("#receipt-list")).not_to_contain_text(person)
    assert service.get(f"v1/users/{person}")["rounds"] == 0
