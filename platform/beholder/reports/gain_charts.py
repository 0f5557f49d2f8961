"""Charts of gains over the population's taste: by taste or attribute, by person, and by number of judgements."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from beholder.plots import ACCENT, BAD, FAINT, INK, QUIET, SMALL, end_labels, label, new, plain, styles
from beholder.statistics import Interval

if TYPE_CHECKING:
    from beholder.plots import Figure

_GAIN = "accuracy, own taste minus population"
_MOST_MARKS = 150  # people who are drawn one by one


def forest(rows: Sequence[tuple[str, Interval]], *, xlabel: str = _GAIN, zero: float = 0.0, spec: str = "+.3f") -> "Figure":
    """Draw estimates below each other, each with its interval and in figures. zero: where a line says that there is no difference.

    An interval that has `zero` in it is drawn hollow.
    """
    figure = new(4.9, 0.85 + 0.36 * len(rows))
    axes = figure.subplots()
    at = range(len(rows))
    for y, (_, each) in enumerate(rows):
        told = each.low > zero or each.high < zero
        colour = (ACCENT if each.mean > zero else BAD) if told else QUIET
        axes.plot([each.low, each.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        marker = "o" if each.mean >= zero or not told else "v"
        axes.plot(each.mean, y, marker, ms=7, color=colour, mfc=colour if told else "white", mew=1.6)
        words = f"{each.mean:{spec}} [{each.low:{spec}}, {each.high:{spec}}]"
        axes.text(1.03, y, words, transform=axes.get_yaxis_transform(), va="center", color=INK, fontsize=SMALL)
    axes.axvline(zero, color=INK, lw=1)
    axes.set_yticks(at, [label(name, 17) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.locator_params(axis="x", nbins=4)
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return figure


def by_person(table: pd.DataFrame) -> "Figure":
    """Draw each person's gain with its interval, sorted: columns user_id, gain, gain.low, gain.high; attributes are averaged.

    Very many people are drawn as a line in a band.
    """
    means = table.groupby("user_id")[["gain", "gain.low", "gain.high"]].mean().sort_values("gain")
    figure = new()
    axes = figure.subplots()
    at = np.arange(len(means))
    if len(means) > _MOST_MARKS:
        rows = means.iloc[np.unique(np.linspace(0, len(means) - 1, 2 * _MOST_MARKS).astype(int))]
        place = np.linspace(0, len(means) - 1, len(rows))
        axes.fill_between(place, rows["gain.low"], rows["gain.high"], color=ACCENT, alpha=0.18, lw=0)
        axes.plot(place, rows["gain"], color=ACCENT, lw=2)
    else:
        better, worse = means["gain.low"] > 0, means["gain.high"] < 0
        for which, colour, marker, filled, words in (
            (better, ACCENT, "o", True, "better"),
            (~better & ~worse, QUIET, "o", False, "no difference seen"),
            (worse, BAD, "v", True, "worse"),
        ):
            mine = which.to_numpy()
            if mine.any():
                part = means[mine]
                axes.vlines(at[mine], part["gain.low"], part["gain.high"], color=colour, lw=1.4)
                face = colour if filled else "white"
                axes.plot(at[mine], part["gain"], marker, color=colour, mfc=face, ms=5, mew=1.4, label=f"{words} ({mine.sum()})")
        axes.legend(frameon=False, loc="upper left", fontsize=SMALL, labelcolor=INK, handletextpad=0.2)
    axes.axhline(0, color=INK, lw=1)
    mean = float(means["gain"].mean())
    axes.axhline(mean, color=FAINT, lw=1.2, ls=(0, (5, 2)))
    axes.text(1.01, mean, f"mean\n{mean:+.3f}", transform=axes.get_yaxis_transform(), va="center", color=QUIET, fontsize=SMALL)
    axes.set_xlabel(f"{len(means):,} people, sorted by gain")
    axes.set_ylabel(_GAIN)
    axes.set_xticks([])
    plain(axes)
    return figure


def learning(curves: Mapping[str, pd.DataFrame]) -> "Figure":
    """Draw the gain by number of judgements, a line for each name: columns judgements, gain, gain.low, gain.high.

    The first has a band, the others bars: their intervals.
    """
    figure = new(4.9, 3.6)
    axes = figure.subplots()
    counts: list[Any] = []
    ends = []
    shift = 0.0
    for number, ((name, rows), style) in enumerate(zip(curves.items(), styles(), strict=False)):
        counts = list(rows["judgements"])
        at = np.arange(len(counts)) + shift
        if number == 0:
            axes.fill_between(at, rows["gain.low"], rows["gain.high"], color=style.colour, alpha=0.15, lw=0)
        else:
            axes.vlines(at, rows["gain.low"], rows["gain.high"], color=style.colour, lw=1)
        axes.plot(at, rows["gain"], marker=style.marker, ls=style.dashes, color=style.colour, lw=2.2 if number == 0 else 1.6, ms=5)
        ends.append((float(rows["gain"].iloc[-1]), f"{label(name)} {rows['gain'].iloc[-1]:+.3f}", style.colour))
        shift += 0.05
    axes.axhline(0, color=INK, lw=1)
    axes.set_xticks(np.arange(len(counts)), [f"{count:.0f}" for count in counts])
    axes.set_xlabel("judgements of somebody new")
    axes.set_ylabel(_GAIN)
    plain(axes)
    axes.set_xlim(*axes.get_xlim())
    axes.set_ylim(*axes.get_ylim())
    end_labels(axes, ends, at=len(counts) - 1, height=2.9)
    return figure


def epochs(figures: pd.DataFrame) -> "Figure":
    """Draw the losses of a fit by epoch, the best one marked: columns loss (of what is learned from) and held_out_loss."""
    figure = new()
    axes = figure.subplots()
    at = np.arange(1, len(figures) + 1)
    ends = []
    for name, words, style in zip(("held_out_loss", "loss"), ("held out", "learned from"), styles(), strict=False):
        values = figures[name].to_numpy()
        every = max(len(values) // 8, 1)
        axes.plot(at, values, ls=style.dashes, marker=style.marker, color=style.colour, lw=1.8, ms=4.5, markevery=every)
        ends.append((float(values[-1]), f"{words} {values[-1]:.3f}", style.colour))
    best = int(np.argmin(figures["held_out_loss"].to_numpy()))
    axes.plot(best + 1, figures["held_out_loss"].iloc[best], "o", ms=12, mfc="none", mec=INK, mew=1.4)
    axes.set_xlabel("epoch (ring: the best)")
    axes.set_ylabel("loss, nats per judgement")
    plain(axes)
    axes.set_xlim(1 - 0.02 * len(at), len(at) + 0.3)
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(*axes.get_ylim())
    end_labels(axes, ends, at=len(at), height=2.8)
    return figure
