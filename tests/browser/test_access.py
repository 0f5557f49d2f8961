"""The page for everybody: names, contrast, focus, words for pictures, small windows, stillness; and nothing from elsewhere."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.api_double import PAGE, Double
from support.page_visitor import PHONE, Visitor, box

NAMED = {"button", "link", "slider", "textbox", "image", "heading", "dialog", "group", "list", "region", "main"}
NEED_NO_NAME = {"list", "main", "group"}
# The least contrast of every text that can be seen, as `ratio text`, where it is less than WCAG 2.2 AA asks for.
CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  let seen = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const visible = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!texts.currentNode.textContent.trim() || !visible) continue;
    if (element.closest('.unseen, :disabled, script, noscript, title, desc, .skip')) continue;
    const style = getComputedStyle(element);
    const [fore, back] = [parse(element.closest('svg') ? style.fill : style.color), behind(element)].map(light);
    const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${texts.currentNode.textContent.trim()}`);
  }
  return { seen, poor };
}"""


def contrast(page: Page):
    page.wait_for_timeout(250)  # transitions
    found = page.evaluate(CONTRAST)
    assert found["poor"] == []
    return found["seen"]


def unnamed(page: Page):
    """What a screen reader meets and can't name, by role."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in NAMED - NEED_NO_NAME
    ]
    assert len(roles) > 3
    return [role for role, name in roles if not name.strip()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_room_can_be_read_and_named(come: Callable[..., Visitor], double: Double, scheme):
    double.was_here("ana", "seed-7", ["left"] * 5)
    visitor = come(double.url, name="ana", color_scheme=scheme)
    page = visitor.page
    expect(page.locator("#portraits button:enabled")).to_have_count(12)
    assert contrast(page) >= 6
    assert unnamed(page) == []
    page.locator("#who").click()
    assert contrast(page) >= 8
    assert unnamed(page) == []
    page.keyboard.press("Escape")
    visitor.choose_portrait()
    visitor.press("ArrowLeft")
    visitor.wait_for_question()
    assert contrast(page) >= 10
    assert unnamed(page) == []
    page.locator("#see").click()
    expect(page.locator("#chart svg")).to_be_visible()
    assert contrast(page) >= 20
    assert unnamed(page) == []


def test_contrast_is_measured(visitor: Visitor, page: Page):
    page.evaluate("document.getElementById('choose-title').style.color = '#aaa'")
    poor = page.evaluate(CONTRAST)["poor"]
    assert len(poor) == 1
    assert "A portrait, or your photos?" in poor[0]


def test_schemes_differ(come: Callable[..., Visitor], double: Double):
    walls = [
        come(double.url, color_scheme=scheme).page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert walls == ["rgb(244, 244, 242)", "rgb(21, 22, 23)"]


def test_pictures_in_words(visitor: Visitor, page: Page):
    visitor.choose_portrait()
    assert visitor.shown == "A: portrait, more of a smile | B: portrait, less of a smile"
    visitor.press("ArrowLeft")
    visitor.wait_for_question()
    assert visitor.shown == "A: portrait, glasses | B: portrait, as it is"


def test_chart_in_words(ana: Visitor):
    chart = ana.page.get_by_role("img", name="What we learned")
    expect(chart).to_be_visible()
    labels = chart.locator("desc").text_content()
    assert labels is not None
    assert labels.startswith("You like it better, the surest first: ")
    assert "more of a smile" in labels


def test_progress_is_spoken(visitor: Visitor, page: Page):
    visitor.choose_portrait()
    spoken = page.locator("[aria-live=polite]#spoken")
    visitor.press("ArrowLeft")
    expect(spoken).to_have_text("A taken. 4 more to your recommendation.")
    visitor.press("ArrowDown")
    expect(spoken).to_have_text("Neither taken. 3 more to your recommendation.")
    visitor.press("ArrowUp")
    expect(spoken).to_have_text("Undone. The question before is back.")


def test_focus_can_be_seen(visitor: Visitor, page: Page):
    page.wait_for_selector("#portraits button:enabled >> nth=11")
    page.keyboard.press("Tab")
    assert visitor.focused == "skip"
    assert box(page.locator("#skip"))["y"] >= 0
    page.keyboard.press("Enter")
    assert visitor.focused == "choose-title"
    visitor.tab_to("#portraits button")
    outline = "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
    assert page.evaluate(outline) == "solid2px"


def test_dialog_holds_the_focus_and_gives_it_back(visitor: Visitor, page: Page):
    visitor.tab_to("#who")
    page.keyboard.press("Enter")
    assert visitor.focused == "person-name"
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    assert visitor.focused == "who"


@pytest.mark.parametrize("size", [(320, 640), (360, 640), (844, 390), (768, 1024), (1920, 1080)])
def test_windows_of_all_sizes(come: Callable[..., Visitor], double: Double, size):
    visitor = come(double.url, viewport={"width": size[0], "height": size[1]})
    page = visitor.page
    page.wait_for_selector("#portraits button:enabled")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    visitor.choose_portrait()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    left, right = (box(page.locator(f"#{side} img")) for side in ("left", "right"))
    assert left["width"] == pytest.approx(left["height"], abs=1)
    assert (left["width"], left["height"]) == pytest.approx((right["width"], right["height"]), abs=1)
    assert left["width"] >= 130


def test_text_twice_as_large(come: Callable[..., Visitor], double: Double):
    visitor = come(double.url, **PHONE)
    page = visitor.page
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    visitor.choose_portrait()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_stillness(come: Callable[..., Visitor], double: Double):
    visitor = come(double.url, reduced_motion="reduce")
    visitor.choose_portrait()
    visitor.press("ArrowLeft")
    assert visitor.page.evaluate("document.getAnimations().length") == 0


def test_nothing_comes_from_elsewhere_and_nothing_is_inline(come: Callable[..., Visitor], double: Double):
    """The policy of the double forbids both; Chromium would tell of each as an error, which fails the visit."""
    visitor = come(double.url)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.choose_portrait()
    assert all(url.startswith((double.url, "blob:")) for url in asked)
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", html)
    for file in PAGE.glob("*.[jc]s*"):
        assert "http" not in file.read_text().replace("http://www.w3.org/2000/svg", ""), file.name
