"""Steering on the page: sliders whose words follow the picture, what may change, versions kept and shared; and no identifiers."""

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Request, expect
from support.api_double import Double
from support.page_visitor import PHONE, Visitor
from support.study_visitor import axe_findings

# What no person should read: names with underscores, signs before figures, hashes, ids of images.
FOR_MACHINES = re.compile(r"\w_\w|[+−]\s?\d|(?<!\d)-\d|\b[0-9a-f]{12,}\b|\bseed-|\bphoto-|\bundefined\b|\bNaN\b|\bnull\b|\{\}")
TEXTS = """() => {
  const parts = [document.body.innerText];
  for (const each of document.querySelectorAll('[alt], [aria-label], [aria-valuetext], [title], option')) {
    parts.push(each.alt ?? '', each.ariaLabel ?? '', each.ariaValueText ?? '', each.title ?? '', each.label ?? '');
  }
  return parts.join('\\n');
}"""


def read(page: Page) -> str:
    """Everything that is to be read or heard on the page, and nothing of it for machines alone."""
    text = page.evaluate(TEXTS)
    assert FOR_MACHINES.findall(text) == []
    return text


def faults(page: Page) -> list[str]:
    """What axe finds, when nothing fades any more."""
    page.wait_for_timeout(250)
    return axe_findings(page)


def test_no_room_speaks_of_identifiers_and_axe_finds_nothing(ana: Visitor, double: Double):
    page = ana.page
    expect(page.locator("#runners img[src]")).to_have_count(6)
    expect(page.locator("#chart svg")).to_be_visible()
    page.get_by_role("slider", name="Smile").fill("-1.4")
    expect(page.locator("#result-words")).to_contain_text("Your version: ")
    page.get_by_text("What may change").click()
    assert "smile" in read(page)
    assert faults(page) == []
    page.get_by_role("button", name="Keep in album").click()
    page.get_by_role("button", name="Like this, but …").click()
    expect(page.locator("#also-title")).to_have_text("Like this, but with …")
    read(page)
    page.locator(".album-link").click()
    expect(page.locator("#album-works img[src]")).to_have_count(1)
    read(page)
    assert faults(page) == []
    page.locator("#who").click()
    read(page)
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.locator("#home").click()
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    read(page)
    assert faults(page) == []
    ana.choose_portrait()
    read(page)
    assert faults(page) == []
    page.locator("#who").click()
    page.get_by_role("button", name="Forget me").click()
    page.locator("#forget-now").click()
    expect(page.get_by_role("heading", name="Forgotten")).to_be_focused()
    assert "5 choices that you made" in read(page)
    assert faults(page) == []


def test_words_and_chance_are_those_of_the_picture_on_show(ana: Visitor):
    page = ana.page
    words, chance = page.locator("#result-words"), page.locator("#result-chance")
    expect(chance).to_have_text("Likely: you like this better than the original.")
    page.get_by_role("slider", name="Smile").fill("-2.8")
    expect(words).to_contain_text("Your version: much less of a smile")
    expect(chance).to_have_text(re.compile("you like the original better"))
    shown = page.locator("#edited").get_attribute("alt")
    assert shown == "Portrait, " + (words.text_content() or "").removeprefix("Your version: ").removesuffix(".")
    expect(page.locator("#edited-name")).to_have_text("Your version")
    page.get_by_label("Change something").select_option("bangs")
    bangs = page.get_by_role("slider", name="Bangs")
    expect(bangs).to_be_focused()
    bangs.fill("2")
    expect(words).to_contain_text("bangs")
    page.get_by_role("button", name="As recommended").click()
    expect(words).to_contain_text("You may like it best with")
    expect(page.locator("#edited-name")).to_have_text("For you")


def test_an_address_brings_a_version_back(ana: Visitor, double: Double):
    page = ana.page
    page.get_by_role("slider", name="Smile").fill("-1")
    expect(page.locator("#result-words")).to_contain_text("Your version: ")
    page.get_by_role("button", name="Keep in album").click()
    expect(page.get_by_role("button", name="In your album")).to_have_attribute("aria-pressed", "true")
    words = page.locator("#result-words").text_content() or ""
    page.reload()
    expect(page.locator("#result-words")).to_have_text(words)
    expect(page.get_by_role("slider", name="Smile")).to_have_value("-1")
    page.locator(".album-link").click()
    page.locator("#album-works a").click()
    expect(page.locator("#result-words")).to_have_text(words)
    with page.expect_download() as download:
        page.get_by_role("button", name="Before and after").click()
    assert download.value.suggested_filename.startswith("before and after, ")


def test_only_what_is_ticked_changes(ana: Visitor, double: Double):
    page = ana.page
    sent: list[tuple[str, Any]] = []
    expect(page.locator("#runners img[src]")).to_have_count(6)

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append((request.url, request.post_data_json))

    page.on("request", note)
    page.get_by_text("What may change").click()
    expect(page.get_by_label("Identity")).not_to_be_checked()
    page.get_by_label("Expression").uncheck()
    expect(page.locator("#result-words")).to_contain_text("glasses")
    assert "smile" not in (page.locator("#result-words").text_content() or "")
    page.locator("#on").click()
    ana.wait_for_question()
    for route in ("recommendations", "questions"):
        assert set([body for url, body in sent if url.endswith(route)][-1]["lock"]) == {"identity", "skin", "age", "expression"}


def test_nothing_known_is_said_and_not_guessed(come: Callable[..., Visitor], double: Double):
    page = come(f"{double.url}#result/seed-40").page
    expect(page.locator("#result-words")).to_contain_text("Nothing is known of your taste yet")
    expect(page.get_by_role("link", name="Answer a few questions")).to_be_visible()
    expect(page.locator("#also")).to_be_hidden()
    expect(page.locator("#chance")).to_be_hidden()


def test_a_taste_of_its_own_for_each_attribute(visitor: Visitor, page: Page, double: Double):
    visitor.choose_portrait()
    expect(page.locator("#milestones li")).to_have_count(3)
    page.get_by_label("Judge by").select_option("trustworthy")
    expect(page.get_by_role("heading", name="Which one looks more trustworthy?")).to_be_visible()
    page.get_by_label("Judge by").select_option("…")
    page.get_by_label("In your words").fill("kind")
    page.get_by_role("button", name="Ask by this").click()
    expect(page.get_by_role("heading", name="Which one looks more kind?")).to_be_visible()
    visitor.wait_for_question()


def test_a_taste_is_saved_and_brought_back(ana: Visitor, double: Double, tmp_path):
    page = ana.page
    page.locator("#who").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my taste").click()
    file = tmp_path / "taste.json"
    download.value.save_as(file)
    assert len(json.loads(file.read_text())["choices"]) == 5
    page.get_by_label("Bring a taste back").set_input_files(file)
    expect(page.locator("#taste-says")).to_have_text("5 choices brought back; there are 10 now.")


def test_a_finger_and_a_held_key(come: Callable[..., Visitor], double: Double):
    visitor = come(double.url, **PHONE)
    page = visitor.page
    page.locator("#portraits button").nth(4).tap()
    visitor.wait_for_question()
    swipe = """([id, by]) => {
      const work = document.getElementById(id);
      const finger = (x) => ({ pointerType: 'touch', clientX: x, clientY: 300, bubbles: true });
      const at = (type, x) => work.dispatchEvent(new PointerEvent(type, finger(x)));
      at('pointerdown', 100); at('pointermove', 100 + by / 2); at('pointerup', 100 + by);
    }"""
    page.evaluate(swipe, ["left", 30])  # too little
    page.evaluate(swipe, ["left", -120])
    visitor.until_sent()
    visitor.wait_for_question()
    page.evaluate(swipe, ["right", 120])
    visitor.until_sent()
    assert [answer["choice"] for answer in double.kept.answers.values()] == ["right", "right"]
    visitor.wait_for_question()
    shown = page.locator("#left img").get_attribute("src")
    page.keyboard.down("f")
    expect(page.locator("#left img")).not_to_have_attribute("src", shown or "")
    expect(page.locator("#left .name")).to_have_text("B")
    page.keyboard.up("f")
    expect(page.locator("#left img")).to_have_attribute("src", shown or "")
