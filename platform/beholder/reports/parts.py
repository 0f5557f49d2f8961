"""Parts of a report: words, lists, commands, pictures with captions, and charts, matplotlib's figures in the page's colours."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from beholder import images, plots
from beholder.config import without_passwords
from beholder.reports.markup import data_uri, escape, inline_svg

if TYPE_CHECKING:
    from beholder.plots import Figure


@dataclass(frozen=True)
class Paragraph:
    """Words. quiet: smaller, for what only some readers need."""

    words: str
    quiet: bool = False

    def html(self) -> str:
        """Return the markup."""
        return f'<p class="quiet">{escape(self.words)}</p>' if self.quiet else f"<p>{escape(self.words)}</p>"


@dataclass(frozen=True)
class BulletList:
    """Sentences, one below the other. marks: a word before each, in bold."""

    sentences: Sequence[str]
    marks: Sequence[str] = ()

    def html(self) -> str:
        """Return the markup."""
        marks = [f"<strong>{escape(mark)}</strong> " for mark in self.marks] or [""] * len(self.sentences)
        items = "".join(f"<li>{mark}{escape(each)}</li>" for mark, each in zip(marks, self.sentences, strict=True))
        return f"<ul>{items}</ul>"


@dataclass(frozen=True)
class CommandLine:
    """A command to type."""

    words: Sequence[str]

    def html(self) -> str:
        """Return the markup. A password in a URI is not shown."""
        return f'<pre class="command"><code>{escape(self.text())}</code></pre>'

    def text(self) -> str:
        """Return the line as a shell takes it."""
        return shlex.join(without_passwords(word) for word in self.words)


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture, uint8 RGB [H, W, 3]. title: what it is; note: a figure about it. description: what is to be seen."""

    pixels: np.ndarray
    title: str
    note: str = ""
    description: str = ""


@dataclass(frozen=True)
class PictureRow:
    """Pictures side by side, and in several rows where there is no room."""

    pictures: Sequence[CaptionedPicture]

    def html(self) -> str:
        """Return the markup: a list, each picture as WebP in it."""
        return f'<ul class="pictures">{"".join(map(_item, self.pictures))}</ul>'


def _item(picture: CaptionedPicture) -> str:
    source = data_uri(images.encode(picture.pixels, format="WEBP", quality=90), "image/webp")
    height, width = picture.pixels.shape[:2]
    shown = f'<img alt="{escape(picture.description or picture.title)}" src="{source}" width="{width}" height="{height}">'
    note = f"<span>{escape(picture.note)}</span>" if picture.note else ""
    return f"<li>{shown}<strong>{escape(picture.title)}</strong>{note}</li>"


@dataclass(frozen=True)
class Chart:
    """A figure, as the functions of the chart files draw it: without a title, which stands here.

    name: of its PNG, and of its place in the page. title: what is shown. caption: how to read it, with units and how many.
    description: what is to be seen, in words, for who can't see it. wide: where there is no room for all of it, it is scrolled
    instead of shrunk.
    """

    name: str
    figure: "Figure"
    title: str
    caption: str
    description: str
    wide: bool = False

    def html(self) -> str:
        """Return the markup."""
        drawn = inline_svg(plots.svg(self.figure), prefix=self.name, description=self.description, colours=plots.PAGE_COLOURS)
        said = escape(f"{self.title}, a chart")
        kind, reach = ("chart wide", f' role="region" tabindex="0" aria-label="{said}"') if self.wide else ("chart", "")
        heading = f"<strong>{escape(self.title)}</strong> {escape(self.caption)}"
        return f'<figure class="{kind}"><figcaption>{heading}</figcaption><div class="canvas"{reach}>{drawn}</div></figure>'

    def _repr_svg_(self) -> str:
        """Return what a notebook shows."""
        return plots.svg(self.figure, background=plots.PAPER)


@dataclass(frozen=True)
class Panels:
    """Charts side by side where there is room."""

    charts: Sequence[Chart]

    def html(self) -> str:
        """Return the markup."""
        return f'<div class="panels">{"".join(chart.html() for chart in self.charts)}</div>'
