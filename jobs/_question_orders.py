"""Ways of asking: how fast the Bayesian taste learns a new person when questions are chosen, beside questions drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import ray

from beholder.errors import TasteError
from beholder.jobs import _reservation
from beholder.jobs._comparison import TasteComparison
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.reports.taste_report import question_order_report
from beholder.runs import Run
from beholder.simulation import taste_questions
from beholder.simulation.taste_questions import TasteDesign
from beholder.statistics import Interval, bootstrap, bootstrap_columns
from beholder.taste import splits, validation
from beholder.taste.bayes import BayesTaste
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, Groups, JudgementDataset
from beholder.taste.splits import Split

_CURVE = (
    0,
    2,
    5,
    7,
    10,
    15,
    20,
    30,
    40,
    50,
    70,
    100,
)  # random questions after which people are judged, to say what others are worth
_DRAWS = 4  # of random questions, whose mean is the beside


@dataclass(frozen=True)
class QuestionOrders:
    """What is compared. orders: ways of asking; counts: questions after which people are judged; batch: questions asked together;
    pairs: that a person's ratings imply, at most, to be asked and to be judged on."""

    orders: Sequence[str]
    counts: Sequence[int]
    batch: int
    pairs: int
    seed: int


def question_orders(
    comparison: TasteComparison, split: Split, run: Run, config: QuestionOrders, *, folds: int, enough: np.ndarray
) -> None:
    """Fit the taste to other people, ask each new person in each way, and judge what was learned on images of the test.

    folds: the people are divided in so many parts, each new once. enough: who is reported, bool [P].
    """
    tasks: dict[str, list[Any]] = {name: [] for name in ("random", *config.orders)}
    for fold in splits.by_person(comparison.dataset, seed=comparison.seed, shares=(1 / folds,) * folds):
        new = fold.counts() > 0
        fitted = comparison.fit(comparison.own, split.train.of_people(~new), split.val.of_people(~new)).taste
        theirs, test = (each.of_people(new & enough) for each in (split.train, split.test))
        asked = validation.pairs(test, at_most=config.pairs, seed=comparison.seed)
        for name, parts in tasks.items():
            task: Any = _ask.options(**comparison.reserve_judging(comparison.own).options)
            parts.append(task.remote(fitted, theirs, asked, comparison.items, name, config))
    found: dict[str, pd.DataFrame] = {}
    with Progress("evaluate", total=len(tasks) * folds, unit="folds") as progress:
        for name, parts in tasks.items():
            tables = []
            for part in parts:
                tables.append(ray.get(part))
                progress.advance()
            found[name] = pd.concat(tables, ignore_index=True)
    if found["random"].empty:
        raise TasteError("nobody new judged images of both train and test; lower min_ratings, or give other splits")
    report(run, found, config)


def report(run: Run, found: dict[str, pd.DataFrame], config: QuestionOrders) -> None:
    """Write and print what came out. found: by way of asking, user_id, count and accuracy; of random questions on a finer grid."""
    people = {name: table.pivot(index="user_id", columns="count", values="accuracy") for name, table in found.items()}
    beside = people.pop("random")
    curves = {"random": _curve(beside[list(config.counts)]), **{name: _curve(each) for name, each in people.items()}}
    leads = {
        (name, count): bootstrap((each[count] - beside.loc[each.index, count]).to_numpy())
        for name, each in people.items()
        for count in config.counts
        if count
    }
    worths = {(name, 10): _worth(each[10], beside.loc[each.index]) for name, each in people.items() if 10 in each}
    points = [
        (name, int(count), float(accuracy), float(gain))
        for name, rows in curves.items()
        for count, accuracy, gain in rows[["judgements", "accuracy", "gain"]].to_numpy().tolist()
    ]
    run.metrics(
        {"people": len(beside), "batch": config.batch}
        | {f"{name}/{count}/lead.{key}": value for (name, count), each in leads.items() for key, value in vars(each).items()}
        | {f"{name}/{count}/worth.{key}": value for (name, count), each in worths.items() for key, value in vars(each).items()}
        | {f"{name}/{count}/accuracy": accuracy for name, count, accuracy, _ in points}
        | {f"{name}/{count}/gain": gain for name, count, _, gain in points}
    )
    run.results(pd.concat([table.assign(order=name) for name, table in found.items()]))
    page = question_order_report(curves, leads, worths, people=len(beside), batch=config.batch)
    page.write(run)
    cells = []
    for name, count, accuracy, _ in points:
        worth = worths.get((name, count))
        told = "" if worth is None else f"{worth.mean:.0f} [{worth.low:.0f}, {worth.high:.0f}]"
        cells.append((name, str(count), f"{accuracy:.4f}", leads.get((name, count), ""), told))
    header = ["questions by", "asked", "accuracy", "over random, on the same pairs", "worth so many random ones"]
    lines = markdown_table(header, cells, align="lrrrr")
    run.summary(
        "\n".join(["# Ways of asking somebody new", "", page.verdict, "", *lines, "", "![learning](figures/asking.png)", ""])
    )
    print("\n".join(lines))


def _curve(accuracies: pd.DataFrame) -> pd.DataFrame:
    """judgements, accuracy, and the gain over no question with its interval over people."""
    gains = accuracies.sub(accuracies[min(accuracies.columns)], axis=0)
    intervals = bootstrap_columns(gains.to_numpy())
    return pd.DataFrame(
        {
            "judgements": list(accuracies.columns),
            "accuracy": accuracies.mean().to_numpy(),
            "gain": [each.mean for each in intervals],
            "gain.low": [each.low for each in intervals],
            "gain.high": [each.high for each in intervals],
        }
    )


def _worth(accuracies: pd.Series, random: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> Interval:
    """How many random questions reach these people's mean accuracy, with an interval by bootstrap over people."""
    rng, counts = np.random.default_rng(seed), [int(count) for count in random.columns.tolist()]
    rows = np.vstack([np.arange(len(random)), rng.integers(0, len(random), (draws, len(random)))])
    values = taste_questions.worth(accuracies.to_numpy()[rows].mean(axis=1), counts, random.to_numpy()[rows].mean(axis=1))
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Interval(float(values[0]), float(low), float(high))


@ray.remote
def _ask(
    taste: Taste, theirs: JudgementDataset, asked: ComparisonTable, items: np.ndarray, order: str, config: QuestionOrders
) -> pd.DataFrame:
    _reservation.begin()
    if not isinstance(taste, BayesTaste):
        raise TasteError("ways of asking are compared with taste=bayes, which knows how sure it is")
    ask = rate_everybody if order in taste_questions.RATED else ask_everybody
    return ask(taste, theirs, asked, items, order, config)


def rate_everybody(
    taste: BayesTaste, theirs: JudgementDataset, asked: ComparisonTable, items: np.ndarray, order: str, config: QuestionOrders
) -> pd.DataFrame:
    """Return the same as `ask_everybody` where new people rate images instead: after each number of their ratings."""
    counts = sorted(config.counts)
    frames = []
    for number, name in enumerate(theirs.attributes):
        own, tested = theirs.on_attribute(number), asked[asked.attribute == number]
        tests, rated = (Groups.of(table.person, len(theirs.people)) for table in (tested, own.ratings))
        people = [person for person in tests.present() if len(rated[person])]
        design = TasteDesign.of(taste.priors[taste.info.attribute(name)], items)
        ordered = {}
        for person in people:
            rows, rng = rated[person], np.random.default_rng([config.seed, person])
            best = taste_questions.rating_order(design, own.ratings.image[rows], order, at_most=max(counts), rng=rng)
            ordered[person] = rows[best]
        for count in counts:
            chosen = np.concatenate([np.zeros(0, np.int64), *(rows[:count] for rows in ordered.values())])
            few = replace(own, ratings=own.ratings[chosen], comparisons=own.comparisons[np.zeros(0, np.int64)])
            known = taste.learn(few, items) if count else taste
            for person in people:
                test, posterior = tested[tests[person]], known.posterior(theirs.people[person], name)
                gaps = taste_questions.differences(design, posterior, test.left, test.right)
                frames.append((theirs.people[person], count, validation.correctness(gaps, test.choice).mean()))
    table = pd.DataFrame(frames, columns=["user_id", "count", "accuracy"])
    return table.groupby(["user_id", "count"])[["accuracy"]].mean().reset_index()


def ask_everybody(
    taste: BayesTaste, theirs: JudgementDataset, asked: ComparisonTable, items: np.ndarray, order: str, config: QuestionOrders
) -> pd.DataFrame:
    """Return the accuracy of each new person after each number of questions: user_id, count, accuracy; a person's attributes are
    averaged.

    theirs: what they could be asked; asked: pairs that they are judged on.
    """
    counts = sorted({*config.counts, *(_CURVE if order == "random" else ())})
    rows = []
    for number, name in enumerate(theirs.attributes):
        own, tested = theirs.on_attribute(number), asked[asked.attribute == number]
        groups = Groups.of(tested.person, len(theirs.people))
        design = TasteDesign.of(taste.priors[taste.info.attribute(name)], items)
        for person in groups.present():
            pairs = taste_questions.answerable(own, person, at_most=2 * config.pairs, seed=config.seed)
            test = tested[groups[person]]
            if not len(pairs):
                continue
            right = np.zeros(len(counts))
            draws = _DRAWS if order == "random" else 1
            for draw in range(draws):
                rng = np.random.default_rng([config.seed, person, draw])
                known = taste_questions.learning(design, pairs, order, counts, rng=rng, batch=config.batch)
                right += [
                    validation.correctness(
                        taste_questions.differences(design, posterior, test.left, test.right), test.choice
                    ).mean()
                    for posterior in known
                ]
            rows += [(theirs.people[person], count, value) for count, value in zip(counts, right / draws, strict=True)]
    table = pd.DataFrame(rows, columns=["user_id", "count", "accuracy"])
    return table.groupby(["user_id", "count"])[["accuracy"]].mean().reset_index()
