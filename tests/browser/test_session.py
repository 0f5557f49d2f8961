"""A visit from the first portrait to the recommendation: with a mouse, with keys alone, on a phone."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from support.api_double import Double
from support.page_visitor import PHONE, Visitor, box

from beholder import images


def test_eight_choices_to_a_recommendation(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait(6)
    expect(visitor.progress).to_have_text("5 more to your recommendation")
    asked = []
    for side in ("left", "right", "left", "neither", "left", "left", "right", "left"):
        visitor.wait_for_question()
        asked.append(visitor.shown)
        visitor.choose(side)
    expect(visitor.progress).to_have_text("8 choices")
    assert len(set(asked)) == 8
    expect(page.locator("#so-far-words li").first).to_contain_text("You like")
    page.get_by_role("link", name="See your recommendation").click()
    expect(page.locator("#result-words")).to_contain_text("You may like it best with much more of a smile")
    expect(page.locator("#result-chance")).to_have_text("Likely: you like this better than the original.")
    expect(page.locator("#chance-number")).to_be_hidden()
    page.get_by_role("button", name="In numbers").click()
    expect(page.locator("#chance-number")).to_contain_text("83 times of 100")
    sides = {answer["question_id"]: answer["choice"] for answer in double.kept.answers.values()}
    assert sorted(sides.values()) == sorted(["left"] * 5 + ["right"] * 2 + ["neither"])
    assert all(0 < answer["response_seconds"] < 10 for answer in double.kept.answers.values())
    assert len({answer["event_id"] for answer in double.kept.answers.values()}) == 8


def test_next_pair_is_there_at_once(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    visitor.until_next_is_there()
    first = visitor.shown
    before = len(double.seen)
    second = page.evaluate(
        "() => { document.getElementById('left').click(); return ['left', 'right'].map("
        "(side) => document.querySelector(`#${side} img`).alt).join(' | '); }"
    )
    assert second != first  # shown within the click itself
    assert not [path for method, path in double.seen[before:] if "/edits/" in path and path in first]
    visitor.choose("left")  # the third is asked for only when the first choice has arrived
    asks = [(method, path) for method, path in double.seen if path in ("/v1/questions", "/v1/choices")]
    assert asks[:4] == [("POST", "/v1/questions")] * 2 + [("POST", "/v1/choices"), ("POST", "/v1/questions")]


def test_second_click_is_an_echo(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    page.locator("#left").dblclick()
    page.wait_for_timeout(300)
    assert len(double.kept.answers) == 1


def test_undo_brings_the_question_back(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    expect(page.locator("#undo")).to_be_disabled()
    first = visitor.shown
    visitor.choose("left")
    visitor.choose("right")
    expect(visitor.progress).to_have_text("3 more to your recommendation")
    page.locator("#undo").click()
    page.locator("#undo").click()
    assert visitor.shown == first
    expect(visitor.progress).to_have_text("5 more to your recommendation")
    expect(page.locator("#undo")).to_be_disabled()
    visitor.until_sent()
    assert double.kept.answers == {}
    visitor.choose("right")
    expect(visitor.progress).to_have_text("4 more to your recommendation")
    visitor.until_sent()
    assert [answer["choice"] for answer in double.kept.answers.values()] == ["right"]


def test_keyboard_alone(visitor: Visitor, page: Page, double: Double):
    visitor.tab_to("#portraits button")
    page.keyboard.press("Enter")
    visitor.wait_for_question()
    assert visitor.focused == "ask-title"
    visitor.press("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    expect(visitor.progress).to_have_text("5 choices")
    visitor.tab_to("#see")
    page.keyboard.press("Enter")
    expect(page.locator("#sliders input").first).to_be_visible()
    assert visitor.focused == "result-title"
    visitor.tab_to("#sliders input")
    expect(page.locator("#edited")).to_have_attribute("src", re.compile("blob:"))
    before = page.locator("#edited").get_attribute("src")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#edited")).not_to_have_attribute("src", before)
    visitor.tab_to("#runners li:nth-child(2) button")
    page.keyboard.press("Space")
    expect(page.locator("#runners li:nth-child(2) button")).to_have_attribute("aria-pressed", "true")
    visitor.tab_to("#on")
    page.keyboard.press("Enter")
    visitor.press("ArrowLeft")
    expect(visitor.progress).to_have_text("6 choices")


def test_enter_on_a_picture_takes_it_and_keeps_the_focus(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    visitor.tab_to("#right")
    page.keyboard.press("Enter")
    visitor.wait_for_question()
    assert visitor.focused == "right"
    visitor.until_sent()
    assert [answer["choice"] for answer in double.kept.answers.values()] == ["right"]


def test_phone(come: Callable[..., Visitor], double: Double):
    visitor = come(double.url, **PHONE)
    page = visitor.page
    page.locator("#portraits button").nth(4).tap()
    for _ in range(5):
        visitor.wait_for_question()
        for each in ("#left", "#right", "#neither", "#undo"):  # both pictures and all buttons without scrolling
            place = box(page.locator(each))
            assert place["y"] >= 0
            assert place["y"] + place["height"] <= 844
            assert place["height"] >= 44
        page.locator("#left").tap()
    page.locator("#see").tap()
    expect(page.locator("#sliders input").first).to_be_visible()
    expect(page.locator("#chart svg")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = page.evaluate("['original', 'edited'].map((each) => document.getElementById(each).getBoundingClientRect().y)")
    assert tops[0] == tops[1]  # beside each other, to compare; at one moment, as what comes above them moves both


def test_slider_draws_what_it_says_and_keeps_what_was_drawn(ana: Visitor, double: Double):
    page = ana.page
    slider = page.get_by_role("slider", name="Smile")
    expect(page.locator("#edited")).to_have_attribute("src", re.compile("blob:"))
    expect(page.locator("#runners img[src]")).to_have_count(6)
    expect(page.locator("#chart svg")).to_be_visible()
    recommended = page.locator("#edited").get_attribute("src")
    drawn = len(double.seen)
    slider.evaluate(  # faster than a picture: only the last one is drawn
        "(slider) => [0.5, 0.6, 0.7, -0.8].forEach((value) => { slider.value = value; slider.dispatchEvent(new Event('input')); })"
    )
    expect(page.locator("#edited")).not_to_have_attribute("src", recommended)
    assert ["smile%3D-0.8" in path for _, path in double.seen[drawn:] if "/edits/" in path] == [True]
    expect(slider).to_have_attribute("aria-valuetext", "less of a smile")
    page.get_by_role("button", name="As recommended").click()
    expect(page.locator("#edited")).to_have_attribute("src", recommended)
    assert len([path for _, path in double.seen[drawn:] if "/edits/" in path]) == 1  # no picture is fetched twice


def test_download_is_the_picture_on_show(ana: Visitor, double: Double):
    page = ana.page
    page.get_by_role("slider", name="Smile").fill("1")
    expect(page.locator("#result-words")).to_contain_text("Your version: ")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.startswith("portrait, ")
    assert "more of a smile" in download.value.suggested_filename
    edit = double.recommend("ana", "seed-1", 1)["recommendations"][0]["edit"] | {"smile": 1.0}
    want = double.editor.edit(double.editor.generate([1]), [edit])[0]
    with open(download.value.path(), "rb") as file:
        assert np.array_equal(images.decode(file.read()), want)


def test_photo(visitor: Visitor, page: Page, double: Double, tmp_path: Path):
    pixels = double.editor.edit(double.editor.generate([77]), [{}])[0]
    photo = tmp_path / "me.png"
    photo.write_bytes(images.encode(pixels))
    page.get_by_label("Use your own picture").set_input_files(photo)
    visitor.wait_for_question()
    assert page.url.endswith("#ask/" + next(iter(double.kept.photos)))
    visitor.press("ArrowLeft")
    expect(visitor.progress).to_have_text("4 more to your recommendation")


# Gives the page a file as a browser does, which Playwright can't: dragged over the window and dropped, or pasted.
GIVE = """([kind, data]) => {
  const file = new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], "me.png", { type: "image/png" });
  const given = new DataTransfer();
  given.items.add(file);
  const events = kind === "paste" ? [new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })]
    : kind.split(" ").map((type) => new DragEvent(type, { dataTransfer: given, bubbles: true, cancelable: true }));
  return events.map((event) => document.body.dispatchEvent(event));
}"""


def portrait(double: Double) -> str:
    """A picture of somebody, as base64."""
    return base64.b64encode(images.encode(double.editor.edit(double.editor.generate([77]), [{}])[0])).decode()


@pytest.mark.parametrize("way", ["dragover drop", "paste"])
def test_photo_that_is_dropped_or_pasted(visitor: Visitor, page: Page, double: Double, way):
    page.evaluate(GIVE, [way, portrait(double)])
    visitor.wait_for_question()
    assert page.url.endswith("#ask/" + next(iter(double.kept.photos)))


def test_where_a_photo_may_be_dropped_is_shown(visitor: Visitor, page: Page, double: Double):
    room = page.locator("#choose")
    assert page.evaluate(GIVE, ["dragover", portrait(double)]) == [False]  # taken: the browser would open the file
    expect(room).to_have_class(re.compile("dropping"))
    page.evaluate(GIVE, ["dragleave", portrait(double)])
    expect(room).not_to_have_class(re.compile("dropping"))
    visitor.choose_portrait()
    assert page.evaluate(GIVE, ["dragover drop", portrait(double)]) == [False, False]  # in another room it is no photo
    page.wait_for_timeout(300)
    assert double.kept.photos == {}
    expect(page.get_by_role("heading", name="Which one do you like more?")).to_be_visible()


def test_file_that_is_no_picture(visitor: Visitor, page: Page, tmp_path: Path):
    text = tmp_path / "me.png"
    text.write_text("not a picture")
    page.get_by_label("Use your own picture").set_input_files(text)
    expect(visitor.notice).to_be_visible()
    expect(page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()


def test_choices_made_while_a_spare_question_is_on_its_way_are_followed_by_questions(visitor: Visitor, page: Page):
    visitor.choose_portrait()
    page.evaluate(
        """() => {
            const real = window.fetch;
            Object.assign(window, { held: [], holding: true });
            window.fetch = (path, options) =>
                (window.holding && path === "/v1/questions" ? new Promise((go) => held.push(go)) : Promise.resolve())
                    .then(() => real(path, options));
        }"""
    )
    visitor.choose("left")
    visitor.until("window.held.length === 1")
    page.evaluate("window.held.shift()()")  # the next question comes
    visitor.until("window.held.length === 1")  # one to spare is on its way
    visitor.choose("left")
    visitor.choose("right")
    page.evaluate("window.holding = false; window.held.splice(0).forEach((go) => go())")
    visitor.wait_for_question()


def test_name_is_kept_and_a_visit_goes_on_after_a_reload(visitor: Visitor, page: Page, double: Double):
    page.locator("#who").click()
    page.get_by_label("Name").fill("ana")
    page.get_by_role("button", name="Keep").click()
    visitor.choose_portrait()
    visitor.press("ArrowLeft", "ArrowLeft")
    visitor.until_next_is_there()
    visitor.until_some_are_spare()  # none is on its way any more
    shown = visitor.shown
    asked = double.requests("POST", "/v1/questions")
    page.reload()
    visitor.wait_for_question()
    assert visitor.shown == shown
    expect(visitor.progress).to_have_text("3 more to your recommendation")
    assert double.requests("POST", "/v1/questions") == asked  # what is open is not asked for again
    expect(page.locator("#who-name")).to_have_text("ana")
    assert user(page).startswith("page-")
    assert {question["user_id"] for question in double.kept.questions.values()} == {user(page)}


def test_a_typed_name_opens_nothing_of_who_has_it(visitor: Visitor, page: Page):
    ids = []
    for label in ("ana", "bo", "ana"):
        page.locator("#who").click()
        page.get_by_label("Name").fill(label)
        page.get_by_role("button", name="Keep").click()
        expect(page.locator("#who-name")).to_have_text(label)
        ids.append(user(page))
    assert len(set(ids)) == 3


def test_forget_me(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    visitor.press("ArrowLeft", "ArrowLeft")
    visitor.until_sent()
    before = user(page)
    page.locator("#who").click()
    page.get_by_role("button", name="Forget me").click()
    page.locator("#forget-now").click()
    expect(page.get_by_role("heading", name="Forgotten")).to_be_focused()
    receipt = page.locator("#receipt-list")
    expect(receipt).to_contain_text(re.compile(r"2 choices that you made and \d questions that you were asked are gone\."))
    expect(receipt).to_contain_text("You had not brought any picture.")
    assert not re.search(r"[_/]|: |page-", receipt.text_content() or "")  # no id, no path, no name of a field
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the receipt").click()
    with open(download.value.path()) as file:
        saved = json.load(file)
    assert (saved["answers"], saved["user_id"]) == (2, before)
    page.get_by_role("button", name="Done").click()
    assert (double.kept.questions, double.kept.answers) == ({}, {})
    assert user(page) != before
    expect(page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()


def test_back_button_goes_a_room_back(ana: Visitor):
    page = ana.page
    page.get_by_role("link", name="Answer more questions").click()
    ana.wait_for_question()
    page.go_back()
    expect(page.get_by_role("heading", name="Recommended for you")).to_be_visible()
    page.get_by_role("link", name="Choose another portrait").click()
    expect(page.get_by_role("heading", name="A portrait, or your photos?")).to_be_visible()


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_picture_that_comes_after_the_room_was_left_changes_nothing(ana: Visitor, by_hand: bool):
    page, held = ana.page, []
    pictures = re.compile(r"/v1/images/.+/edits/")
    expect(page.locator("#edited[src]")).to_be_visible()
    page.route(pictures, lambda route: held.append(route))
    if by_hand:
        page.locator("#sliders input[type=range]").first.fill("-1")
    else:
        page.reload()
    while not held:
        page.wait_for_timeout(50)
    page.get_by_role("link", name="Answer more questions").click()
    for route in held:
        route.continue_()
    page.unroute(pictures)
    ana.wait_for_question()
    page.wait_for_timeout(300)
    assert "#ask/" in page.url
    assert ana.errors == []


def user(page: Page):
    return page.evaluate("localStorage.getItem('beholder.person')")
