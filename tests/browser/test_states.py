"""Every state of the page: axe finds nothing in any; keys in the grid, pictures in words, an upload on its way; /docs offline."""

import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from support.api_double import Double, Refusal
from support.page_visitor import PHONE, Visitor
from support.served_process import ServedProcess
from support.study_visitor import axe_findings

from beholder import images


def faults(page: Page) -> list[str]:
    """What axe has against the page as it is, when nothing fades any more."""
    page.wait_for_timeout(300)
    return axe_findings(page)


def portrait(double: Double) -> Any:
    data = images.encode(double.editor.edit(double.editor.generate([77]), [{}])[0])
    return {"name": "me.png", "mimeType": "image/png", "buffer": data}


@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing_in_any_state(come: Callable[..., Visitor], double: Double, phone):
    double.refuse = lambda method, path: refuse(503) if path.startswith("/v1/") else None
    visitor = come(double.url, name="ana", **(PHONE if phone else {}))
    page = visitor.page
    expect(visitor.notice).to_contain_text("busy")
    found = {"without portraits, busy": faults(page)}
    double.refuse = lambda method, path: None
    visitor.try_now()
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    found["choose"] = faults(page)
    go = threading.Event()
    double.refuse = lambda method, path: None if method != "POST" else wait_and_refuse(go)
    page.get_by_label("Use your own picture").set_input_files(portrait(double))
    expect(page.locator("#bringing-says")).to_contain_text("Redrawing your picture")
    found["bringing"] = faults(page)
    go.set()
    expect(visitor.notice).to_contain_text("No face was found")
    found["no face"] = faults(page)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#notice")).to_be_hidden()
    double.refuse = lambda method, path: None
    page.locator("#who").click()
    found["who"] = faults(page)
    page.get_by_role("button", name="Forget me").click()
    found["forget"] = faults(page)
    page.locator("#forget-sure [data-close]").click()
    page.locator(".album-link").click()
    found["empty album"] = faults(page)
    page.goto(f"{double.url}#result/seed-7")
    expect(page.locator("#invite")).to_be_visible()
    expect(page.locator("#edited[src]")).to_be_visible()
    found["invited"] = faults(page)
    page.goto(f"{double.url}#ask/seed-7")
    visitor.wait_for_question()
    found["ask"] = faults(page)
    page.locator("#attribute").select_option("…")
    found["ask by"] = faults(page)
    page.keyboard.press("Escape")
    visitor.press("ArrowLeft")
    visitor.until_sent()
    visitor.until_some_are_spare()
    double.stop()
    visitor.press(*["ArrowLeft"] * 5)
    expect(page.locator("#left")).to_be_disabled()
    found["away"] = faults(page)
    double.start()
    visitor.try_now()
    visitor.until_sent()
    page.goto(f"{double.url}#result/seed-7")
    expect(page.locator("#chart svg")).to_be_visible()
    page.get_by_text("What may change").click()
    found["result"] = faults(page)
    double.key = "secret"
    page.goto(f"{double.url}#ask/seed-8")
    expect(page.locator("#key")).to_be_visible()
    found["key"] = faults(page)
    page.get_by_role("textbox", name="Key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-wrong")).to_be_visible()
    found["wrong key"] = faults(page)
    page.goto(f"{double.url}responsible-use.html")
    found["responsible use"] = faults(page)
    assert {state: each for state, each in found.items() if each} == {}


def refuse(status: int) -> None:
    raise Refusal(status, "so it is")


def wait_and_refuse(go: threading.Event) -> None:
    go.wait(60)
    raise Refusal(422, "no face", kind="no-face")


def test_the_grid_is_one_stop_and_arrows_move_in_it(visitor: Visitor, page: Page):
    works = page.locator("#portraits button")
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    expect(page.locator("#portraits button[tabindex='0']")).to_have_count(1)
    visitor.tab_to("#portraits button")
    page.keyboard.press("End")
    expect(works.nth(11)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(works.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(
        "new Set([...document.querySelectorAll('#portraits button')].map((each) => each.getBoundingClientRect().x)).size"
    )
    expect(works.nth(1 + columns)).to_be_focused()
    page.keyboard.press("Tab")  # out of it
    assert not page.evaluate("!!document.activeElement.closest('#portraits')")
    page.keyboard.press("Shift+Tab")  # and back to where one was
    expect(works.nth(1 + columns)).to_be_focused()


def test_portraits_are_told_apart_in_words(visitor: Visitor, page: Page):
    told = page.evaluate("[...document.querySelectorAll('#portraits img')].map((each) => each.alt)")
    assert len(set(told)) == 12
    assert all(each.startswith("Portrait: ") and " hair" in each for each in told)


def test_the_first_question_is_answered_by_a_key(visitor: Visitor, page: Page):
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    page.get_by_role("button", name="A portrait").click()
    expect(page.locator("#portraits button").first).to_be_focused()


def test_an_upload_is_shown_and_can_be_stopped(visitor: Visitor, page: Page, double: Double):
    go = threading.Event()
    double.refuse = lambda method, path: None if method != "POST" else wait_and_refuse(go)
    page.get_by_label("Use your own picture").set_input_files(portrait(double))
    expect(page.locator("#bringing-preview")).to_have_attribute("src", re.compile("blob:"))
    expect(page.locator("#bringing-says")).to_have_text("Redrawing your picture as a portrait …")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#bringing")).to_be_hidden()
    expect(visitor.notice).to_be_hidden()
    go.set()
    double.refuse = lambda method, path: None
    page.get_by_label("Use your own picture").set_input_files(portrait(double))  # another one can be brought
    visitor.wait_for_question()


def test_a_camera_is_offered_where_there_is_a_finger(come: Callable[..., Visitor], double: Double, visitor: Visitor):
    phone = come(double.url, **PHONE).page
    expect(phone.get_by_text("Take a photo")).to_be_visible()
    assert phone.locator("#camera").get_attribute("capture") == "user"
    expect(visitor.page.get_by_text("Take a photo")).to_be_hidden()


def test_the_description_is_read_without_the_internet(come: Callable[..., Visitor], tmp_path):
    service = ServedProcess(tmp_path, "components.candidates.count=60")
    service.start()
    try:
        visitor = come(service.url)
        page, strangers = visitor.page, list[str]()

        def cut(route: Route) -> None:
            if urlsplit(route.request.url).netloc == urlsplit(service.url).netloc:
                route.continue_()
            else:
                strangers.append(route.request.url)
                route.abort()

        page.context.route("**/*", cut)
        asked = list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{service.url}docs")
        expect(page.get_by_role("heading", name="POST/v1/choices")).to_be_visible()
        page.locator("#add_image summary").click()
        expect(page.locator("#add_image")).to_contain_text("No face was found in the photo.")
        assert faults(page) == []
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert strangers == []
        assert {urlsplit(url).path for url in asked} <= {"/docs", "/favicon.ico", "/icon.svg"}  # the front page's may come late
    finally:
        service.stop()
