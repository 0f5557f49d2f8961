"""Few-shot evaluation: how fast tastes learn a new person, from a handful of their comparisons."""

import numpy as np
import pandas as pd
import ray

from beholder import evaluation
from beholder.jobs import _placement, _warm_comparison
from beholder.jobs._comparison import TasteComparison, TasteResult
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.reports.taste_report import few_shot_report
from beholder.runs import Run, log
from beholder.statistics import Interval
from beholder.taste.few_shots import divide as people_divided
from beholder.taste.splits import Split


def few_shots(
    comparison: TasteComparison,
    split: Split,
    run: Run,
    *,
    shots: list[int],
    folds: int,
    enough: np.ndarray,
    at_most: int,
    crowd: bool = False,
) -> None:
    """Fit each taste to other people, then update it with so many comparisons of a new person, and judge it on images of the test.

    folds: the people are divided in so many parts, each new once. enough: who is reported, bool [P]. at_most: test pairs that
    a person's ratings imply on an attribute. crowd: also judge each taste with what the other people said of the test images.
    """
    tasks: dict[str, dict[int, list[ray.ObjectRef[TasteResult]]]] = {
        each: {count: [] for count in shots}
        for name in comparison.tastes
        for each in ([name, f"{name}, warm"] if crowd else [name])
    }
    fitted_to = np.isin(np.arange(len(comparison.dataset.images)), split.train.judged_images())
    divided = people_divided(comparison.dataset, split, folds=folds, enough=enough, at_most=at_most, seed=comparison.seed)
    for fold in divided:
        others, chooser, test, asked = fold.train, fold.held_out, fold.test, fold.asked
        population = comparison.population(others, chooser).taste
        for name in comparison.tastes:
            fitted = comparison.fit(name, others, chooser).taste
            for count in shots:
                few = evaluation.first(fold.theirs, count, seed=comparison.seed)
                taste = comparison.meet(name, fitted, others, chooser, few)
                tasks[name][count].append(comparison.judge(name, taste, population, test, asked))
                if crowd:
                    warm = _warm_comparison.judge_new(comparison, name, taste, population, fold.judged, fitted_to, test, asked)
                    tasks[f"{name}, warm"][count].append(warm)
    tables: dict[str, dict[int, pd.DataFrame]] = {}
    pending = [part for counts in tasks.values() for parts in counts.values() for part in parts]
    with Progress("evaluate", total=len(pending), unit="fits") as progress:
        for _ in _placement.as_completed(pending):
            progress.advance()
    for name, counts in tasks.items():
        tables[name] = {count: pd.concat([ray.get(part).table for part in parts]) for count, parts in counts.items()}
    report(comparison, run, tables)


def report(comparison: TasteComparison, run: Run, tables: dict[str, dict[int, pd.DataFrame]]) -> None:
    """Write and print what came out: by taste and number of comparisons."""
    curves = {name: evaluation.learning_curve(counts) for name, counts in tables.items()}
    own = curves[comparison.own]
    run.metrics(
        {"people": int(next(iter(tables[comparison.own].values()))["user_id"].nunique())}
        | {
            f"{name}/{row['judgements']:.0f}/{key}": float(row[key])
            for name, rows in curves.items()
            for _, row in rows.iterrows()
            for key in ("gain", "gain.low", "gain.high", "accuracy")
        }
    )
    run.results(
        pd.concat(each.assign(taste=name, judgements=count) for name, counts in tables.items() for count, each in counts.items())
    )
    page = few_shot_report(comparison.own, curves, tables)
    page.write(run)
    cells = []
    for name, rows in curves.items():
        for _, row in rows.iterrows():
            gain = Interval(row["gain"], row["gain.low"], row["gain.high"])
            cells.append((name, f"{row['judgements']:.0f}", f"{row['accuracy']:.4f}", gain))
    lines = markdown_table(["taste", "comparisons", "accuracy", "gain over the population"], cells, align="lrrr")
    run.summary(
        "\n".join(
            ["# After a few comparisons of somebody new", "", page.verdict, "", *lines, "", "![learning](figures/learning.png)", ""]
        )
    )
    log.info("%d shots of %d people", len(own), len(comparison.dataset.people))
    print("\n".join(lines))
