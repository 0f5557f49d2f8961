"""`beholder evaluate`: tastes beside the population's, on judgements they never saw, per person and with intervals."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import ray

from beholder import evaluation, plots
from beholder.config import load, setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, TasteError
from beholder.jobs import _evidence
from beholder.jobs._cluster import RayConfig, connect
from beholder.progress import Progress
from beholder.runs import Run, log
from beholder.taste import kinds, splits, trust
from beholder.taste.contract import Taste
from beholder.taste.evidence import Comparisons, Evidence, join
from beholder.taste.kinds import TasteConfig
from beholder.taste.splits import Split
from beholder.workspace import Workspace


@dataclass(frozen=True)
class Settings:
    taste: TasteConfig = setting(TasteConfig(), "the taste that is evaluated")
    beside: list[str] = setting([], "other choices of taste, fitted and judged in the same run, by name: [mlp_published,mlp]")
    split: str = setting(
        "image", "image: no image of a test is trained on; pair: the published protocol, which leaks; person: new people"
    )
    shots: list[int] = setting(
        [0, 5, 10, 20, 50, 100], "with split=person: comparisons of somebody new after which they are judged"
    )
    folds: int = setting(4, "with split=person: the people are divided in so many parts, each new to a taste fitted to the others")
    ratings: str | None = setting(
        None, "a Parquet file of ratings (user_id, image_id, attribute, score) instead of the workspace's"
    )
    comparisons: str | None = setting(None, "a Parquet file of comparisons instead of the workspace's")
    embeddings: str | None = setting(None, "with ratings or comparisons: a file of embeddings (.parquet, .npz, .pkl)")
    splits: str | None = setting(
        None, "a Parquet file of image_id and split (train, val, test), instead of a random split by image"
    )
    attributes: list[str] = setting([], "only these; empty: all")
    min_ratings: int = setting(0, "report only people with so many judgements; everybody is learned from")
    pairs: int = setting(200, "test pairs that ratings imply, at most, for a person and attribute")
    encoder: EncoderConfig = setting(EncoderConfig(), "whose embeddings of the workspace")
    encoder_id: str | None = setting(None, "embeddings imported under this name, instead of an encoder's")
    seed: int = setting(0, "of splits, fits and test pairs")
    ray: RayConfig = setting(RayConfig(), "where the fits run")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.split not in ("image", "pair", "person"):
            raise ConfigError(f"split={self.split}: expected image, pair or person")
        if bool(self.ratings or self.comparisons) != bool(self.embeddings):
            raise ConfigError("ratings=FILE or comparisons=FILE go together with embeddings=FILE")
        if self.splits and self.split == "pair":
            raise ConfigError("splits=FILE divides images; it does not go with split=pair")
        if self.folds < 2 or min([0, *self.shots]) < 0 or self.pairs < 1:
            raise ConfigError(f"expected folds >= 2, shots >= 0, pairs >= 1; got {self.folds}, {self.shots}, {self.pairs}")


@dataclass(frozen=True)
class Judged:
    """What became of one taste: a row a person and attribute, its figures, and how well its probabilities are calibrated."""

    table: pd.DataFrame
    figures: dict[str, float]


def main(settings: Settings, run: Run) -> None:
    chosen = {"": settings.taste} | {name: choice(name) for name in settings.beside}
    names = {key: key or settings.taste.kind for key in chosen}
    material = gather(settings, takes="pixels" if settings.taste.kind == "lora" else "embeddings")
    if any((config.kind == "lora") != (settings.taste.kind == "lora") for config in chosen.values()):
        raise ConfigError("lora looks at pixels, the other kinds at embeddings: they can't be evaluated in one run")
    with connect(settings.ray):
        items = ray.put(material.items)
        if settings.split == "person":
            _few_shots(settings, run, material, items, chosen, names)
        else:
            _held_out(settings, run, material, items, chosen, names)


def gather(settings: Settings, *, takes: str) -> _evidence.Material:
    """Judgements and items, from files where they were named, else from the workspace."""
    if settings.embeddings:
        if takes == "pixels":
            raise ConfigError("taste=lora needs images, so it can't be evaluated from files of embeddings")
        return _evidence.from_files(
            ratings=settings.ratings,
            comparisons=settings.comparisons,
            vectors=settings.embeddings,
            encoder_id=settings.encoder_id,
            attributes=settings.attributes,
        )
    workspace = Workspace(settings.workspace)
    return _evidence.from_workspace(
        workspace, settings.encoder, encoder_id=settings.encoder_id, attributes=settings.attributes, takes=takes
    )


def choice(name: str) -> TasteConfig:
    """The settings of configs/taste/<name>.yaml."""
    return load(_Choice, command="evaluate", overrides=[f"taste={name}"]).taste


@dataclass(frozen=True)
class _Choice:
    taste: TasteConfig = setting(TasteConfig(), "a taste")
    encoder: EncoderConfig = setting(EncoderConfig(), "not used")


@ray.remote(num_cpus=1)
def fit(train: Evidence, held_out: Evidence, items: np.ndarray, config: TasteConfig, encoder_id: str, seed: int) -> Taste:
    """One fit, somewhere on the cluster."""
    return kinds.fit(train, held_out, items, config, encoder_id=encoder_id, seed=seed)


@ray.remote(num_cpus=1)
def judge(taste: Taste, everybody: Taste, test: Evidence, asked: Comparisons, items: np.ndarray) -> Judged:
    """Agreement with the test, somewhere on the cluster."""
    table = evaluation.agree(taste, everybody, test, asked, items)
    error = evaluation.calibration_error(taste, test, asked, items)
    return Judged(table, evaluation.figures(table) | {"calibration.error": error})


@ray.remote(num_cpus=1)
def served(taste: Taste, held_out: Evidence, items: np.ndarray, seed: int) -> Taste:
    """The taste as it is served: to each person as far as held-out judgements let it be believed."""
    return trust.Trusted(taste, trust.weigh(taste, held_out, items, seed=seed))


def _held_out(
    settings: Settings,
    run: Run,
    material: _evidence.Material,
    items: ray.ObjectRef,
    chosen: dict[str, TasteConfig],
    names: dict[str, str],
) -> None:
    """By image or by pair: everybody is known, what they are asked is not."""
    split = divide(settings, material.evidence)
    test = split.test.by(material.evidence.counts() >= settings.min_ratings)
    asked = evaluation.questions(test, at_most=settings.pairs, seed=settings.seed)
    if not len(asked):
        raise TasteError(f"no test pairs: nobody with {settings.min_ratings} judgements judged two test images differently")
    how = material.encoder_id, settings.seed
    everybody = fit.remote(split.train, split.val, items, replace(settings.taste, kind="population"), *how)
    fits = {key: fit.remote(split.train, split.val, items, config, *how) for key, config in chosen.items()}
    held = {names[key]: judge.remote(taste, everybody, test, asked, items) for key, taste in fits.items()}
    trusted = f"{names['']}, as served"
    held[trusted] = judge.remote(served.remote(fits[""], split.val, items, settings.seed), everybody, test, asked, items)
    found: dict[str, Judged] = {}
    with Progress("evaluate", total=len(held), unit="tastes") as progress:
        for name, judged in held.items():
            found[name] = ray.get(judged)
            progress.advance()
    own = found[names[""]]
    highest, repeats = evaluation.ceiling(test)
    run.metrics(own.figures | {"ceiling": highest, "ceiling.pairs": repeats} | _beside(found))
    run.results(pd.concat([judged.table.assign(taste=name) for name, judged in found.items()]))
    plots.save(run.place, "gain", plots.gains(own.table, title=f"{names['']}: gain over the population, by person"))
    lines = [
        f"# {names['']} beside the population's taste",
        "",
        f"Split by {settings.split}; {own.figures['people']} people, {own.figures['pairs']:,} test pairs; means over people, "
        "intervals of 95 % by bootstrap over people.",
        *(["", "By pair, the same images stand on both sides of the split: look at split=image."] * (settings.split == "pair")),
        *(["", f"Nobody can reach more than {highest:.3f}, by {repeats} repeated comparisons."] * (repeats > 0)),
        "",
        *table(found),
        "",
        "![gain by person](figures/gain.png)",
        "",
    ]
    run.summary("\n".join(lines))
    print("\n".join(table(found)))


def divide(settings: Settings, evidence: Evidence) -> Split:
    """Train, validation and test, as the settings say."""
    if settings.splits:
        return splits.by_table(evidence, _evidence.parts(settings.splits, evidence.images))
    how = splits.by_pair if settings.split == "pair" else splits.by_image
    return Split(*how(evidence, seed=settings.seed))


def table(found: dict[str, Judged]) -> list[str]:
    """A row a taste, in Markdown, the population's first."""
    first = next(iter(found.values())).figures
    accuracy, loss, srcc = (f"{first[f'{name}.population']:.4f}" for name in ("accuracy", "logloss", "srcc"))
    rows = [
        "| taste | accuracy | gain over the population | log-loss | calibration error | rank correlation |",
        "|---|---:|---:|---:|---:|---:|",
        f"| population | {accuracy} | | {loss} | | {srcc} |",
    ]
    for name, judged in found.items():
        f = judged.figures
        gain = evaluation.Interval(f["gain.mean"], f["gain.low"], f["gain.high"])
        rows.append(
            f"| {name} | {f['accuracy.personal']:.4f} | {gain} | {f['logloss.personal']:.4f} "
            f"| {f['calibration.error']:.4f} | {f['srcc.personal']:.4f} |"
        )
    return rows


def _beside(found: dict[str, Judged]) -> dict[str, float]:
    """The figures of all tastes, under their names."""
    wanted = ("accuracy.personal", "gain.mean", "gain.low", "gain.high", "logloss.personal", "calibration.error")
    return {f"{name}/{key}": judged.figures[key] for name, judged in found.items() for key in wanted}


def _few_shots(
    settings: Settings,
    run: Run,
    material: _evidence.Material,
    items: ray.ObjectRef,
    chosen: dict[str, TasteConfig],
    names: dict[str, str],
) -> None:
    """By person: each taste is fitted to other people, then told a few comparisons of somebody new."""
    evidence = material.evidence
    split = divide(replace(settings, split="image"), evidence)
    folds = splits.by_person(evidence, seed=settings.seed, shares=(1 / settings.folds,) * settings.folds)
    enough = evidence.counts() >= settings.min_ratings
    waiting: dict[str, dict[int, list]] = {names[key]: {count: [] for count in settings.shots} for key in chosen}
    how = material.encoder_id, settings.seed
    for fold in folds:
        new = fold.counts() > 0
        others, chooser = split.train.by(~new), split.val.by(~new)
        theirs, test = split.train.by(new & enough), split.test.by(new & enough)
        asked = evaluation.questions(test, at_most=settings.pairs, seed=settings.seed)
        everybody = fit.remote(others, chooser, items, replace(settings.taste, kind="population"), *how)
        for key, config in chosen.items():
            known = fit.remote(others, chooser, items, config, *how)
            for count in settings.shots:
                few = evaluation.first(theirs, count, seed=settings.seed)
                taste = meet.remote(known, others, chooser, few, items, config, *how)
                waiting[names[key]][count].append(judge.remote(taste, everybody, test, asked, items))
    found: dict[str, dict[int, pd.DataFrame]] = {}
    with Progress("evaluate", total=len(chosen) * len(settings.shots) * len(folds), unit="fits") as progress:
        for name, counts in waiting.items():
            found[name] = {}
            for count, parts in counts.items():
                tables = []
                for part in parts:
                    tables.append(ray.get(part).table)
                    progress.advance()
                found[name][count] = pd.concat(tables)
    curves = {name: curve(counts) for name, counts in found.items()}
    own = curves[names[""]]
    run.metrics(
        {"people": int(found[names[""]][settings.shots[0]]["user_id"].nunique())}
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
    lines = ["| taste | comparisons | accuracy | gain over the population |", "|---|---:|---:|---:|"]
    for name, rows in curves.items():
        for _, row in rows.iterrows():
            gain = evaluation.Interval(row["gain"], row["gain.low"], row["gain.high"])
            lines.append(f"| {name} | {row['judgements']:.0f} | {row['accuracy']:.4f} | {gain} |")
    run.summary("\n".join(["# After a few comparisons of somebody new", "", *lines, "", "![learning](figures/learning.png)", ""]))
    log.info("%d shots of %d people", len(own), len(evidence.people))
    print("\n".join(lines))


@ray.remote(num_cpus=1)
def meet(
    known: Taste,
    others: Evidence,
    chooser: Evidence,
    few: Evidence,
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
    return kinds.fit(join(others, few), chooser, items, config, encoder_id=encoder_id, seed=seed)


def curve(counts: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """judgements, accuracy, gain with its interval over people."""
    by_person = {count: each.groupby("user_id")[["gain", "accuracy.personal"]].mean() for count, each in counts.items()}
    rows = evaluation.summarise({count: each["gain"].to_numpy() for count, each in by_person.items()})
    return rows.assign(accuracy=[float(each["accuracy.personal"].mean()) for each in by_person.values()])
