"""A report is one file that asks for nothing, in which whatever people are called is text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.report_samples import HOSTILE, SAMPLES, finished_run

from beholder.reports.report import Report, Section

VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """The elements of a page: balanced, and what in them could ask for something or run."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.bad: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name.startswith("on") or name == "style":
                self.bad.append(f"{tag} {name}")
            elif name in ("src", "href", "xlink:href") and not re.match(r"data:image/(png|webp);base64,|#|[\w./-]+$", value):
                self.bad.append(f"{name}={value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=SAMPLES)
def page(request, tmp_path_factory) -> str:
    run = finished_run(tmp_path_factory.mktemp("run"))
    SAMPLES[request.param]().write(run)
    return (Path(run.place.path) / "report.html").read_text()


def test_a_report_is_whole_light_and_needs_nothing(page):
    found = Page(page)
    assert found.open == []
    assert found.bad == []
    assert len(found.ids) == len(set(found.ids))
    assert [found.tags.count(tag) for tag in ("script", "style", "h1", "main")] == [1, 1, 1, 1]
    assert not {"iframe", "object", "link", "base", "form", "foreignobject"} & set(found.tags)
    assert len(page.encode()) < 300_000
    assert "default-src 'none'" in page


def test_what_people_are_called_is_text(page):
    body = page.split("<body>")[1].split("<script>")[0]
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert name not in body
    assert not re.search("[\x00\x1b\u202e\ud800]", body)


def test_the_verdict_comes_first_and_the_command_last(page):
    words = re.sub(r"<[^>]+>", " ", page.split("<body>")[1].split("<script>")[0])
    verdict = re.search(r'<p class="verdict">(.*?)</p>', page)
    assert verdict is not None
    assert page.index('class="verdict"') < page.index("<nav") < page.index("<section")
    assert page.rindex("<section") == page.index('<section id="again">')
    assert "beholder evaluate taste=bayes &#x27;choices=postgresql://ana:***@host/db&#x27; &#x27;a b&#x27;" in words
    assert "secret" not in page


def test_charts_lie_beside_the_page_as_pictures(tmp_path):
    run = finished_run(tmp_path)
    report = SAMPLES["evaluate"]()
    report.write(run)
    names = [chart.name for chart in report.charts()]
    assert len(names) == len(set(names)) >= 3
    for name in names:
        assert (Path(run.place.path) / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_report_is_the_same_file():
    assert SAMPLES["evaluate"]().html() == SAMPLES["evaluate"]().html()


def test_a_report_without_anything_is_a_page_too():
    found = Page(Report(HOSTILE[0], HOSTILE[1], [HOSTILE[2]], (), [Section(HOSTILE[0], [])]).html())
    assert found.open == []
    assert found.tags.count("script") == 1
    assert found.bad == []
