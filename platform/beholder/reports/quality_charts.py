"""Charts of the quality of judgements: how predictable people are, how measures are distributed, and who is like whom."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from beholder.plots import CYCLE, FAINT, INK, QUIET, SMALL, label, new, plain

if TYPE_CHECKING:
    from beholder.plots import Figure

_MARKS = {  # verdict -> colour, marker, filled
    "believed": (CYCLE[0], "o", True),
    "doubtful": (CYCLE[4], "D", False),
    "random": (CYCLE[1], "v", True),
    "biased": (CYCLE[3], "s", True),
    "too few": (QUIET, "o", False),
}
_MOST_MARKS = 150  # people who are drawn one by one
_MOST_NAMES = 30  # people whose names stand beside a matrix


def predictability(table: pd.DataFrame, *, usual: float) -> "Figure":
    """Draw how often each person's judgements are predicted right, sorted, with intervals and a mark for the verdict; of very many
    people, how many there are of each. usual: of a person who looks, or nan."""
    known = table.dropna(subset=["predictability"]).sort_values("predictability")
    figure = new()
    axes = figure.subplots()
    if len(known) > _MOST_MARKS:
        edges = np.linspace(float(known["predictability"].min()), float(known["predictability"].max()), 41).tolist()
        values = [known["predictability"][known["verdict"] == name].to_numpy() for name in _MARKS]
        hatches = ("", "///", "xxx", "...", "++")
        parts: Any = axes.hist(values, bins=edges, stacked=True, color=[colour for colour, _, _ in _MARKS.values()])[2]
        for part, name, each, hatch in zip(parts, _MARKS, values, hatches, strict=True):
            for patch in part:
                patch.set(hatch=hatch, edgecolor="white", lw=0, label="")
            part[0].set_label(f"{name} ({len(each):,})")
        axes.set_ylabel("people")
        axes.set_xlabel("judgements predicted right")
        for place in filter(np.isfinite, (0.5, usual)):
            axes.axvline(place, color=FAINT, lw=1.2, ls=(0, (5, 2)))
    else:
        at = np.arange(len(known))
        for name, (colour, marker, filled) in _MARKS.items():
            mine = (known["verdict"] == name).to_numpy()
            if mine.any():
                part = known[mine]
                axes.vlines(at[mine], part["predictability.low"], part["predictability.high"], color=colour, lw=1.4)
                face = colour if filled else "white"
                axes.plot(at[mine], part["predictability"], marker, color=colour, mfc=face, ms=6, label=f"{name} ({mine.sum()})")
        axes.set_xlabel(f"{len(known):,} people, sorted")
        axes.set_ylabel("judgements predicted right")
        axes.set_xticks([])
        for height, words in ((0.5, "chance"), (usual, "people\nwho look")):
            if np.isfinite(height):
                axes.axhline(height, color=FAINT, lw=1.2, ls=(0, (5, 2)))
                axes.text(1.01, height, words, transform=axes.get_yaxis_transform(), va="center", color=QUIET, fontsize=SMALL)
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK, handletextpad=0.3)
    plain(axes)
    return figure


def distributions(table: pd.DataFrame, measures: Mapping[str, str], *, seed: int = 0) -> "Figure":
    """Draw measures below each other, a mark for each person (of very many, some) with that of their verdict, and a bar for the
    median.

    measures: column -> words; shares in 0..1.
    """
    rng = np.random.default_rng(seed)
    shown = {name: words for name, words in measures.items() if table[name].notna().any()}
    figure = new(4.9, 0.9 + 0.5 * max(len(shown), 1))
    axes = figure.subplots()
    for row, name in enumerate(shown):
        known = table.dropna(subset=[name])
        for verdict, (colour, marker, filled) in _MARKS.items():
            values = known[name][known["verdict"] == verdict].to_numpy()
            values = values[rng.permutation(len(values))[:_MOST_MARKS]]
            heights = row + rng.uniform(-0.2, 0.2, len(values))
            face = colour if filled else "white"
            axes.plot(values, heights, marker, color=colour, mfc=face, ms=4, alpha=0.8, lw=0, label=verdict if row == 0 else "")
        median = float(known[name].median())
        axes.plot([median, median], [row - 0.32, row + 0.32], color=INK, lw=2)
        axes.text(1.02, row, f"{median:.2f}", transform=axes.get_yaxis_transform(), va="center", color=INK, fontsize=SMALL)
    axes.set_yticks(range(len(shown)), [label(words, 34) for words in shown.values()])
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share (bar: median, in figures at the right)")
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return figure


def agreement(matrix: np.ndarray, names: Sequence[str]) -> "Figure":
    """Draw the correlations of people's tastes, float [P, P], in the order given: the alike beside each other; light is alike."""
    figure = new(4.9, 3.7)
    axes = figure.subplots()
    apart = matrix[~np.eye(len(matrix), dtype=bool)]
    low, high = (float(np.quantile(apart, q)) for q in (0.02, 0.98)) if apart.size else (0.0, 1.0)
    picture = axes.imshow(matrix, cmap="cividis", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    if len(names) <= _MOST_NAMES:
        axes.set_yticks(range(len(names)), [label(name, 22) for name in names])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(names):,} people")
    axes.set_xticks([])
    axes.set_xlabel("the same people, in the same order")
    plain(axes, grid="")
    axes.tick_params(length=0, labelsize=SMALL - 3)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=24, label="correlation of tastes")
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT, labelcolor=QUIET, labelsize=SMALL)
    bar.ax.yaxis.label.set(color=QUIET, fontsize=SMALL)
    return figure
