"""Charts of simulated people: a figure about their recommendations by the number of choices they made."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from beholder.plots import INK, end_labels, label, new, plain, styles

if TYPE_CHECKING:
    from beholder.plots import Figure

Lines = Mapping[str, pd.DataFrame]  # a line's name -> its columns rounds, mean, low, high


def trajectory(lines: Lines) -> "Figure":
    """Draw a line for each name over rounds of questions. The first is drawn strongest, with its interval as a band; at the end of
    each stand its name and value, and beside the axes the intervals there."""
    figure = new(4.9, 3.4)
    _draw(figure.subplots(), lines, height=2.8)
    return figure


def trajectories(rows: Sequence[Sequence[tuple[str, Lines]]], *, title: str = "") -> "Figure":
    """Draw a grid of such panels, each (title, its lines)."""
    columns = max(map(len, rows))
    figure = new(4.9 * columns, 3.3 * len(rows))
    if title:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12.5)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, panels in zip(grid, rows, strict=True):
        for axes, (name, lines) in zip(line, panels, strict=False):
            _draw(axes, lines, height=2.5)
            plain(axes, label(name, 60))
        for axes in line[len(panels) :]:
            axes.axis("off")
    return figure


def _draw(axes: Any, lines: Lines, *, height: float) -> None:
    last = max(float(points["rounds"].iloc[-1]) for points in lines.values())
    ends = []
    for number, ((name, points), style) in enumerate(zip(lines.items(), styles(), strict=False)):
        rounds, mean = points["rounds"].to_numpy(), points["mean"].to_numpy()
        if number == 0:
            axes.fill_between(rounds, points["low"], points["high"], color=style.colour, alpha=0.14, lw=0)
        every = max(len(rounds) // 5, 1)
        axes.plot(
            rounds,
            mean,
            color=style.colour,
            ls=style.dashes,
            lw=2.4 if number == 0 else 1.5,
            marker=style.marker,
            ms=4.5,
            markevery=(number * every // len(lines), every),
            zorder=3 - 0.1 * number,
        )
        beside = last * (1.02 + 0.018 * number)  # where the interval of the last round stands
        low, high = float(points["low"].iloc[-1]), float(points["high"].iloc[-1])
        axes.plot([beside, beside], [low, high], color=style.colour, lw=1.6, clip_on=False, solid_capstyle="butt")
        ends.append((float(mean[-1]), f"{label(name)} {mean[-1]:.2f}", style.colour))
    axes.set_xlabel("choices")
    plain(axes)
    axes.set_xlim(-0.01 * last, last * (1.03 + 0.018 * len(lines)))
    axes.set_ylim(*axes.get_ylim())
    axes.spines["bottom"].set_bounds(0, last)
    end_labels(axes, ends, at=last * (1.02 + 0.018 * len(lines)), height=height)
