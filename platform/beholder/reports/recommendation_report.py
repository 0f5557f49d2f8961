"""The report of one recommendation: the edit, what else was thought of, and what speaks for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from beholder.plots import ACCENT, INK, QUIET, SMALL, label, new, plain
from beholder.recommending.ranking import ScoredEdit
from beholder.reports.data_table import Column, DataTable
from beholder.reports.parts import BulletList, CaptionedPicture, Chart, PictureRow
from beholder.reports.person_names import person_names
from beholder.reports.report import Fact, Report, Section

if TYPE_CHECKING:
    from beholder.plots import Figure


def recommendation_report(
    user_id: str,
    rounds: int,
    edits: Sequence[tuple[str, ScoredEdit]],
    reasons: Sequence[str],
    pictures: Sequence[np.ndarray],
    *,
    candidates: int,
) -> Report:
    """Return the report. edits: in words and scored, the recommended one first. pictures: the image as it is, then the first of the
    edits, uint8 RGB [H, W, 3] each. candidates: how many the edits were chosen from."""
    name, best = edits[0]
    who = person_names([user_id])[user_id]
    choices = f"{rounds:,} choice{'s' * (rounds != 1)}"
    row = [CaptionedPicture(pictures[0], "as it is", description="the image as it is")]
    for picture, (words, each) in zip(pictures[1:], edits, strict=False):
        if not each.edit:
            continue
        row.append(CaptionedPicture(picture, words, f"preferred with {each.probability:.0%}", f"the image edited: {words}"))
    verdict = (
        f"After {choices}, {who} is expected to prefer “{name}” to the image as it is with probability {best.probability:.2f}."
        if best.edit
        else f"After {choices}, no edit is expected to please {who} more than the image as it is."
    )
    frame = pd.DataFrame(
        [{"edit": words, "probability": e.probability, "utility": e.utility, "uncertainty": e.uncertainty} for words, e in edits]
    )
    columns = {
        "probability": Column("preferred to it as it is", ".0%"),
        "utility": Column("utility, logits", "+.2f"),
        "uncertainty": Column("standard deviation", ".2f"),
    }
    chart = Chart(
        "utilities",
        _utilities(edits),
        "What this person is expected to like",
        "Logits over the image as it is, ± 2 standard deviations; in percent: how probably it is preferred to it.",
        "; ".join(f"{words} {each.utility:+.2f} ± {2 * each.uncertainty:.2f}" for words, each in edits),
    )
    return Report(
        f"For {who}: {name}",
        verdict,
        ["Nothing is known of this person yet: this is what other people like."] * (rounds == 0),
        [
            Fact("choices so far", f"{rounds:,}"),
            Fact("candidates", f"{candidates:,}", "edits it was chosen from"),
            Fact("probability", f"{best.probability:.2f}", "of being preferred to it as it is"),
            Fact("utility, logits", f"{best.utility:+.2f}", f"± {2 * best.uncertainty:.2f} (2 standard deviations)"),
        ],
        [
            Section("The edit and the runners-up", [PictureRow(row)]),
            *([Section("What speaks for it", [BulletList(list(reasons))])] if reasons else []),
            Section("How sure", [chart, DataTable(frame, f"The best of {candidates:,} candidates, drawn and encoded.", columns)]),
        ],
    )


def _utilities(edits: Sequence[tuple[str, ScoredEdit]]) -> "Figure":
    """Draw the expected utility of each edit with two standard deviations on both sides, the first one strongest; and in figures
    the probability that it is preferred to the image as it is, whose utility is 0."""
    figure = new(4.9, 1.0 + 0.36 * len(edits))
    axes = figure.subplots()
    at = range(len(edits))
    for y, (_, each) in enumerate(edits):
        colour = ACCENT if y == 0 else QUIET
        reach = [each.utility - 2 * each.uncertainty, each.utility + 2 * each.uncertainty]
        axes.plot(reach, [y, y], color=colour, lw=2.4 if y == 0 else 1.6, solid_capstyle="butt")
        axes.plot(each.utility, y, "o", color=colour, ms=7 if y == 0 else 5.5)
        axes.text(1.03, y, f"{each.probability:.0%}", transform=axes.get_yaxis_transform(), va="center", color=INK, fontsize=SMALL)
    axes.text(1.03, -0.85, "preferred", transform=axes.get_yaxis_transform(), va="center", color=QUIET, fontsize=SMALL)
    axes.axvline(0, color=INK, lw=1)
    axes.set_yticks(at, [label(name, 34) for name, _ in edits])
    axes.set_ylim(len(edits) - 0.5, -1.1)
    axes.set_xlabel("expected utility, logits")
    axes.locator_params(axis="x", nbins=5)
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    return figure
