"""Figures of reports, drawn without a display; the only file that imports matplotlib."""

import io
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from beholder.storage import Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Figure

INK, QUIET, ACCENT, BAD = "#1f2430", "#9aa3b2", "#2f6fde", "#c8553d"
CYCLE = ("#2f6fde", "#e08a1e", "#3c9d6b", "#9b5bc4", "#c8553d", "#4fa8b8", "#7a7f8c")


def new(width: float = 8.0, height: float = 4.5) -> "Figure":
    """Return an empty figure; width and height in inches."""
    from matplotlib.figure import Figure as Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(run: Place, name: str, figure: "Figure") -> Place:
    """Write a figure into a run folder as figures/<name>.png; return its place."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white")
    place = run / "figures" / f"{name}.png"
    place.write_bytes(buffer.getvalue())
    return place


def gains(table: pd.DataFrame, *, title: str) -> "Figure":
    """Draw each person's gain with its interval, sorted: columns user_id, gain, gain.low, gain.high; attributes are averaged."""
    means = table.groupby("user_id")[["gain", "gain.low", "gain.high"]].mean().sort_values("gain")
    figure = new()
    axes = figure.subplots()
    at = np.arange(len(means))
    better, worse = means["gain.low"] > 0, means["gain.high"] < 0
    colours = np.where(better, ACCENT, np.where(worse, BAD, QUIET))
    axes.vlines(at, means["gain.low"], means["gain.high"], colors=list(colours), lw=1.2, alpha=0.55)
    axes.scatter(at, means["gain"], c=list(colours), s=14, zorder=3)
    axes.axhline(0, color=INK, lw=1)
    mean = float(means["gain"].mean())
    axes.axhline(mean, color=ACCENT, lw=1, ls="--")
    axes.text(0, mean, f" mean {mean:+.3f}", va="bottom", ha="left", color=ACCENT, fontsize=9)
    axes.set_xlabel(f"{len(means)} people, sorted by gain; blue: interval above 0, red: below 0")
    axes.set_ylabel("accuracy, own taste minus population")
    axes.set_xticks([])
    plain(axes, title)
    return figure


def learning(curves: Mapping[str, pd.DataFrame], *, title: str) -> "Figure":
    """Draw the gain by number of judgements, a line with its band for each name: columns judgements, gain, gain.low, gain.high."""
    figure = new(7.0, 4.5)
    axes = figure.subplots()
    counts: list[int] = []
    for (name, rows), colour in zip(curves.items(), CYCLE * 9, strict=False):
        counts = list(rows["judgements"])
        at = np.arange(len(counts))
        axes.plot(at, rows["gain"], "o-", color=colour, label=name, ms=5)
        axes.fill_between(at, rows["gain.low"], rows["gain.high"], color=colour, alpha=0.15, lw=0)
    axes.axhline(0, color=INK, lw=1)
    axes.set_xticks(np.arange(len(counts)), [f"{count:.0f}" for count in counts])
    axes.set_xlabel("judgements of somebody new")
    axes.set_ylabel("accuracy, own taste minus population")
    axes.legend(frameon=False, loc="upper left")
    plain(axes, title)
    return figure


def trajectories(rows: Sequence[Sequence[tuple[str, Mapping[str, pd.DataFrame]]]], *, title: str) -> "Figure":
    """Draw a grid of panels over rounds of questions, each (title, its lines): columns rounds, mean, low, high.

    A line keeps its colour by its name through a row; the legend stands in the first panel of each.
    """
    columns = max(map(len, rows))
    figure = new(4.2 * columns, 3.4 * len(rows))
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, panels in zip(grid, rows, strict=True):
        for number, (axes, (name, lines)) in enumerate(zip(line, panels, strict=False)):
            for (label, points), colour in zip(lines.items(), CYCLE * 9, strict=False):
                axes.plot(points["rounds"], points["mean"], color=colour, label=label, lw=1.6)
                axes.fill_between(points["rounds"], points["low"], points["high"], color=colour, alpha=0.12, lw=0)
            axes.set_xlabel("choices")
            plain(axes, name)
            if number == 0:
                axes.legend(frameon=False, fontsize=8)
    return figure


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
        axes.axline((float(exact.mean()), float(exact.mean())), slope=1, color=QUIET, lw=1)
        axes.scatter(exact, predicted, s=8, color=QUIET, alpha=0.6, lw=0)
        axes.scatter(exact[picked], predicted[picked], s=22, color=ACCENT, lw=0, label=f"the {final} that are drawn")
        axes.scatter(exact[best], predicted[best], s=90, facecolors="none", edgecolors=BAD, lw=1.5, label="the best of all")
        axes.set_xlabel("score, drawn and encoded")
        axes.set_ylabel("score, predicted by the surrogate")
        axes.legend(frameon=False, loc="upper left", fontsize=8)
        plain(axes, name)
    names = list(next(iter(missed.values())))
    height = 0.8 / len(missed)
    for turn, ((name, shares), colour) in enumerate(zip(missed.items(), CYCLE, strict=False)):
        at = np.arange(len(names)) + turn * height
        last.barh(at, [shares[each] for each in names], height=height, color=colour, label=name)
    last.set_yticks(np.arange(len(names)) + 0.4 - height / 2, names, fontsize=8)
    last.invert_yaxis()
    last.set_xlabel("squared error, as a share of the squared change")
    last.legend(frameon=False, fontsize=8)
    plain(last, "Error of the surrogate by direction")
    last.grid(axis="x", color="#e6e8ee", lw=0.8)
    last.grid(axis="y", visible=False)
    return figure


def plain(axes: object, title: str) -> None:
    """Style axes: no frame on top and right, a horizontal grid, the title on the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)  # type: ignore[attr-defined]
    axes.grid(axis="y", color="#e6e8ee", lw=0.8)  # type: ignore[attr-defined]
    axes.set_axisbelow(True)  # type: ignore[attr-defined]
    axes.set_title(title, loc="left", color=INK, fontsize=11)  # type: ignore[attr-defined]


def parallel(settings: pd.DataFrame, loss: np.ndarray, *, logs: Collection[str] = (), title: str) -> "Figure":
    """Draw parallel coordinates of a search: a line for each trial, coloured by its loss, the best ones on top.

    settings: [S] rows, a column for each setting, text for a categorical one, else numbers; logs: those on a logarithmic axis.
    loss: float [S].
    """
    from matplotlib.colors import Normalize
    from matplotlib.path import Path

    figure = new(max(8.0, 1.7 * (settings.shape[1] + 1)), 4.8)
    axes = figure.subplots()
    heights, ticks = zip(*(_coordinate(settings[name], name in logs) for name in settings.columns), strict=True)
    low, high = float(np.min(loss)), float(np.quantile(loss, 0.9))  # a few hopeless settings must not take all the colour
    high = high if high > low else low + 1e-9
    heights = [*heights, 1 - (np.clip(loss, low, high) - low) / (high - low)]
    ends = [(1 - at, f"{low + at * (high - low):.3f}" + (" or more" if at == 1 else "")) for at in (0.0, 0.5, 1.0)]
    colours = _scale()(Normalize(low, high)(np.clip(loss, low, high)))
    rng = np.random.default_rng(0)
    for rank, row in enumerate(np.argsort(-loss)):
        points = [(float(at), float(height[row])) for at, height in enumerate(heights)]
        # lines through the same choice lie beside each other, not on each other
        points = [(x, y + (rng.uniform(-0.02, 0.02) if x < settings.shape[1] else 0)) for x, y in points]
        path = [points[0]]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            path += [(x0 + (x1 - x0) / 2, y0), (x0 + (x1 - x0) / 2, y1), (x1, y1)]
        codes = [Path.MOVETO] + [Path.CURVE4] * (len(path) - 1)
        good = rank / max(len(loss) - 1, 1)
        axes.add_patch(_line(Path(path, codes), colours[row], 0.8 + 1.6 * good, 0.35 + 0.6 * good))
    for at, (name, marks) in enumerate(zip([*settings.columns, "loss"], [*ticks, ends], strict=True)):
        axes.plot([at, at], [-0.03, 1.03], color=INK, lw=1)
        for height, text in marks:
            axes.plot([at - 0.02, at + 0.02], [height, height], color=INK, lw=1)
            axes.text(at + 0.04, height, text, va="center", fontsize=8, color=INK, bbox=_PAPER, zorder=5)
        axes.text(at, 1.09, name, ha="center", fontsize=9, color=INK, weight="bold")
    axes.set_xlim(-0.15, settings.shape[1] + 0.45)
    axes.set_ylim(-0.06, 1.16)
    axes.axis("off")
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    return figure


def slices(settings: pd.DataFrame, loss: np.ndarray, *, logs: Collection[str] = (), title: str) -> "Figure":
    """Draw the loss of each trial over each setting, a panel for each; arguments as for `parallel`."""
    across = min(settings.shape[1], 3)
    down = -(-settings.shape[1] // across)
    figure = new(3.2 * across, 2.7 * down + 0.3)
    panels = np.atleast_1d(figure.subplots(down, across, sharey=True)).flatten()
    top = float(np.quantile(loss, 0.9)) + 0.3 * float(np.ptp(np.quantile(loss, [0.0, 0.9])))
    rng = np.random.default_rng(0)
    for axes, name in zip(panels, settings.columns, strict=False):
        column, best = settings[name], int(np.argmin(loss))
        if pd.api.types.is_numeric_dtype(column):
            x = column.to_numpy(float)
            if name in logs:
                axes.set_xscale("log")
        else:
            labels = sorted(set(column), key=lambda text: (len(text), text))
            middle = np.array([labels.index(text) for text in column], float)
            for at in range(len(labels)):
                axes.hlines(np.median(loss[middle == at]), at - 0.3, at + 0.3, color=INK, lw=1.5)
            x = middle + rng.uniform(-0.15, 0.15, len(middle))
            axes.set_xticks(range(len(labels)), labels, fontsize=7, rotation=30 if max(map(len, labels)) > 6 else 0)
        axes.scatter(x, np.minimum(loss, top), s=16, color=ACCENT, alpha=0.55, lw=0)
        axes.scatter(x[best], loss[best], s=60, facecolors="none", edgecolors=BAD, lw=1.5)
        plain(axes, name)
    for axes in panels[settings.shape[1] :]:
        axes.axis("off")
    for axes in panels[::across]:
        axes.set_ylabel("held-out loss")
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=11)
    return figure


def importances(shares: Mapping[str, float], *, title: str) -> "Figure":
    """Draw the importance of each setting as a bar, shares that sum to 1."""
    names = sorted(shares, key=lambda name: shares[name])
    figure = new(7.0, 0.9 + 0.36 * len(names))
    axes = figure.subplots()
    axes.barh(names, [shares[name] for name in names], color=ACCENT, height=0.6)
    for at, name in enumerate(names):
        axes.text(shares[name], at, f" {shares[name]:.0%}", va="center", fontsize=9, color=INK)
    axes.set_xlim(0, max(shares.values()) * 1.15)
    axes.set_xticks([])
    plain(axes, title)
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
    return figure


def selection_bias(people: pd.DataFrame, *, title: str) -> "Figure":
    """Draw the selection bias of each person's best setting: its lead over the pooled one in selection and on held-out pairs.

    people: columns chosen_lead, reported_lead, own (whether the person keeps it).
    """
    figure = new(6.2, 5.2)
    axes = figure.subplots()
    lead = people.dropna(subset=["chosen_lead", "reported_lead"])
    own = lead["own"].to_numpy(bool)
    reach = max(float(lead[["chosen_lead", "reported_lead"]].abs().to_numpy().max(initial=0.02)) * 1.1, 0.05)
    axes.plot([0, reach], [0, reach], color=QUIET, lw=1, ls="--")
    axes.text(reach, reach, "no selection bias ", ha="right", va="bottom", fontsize=8, color=QUIET)
    axes.axhline(0, color=INK, lw=1)
    for rows, colour, name in ((~own, QUIET, "keeps the pooled setting"), (own, ACCENT, "keeps their own")):
        if rows.any():
            shown = lead[rows]
            label = f"{name} ({rows.sum()})"
            axes.scatter(shown["chosen_lead"], shown["reported_lead"], s=26, color=colour, alpha=0.8, lw=0, label=label)
    mean = lead[["chosen_lead", "reported_lead"]].mean()
    axes.scatter(float(mean.iloc[0]), float(mean.iloc[1]), marker="P", s=110, color=BAD, edgecolors="white", zorder=4, label="mean")
    axes.set_xlim(-0.03 * reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("lead in accuracy on the pairs it was selected by")
    axes.set_ylabel("lead on held-out pairs")
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    plain(axes, title)
    return figure


_PAPER = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}


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


def _coordinate(column: pd.Series, log: bool) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return the heights in 0..1 of a setting's values, and the ticks of its axis as (height, label)."""
    if not pd.api.types.is_numeric_dtype(column):
        labels = sorted(set(column), key=lambda text: (len(text), text))
        at = {text: (row + 0.5) / len(labels) for row, text in enumerate(labels)}
        return np.array([at[text] for text in column]), [(height, text) for text, height in at.items()]
    values = np.log(column.to_numpy(float)) if log else column.to_numpy(float)
    low, high = float(values.min()), float(values.max())
    heights = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    marks = [(at, low + at * (high - low)) for at in (0.0, 0.5, 1.0)]
    return heights, [(at, f"{np.exp(value) if log else value:.3g}") for at, value in marks]


def _line(path: Any, colour: Any, width: float, alpha: float) -> Any:
    from matplotlib.patches import PathPatch

    return PathPatch(path, facecolor="none", edgecolor=colour, lw=width, alpha=alpha)


def _scale() -> Any:
    """Return the colour map of losses: dark for low ones, pale for high ones."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("good to bad", ["#123c8c", ACCENT, "#9bb8e8", "#d9dde6"])
