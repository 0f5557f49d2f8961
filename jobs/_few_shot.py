"""Few shots: how fast tastes learn somebody new, from a handful of their comparisons."""

import numpy as np
import pandas as pd
import ray

from beholder import evaluation, plots
from beholder.jobs._comparison import TasteComparison
from beholder.progress import Progress
from beholder.report import markdown_table
from beholder.runs import Run, log
from beholder.taste import splits, taste_factory
from beholder.taste.contract import Taste
from beholder.taste.dataset import JudgementDataset, join
from beholder.taste.splits import Split
from beholder.taste.taste_factory import TasteConfig


def few_shots(
    contest: TasteComparison, split: Split, run: Run, *, shots: list[int], folds: int, enough: np.ndarray, at_most: int
) -> None:
    """Fit each taste to other people, then tell it so many comparisons of somebody new, and judge it on images nobody saw.

    folds: the people are divided in so many parts, each new once. enough: who is reported, bool [P]. at_most: test pairs that
    a person's ratings imply on an attribute.
    """
    waiting: dict[str, dict[int, list]] = {name: {count: [] for count in shots} for name in contest.tastes}
    for fold in splits.by_person(contest.evidence, seed=contest.seed, shares=(1 / folds,) * folds):
        new = fold.counts() > 0
        others, chooser = split.train.by(~new), split.val.by(~new)
        theirs, test = split.train.by(new & enough), split.test.by(new & enough)
        asked = evaluation.questions(test, at_most=at_most, seed=contest.seed)
        everybody = contest.everybody(others, chooser)
        for name, config in contest.tastes.items():
            known = contest.fit(name, others, chooser)
            for count in shots:
                few = evaluation.first(theirs, count, seed=contest.seed)
                taste = _meet.remote(known, others, chooser, few, contest.items, config, contest.encoder_id, contest.seed)
                waiting[name][count].append(contest.judge(taste, everybody, test, asked))
    found: dict[str, dict[int, pd.DataFrame]] = {}
    with Progress("evaluate", total=len(contest.tastes) * len(shots) * folds, unit="fits") as progress:
        for name, counts in waiting.items():
            found[name] = {}
            for count, parts in counts.items():
                tables = []
                for part in parts:
                    tables.append(ray.get(part).table)
                    progress.advance()
                found[name][count] = pd.concat(tables)
    report(contest, run, found)


def report(contest: TasteComparison, run: Run, found: dict[str, dict[int, pd.DataFrame]]) -> None:
    """Write and print what came out: by taste and number of comparisons."""
    curves = {name: curve(counts) for name, counts in found.items()}
    own = curves[contest.own]
    run.metrics(
        {"people": int(next(iter(found[contest.own].values()))["user_id"].nunique())}
        | {
            f"{name}/{row['judgements']:.0f}/{key}": float(row[key])
            for name, rows in curves.items()
            for _, row in rows.iterrows()
            for key in ("gain", "gain.low", "gain.high", "accuracy")
        }
    )
    run.results(
        pd.concat(each.assign(taste=name, judgements=count) for name, counts in found.items() for count, each in counts.items())
    )
    plots.save(run.place, "learning", plots.learning(curves, title="Gain over the population, by comparisons of somebody new"))
    cells = []
    for name, rows in curves.items():
        for _, row in rows.iterrows():
            gain = evaluation.Interval(row["gain"], row["gain.low"], row["gain.high"])
            cells.append((name, f"{row['judgements']:.0f}", f"{row['accuracy']:.4f}", gain))
    lines = markdown_table(["taste", "comparisons", "accuracy", "gain over the population"], cells, align="lrrr")
    run.summary("\n".join(["# After a few comparisons of somebody new", "", *lines, "", "![learning](figures/learning.png)", ""]))
    log.info("%d shots of %d people", len(own), len(contest.evidence.people))
    print("\n".join(lines))


@ray.remote(num_cpus=1)
def _meet(
    known: Taste,
    others: JudgementDataset,
    chooser: JudgementDataset,
    few: JudgementDataset,
    items: np.ndarray,
    config: TasteConfig,
    encoder_id: str,
    seed: int,
) -> Taste:
    """The taste after a few comparisons of new people: told them where it can learn on, else fitted again with them."""
    if not len(few):
        return known
    if hasattr(known, "learn"):
        return known.learn(few, items)
    return taste_factory.fit(join(others, few), chooser, items, config, encoder_id=encoder_id, seed=seed)


def curve(counts: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """judgements, accuracy, gain with its interval over people."""
    by_person = {count: each.groupby("user_id")[["gain", "accuracy.personal"]].mean() for count, each in counts.items()}
    rows = evaluation.summarise({count: each["gain"].to_numpy() for count, each in by_person.items()})
    return rows.assign(accuracy=[float(each["accuracy.personal"].mean()) for each in by_person.values()])
