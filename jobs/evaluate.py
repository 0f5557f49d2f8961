"""`beholder evaluate`: tastes beside the population's, on judgements they never saw, per person and with intervals."""

from dataclasses import dataclass, replace
from typing import Any

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
from beholder.jobs._reservation import ClusterRoom
from beholder.jobs._warm_comparison import WarmTest
from beholder.progress import Progress
from beholder.quality.person_weights import JudgementsConfig, read_weights
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.reports.taste_report import evaluation_report
from beholder.runs import Run, log
from beholder.statistics import Interval
from beholder.taste import splits, validation
from beholder.taste.contract import Items
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.splits import Split
from beholder.taste.taste_factory import TasteConfig
from beholder.workspace import Workspace


@dataclass(frozen=True)
class EvaluateSettings:
    taste: TasteConfig = setting(TasteConfig(), "the taste that is evaluated")
    beside: list[str] = setting([], "other choices of taste, fitted and judged in the same run, by name: [mlp_published,mlp]")
    split: str = setting(
        "image", "image: no image of a test is trained on; pair: the published protocol, which leaks; person: new people"
    )
    shots: list[int] = setting(
        [0, 5, 10, 20, 50, 100], "with split=person: comparisons of somebody new after which they are judged"
    )
    folds: int = setting(4, "with split=person: the people are divided in so many parts, each new to a taste fitted to the others")
    crowd: bool = setting(False, "with split=image: also judge tastes with what other people said of the test images")
    crowd_folds: int = setting(
        10, "with crowd: the people are divided in so many parts; each is served what those of the others said"
    )
    crowd_others: list[int] = setting([0], "with crowd: people who judged an image, at most, drawn where there are more; 0: all")
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
        if self.crowd and self.split != "image":
            raise ConfigError(f"crowd=true judges images that others have judged, with split=image; got split={self.split}")
        if self.crowd_folds < 2 or min([0, *self.crowd_others]) < 0:
            raise ConfigError(f"expected crowd_folds >= 2, crowd_others >= 0; got {self.crowd_folds}, {self.crowd_others}")
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
    with connect(settings.ray):
        comparison = TasteComparison(
            tastes,
            dataset,
            ray.put(material.items),
            material.items.nbytes,
            ClusterRoom.now(),
            material.encoder_id,
            settings.seed,
        )
        if settings.split == "person":
            split = divide(replace(settings, split="image"), dataset)
            enough = dataset.counts() >= settings.min_ratings
            few_shots(comparison, split, run, shots=settings.shots, folds=settings.folds, enough=enough, at_most=settings.pairs)
        else:
            _held_out(comparison, divide(settings, dataset), settings, run)


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


def _held_out(comparison: TasteComparison, split: Split, settings: EvaluateSettings, run: Run) -> None:
    """By image or by pair: everybody is known, what they are asked is not."""
    test = split.test.of_people(comparison.dataset.counts() >= settings.min_ratings)
    asked = validation.pairs(test, at_most=settings.pairs, seed=settings.seed)
    if not len(asked):
        raise TasteError(f"no test pairs: nobody with {settings.min_ratings} judgements judged two test images differently")
    population = comparison.population(split.train, split.val).taste
    fits = {name: comparison.fit(name, split.train, split.val) for name in comparison.tastes}
    tasks = {name: comparison.judge(name, fit.taste, population, test, asked) for name, fit in fits.items()}
    served = comparison.served(comparison.own, fits[comparison.own].taste, split.val)
    tasks[f"{comparison.own}, as served"] = comparison.judge(comparison.own, served, population, test, asked)
    warm = _warm(comparison, fits, population, split, test, asked, settings) if settings.crowd else {}
    tasks |= {name: task for name, (_, task) in warm.items()}
    results: dict[str, TasteResult] = {}
    with Progress("evaluate", total=len(tasks), unit="tastes") as progress:
        for name, task in tasks.items():
            results[name] = ray.get(task)
            progress.advance()
    own = results[comparison.own]
    highest, repeats = evaluation.ceiling(test)
    reserved = {
        **{f"{name}/fit": ray.get(fit.reserved) for name, fit in fits.items()},
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
        "intervals of 95 % by bootstrap over people.",
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
    fits: dict[str, TasteFit],
    population: Any,
    split: Split,
    test: JudgementDataset,
    asked: ComparisonTable,
    settings: EvaluateSettings,
) -> dict[str, tuple[str, Any]]:
    """By the name of a warm taste: the taste that it is warm over, and a reference to how it is judged."""
    fitted = np.zeros(len(comparison.dataset.images), bool)
    fitted[split.train.judged_images()] = True
    judged = ray.put(WarmTest(comparison.dataset, fitted, test, asked, settings.crowd_folds, settings.seed))
    tasks = {}
    for others in settings.crowd_others:
        by = f", by {others} others" if others else ""
        for name, fit in fits.items():
            found = _warm_comparison.judge(comparison, name, fit.taste, population, judged, others=others)
            tasks[f"{name}, warm{by}"] = (name, found)
        alone = _warm_comparison.judge(
            comparison, comparison.own, fits[comparison.own].taste, population, judged, others=others, alone=True
        )
        tasks[f"the crowd alone{by}"] = (comparison.own, alone)
    return tasks


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
    header = ["taste", "accuracy", "gain over the population", "log-loss", "calibration error", "rank correlation"]
    rows: list[tuple[object, ...]] = [("population", accuracy, "", loss, "", srcc)]
    for name, result in results.items():
        f = result.figures
        gain = Interval(f["gain.mean"], f["gain.low"], f["gain.high"])
        numbers = (f"{f[key]:.4f}" for key in ("logloss.personal", "calibration.error", "srcc.personal"))
        rows.append((name, f"{f['accuracy.personal']:.4f}", gain, *numbers))
    return markdown_table(header, rows, align="lrrrrr")


def _beside(results: dict[str, TasteResult]) -> dict[str, float]:
    """The figures of all tastes, under their names."""
    keys = ("accuracy.personal", "gain.mean", "gain.low", "gain.high", "logloss.personal", "calibration.error")
    return {f"{name}/{key}": result.figures[key] for name, result in results.items() for key in keys}
