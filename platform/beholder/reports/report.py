"""A report: the verdict in words, then figures, charts, tables, and the command that makes it again, in one file.

Nothing in the page asks the network for anything, and its Content-Security-Policy forbids it: its own style and script are
allowed by their digests, pictures as data, and nothing else.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Protocol

from beholder import plots
from beholder.reports.markup import escape
from beholder.reports.parts import Chart, CommandLine, Panels
from beholder.runs import Run

FILES = ("summary.md", "results.csv", "metrics.json", "config.yaml", "log.txt")


class Part(Protocol):
    """What can stand in a section."""

    def html(self) -> str:
        """Return the markup."""
        ...


@dataclass(frozen=True)
class Fact:
    """A headline figure. value: with its unit; note: how many it is of, or its interval."""

    name: str
    value: str
    note: str = ""

    def html(self) -> str:
        """Return the markup."""
        note = f"<dd>{escape(self.note)}</dd>" if self.note else ""
        return f'<div><dt>{escape(self.name)}</dt><dd class="value">{escape(self.value)}</dd>{note}</div>'


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]

    def html(self) -> str:
        """Return the markup."""
        parts = "".join(part.html() for part in self.parts)
        return f'<section id="{_anchor(self.title)}"><h2>{escape(self.title)}</h2>{parts}</section>'


@dataclass(frozen=True)
class Report:
    """A whole report. verdict: what came out, in a sentence; because: what it rests on, a sentence each."""

    title: str
    verdict: str
    because: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    sections: Sequence[Section] = field(default_factory=list)

    def write(self, run: Run, *, files: Sequence[str] = FILES) -> None:
        """Write report.html into the run folder, and every chart as figures/<name>.png. files: what else lies there."""
        run.write_text("report.html", self.html(_reproduction(run, files)))
        for chart in self.charts():
            plots.save(run.place, chart.name, chart.figure, title=chart.title)

    def charts(self) -> Iterator[Chart]:
        """Yield the charts in their order."""
        for section in self.sections:
            for part in section.parts:
                yield from [part] if isinstance(part, Chart) else part.charts if isinstance(part, Panels) else []

    def html(self, end: str = "") -> str:
        """Return the page. end: markup below the sections."""
        style, script = (resources.files("beholder.reports").joinpath(name).read_text() for name in ("page.css", "page.js"))
        policy = (
            f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; img-src data:; base-uri 'none'; "
            "form-action 'none'"
        )
        because = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.because)
        facts = "".join(fact.html() for fact in self.facts)
        links = "".join(f'<li><a href="#{_anchor(each.title)}">{escape(each.title)}</a></li>' for each in self.sections)
        links += '<li><a href="#again">Make it again</a></li>' * bool(end)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
            f'<meta name="referrer" content="no-referrer"><meta name="description" content="{escape(self.verdict)}">'
            f"<title>{escape(self.title)}</title><style>{style}</style></head>\n"
            f'<body><header><h1>{escape(self.title)}</h1><p class="verdict">{escape(self.verdict)}</p>'
            + (f'<ul class="because">{because}</ul>' if because else "")
            + "</header>\n"
            + f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>'
            + (f'<dl class="facts">{facts}</dl>' if facts else "")
            + "\n".join(section.html() for section in self.sections)
            + f"\n{end}</main><script>{script}</script></body></html>\n"
        )


def _reproduction(run: Run, files: Sequence[str]) -> str:
    """Return the markup. files: what else lies in the run folder, beside the report."""
    with_what = run.read_json("environment.json")
    made = {
        "run": run.place.uri.rstrip("/").rpartition("/")[2],
        "version": f"beholder {with_what.get('version.beholder')}, commit {with_what.get('commit') or 'unknown'}",
        "machine": f"{with_what.get('cores')} cores, {with_what.get('device')}",
    }
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in made.items())
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in files)
    return (
        f'<section id="again"><h2>Make it again</h2>{CommandLine(["beholder", *run.command.split(), *run.words]).html()}'
        f'<dl class="made">{rows}</dl><p class="quiet">Beside this page: {links}.</p></section>'
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _anchor(title: str) -> str:
    """Return a title as an id."""
    return "s-" + (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "x")
