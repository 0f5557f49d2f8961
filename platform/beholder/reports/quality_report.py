"""The report of the quality of judgements: who can be believed, why, and how much people agree."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from beholder.reports import quality_charts
from beholder.reports.data_table import Column, DataTable, PeopleTable, interval
from beholder.reports.gain_charts import forest
from beholder.reports.parts import Chart, CommandLine, Panels, Paragraph
from beholder.reports.person_names import person_names
from beholder.reports.report import Fact, Report, Section
from beholder.statistics import Interval

_CALLED = {
    "believed": "can be believed",
    "doubtful": "are doubtful",
    "random": "answer at random",
    "biased": "are biased",
    "too few": "judged too little to say",
}
_SHARES = {
    "predictability": "predicted right",
    "agreement": "right by what all share",
    "consistency": "pairs as the own ratings",
    "retest": "said the same again",
    "left": "left image chosen",
    "same_score": "most frequent score",
    "cyclic": "cyclic triads",
    "fast": "fast answers",
}
_COLUMNS = {
    "user_id": Column("person"),
    "verdict": Column(choices=True),
    "weight": Column(spec=".2f"),
    "reasons": Column("why"),
    "judgements": Column(spec=",.0f"),
    "predictability": Column("predicted right [95 %]"),
    "agreement": Column("by what all share", ".0%"),
    "consistency": Column("as own ratings", ".0%"),
    "retest": Column("same again", ".0%"),
    "left": Column("left chosen", ".0%"),
    "same_score": Column("same score", ".0%"),
    "cyclic": Column("cyclic triads", ".0%"),
    "seconds": Column("seconds a judgement", ".2g"),
}


def quality_report(
    table: pd.DataFrame, alpha: Mapping[str, Interval], matrix: pd.DataFrame, *, usual: float, usable: bool, workspace: str = ""
) -> Report:
    """Return the report. table: a row for each person, as results.csv has it. alpha: Krippendorff's, in all ("") and by attribute.
    matrix: the correlation of people's tastes, the alike beside each other. usual: how often a person who looks is predicted right;
    usable: whether that differs from chance. workspace: as it was typed, for the command that uses the weights."""
    counted = table["verdict"].value_counts()
    called = {name: int(counted.get(name, 0)) for name in _CALLED}
    lost = table[table["verdict"].isin(["random", "biased", "doubtful"])]
    judgements = int(table["judgements"].sum())
    others = [f"{count:,} {_CALLED[name]}" for name, count in called.items() if count and name != "believed"]
    verdict = f"{called['believed']:,} of {len(table):,} people can be believed" + (f"; {_joined(others)}." if others else ".")
    because = [
        f"A person who looks is predicted right in {usual:.0%} of cases, one who answers by chance in 50%."
        if usable
        else "Hardly anybody's judgements can be predicted from others', so answers by chance can't be told here.",
        f"{judgements:,} judgements; {lost['judgements'].sum() / max(judgements, 1):.0%} of them are of people who are "
        f"doubtful, random or "
        f"biased. Weights leave {(table['judgements'] * table['weight']).sum() / max(judgements, 1):.0%} of the weight of all.",
        "People are compared with chance one by one; what is tested is corrected for how many people there are (Holm).",
    ]
    if "" in alpha and np.isfinite(alpha[""].mean):
        each = alpha[""]
        words = f"Ratings agree with alpha {each.mean:.2f} [{each.low:.2f}, {each.high:.2f}]"
        because.append(f"{words}; low where tastes differ, which is no fault.")
    facts = [Fact(name, f"{count:,}", f"{count / max(len(table), 1):.0%} of people") for name, count in called.items()]
    sections = [
        Section("People", [_predictability(table, usual if usable else float("nan")), _people(table)]),
        Section("Agreement", _agreement(alpha, matrix)),
        Section("Measures", [_distributions(table), _spread(table)]),
        Section("Use the weights", [*_use(workspace)]),
    ]
    return Report("Quality of judgements", verdict, because, facts, sections)


def _predictability(table: pd.DataFrame, usual: float) -> Chart:
    known = table["predictability"].notna().sum()
    medians = {str(name): float(rows["predictability"].median()) for name, rows in table.groupby("verdict")}
    ends = "; ".join(f"{name}: {median:.0%} in the median" for name, median in medians.items() if np.isfinite(median))
    return Chart(
        "predictability",
        quality_charts.predictability(table, usual=usual),
        "How often judgements are predicted right",
        f"{known:,} people with 95 % intervals; from each person's other judgements and everybody's. Marks say the verdict.",
        ends or "Too few judgements to predict any.",
    )


def _people(table: pd.DataFrame) -> PeopleTable:
    order = np.lexsort([table["user_id"].to_numpy(dtype=str), table["weight"].to_numpy()])
    rows = table.iloc[order].copy()
    rows["predictability"] = interval(rows, "predictability", spec=".0%")
    caption = "People, the least weight first. Empty: too few to say; results.csv has every measure with its interval."
    return PeopleTable(rows[list(_COLUMNS)], caption, _COLUMNS)


def _agreement(alpha: Mapping[str, Interval], matrix: pd.DataFrame) -> list[Chart | Panels | Paragraph]:
    known = [(name or "all attributes", each) for name, each in alpha.items() if np.isfinite(each.mean)]
    few = [name or "all attributes" for name, each in alpha.items() if not np.isfinite(each.mean)]
    charts = []
    if known:
        charts.append(
            Chart(
                "alpha",
                forest(known, xlabel="Krippendorff's ordinal alpha", spec=".2f"),
                "Agreement of ratings, by attribute",
                "Alpha with 95 % intervals over images: 1 is perfect agreement, 0 that of chance.",
                "; ".join(f"{name} {each.mean:.2f}" for name, each in known),
            )
        )
    if len(matrix) > 1:
        names = person_names(matrix.index)
        charts.append(
            Chart(
                "agreement",
                quality_charts.agreement(matrix.to_numpy(), [names[str(each)] for each in matrix.index]),
                "Who is like whom",
                f"{len(matrix):,} people; the light blocks on the diagonal are people of like taste. agreement.csv has "
                f"the figures.",
                "A matrix of correlations of tastes, people in the order of their likeness.",
            )
        )
    parts: list[Chart | Panels | Paragraph] = [Panels(charts)] if charts else []
    if few:
        parts.append(Paragraph(f"Too few ratings of the same images to say for {_joined(few)}.", quiet=True))
    return parts


def _distributions(table: pd.DataFrame) -> Chart:
    return Chart(
        "distributions",
        quality_charts.distributions(table, _SHARES),
        "How measures are distributed",
        f"A mark for each of {len(table):,} people (some of very many); the shape of the mark says the verdict, as above.",
        "; ".join(f"{words}: median {table[name].median():.2f}" for name, words in _SHARES.items() if table[name].notna().any()),
    )


def _spread(table: pd.DataFrame) -> DataTable:
    rows = []
    for name, words in _SHARES.items():
        known = table[name].dropna()
        tenth, median, nine = known.quantile([0.1, 0.5, 0.9]) if len(known) else (np.nan,) * 3
        rows.append({"measure": words, "people": len(known), "a tenth below": tenth, "median": median, "nine tenths below": nine})
    return DataTable(pd.DataFrame(rows), "Shares; people: of whom there is enough to say.")


def _use(workspace: str) -> list[Paragraph | CommandLine]:
    words = ["beholder", "train", "taste=bayes", "judgements.weights=quality", *([f"workspace={workspace}"] if workspace else [])]
    return [Paragraph("Training counts each person's judgements by their weight if it is told to:"), CommandLine(words)]


def _joined(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
