"""`beholder evaluate`: tastes beside the population's, on judgements they never saw, per person and with intervals."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import ray

from beholder import evaluation
from beholder.config import load, setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, TasteError
from beholder.jobs import _warm_comparison, _workspace_dataset
from beholder.jobs._comparison import TasteComparison, TasteFit, TasteResult
from beholder.jobs._few_shot import few_shots
from beholder.jobs._kept_results import KeptResults
from beholder.jobs._question_orders import QuestionOrders, question_orders
from beholder.jobs._reservation import ClusterRoom
from beholder.progress import Progress
from beholder.quality.person_weights import JudgementsConfig, read_weights
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.reports.taste_report import evaluation_report
from beholder.runs import Run, log
from beholder.simulation import taste_questions
from beholder.simulation.taste_questions import ORDERS
from beholder.statistics import Interval
from beholder.taste import splits, validation
from beholder.taste.contract import Items
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.splits import Split
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.warm_images import WarmTest
from beholder.workspace import Workspace


@dataclass(frozen=True)
class EvaluateSettings:
    common: ClassVar[tuple[str, ...]] = (
        "taste",
        "beside",
        "split",
        "shots",
        "crowd",
        "attributes",
        "encoder",
        "encoder_id",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate",
        "beholder evaluate taste=mlp beside=[bayes,population]",
        "beholder evaluate split=person shots=[0,10,50]",
    )
    taste: TasteConfig = setting(TasteConfig(), "the taste that is evaluated")
    beside: list[str] = setting([], "other choices of taste, fitted and judged in the same run, by name: [mlp_published,mlp]")
    split: str = setting(
        "image", "image: no image of a test is trained on; pair: the published protocol, which leaks; person: new people"
    )
    shots: list[int] = setting(
        [0, 5, 10, 20, 50, 100], "with split=person: comparisons of somebody new after which they are judged"
    )
    folds: int = setting(4, "with split=person: the people are divided in so many parts, each new to a taste fitted to the others")
    crowd: bool = setting(False, "with split=image or person: also judge tastes with what other people said of the test images")
    crowd_folds: int = setting(
        10, "with crowd and split=image: the people are divided in so many parts; each is served what those of the others said"
    )
    crowd_others: list[int] = setting(
        [0], "with crowd and split=image: people who judged an image, at most, drawn where there are more; 0: all"
    )
    asks: list[str] = setting(
        [],
        f"with split=person: ways of choosing a new person's questions, beside questions at random, of {', '.join(ORDERS)}",
    )
    batch: int = setting(1, "with asks: questions that are asked together, before the answer to any of them is known")
    ratings: str | None = setting(
        None, "a Parquet file of ratings (user_id, image_id, attribute, score) instead of the workspace's"
    )
    comparisons: str | None = setting(None, "a Parquet file of comparisons instead of the workspace's")
    embeddings: str | None = setting(None, "with ratings or comparisons: a file of embeddings (.parquet, .npz, .pkl)")
    splits: str | None = setting(
        None, "a Parquet file of image_id and split (train, val, test), instead of a random split by image"
    )
    attributes: list[str] = setting([], "attributes; empty: all that were judged")
    min_ratings: int = setting(0, "judgements that a person must have to be reported on; all are learned from")
    people: int = setting(10_000, "people of the workspace who are evaluated, about, drawn where there are more; 0: all")
    sure: float = setting(0.8, "tastes are also judged on the pairs alone of whose likelier side they are so sure")
    pairs: int = setting(200, "most test pairs that a person's ratings imply for an attribute")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings in the workspace are used")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    seed: int = setting(0, "seed of splits, fits and test pairs")
    judgements: JudgementsConfig = setting(JudgementsConfig(), "how judgements enter the fits; the test is the same either way")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.split not in ("image", "pair", "person"):
            raise ConfigError(f"split={self.split}: expected image, pair or person")
        if bool(self.ratings or self.comparisons) != bool(self.embeddings):
            raise ConfigError("ratings=FILE or comparisons=FILE go together with embeddings=FILE")
        if self.splits and self.split == "pair":
            raise ConfigError("splits=FILE divides images; it does not go with split=pair")
        for order in self.asks:
            taste_questions.check(order)
        if self.asks and (self.split != "person" or self.taste.kind != "bayes" or self.beside):
            raise ConfigError("asks=[...] asks new people with the Bayesian taste: it goes with split=person taste=bayes, alone")
        if self.batch < 1:
            raise ConfigError(f"batch must be at least 1, got {self.batch}")
        if self.crowd and (self.split == "pair" or self.asks):
            raise ConfigError(
                "crowd=true judges test images that others have judged: it goes with split=image or person, without asks"
            )
        if self.crowd_folds < 2 or min([0, *self.crowd_others]) < 0:
            raise ConfigError(f"expected crowd_folds >= 2, crowd_others >= 0; got {self.crowd_folds}, {self.crowd_others}")
        if not 0.5 <= self.sure < 1:
            raise ConfigError(f"sure is a probability from 0.5 to below 1, got {self.sure}")
        if self.folds < 2 or min([0, self.people, *self.shots]) < 0 or self.pairs < 1:
            raise ConfigError(
                f"expected folds >= 2, shots, people >= 0, pairs >= 1; got {self.folds}, {self.shots}, {self.people}, {self.pairs}"
            )


def main(settings: EvaluateSettings, run: Run) -> None:
    tastes = {settings.taste.kind: settings.taste}
    for name in settings.beside:
        tastes[f"{name}, as it is set" if name in tastes else name] = choice(name)
    if any((config.kind == "lora") != (settings.taste.kind == "lora") for config in tastes.values()):
        raise ConfigError("lora looks at pixels, the other kinds at embeddings: they can't be evaluated in one run")
    material = gather(settings, takes="pixels" if settings.taste.kind == "lora" else "embeddings")
    weights = read_weights(settings.judgements, Workspace(settings.workspace))
    dataset = material.dataset if weights is None else weights.on(material.dataset)
    new_people = settings.split == "person"
    split = divide(replace(settings, split="image", asks=[]) if new_people else settings, dataset)
    enough = dataset.counts() >= settings.min_ratings
    test = split.test.of_people(enough)
    asked = validation.pairs(test, at_most=settings.pairs, seed=settings.seed)
    if not new_people and not len(asked):
        raise TasteError(f"no test pairs: nobody with {settings.min_ratings} judgements judged two test images differently")
    with connect(settings.ray):
        comparison = TasteComparison(
            tastes,
            dataset,
            ray.put(material.items),
            material.items.nbytes,
            ClusterRoom.now(),
            material.encoder_id,
            settings.seed,
            settings.sure,
        )
        if new_people:
            if settings.asks:
                orders = QuestionOrders(
                    [each for each in settings.asks if each != "random"],
                    sorted({0, *settings.shots}),
                    settings.batch,
                    settings.pairs,
                    settings.seed,
                )
                question_orders(comparison, split, run, orders, folds=settings.folds, enough=enough)
                return
            few_shots(
                comparison,
                split,
                run,
                shots=settings.shots,
                folds=settings.folds,
                enough=enough,
                at_most=settings.pairs,
                crowd=settings.crowd,
            )
        else:
            _held_out(comparison, split, test, asked, settings, run, material.items)


def gather(settings: EvaluateSettings, *, takes: Items) -> _workspace_dataset.DatasetWithItems:
    """Judgements and items, from files where they were named, else from the workspace."""
    if settings.embeddings:
        if takes == "pixels":
            raise ConfigError("taste=lora needs images, so it can't be evaluated from files of embeddings")
        return _workspace_dataset.from_files(
            ratings=settings.ratings,
            comparisons=settings.comparisons,
            vectors=settings.embeddings,
            encoder_id=settings.encoder_id,
            attributes=settings.attributes,
        )
    workspace = Workspace(settings.workspace)
    return _workspace_dataset.from_workspace(
        workspace,
        settings.encoder,
        encoder_id=settings.encoder_id,
        attributes=settings.attributes,
        takes=takes,
        people=settings.people,
        seed=settings.seed,
    )


def choice(name: str) -> TasteConfig:
    """The settings of configs/taste/<name>.yaml."""
    return load(_Choice, command="evaluate", overrides=[f"taste={name}"]).taste


@dataclass(frozen=True)
class _Choice:
    taste: TasteConfig = setting(TasteConfig(), "a taste")
    encoder: EncoderConfig = setting(EncoderConfig(), "not used")


def _held_out(
    comparison: TasteComparison,
    split: Split,
    test: JudgementDataset,
    asked: ComparisonTable,
    settings: EvaluateSettings,
    run: Run,
    items: np.ndarray,
) -> None:
    """By image or by pair: everybody is known, what they are asked is not. test: of people with enough judgements."""
    dataset = comparison.dataset
    kept = KeptResults.of(Workspace(settings.workspace).place / "evaluations", _decisive(comparison, settings), dataset, items)
    population = functools.cache(lambda: comparison.population(split.train, split.val).taste)
    fit = functools.cache(comparison.fits(split.train, split.val))
    own_name = comparison.own
    plans: dict[str, Callable[[], Any]] = {
        name: functools.partial(lambda name: comparison.judge(name, fit(name).taste, population(), test, asked), name)
        for name in comparison.tastes
    }
    plans[f"{own_name}, as served"] = lambda: comparison.judge(
        own_name, comparison.served(own_name, fit(own_name).taste, split.val), population(), test, asked
    )
    warm = _warm(comparison, fit, population, split, test, asked, settings) if settings.crowd else {}
    results = _results(plans | {name: plan for name, (_, plan) in warm.items()}, kept)
    own = results[comparison.own]
    highest, repeats = evaluation.ceiling(test)
    reserved = {
        **{f"{name}/fit": ray.get(fit(name).reserved) for name in comparison.tastes if name not in results.kept},
        **{f"{name}/judge": result.reserved for name, result in results.items()},
    }
    for name, had in reserved.items():
        log.info("%s had %s", name, had)
    used = {key: value for name, had in reserved.items() for key, value in had.metrics(f"{name}.").items()}
    ahead = {name: evaluation.lead(own.table, results[name].table) for name in comparison.tastes if name != comparison.own}
    leads = {f"{name}/lead.{key}": value for name, lead in ahead.items() for key, value in vars(lead).items()}
    warmer = {name: evaluation.lead(results[name].table, results[cold].table) for name, (cold, _) in warm.items()}
    leads |= {f"{name}/over_cold.{key}": value for name, lead in warmer.items() for key, value in vars(lead).items()}
    run.metrics(own.figures | {"ceiling": highest, "ceiling.pairs": repeats} | _beside(results) | leads | used)
    run.results(pd.concat([result.table.assign(taste=name) for name, result in results.items()]))
    report = evaluation_report(
        comparison.own,
        {name: result.table for name, result in results.items()},
        {name: result.figures for name, result in results.items()},
        split=settings.split,
        ahead=ahead,
        ceiling=(highest, repeats),
    )
    report.write(run)
    rows = table(results)
    if ahead:
        rows += ["", *markdown_table([f"{comparison.own} over", "accuracy, on the same pairs"], ahead.items(), align="lr")]
    if warmer:
        rows += ["", *markdown_table(["warm over cold", "accuracy, on the same pairs"], warmer.items(), align="lr")]
    lines = [
        f"# {comparison.own} beside the population's taste",
        "",
        report.verdict,
        "",
        f"Split by {settings.split}; {own.figures['people']} people, {own.figures['pairs']:,} test pairs; means over people, "
        "intervals of 95 % by bootstrap over people: for other people of the same kind, and these images; the second ones for "
        "other images, too (both are drawn anew, Owen 2007).",
        f"Where sure: accuracy on the pairs of whose likelier side a taste is {settings.sure:.0%} sure or more, and their share.",
        *(["", "By pair, the same images stand on both sides of the split: look at split=image."] * (settings.split == "pair")),
        *(["", f"Nobody can reach more than {highest:.3f}, by {repeats} repeated comparisons."] * (repeats > 0)),
        "",
        *rows,
        "",
        "![gain by person](figures/gain.png)",
        "",
    ]
    run.summary("\n".join(lines))
    print("\n".join(rows))


def _warm(
    comparison: TasteComparison,
    fit: Callable[[str], TasteFit],
    population: Callable[[], Any],
    split: Split,
    test: JudgementDataset,
    asked: ComparisonTable,
    settings: EvaluateSettings,
) -> dict[str, tuple[str, Callable[[], Any]]]:
    """By the name of a warm taste: the taste that it is warm over, and what begins to judge it."""
    fitted = np.zeros(len(comparison.dataset.images), bool)
    fitted[split.train.judged_images()] = True
    judged = functools.cache(
        lambda: ray.put(WarmTest(comparison.dataset, fitted, test, asked, settings.crowd_folds, settings.seed))
    )

    def judge(name: str, others: int, alone: bool) -> Any:
        return _warm_comparison.judge(comparison, name, fit(name).taste, population(), judged(), others=others, alone=alone)

    plans: dict[str, tuple[str, Callable[[], Any]]] = {}
    for others in settings.crowd_others:
        by = f", by {others} other{'s' * (others > 1)}" if others else ""
        for name in comparison.tastes:
            plans[f"{name}, warm{by}"] = (name, functools.partial(judge, name, others, False))
        plans[f"the crowd alone{by}"] = (comparison.own, functools.partial(judge, comparison.own, others, True))
    return plans


class _Results(dict[str, TasteResult]):
    """Results by name. kept: which of them had been computed before."""

    kept: frozenset[str] = frozenset()


def _results(plans: dict[str, Callable[[], Any]], kept: KeptResults) -> _Results:
    """Every result in the order of the plans; each is shown as it comes, and kept until all are there."""
    known = {name: found for name in plans if (found := kept.read(name)) is not None}
    names = {plan(): name for name, plan in plans.items() if name not in known}
    fresh: dict[str, TasteResult] = {}
    with Progress("evaluate", total=len(plans), unit="tastes") as progress:
        progress.advance(len(known))
        while names:
            (task,), _ = ray.wait(list(names), num_returns=1)
            name = names.pop(task)
            fresh[name] = result = ray.get(task)
            kept.write(name, result)
            progress.advance()
            gain = Interval(*(result.figures[f"gain.{key}"] for key in ("mean", "low", "high")))
            log.info("%s: accuracy %.4f, gain %s", name, result.figures["accuracy.personal"], gain)
    kept.clear()
    both = known | fresh
    results = _Results({name: both[name] for name in plans})
    results.kept = frozenset(known)
    return results


def _decisive(comparison: TasteComparison, settings: EvaluateSettings) -> str:
    """Return what decides what comes out, beside judgements and items."""
    names = ("sure", "split", "splits", "attributes", "min_ratings", "pairs", "seed", "crowd_folds")
    return repr((comparison.tastes, comparison.encoder_id, [getattr(settings, name) for name in names]))


def divide(settings: EvaluateSettings, dataset: JudgementDataset) -> Split:
    """Train, validation and test, as the settings say."""
    if settings.splits:
        return splits.by_table(dataset, _workspace_dataset.parts(settings.splits, dataset.images))
    how = splits.by_pair if settings.split == "pair" else splits.by_image
    return Split(*how(dataset, seed=settings.seed))


def table(results: dict[str, TasteResult]) -> list[str]:
    """A row a taste, in Markdown, the population's first."""
    first = next(iter(results.values())).figures
    accuracy, loss, srcc = (f"{first[f'{name}.population']:.4f}" for name in ("accuracy", "logloss", "srcc"))
    header = [
        *("taste", "accuracy", "gain over the population", "with other images, too"),
        *("log-loss", "calibration error", "rank correlation", "where sure"),
    ]
    rows: list[tuple[object, ...]] = [("population", accuracy, "", "", loss, "", srcc, "")]
    for name, result in results.items():
        f = result.figures
        gain = Interval(f["gain.mean"], f["gain.low"], f["gain.high"])
        numbers = (f"{f[key]:.4f}" for key in ("logloss.personal", "calibration.error", "srcc.personal"))
        where_sure = f"{f['sure.mean']:.3f} of {f['sure.share']:.0%}" if f["sure.share"] else "none"
        both = f"[{f['gain.two_way.low']:+.4f}, {f['gain.two_way.high']:+.4f}]"
        rows.append((name, f"{f['accuracy.personal']:.4f}", gain, both, *numbers, where_sure))
    return markdown_table(header, rows, align="lrrrrrrr")


def _beside(results: dict[str, TasteResult]) -> dict[str, float]:
    """The figures of all tastes, under their names."""
    keys = [
        *("accuracy.personal", "gain.mean", "gain.low", "gain.high", "gain.two_way.low", "gain.two_way.high"),
        *("logloss.personal", "calibration.error"),
        *("sure.share", "sure.mean", "sure.low", "sure.high"),
    ]
    return {f"{name}/{key}": result.figures[key] for name, result in results.items() for key in keys}
