"""Reports about tastes beside the population's: evaluated, trained, and met with a few judgements of somebody new."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from beholder.reports import gain_charts
from beholder.reports.data_table import Column, DataTable, PeopleTable, interval
from beholder.reports.parts import Chart, Panels, Paragraph
from beholder.reports.report import Fact, Report, Section
from beholder.statistics import Interval, bootstrap

_PEOPLE_COLUMNS = {
    "user_id": Column("person"),
    "attribute": Column(choices=True),
    "accuracy.personal": Column("own taste right", ".1%"),
    "accuracy.population": Column("population right", ".1%"),
    "gain": Column("gain [95 %]"),
    "told": Column("own taste is", choices=True),
    "srcc.personal": Column("rank correlation", ".2f"),
    "trust": Column("served own taste", ".0%"),
}
_OVER_PEOPLE = (
    "Means over people, a person's attributes averaged first; intervals of 95 % by bootstrap over people: for other people, "
    "and these images."
)


def evaluation_report(
    name: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[str, Mapping[str, float]],
    *,
    split: str,
    ahead: Mapping[str, Interval],
    ceiling: tuple[float, int],
) -> Report:
    """Return the report of tastes judged on the same held-out pairs; `name` is the one that is evaluated.

    tables: of `evaluation.agree`, by taste, and figures: of `evaluation.figures` with calibration.error, the evaluated one first in
    both. ahead: its lead over others. ceiling: the best possible accuracy by so many repeated comparisons.
    """
    own, table = figures[name], tables[name]
    because = [_counted(table), f"Split by {split}: {_SPLITS[split]}", _OVER_PEOPLE]
    because += [f"{name} is ahead of {other} by {_points(lead)}." for other, lead in ahead.items()]
    if ceiling[1]:
        because.append(
            f"Nobody can be right in more than {ceiling[0]:.1%}: {ceiling[1]:,} repeated comparisons say how often people change."
        )
    rows = [(each, _gain(f)) for each, f in figures.items()]
    frame = pd.DataFrame(
        [
            {
                "taste": "population",
                "accuracy": own["accuracy.population"],
                "logloss": own["logloss.population"],
                "srcc": own["srcc.population"],
            },
            *(
                {
                    "taste": each,
                    "accuracy": f["accuracy.personal"],
                    "gain": f["gain.mean"],
                    "gain.low": f["gain.low"],
                    "gain.high": f["gain.high"],
                    "logloss": f["logloss.personal"],
                    "calibration": f["calibration.error"],
                    "srcc": f["srcc.personal"],
                }
                for each, f in figures.items()
            ),
        ]
    )
    frame = frame.assign(gain=interval(frame, "gain")).drop(columns=["gain.low", "gain.high"])
    columns = {
        "accuracy": Column("right", ".1%"),
        "gain": Column("gain [95 %]"),
        "logloss": Column("log-loss, nats"),
        "calibration": Column("calibration error"),
        "srcc": Column("rank correlation", ".2f"),
    }
    caption = f"Tastes on {own['pairs']:,} held-out pairs of {own['people']:,} people. Gain: accuracy over the population's."
    tastes = Chart(
        "tastes",
        gain_charts.forest(rows, xlabel="gain in accuracy over the population's taste"),
        "Gain over the population, by taste",
        f"Means over {own['people']:,} people with 95 % intervals; hollow where the interval has 0 in it.",
        "; ".join(f"{each} {gain}" for each, gain in rows),
    )
    return Report(
        f"Evaluation of {name}",
        _verdict(name, own),
        because,
        _facts(own),
        [
            Section("Tastes", [tastes, DataTable(frame, caption, columns)]),
            Section("People", _people_parts(table)),
        ],
    )


def training_report(
    name: str,
    kind: str,
    table: pd.DataFrame,
    figures: Mapping[str, float],
    *,
    attributes: Sequence[str],
    encoder_id: str,
    judgements: tuple[int, int],
    trust: Mapping[str, Mapping[str, float]],
    epochs: Sequence[Mapping[str, float]] = (),
) -> Report:
    """Return the report of a taste that was fitted. table, figures: of `evaluation.agree` and `evaluation.figures`, on what was
    held out.

    judgements: learned from, and held out. trust: attribute -> person -> the weight of their own taste. epochs: figures of each,
    `loss` and `held_out_loss`.
    """
    learned, held_out = judgements
    because = [
        f"Learned from {learned:,} judgements about {', '.join(attributes)}; {held_out:,} were held out.",
        f"Images are seen through {encoder_id}.",
        "What was held out also stopped the fit, so `beholder evaluate` is the fairer judge.",
    ]
    if table.empty:
        return Report(f"{name}, a taste of kind {kind}", "Nothing was held out by which this taste could be measured.", because)
    weights = [
        trust.get(attribute, {}).get(user_id) for user_id, attribute in zip(table["user_id"], table["attribute"], strict=True)
    ]
    rows = table.assign(trust=pd.Series(weights, index=table.index, dtype=float)) if trust else table
    fitting = [_epochs(epochs)] if len([each for each in epochs if "held_out_loss" in each]) > 1 else []
    sections = [Section("People", _people_parts(rows))]
    if fitting:
        sections.append(Section("The fit", fitting))
    return Report(
        f"{name}, a taste of kind {kind}", _verdict(name, figures), [_counted(table), *because], _facts(figures), sections
    )


def few_shot_report(name: str, curves: Mapping[str, pd.DataFrame], tables: Mapping[str, Mapping[int, pd.DataFrame]]) -> Report:
    """Return the report of how fast tastes learn somebody new. curves: by taste, columns judgements, gain with its interval,
    accuracy; tables: of `evaluation.agree` by taste and number of comparisons."""
    own = curves[name]
    last = own.iloc[-1]
    people = tables[name][int(last["judgements"])]
    enough = own[(own["gain.low"] > 0)]["judgements"]
    soon = (
        f" {enough.iloc[0]:.0f} comparisons are enough to see it."
        if len(enough)
        else " No number that was tried is enough to see it."
    )
    words = (
        f"After {last['judgements']:.0f} comparisons of somebody new, {name} is right in {last['accuracy']:.1%} of "
        f"their held-out pairs, "
        f"{_points(Interval(last['gain'], last['gain.low'], last['gain.high']))} over the population's taste.{soon}"
    )
    every = pd.concat(rows.assign(taste=each) for each, rows in curves.items())
    frame = every.assign(gain=interval(every, "gain"))[["taste", "judgements", "accuracy", "gain"]]
    chart = Chart(
        "learning",
        gain_charts.learning(curves),
        "Gain over the population, by comparisons of somebody new",
        f"Means over {people['user_id'].nunique():,} people, each new once; the band and the bars are 95 % intervals over people.",
        "; ".join(f"{taste} after {count:.0f}: {gain}" for taste, count, _, gain in frame.itertuples(index=False)),
    )
    columns = {"judgements": Column("comparisons", ".0f"), "accuracy": Column("right", ".1%"), "gain": Column("gain [95 %]")}
    return Report(
        f"{name} and people it never met",
        words,
        [_counted(people), _OVER_PEOPLE],
        [
            Fact(f"after {count:.0f}", f"{right:.1%}", f"gain {100 * gain:+.1f} points")
            for count, right, gain in zip(own["judgements"], own["accuracy"], own["gain"], strict=True)
        ],
        [
            Section("Few comparisons", [chart, DataTable(frame, "Right in held-out pairs, by number of comparisons.", columns)]),
            Section(f"People after {last['judgements']:.0f} comparisons", _people_parts(people, name="gain-last")),
        ],
    )


def question_order_report(
    curves: Mapping[str, pd.DataFrame],
    leads: Mapping[tuple[str, int], Interval],
    worths: Mapping[tuple[str, int], Interval],
    *,
    people: int,
    batch: int,
) -> Report:
    """Return the report of ways of asking somebody new. curves: by way, columns judgements, gain over no question with its
    interval, accuracy, that of random questions first; leads: over random questions, by way and number; worths: likewise, how
    many random questions are as good."""
    words = []
    for (order, count), worth in worths.items():
        lead = leads[(order, count)]
        sign = "ahead of" if lead.low > 0 else "behind" if lead.high < 0 else "not told apart from"
        words.append(
            f"{count} questions by {order} are {sign} as many random ones, by {_points(lead)}; they are worth "
            f"{worth.mean:.0f} random ones [{worth.low:.0f}, {worth.high:.0f}]."
        )
    rows = [{"order": order, "questions": count, "lead": _points(lead)} for (order, count), lead in leads.items()]
    frame = pd.DataFrame(rows, columns=["order", "questions", "lead"])
    together = (
        f"Questions are asked {batch} at a time." if batch > 1 else "Each question is chosen when the one before it is answered."
    )
    chart = Chart(
        "asking",
        gain_charts.learning(curves),
        "Gain over the population's taste, by questions asked of somebody new",
        f"Means over {people:,} people, each new once; the band and the bars are 95 % intervals over people.",
        "; ".join(
            f"{order} after {rows['judgements'].iloc[-1]:.0f}: {rows['accuracy'].iloc[-1]:.1%}" for order, rows in curves.items()
        ),
    )
    columns = {
        "order": Column("questions by", choices=True),
        "questions": Column("asked", ".0f"),
        "lead": Column("lead over random [95 %]"),
    }
    table = DataTable(frame, "Lead over random questions in accuracy, paired by person and pair.", columns)
    return Report(
        "Ways of asking somebody new",
        " ".join(words) or "No way was judged after 10 questions.",
        [f"{people:,} people, each new once to a taste fitted to the others; equal scores were answered 'neither'.", together],
        sections=[Section("Learning", [chart, table])],
    )


_SPLITS = {
    "image": "no image of a test pair was learned from.",
    "pair": "the same images stand on both sides, which flatters every taste; split=image does not.",
}


def _verdict(name: str, figures: Mapping[str, float]) -> str:
    gain = _gain(figures)
    if gain.low > 0:
        words = "Each person's own taste is better than everybody's"
    elif gain.high < 0:
        words = "Each person's own taste is worse than everybody's"
    else:
        words = "No difference is seen between each person's own taste and everybody's"
    return (
        f"{words}: {name} is right in {figures['accuracy.personal']:.1%} of held-out choices, the population's taste in "
        f"{figures['accuracy.population']:.1%}. That is a gain of {_points(gain)} over {figures['people']:,} people."
    )


def _gain(figures: Mapping[str, float]) -> Interval:
    return Interval(figures["gain.mean"], figures["gain.low"], figures["gain.high"])


def _points(each: Interval) -> str:
    """Return a difference of accuracies as people read it: in percentage points."""
    return f"{100 * each.mean:+.1f} points [{100 * each.low:+.1f}, {100 * each.high:+.1f}]"


def _counted(table: pd.DataFrame) -> str:
    means = table.groupby("user_id")[["gain", "gain.low", "gain.high"]].mean()
    better, worse = int((means["gain.low"] > 0).sum()), int((means["gain.high"] < 0).sum())
    return (
        f"Taken one by one, {better:,} of {len(means):,} people are served better by their own taste, {worse:,} worse; "
        f"of the other "
        f"{len(means) - better - worse:,} their judgements don't tell."
    )


def _facts(figures: Mapping[str, float]) -> list[Fact]:
    gain = _gain(figures)
    return [
        Fact("people", f"{figures['people']:,}"),
        Fact("held-out pairs", f"{figures['pairs']:,}"),
        Fact("own taste right", f"{figures['accuracy.personal']:.1%}"),
        Fact("population right", f"{figures['accuracy.population']:.1%}"),
        Fact("gain, points", f"{100 * gain.mean:+.1f}", f"95 %: {100 * gain.low:+.1f} to {100 * gain.high:+.1f}"),
        Fact("log-loss, nats", f"{figures['logloss.personal']:.3f}", f"population {figures['logloss.population']:.3f}"),
    ]


def _people_parts(table: pd.DataFrame, *, name: str = "gain") -> list[Chart | Panels | PeopleTable | Paragraph]:
    """Return the chart of people's gains, that of attributes where there are several, and the table."""
    people = table["user_id"].nunique()
    person = Chart(
        name,
        gain_charts.by_person(table),
        "Gain over the population, by person",
        f"{people:,} people with 95 % intervals over their held-out pairs; a person's attributes are averaged.",
        _counted(table),
    )
    gains = [(str(attribute), bootstrap(rows["gain"].to_numpy())) for attribute, rows in table.groupby("attribute", sort=False)]
    charts = [person]
    if len(gains) > 1:
        charts.append(
            Chart(
                f"{name}-attributes",
                gain_charts.forest(gains, xlabel="gain in accuracy over the population's taste"),
                "Gain over the population, by attribute",
                "Means over people who judged it, with 95 % intervals; hollow where the interval has 0 in it.",
                "; ".join(f"{attribute} {gain}" for attribute, gain in gains),
            )
        )
    told = np.select([table["gain.low"] > 0, table["gain.high"] < 0], ["better", "worse"], "not told apart")
    rows = table.assign(gain=interval(table, "gain"), told=told).iloc[np.argsort(-table["gain"].to_numpy(), kind="stable")]
    shown = ["user_id", "attribute", "pairs", "accuracy.personal", "accuracy.population", "gain", "told", "srcc.personal"]
    shown += [column for column in ("trust",) if column in table]
    caption = "People and attributes, the highest gain first. Pairs: held out. Rank correlation: of the own taste with ratings."
    return [Panels(charts) if len(charts) > 1 else person, PeopleTable(rows[shown], caption, _PEOPLE_COLUMNS)]


def _epochs(epochs: Sequence[Mapping[str, float]]) -> Chart:
    frame = pd.DataFrame([each for each in epochs if "held_out_loss" in each])
    best = int(frame["held_out_loss"].argmin())
    return Chart(
        "epochs",
        gain_charts.epochs(frame),
        "Loss by epoch",
        f"{len(frame)} epochs; what was held out decides when to stop, and the taste is that of the best epoch, {best + 1}.",
        f"Held-out loss goes from {frame['held_out_loss'].iloc[0]:.3f} to {frame['held_out_loss'].min():.3f}.",
    )
