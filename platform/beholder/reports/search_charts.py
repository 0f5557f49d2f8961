"""Charts of a hyperparameter search: parallel coordinates, slices, importances, and the bias of selecting the best."""

import itertools
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from beholder import plots
from beholder.plots import ACCENT, BAD, FAINT, INK, PAPER, QUIET, SMALL, new, plain

if TYPE_CHECKING:
    from beholder.plots import Figure

_BEHIND = {"facecolor": PAPER, "alpha": 0.75, "edgecolor": "none", "pad": 0.8}


def parallel(settings: pd.DataFrame, loss: np.ndarray, *, logs: Collection[str] = ()) -> "Figure":
    """Draw parallel coordinates of a search: a line for each trial, the stronger the lower its loss, the best ones on top.

    settings: [S] rows, a column for each setting, text for a categorical one, else numbers; logs: those on a logarithmic axis.
    loss: float [S].
    """
    figure = new(max(8.0, 1.7 * (settings.shape[1] + 1)), 4.8)
    axes = figure.subplots()
    heights, ticks = zip(*(_coordinate(settings[name], name in logs) for name in settings.columns), strict=True)
    low, high = float(np.min(loss)), float(np.quantile(loss, 0.9))  # a few hopeless settings must not take all the colour
    high = high if high > low else low + 1e-9
    heights = [*heights, 1 - (np.clip(loss, low, high) - low) / (high - low)]
    ends = [(1 - at, f"{low + at * (high - low):.3f}" + (" or more" if at == 1 else "")) for at in (0.0, 0.5, 1.0)]
    rng = np.random.default_rng(0)
    for rank, row in enumerate(np.argsort(-loss)):
        points = [(float(at), float(height[row])) for at, height in enumerate(heights)]
        # lines through the same choice lie beside each other, not on each other
        points = [(x, y + (rng.uniform(-0.02, 0.02) if x < settings.shape[1] else 0)) for x, y in points]
        path = [points[0]]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            path += [(x0 + (x1 - x0) / 2, y0), (x0 + (x1 - x0) / 2, y1), (x1, y1)]
        good = rank / max(len(loss) - 1, 1)
        axes.add_patch(plots.curve(path, ACCENT, 0.8 + 1.8 * good, 0.12 + 0.88 * good**2))
    for at, (name, marks) in enumerate(zip([*settings.columns, "loss"], [*ticks, ends], strict=True)):
        axes.plot([at, at], [-0.03, 1.03], color=INK, lw=1)
        for height, text in marks:
            axes.plot([at - 0.02, at + 0.02], [height, height], color=INK, lw=1)
            axes.text(at + 0.04, height, text, va="center", fontsize=8, color=INK, bbox=_BEHIND, zorder=5)
        axes.text(at, 1.09, name, ha="center", fontsize=SMALL, color=INK, weight="bold")
    axes.set_xlim(-0.15, settings.shape[1] + 0.45)
    axes.set_ylim(-0.06, 1.16)
    axes.axis("off")
    return figure


def slices(settings: pd.DataFrame, loss: np.ndarray, *, logs: Collection[str] = ()) -> "Figure":
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
            if name in logs and x.min() > 0:
                axes.set_xscale("log")
                ends = np.geomspace(x.min(), x.max(), 3)  # matplotlib's own print over each other within a decade
                axes.set_xticks(np.unique(ends), [f"{end:.2g}" for end in np.unique(ends)])
                axes.minorticks_off()
            else:
                axes.locator_params(axis="x", nbins=4)
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
    return figure


def importances(shares: Mapping[str, float]) -> "Figure":
    """Draw the importance of each setting as a bar, shares that sum to 1."""
    names = sorted(shares, key=lambda name: shares[name])
    figure = new(4.9, 0.5 + 0.36 * len(names))
    axes = figure.subplots()
    axes.barh(names, [shares[name] for name in names], color=ACCENT, height=0.6)
    for at, name in enumerate(names):
        axes.text(shares[name], at, f" {shares[name]:.0%}", va="center", fontsize=SMALL, color=INK)
    axes.set_xlim(0, max(shares.values()) * 1.15)
    axes.set_xticks([])
    plain(axes, grid="")
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return figure


def selection_bias(people: pd.DataFrame) -> "Figure":
    """Draw the selection bias of each person's best setting: its lead over the pooled one in selection and on held-out pairs.

    people: columns chosen_lead, reported_lead, own (whether the person keeps it).
    """
    figure = new(4.9, 4.4)
    axes = figure.subplots()
    lead = people.dropna(subset=["chosen_lead", "reported_lead"])
    own = lead["own"].to_numpy(bool)
    reach = max(float(lead[["chosen_lead", "reported_lead"]].abs().to_numpy().max(initial=0.02)) * 1.1, 0.05)
    axes.plot([0, reach], [0, reach], color=QUIET, lw=1, ls="--")
    axes.text(reach, reach, "no selection bias ", ha="right", va="bottom", fontsize=8, color=QUIET)
    axes.axhline(0, color=INK, lw=1)
    for rows, colour, marker, name in ((~own, FAINT, "o", "keeps the pooled setting"), (own, ACCENT, "s", "keeps their own")):
        if rows.any():
            shown = lead[rows]
            words = f"{name} ({rows.sum()})"
            axes.scatter(
                shown["chosen_lead"], shown["reported_lead"], s=30, color=colour, marker=marker, alpha=0.85, lw=0, label=words
            )
    mean = lead[["chosen_lead", "reported_lead"]].mean()
    axes.scatter(float(mean.iloc[0]), float(mean.iloc[1]), marker="P", s=110, color=BAD, edgecolors=PAPER, zorder=4, label="mean")
    axes.set_xlim(-0.03 * reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("lead in accuracy on the pairs it was selected by")
    axes.set_ylabel("lead on held-out pairs")
    axes.legend(frameon=False, loc="lower right", fontsize=SMALL, labelcolor=INK)
    plain(axes)
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
