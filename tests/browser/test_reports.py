"""Every kind of report in a browser, from its file: wide, on a telephone, dark and on paper; axe finds nothing."""

import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.report_samples import HOSTILE, SAMPLES, finished_run

AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"
VIEWS: dict[str, tuple[int, Any]] = {"wide": (1280, "light"), "phone": (390, "light"), "narrow and dark": (320, "dark")}
# Words of charts that reach out of them, and with them out of sight.
CUT_OFF = """() => [...document.querySelectorAll('svg text')].filter((text) => {
  const [inner, outer] = [text, text.closest('svg')].map((one) => one.getBoundingClientRect());
  const [beside, above] = [outer.left - inner.left, outer.top - inner.top];
  return Math.max(beside, inner.right - outer.right, above, inner.bottom - outer.bottom) > 2;
}).map((text) => text.textContent)"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of each kind, as its command leaves it."""
    found = {}
    for kind, sample in SAMPLES.items():
        run = finished_run(tmp_path_factory.mktemp(kind))
        sample().write(run)
        found[kind] = Path(run.place.path) / "report.html"
    return found


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Any]:
    """Open a file; afterwards nothing must have gone wrong in it, and nothing must have been asked for."""
    contexts, wrong = [], []

    def come(file: Path, **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url))
        page.goto(file.as_uri())
        return page

    yield come
    for context in contexts:
        context.close()
    assert wrong == []


def violations(page: Page) -> list[str]:
    """What axe has against a page: rule, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())  # as a debugger does it, in which the page's policy has no say
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_report_can_be_read(files: dict[str, Path], opened: Any, kind: str) -> None:
    page = opened(files[kind])
    for view, (width, scheme) in VIEWS.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert page.evaluate(CUT_OFF) == [], view
    assert "taken" not in page.title()
    assert page.evaluate("document.querySelectorAll('main img[src=x], main script').length") == 0
    assert page.evaluate("[...document.images].filter((one) => !one.complete || !one.naturalWidth).length") == 0


def test_axe_looks(files: dict[str, Path], opened: Any) -> None:
    page = opened(files["evaluate"])
    page.evaluate("document.querySelector('.canvas svg').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('h2').setAttribute('hidden', ''); document.documentElement.removeAttribute('lang')")
    assert {each.partition(":")[0] for each in violations(page)} >= {"svg-img-alt", "html-has-lang"}


def test_people_are_filtered_and_sorted(files: dict[str, Path], opened: Any) -> None:
    page = opened(files["evaluate"])
    table = page.locator("#s-people .table")
    rows = table.locator("tbody tr:visible")
    expect(rows).to_have_count(45)
    table.get_by_label("Filter").fill("79b64dae036036c0790c453f")  # an id whose table has a name
    expect(rows).to_have_count(3)
    expect(table.locator("output")).to_have_text("3 of 45 rows")
    table.locator("select").first.select_option(label="smart")
    expect(rows).to_have_count(1)
    table.get_by_label("Filter").fill("<script>")
    expect(rows.locator("th")).to_have_text(HOSTILE[0])
    table.get_by_label("Filter").fill("")
    head = table.get_by_role("button", name="pairs")
    head.click()
    counts = [int(each) for each in rows.locator("td:nth-child(3)").all_inner_texts()]
    assert counts == sorted(counts)
    head.press("Enter")
    assert [int(each) for each in rows.locator("td:nth-child(3)").all_inner_texts()] == sorted(counts, reverse=True)
    expect(table.locator("[aria-sort=descending]")).to_have_text("pairs")


def test_without_scripts_everything_is_there(files: dict[str, Path], opened: Any) -> None:
    page = opened(files["evaluate"], java_script_enabled=False)
    expect(page.locator("#s-people tbody tr:visible")).to_have_count(45)
    expect(page.locator("input:visible")).to_have_count(0)


def test_on_paper_nothing_is_cut_off(files: dict[str, Path], opened: Any) -> None:
    page = opened(files["evaluate"], viewport={"width": 700, "height": 1000}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    hidden = page.evaluate(
        "[...document.querySelectorAll('.scroll, .canvas')].filter((one) => getComputedStyle(one).overflow !== 'visible').length"
    )
    assert hidden == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
