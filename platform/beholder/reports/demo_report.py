"""The report of the demo: what each step found, a link to its own report, and what the person at its end was recommended."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from beholder.reports.data_table import Column, DataTable
from beholder.reports.markup import escape
from beholder.reports.parts import CaptionedPicture, Paragraph, PictureRow
from beholder.reports.person_names import person_names
from beholder.reports.report import Fact, Report, Section


@dataclass(frozen=True)
class DemoStep:
    """A step: what for, the command, how long it took, what it found in a sentence, and its report, relative to the demo's."""

    what: str
    command: str
    seconds: float
    found: str = ""
    report: str = ""


@dataclass(frozen=True)
class StepList:
    """Steps, one after the other."""

    steps: Sequence[DemoStep]

    def html(self) -> str:
        """Return the markup."""
        return f'<ol class="steps">{"".join(map(_step, self.steps))}</ol>'


def demo_report(
    steps: Sequence[DemoStep],
    *,
    user_id: str,
    edit: str,
    probability: float,
    better: float,
    reasons: Sequence[str],
    pictures: tuple[np.ndarray, np.ndarray],
    rounds: pd.DataFrame,
) -> Report:
    """Return the report. better: how much more the simulated person likes the edit in truth, in standard deviations. pictures: the
    portrait as it is and edited. rounds: a row for each question, left, right, choice and seconds."""
    who = person_names([user_id])[user_id]
    true = "and it is right" if better > 0 else "but it is wrong"
    verdict = (
        f"From spreadsheets to a recommendation in {sum(step.seconds for step in steps):.0f} s: after {len(rounds)} "
        f"questions, “{edit}” is "
        f"recommended to {who}, preferred to the portrait as it is with probability {probability:.2f}; {true}: in truth "
        f"this simulated "
        f"person likes it {better:+.2f} standard deviations better."
    )
    row = PictureRow(
        [
            CaptionedPicture(pictures[0], "as it is", description="the portrait as it is"),
            CaptionedPicture(pictures[1], edit, f"{probability:.0%} over it as it is", f"the portrait edited: {edit}"),
        ]
    )
    columns = {"seconds": Column("seconds", ".1f")}
    return Report(
        "The whole way on the sample",
        verdict,
        list(reasons),
        [
            Fact("seconds in all", f"{sum(step.seconds for step in steps):.0f}"),
            Fact("questions", f"{len(rounds)}"),
            Fact("probability", f"{probability:.2f}", "thought, of being preferred"),
            Fact("liked better", f"{better:+.2f}", "in truth, in standard deviations"),
        ],
        [
            Section("The recommendation", [row]),
            Section("Steps", [Paragraph("Each is a command that you could type; links lead to its own report."), StepList(steps)]),
            Section(
                "Questions", [DataTable(rounds, f"What {who} was asked and answered; seconds until the next question.", columns)]
            ),
        ],
    )


def _step(step: DemoStep) -> str:
    link = f' <a href="{escape(step.report)}">report</a>' if step.report else ""
    found = f"<p>{escape(step.found)}</p>" if step.found else ""
    return (
        f"<li><strong>{escape(step.what)}</strong> <small>{step.seconds:.0f} s</small>{link}{found}"
        f'<pre class="command"><code>{escape(step.command)}</code></pre></li>'
    )
