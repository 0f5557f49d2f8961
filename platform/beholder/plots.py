"""Figures: drawn without a display, as PNG and as SVG, in colours and lines that can be told apart; the only file that imports
matplotlib.

Lines differ in colour, dashes and marker, and are labelled where they end, so that a print in grey and the colour-blind can tell
them apart. The colours have a contrast of 4.5 with white, so that words may have them, and a twin each for dark pages.
"""

import io
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder.storage import Place

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

INK, QUIET, FAINT, GRID, PAPER = "#1c2230", "#545e70", "#8d97a8", "#e2e6ed", "#ffffff"
CYCLE = ("#0d3b7d", "#b5430a", "#00714f", "#8a3f8f", "#7a5c00", "#14708a")
ACCENT, BAD = CYCLE[0], CYCLE[1]
PAGE_COLOURS = {
    **{INK: "var(--ink)", QUIET: "var(--quiet)", FAINT: "var(--faint)", GRID: "var(--grid)", PAPER: "var(--paper)"},
    **{colour: f"var(--c{number})" for number, colour in enumerate(CYCLE, 1)},
}
DASHES = ("solid", (0, (5, 1.8)), (0, (1.2, 1.6)), (0, (7, 1.6, 1.4, 1.6)), (0, (10, 3)), (0, (4, 1.4, 1.2, 1.4, 1.2, 1.4)))
MARKERS = ("o", "s", "^", "D", "v", "P")
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")
TEXT, SMALL = 11.0, 10.5  # sizes of words, in points


@dataclass(frozen=True)
class LineStyle:
    """How one of several lines is drawn, so that no other looks like it in grey."""

    colour: str
    dashes: Any
    marker: str


def styles() -> Iterator[LineStyle]:
    """Yield a style after the other; the first is for what matters most."""
    number = 0
    while True:
        yield LineStyle(CYCLE[number % len(CYCLE)], DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)])
        number += 1


def new(width: float = 4.9, height: float = 3.5) -> "Figure":
    """Return an empty figure; width and height in inches. As wide as it is here, its text is as large as a page's on a
    telephone."""
    from matplotlib.figure import Figure as Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(run: Place, name: str, figure: "Figure", *, title: str = "") -> Place:
    """Write a figure into a run folder as figures/<name>.png; return its place. title: written above it."""
    if title:
        figure.suptitle(label(title, 200), x=0.01, ha="left", color=INK, fontsize=TEXT + 1)
    buffer = io.BytesIO()
    with _glyphs_may_lack():
        figure.savefig(buffer, format="png", dpi=130, facecolor=PAPER)
    place = run / "figures" / f"{name}.png"
    place.write_bytes(buffer.getvalue())
    return place


def svg(figure: "Figure", *, background: str | None = None) -> str:
    """Return a figure as SVG in which words are words; the same figure gives the same text. background: its colour; None: none."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "beholder"}), _glyphs_may_lack():
        figure.savefig(
            buffer, format="svg", transparent=background is None, facecolor=background or "none", metadata={"Date": None}
        )
    return buffer.getvalue()


@dataclass(frozen=True)
class Words:
    """A line of words on a picture: its upper left corner and the room it has, in pixels. Longer ones end in an ellipsis."""

    text: str
    left: float
    top: float
    width: float
    quiet: bool = False
    large: bool = False


def written(pixels: np.ndarray, words: Sequence[Words]) -> np.ndarray:
    """Return a picture, uint8 RGB [H, W, 3], with lines of words written on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Figure
    from matplotlib.font_manager import FontProperties

    height, width = pixels.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no types
    figure.figimage(pixels, resize=False)
    measure = canvas.get_renderer()
    with _glyphs_may_lack():
        for each in words:
            font = FontProperties(size=11.5 if each.large else 8.5, weight="bold" if each.large else "normal")
            text = label(each.text, 200).replace(r"\$", "$")
            while len(text) > 1 and measure.get_text_width_height_descent(text, font, ismath=False)[0] > each.width:
                text = f"{text.removesuffix('…')[:-1].rstrip()}…"
            figure.text(
                each.left / width, 1 - each.top / height, text, ha="left", va="top", color=QUIET if each.quiet else INK,
                fontproperties=font, parse_math=False,
            )  # fmt: skip
        canvas.draw()
    return np.array(canvas.buffer_rgba())[:height, :width, :3]


def label(text: object, longest: int = 28) -> str:
    """Return text that a user gave as a label: one line, not too long, no formula, nothing that can't be in a file of XML."""
    words = "".join(
        " " if each in "\n\t" else "" if unicodedata.category(each) in ("Cc", "Cs", "Cf", "Cn") else each for each in str(text)
    )
    words = words if len(words) <= longest else f"{words[: longest - 1]}…"
    return words.replace("$", r"\$")


@contextmanager
def _glyphs_may_lack() -> Iterator[None]:
    """Let a name be in a script that the font has not: a browser has it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def plain(axes: Any, title: str = "", *, grid: str = "y") -> None:
    """Style axes: no frame on top and right, a quiet grid, the title on the left. grid: the axis whose ticks have lines, or
    nothing."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(visible=False)
    if grid:
        axes.grid(axis=grid, visible=True, color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelcolor=QUIET, labelsize=SMALL)
    for side in (axes.xaxis, axes.yaxis):
        side.label.set_color(QUIET)
        side.label.set_fontsize(TEXT)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=TEXT + 1)


def curve(path: Sequence[tuple[float, float]], colour: str, width: float, alpha: float) -> Any:
    """Return a Bézier curve, to be added to axes: its start, then two control points and an end for each piece."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = [Path.MOVETO] + [Path.CURVE4] * (len(path) - 1)
    return PathPatch(Path(path, codes), facecolor="none", edgecolor=colour, lw=width, alpha=alpha)


def end_labels(axes: Any, ends: Sequence[tuple[float, str, str]], *, at: float, height: float, reach: float = 0.07) -> None:
    """Label lines where they end, without overlap, with a thin line from each end to its label.

    ends: the y of each end, the text and its colour. at: the x of the ends. height: of the axes, in inches, about. reach: of the
    thin lines, as a share of the width.
    """
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    step = 1.25 * SMALL / (72 * height)
    wanted = [(y - low) / (high - low) for y, _, _ in ends]
    for (_, text, colour), own, place in zip(ends, wanted, spread(wanted, step), strict=True):
        start = (at - left) / (right - left)
        line = [start + 0.01, start + 0.01 + reach * 0.8], [own, place]
        axes.plot(*line, transform=axes.transAxes, color=colour, lw=0.7, clip_on=False)
        axes.text(start + 0.015 + reach * 0.85, place, text, transform=axes.transAxes, va="center", color=colour, fontsize=SMALL)


def spread(wanted: Sequence[float], step: float) -> list[float]:
    """Return places near the wanted ones, in their order, `step` or more from each other, and moved as little as it takes."""
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    groups: list[list[float]] = []  # [the first place, how many]
    for at in order:
        groups.append([wanted[at], 1])
        while len(groups) > 1 and groups[-2][0] + groups[-2][1] * step > groups[-1][0]:
            first, many = groups.pop()
            before, few = groups[-1]
            # each member wants its own place; the mean of the shifts is the least that moves them all
            groups[-1] = [(before * few + (first - few * step) * many) / (few + many), few + many]
    places = [first + turn * step for first, many in groups for turn in range(int(many))]
    found = [0.0] * len(wanted)
    for at, place in zip(order, places, strict=True):
        found[at] = place
    return found


def surrogate_errors(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], missed: Mapping[str, Mapping[str, float]], *, final: int
) -> "Figure":
    """Draw predicted against exact utilities of edits, and the share of each direction's change that the surrogate misses.

    scores: title -> predicted and exact [C]; marked are the `final` highest predicted and the best. missed: line -> direction
    -> share.
    """
    figure = new(4.4 * len(scores) + 4.6, 4.8)
    *panels, last = figure.subplots(1, len(scores) + 1)
    for axes, (name, (predicted, exact)) in zip(panels, scores.items(), strict=True):
        picked, best = np.argsort(-predicted, kind="stable")[:final], int(np.argmax(exact))
        axes.axline((float(exact.mean()), float(exact.mean())), slope=1, color=FAINT, lw=1)
        axes.scatter(exact, predicted, s=8, color=FAINT, alpha=0.6, lw=0)
        axes.scatter(exact[picked], predicted[picked], s=26, color=ACCENT, marker="s", lw=0, label=f"the {final} that are drawn")
        axes.scatter(exact[best], predicted[best], s=90, facecolors="none", edgecolors=BAD, lw=1.5, label="the best of all")
        axes.set_xlabel("score, drawn and encoded")
        axes.set_ylabel("score, predicted by the surrogate")
        axes.legend(frameon=False, loc="upper left", fontsize=8)
        plain(axes, name)
    names = list(next(iter(missed.values())))
    height = 0.8 / len(missed)
    for turn, ((name, shares), colour, hatch) in enumerate(zip(missed.items(), CYCLE, _HATCHES, strict=False)):
        at = np.arange(len(names)) + turn * height
        last.barh(at, [shares[each] for each in names], height=height, color=colour, hatch=hatch, edgecolor=PAPER, lw=0, label=name)
    last.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names, fontsize=8)
    last.invert_yaxis()
    last.set_xlabel("squared error, as a share of the squared change")
    last.legend(frameon=False, fontsize=8)
    plain(last, "Error of the surrogate by direction", grid="x")
    return figure


def strips(rows: Sequence[tuple[str, str, np.ndarray]], alphas: Sequence[float], *, title: str) -> "Figure":
    """Draw pictures side by side, a column for each alpha: rows of (name, what it means, uint8 [len(alphas), H, W, 3]).

    A name that repeats the row above is not written again.
    """
    side, left, top, gap = 1.05, 1.9, 0.75, 0.12  # inches
    starts = [row == 0 or rows[row - 1][0] != each[0] for row, each in enumerate(rows)]
    width, height = left + side * len(alphas) + 0.1, top + side * len(rows) + gap * sum(starts)
    figure = new(width, height)
    figure.set_layout_engine("none")
    figure.text(0.15 / width, 1 - 0.27 / height, title, color=INK, fontsize=11, va="center")
    for column, alpha in enumerate(alphas):
        at = (left + side * (column + 0.5)) / width
        weight = "bold" if alpha == 0 else "normal"
        figure.text(
            at, 1 - 0.6 / height, f"{alpha:+g}" if alpha else "0", color=INK, fontsize=9, ha="center", va="center", weight=weight
        )
    bottom = height - top
    for (name, means, pictures), first in zip(rows, starts, strict=True):
        bottom -= side + gap * (first and bottom < height - top)
        if first:
            figure.text(0.15 / width, (bottom + side * 0.62) / height, name, color=INK, fontsize=10, weight="bold", va="center")
            figure.text(0.15 / width, (bottom + side * 0.36) / height, means, color=INK, fontsize=7.5, va="center", linespacing=1.3)
        for column, picture in enumerate(pictures):
            box = ((left + side * column + 0.02) / width, (bottom + 0.02) / height, (side - 0.04) / width, (side - 0.04) / height)
            axes = figure.add_axes(box)
            axes.imshow(picture, interpolation="antialiased")
            axes.axis("off")
    return figure


def row(pictures: Sequence[np.ndarray], captions: Sequence[tuple[str, str]], *, title: str) -> "Figure":
    """Draw pictures side by side, uint8 [H, W, 3] each, with two captions under each.

    The first caption continues on a new line after a comma.
    """
    names = [first.replace(", ", ",\n") for first, _ in captions]
    most = max(name.count("\n") for name in names)
    side, top, foot = 2.0, 0.5, 0.62 + 0.14 * most  # inches
    width, height = side * len(pictures) + 0.2, top + side + foot
    figure = new(width, height)
    figure.set_layout_engine("none")
    figure.text(0.14 / width, 1 - 0.26 / height, title, color=INK, fontsize=11, va="center")
    for column, (picture, name, (_, second)) in enumerate(zip(pictures, names, captions, strict=True)):
        left = 0.1 + side * column
        axes = figure.add_axes(((left + 0.04) / width, foot / height, (side - 0.08) / width, side / height))
        axes.imshow(picture, interpolation="antialiased")
        axes.axis("off")
        middle = (left + side / 2) / width
        figure.text(middle, (foot - 0.1) / height, name, color=INK, fontsize=8.5, ha="center", va="top", weight="bold")
        below = (foot - 0.1 - 0.18 - 0.14 * name.count("\n")) / height
        figure.text(middle, below, second, color=INK, fontsize=8.5, ha="center", va="top")
    return figure
