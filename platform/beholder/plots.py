"""Pictures for people: figures of reports, drawn without a screen. The only door to matplotlib."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from beholder.storage import Place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, ACCENT, BAD = "#1f2430", "#9aa3b2", "#2f6fde", "#c8553d"
CYCLE = ("#2f6fde", "#e08a1e", "#3c9d6b", "#9b5bc4", "#c8553d", "#4fa8b8", "#7a7f8c")


def new(width: float = 8.0, height: float = 4.5) -> "Figure":
    """An empty figure, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(run: Place, name: str, figure: "Figure") -> Place:
    """Write a figure into a run folder as figures/<name>.png."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, facecolor="white")
    place = run / "figures" / f"{name}.png"
    place.write_bytes(buffer.getvalue())
    return place


def gains(table: pd.DataFrame, *, title: str) -> "Figure":
    """Each person's gain with its interval, sorted: columns user_id, gain, gain.low, gain.high; attributes are averaged."""
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
    axes.set_xlabel(f"{len(means)} people, sorted by gain; blue: beyond noise better, red: beyond noise worse")
    axes.set_ylabel("accuracy, own taste minus population")
    axes.set_xticks([])
    plain(axes, title)
    return figure


def learning(curves: Mapping[str, pd.DataFrame], *, title: str) -> "Figure":
    """Gain after so many judgements, a line with its band for each name: columns judgements, gain, gain.low, gain.high."""
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


def plain(axes: object, title: str) -> None:
    """A quiet frame and a title on the left."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)  # type: ignore[attr-defined]
    axes.grid(axis="y", color="#e6e8ee", lw=0.8)  # type: ignore[attr-defined]
    axes.set_axisbelow(True)  # type: ignore[attr-defined]
    axes.set_title(title, loc="left", color=INK, fontsize=11)  # type: ignore[attr-defined]
