"""The documents as a site: built strictly, and read in a browser whose network is cut."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from support.document import ROOT
from support.page_visitor import PHONE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning, such as a link that leads nowhere, fails it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert said.returncode == 0, said.stdout + said.stderr
    return folder


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def reader(chromium: Browser, requests: list[str]) -> Iterator[Page]:
    """A reader of files: what would go over a network is noted and refused."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})

    def refuse(route: Route) -> None:
        requests.append(route.request.url)
        route.abort()

    context.route(re.compile(r"^(?!file:|data:|blob:)"), refuse)
    page = context.new_page()
    yield page
    context.close()


def test_every_page_is_there_and_whole(site: Path) -> None:
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    wanted = {"index", "install", "concepts", "glossary", "troubleshooting", "changelog", "contributing", "results-tastes"}
    wanted |= {f"tutorials/{name}" for name in ("click", "study", "api", "cluster", "library")}
    wanted |= {f"reference/{name}" for name in ("commands-data", "library", "api", "configuration", "formats")}
    assert {f"{name}.html" for name in wanted} <= pages
    assert not [name for name in pages if "&lt;!-- generated" in (site / name).read_text()]


def test_the_reference_has_what_the_code_has(site: Path) -> None:
    import beholder
    from beholder import command_index

    text = "".join(path.read_text() for path in (site / "reference").glob("commands-*.html"))
    assert [name for name in command_index.commands() if f'id="beholder-{name.replace(" ", "-")}"' not in text] == []
    library = (site / "reference/library.html").read_text()
    assert [name for name in beholder.__all__ if not name.startswith("__") and f'id="{name.lower()}"' not in library] == []
    api = (site / "reference/api.html").read_text()
    assert all(path in api for path in ("/v1/questions", "/v1/choices", "/v1/recommendations", "/v1/users/{user_id}"))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\" >]+)")
    foreign = {(path.name, url) for path in site.rglob("*.html") for url in loads.findall(path.read_text())}
    assert foreign == set()
    sheets = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"(?:url\(|@import )['\"]?(?:https?:)?//", sheets)


def test_a_reader_without_a_network_finds_a_word(site: Path, reader: Page, requests: list[str]) -> None:
    reader.goto(f"file://{site}/index.html")
    reader.locator(".md-search__input").click()
    reader.locator(".md-search__input").press_sequentially("calibration")
    result = reader.locator(".md-search-result__item a").first
    expect(result).to_be_visible()
    result.click()
    expect(reader.locator("article h1")).to_be_visible()
    assert requests == []


def test_the_start_page_fits_a_phone(site: Path, chromium: Browser) -> None:
    context = chromium.new_context(**PHONE)
    page = context.new_page()
    for name in ("index", "tutorials/study", "reference/configuration"):
        page.goto(f"file://{site}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    context.close()
