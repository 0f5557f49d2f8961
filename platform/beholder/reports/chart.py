"""Charts: a figure of matplotlib's in the page as SVG, in the colours of the page, and beside the page as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beholder import plots
from beholder.reports.markup import escape, inline_svg

if TYPE_CHECKING:
    from beholder.plots import Figure


@dataclass(frozen=True)
class Chart:
    """A figure, as the functions of the chart files draw it: without a title, which stands here.

    name: of its PNG, and of its place in the page. title: what is shown. caption: how to read it, with units and how many.
    description:
    what is to be seen, in words, for who can't see it. wide: where there is no room for all of it, it is scrolled instead of
    shrunk.
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
