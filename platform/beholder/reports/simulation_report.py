"""The report of simulated people: which ranker and which questions lead to the best recommendations, and how soon."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from beholder.recommending import acquisition
from beholder.reports.data_table import Column, DataTable, PeopleTable
from beholder.reports.parts import BulletList, Chart, Panels, Paragraph
from beholder.reports.report import Fact, Report, Section
from beholder.reports.trajectory_charts import trajectories, trajectory
from beholder.simulation import summary
from beholder.simulation.rounds import Trajectory
from beholder.simulation.simulated_people import SimulatedChooser
from beholder.simulation.summary import BEST, Calibration, Cell, Results

if TYPE_CHECKING:
    from beholder.plots import Figure

TITLES = {
    "regret": "regret, as a share of the range",
    "preferred": "P(preferred to the original)",
    "accuracy": "held-out pairs right",
}
_WORDS = {True: "reached", False: "MISSED", None: "CAN'T BE TOLD"}


def simulation_report(
    results: Results,
    people: Sequence[SimulatedChooser],
    *,
    shown: Sequence[int],
    told: Mapping[Cell, Sequence[Calibration]] | None = None,
    trials: pd.DataFrame | None = None,
) -> Report:
    """Return the report. shown: the numbers of choices that stand in tables. told: what kinds of people were told, and what is
    true; trials: the settings of rankers that were tried on others."""
    goals = summary.goals(results)
    own = BEST if BEST in results else next(iter(results))
    last = shown[-1]
    preferred, regret = (summary.means(results[own], figure) for figure in ("preferred", "regret"))
    verdict = (
        f"After {last} choices, {' '.join(own)} recommends an edit that a simulated person prefers to the unedited "
        f"portrait with probability "
        f"{preferred[last].mean:.2f} [{preferred[last].low:.2f}, {preferred[last].high:.2f}]; before any, with "
        f"{preferred[0].mean:.2f}."
    )
    reached = sum(goal.reached is True for goal in goals)
    because = [
        f"{len(people):,} simulated people of the portrait world, each with every ranker and strategy; means, and 95 % "
        f"intervals over people and portraits.",
        f"Regret is the utility that the recommended edit lacks of the best one: {regret[0].mean:.2f} of the range at first, "
        f"{regret[last].mean:.2f} after {last} choices.",
    ]
    if goals:
        because.append(f"{reached} of {len(goals)} goals are reached.")
    sections = []
    for name, lines in _rows(results).items():
        panels = [_panel(f"{name}-{figure}", results, lines, figure, len(people)) for figure in TITLES]
        sections.append(Section(_SECTIONS[name], [Panels(panels)]))
    if goals:
        goal_list = BulletList([f"{each.claim}: {each.measured}" for each in goals], [f"{_WORDS[each.reached]}." for each in goals])
        sections.append(Section("Goals", [goal_list]))
    if told:
        sections.append(Section("Is the chance true?", [_calibration(cell, rows) for cell, rows in told.items()]))
    tables = [_table(results, figure, title, shown) for figure, title in TITLES.items()]
    if trials is not None and len(trials):
        caption = (
            "Settings that were tried on people used for nothing else: the mean share of regret over their questions, or by chance "
            "the largest error of what a kind of people is told."
        )
        tables.append(DataTable(trials.round(4), caption))
    sections += [Section("Figures", tables), Section("People", _people(results[own], people, own, last))]
    facts = [
        Fact(f"preferred after {n}", f"{preferred[n].mean:.2f}", f"95 %: {preferred[n].low:.2f} to {preferred[n].high:.2f}")
        for n in shown
    ]
    return Report("Recommendations for simulated people", verdict, because, [Fact("people", f"{len(people)}"), *facts], sections)


def courses(results: Results, count: int) -> "Figure":
    """Draw the rankers, each with its best questions, and below them `bayes` with each strategy, in one figure. count: of
    people."""
    rows = [
        [(title, {label: _points(results[cell], figure) for label, cell in lines.items()}) for figure, title in TITLES.items()]
        for lines in _rows(results).values()
    ]
    return trajectories(rows, title=f"Recommendations for {count} simulated people, by choices; band and bars: 95 % over people")


_SECTIONS = {"rankers": "Rankers", "strategies": "Questions"}


def _rows(results: Results) -> dict[str, dict[str, Cell]]:
    """Return the lines of each row of panels, the service's default first in both."""
    first = sorted(results, key=lambda cell: cell != BEST)
    best = [cell for cell in first if cell[1] == acquisition.CHAMPION or (cell[0].startswith("bayes") and cell[1] == "eubo")]
    rows = {
        "rankers": {f"{cell[0]}, {_QUESTIONS.get(cell[1], cell[1])}": cell for cell in best},
        "strategies": {cell[1]: cell for cell in first if cell[0] == "bayes"},
    }
    return {name: lines for name, lines in rows.items() if lines}


_QUESTIONS = {acquisition.CHAMPION: "best first"}


def _panel(name: str, results: Results, lines: Mapping[str, Cell], figure: str, count: int) -> Chart:
    points = {label: _points(results[cell], figure) for label, cell in lines.items()}
    ends = "; ".join(f"{label} {rows['mean'].iloc[-1]:.2f}" for label, rows in points.items())
    title = TITLES[figure]
    return Chart(
        name,
        trajectory(points),
        title[0].upper() + title[1:],
        f"{count} people; the band, and the bars at the end, are 95 % intervals.",
        f"After {points[next(iter(points))]['rounds'].iloc[-1]} choices: {ends}",
    )


def _points(trajectories: Sequence[Trajectory], figure: str) -> pd.DataFrame:
    return pd.DataFrame([vars(each) for each in summary.means(trajectories, figure)]).rename_axis("rounds").reset_index()


def _table(results: Results, figure: str, title: str, shown: Sequence[int]) -> DataTable:
    rows = []
    for cell, each in results.items():
        means = summary.means(each, figure)
        values = {f"after {n}": f"{means[n].mean:.3f} [{means[n].low:.3f}, {means[n].high:.3f}]" for n in shown}
        rows.append({"ranker": cell[0], "questions": cell[1], **values})
    return DataTable(pd.DataFrame(rows), f"{title[0].upper()}{title[1:]}, after so many choices.")


def _calibration(cell: Cell, rows: Sequence[Calibration]) -> DataTable:
    frame = pd.DataFrame(
        [
            {
                "people": f"{each.kind} ({each.people})",
                "choices": each.rounds,
                "told": f"{each.told:.3f}",
                "true": f"{each.true:.3f}",
                "told - true": str(each.error),
            }
            for each in rows
        ]
    )  # fmt: skip
    return DataTable(frame, f"{' '.join(cell)}: P(the recommended edit is preferred to the original), by kind of people.")


def _people(
    trajectories: Sequence[Trajectory], people: Sequence[SimulatedChooser], own: Cell, last: int
) -> list[PeopleTable | Paragraph]:
    rows = [
        {"user_id": person.user_id, "kind": person.kind, **{figure: float(getattr(each, figure)[last]) for figure in TITLES}}
        for person, each in zip(people, trajectories, strict=True)
    ]
    frame = pd.DataFrame(rows).sort_values("preferred", ascending=False, kind="stable")
    kinds = summary.by_kind(trajectories, people, "preferred")
    words = "; ".join(f"{values[last]:.2f} of the {many} {kind} ones" for kind, (many, values) in kinds.items())
    columns = {"user_id": Column("person"), "kind": Column(choices=True), **{name: Column(title) for name, title in TITLES.items()}}
    caption = f"Simulated people with {' '.join(own)}, after {last} choices."
    return [
        Paragraph(f"P(preferred to the original) by kind of people, after {last} choices: {words}."),
        PeopleTable(frame, caption, columns),
    ]
