"""`beholder bench quality`: how many of the raters who don't look are found, what weights are worth to a fit, and what judging
costs.

Simulated studies, or folders=[...] of spreadsheets with a truth.csv: user_id and kind. A study is a Ray task. What a task found of
a simulated study is kept in the workspace, so that a run that was cut off goes on. With people=10000 instead: what
`beholder quality` costs on so many simulated people, as a process of its own.
"""

import functools
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import ray

import beholder
from beholder import cli, evaluation
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.jobs import _placement
from beholder.jobs.bench import many_judgements
from beholder.jobs.bench.simulated_study import ENCODER, PLANTED, SimulatedStudy, first_judgements
from beholder.portraits.raters import Kind
from beholder.progress import Progress
from beholder.quality import measures, verdict
from beholder.quality.measures import MeasuresConfig
from beholder.quality.verdict import VerdictConfig
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.statistics import Interval, bootstrap_clusters, wilson
from beholder.storage import Place
from beholder.taste import splits, taste_factory, validation
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.dataset import from_tables, timed_judgements
from beholder.taste.mlp import MlpConfig
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.training import TrainingConfig
from beholder.workspace import Workspace

STEADY = ("steady", "noisy", "drifting")  # kinds that look
CALLED = ("random", "biased")
WHOLE = 0  # of the curve: all of their judgements
PLANTINGS: dict[str, tuple[tuple[Kind, int], ...]] = {
    "4 of 28 planted": PLANTED,
    "24 of 48 planted": (("random", 12), ("first", 6), ("flat", 6)),
    "none planted": (),
}


@dataclass(frozen=True)
class BenchQualitySettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench quality",
        "beholder bench quality seeds=[1,2] fits=false",
    )
    seeds: list[int] = setting([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "a simulated study each")
    judgements: list[int] = setting([30, 50, 100], "numbers of judgements to which the planted and half of the others are cut")
    folders: list[str] = setting([], "instead of simulated studies: folders of spreadsheets with truth.csv (user_id, kind)")
    fits: bool = setting(True, "with simulated studies: fit tastes with and without weights, and judge them on those who look")
    measures: MeasuresConfig = setting(MeasuresConfig(), "what is measured of each person")
    verdict: VerdictConfig = setting(VerdictConfig(), "from when on what is said of a person")
    people: int = setting(0, "instead of that: so many simulated people, for what judging them costs")
    ratings: list[int] = setting([60, 140], "with people: the fewest and the most images that one of them rates")
    images: int = setting(2000, "with people: images that are rated")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if min([1, *self.judgements]) < 1 or self.people < 0 or self.images < 2:
            raise ConfigError("expected judgements >= 1, people >= 0 and images >= 2")
        if len(self.ratings) != 2 or not 1 <= self.ratings[0] <= self.ratings[1] <= self.images:
            raise ConfigError(f"expected ratings=[fewest,most] of {self.images} images, got {self.ratings}")
        if not self.people and not self.seeds and not self.folders:
            raise ConfigError("seeds, folders and people are empty: nothing to judge")


@dataclass(frozen=True)
class JudgedStudy:
    """A study whose raters' kinds are known. kinds: by user_id."""

    name: str
    ratings: pa.Table
    comparisons: pa.Table
    kinds: pd.Series


def main(settings: BenchQualitySettings, run: Run) -> None:
    if settings.people:
        many_judgements.measure(settings, run)
        return
    studies = [_from_folder(settings, folder) for folder in settings.folders]
    with connect(settings.ray):
        table, accuracy = _of_folders(studies, settings) if studies else _of_seeds(settings)
    run.results(table)
    if len(accuracy):
        run.write_text("accuracy.csv", accuracy.to_csv(index=False))
    rows, figures = by_study(table)
    curve, more = by_count(table)
    gains, gained = by_taste(accuracy)
    run.metrics(figures | more | gained)
    lines = ["## All of their judgements", "", *rows, "", "## By how many judgements", "", *curve]
    lines += ["", "## Fits, judged on those who look", "", *gains] if gains else []
    run.summary("\n".join(["# Quality of judgements whose truth is known", "", *lines, ""]))
    print("\n".join(lines))


def _of_folders(studies: list[JudgedStudy], settings: BenchQualitySettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the verdicts on studies, whole and cut; nothing is kept, because folders may change."""
    known: list[Any] = [ray.put(study) for study in studies]
    tasks = [_detect.remote("", study, count, settings) for study in known for count in (WHOLE, *settings.judgements)]
    with Progress("judge studies", total=len(tasks), unit="studies") as progress:
        for _ in _placement.as_completed(tasks):
            progress.advance()
    return pd.concat([table for _, table in ray.get(tasks)], ignore_index=True), pd.DataFrame()


def _of_seeds(settings: BenchQualitySettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the verdicts on simulated studies, whole and cut, and the accuracy of fits; what is kept is not done again."""
    kept = KeptTables.of(settings)
    detect = {f"detect-{seed}-{cut}": (seed, cut) for seed in settings.seeds for cut in (WHOLE, *settings.judgements)}
    plantings = list(enumerate(PLANTINGS)) if settings.fits else []
    fit = {f"fit-{seed}-{number}": (seed, planting) for seed in settings.seeds for number, planting in plantings}
    wanted = [*detect, *fit]
    found = {name: table for name in wanted if (table := kept.read(name)) is not None}
    if found:
        log.info("%d of %d tasks were done before, and are kept in %s", len(found), len(wanted), kept.folder.uri)
    with Progress("judge studies", total=len(wanted), unit="tasks") as progress:
        progress.advance(len(found))
        tasks = [_detect.remote(name, *of, settings) for name, of in detect.items() if name not in found]
        tasks += [_fit.remote(name, *of, settings) for name, of in fit.items() if name not in found]
        for name, table in _placement.as_completed(tasks):
            kept.keep(name, table)
            found[name] = table
            progress.advance()
    fitted = [found[name] for name in fit]
    accuracy = pd.concat(fitted, ignore_index=True) if fitted else pd.DataFrame()
    return pd.concat([found[name] for name in detect], ignore_index=True), accuracy


@dataclass(frozen=True)
class KeptTables:
    """What tasks found, as Parquet in a folder that is named by all that it depends on: settings and code."""

    folder: Place

    @classmethod
    def of(cls, settings: BenchQualitySettings) -> "KeptTables":
        """Return the tables of these settings."""
        found_by = {
            "measures": asdict(settings.measures),
            "verdict": asdict(settings.verdict),
            "tastes": {kind: asdict(taste) for kind, taste in _tastes().items()},
            "plantings": PLANTINGS,
        }
        digest = hashlib.sha256(json.dumps(found_by, default=str).encode())
        library = Path(str(beholder.__file__)).parent
        for room in ("quality", "taste", "portraits", "jobs/bench"):
            for path in sorted((library / room).rglob("*.py")):
                digest.update(path.read_bytes())
        return cls(Place.at(settings.workspace) / "bench-quality" / digest.hexdigest()[:16])

    def read(self, name: str) -> pd.DataFrame | None:
        """Return a task's table; None where there is none."""
        place = self.folder / f"{name}.parquet"
        return pd.read_parquet(io.BytesIO(place.read_bytes())) if place.is_file() else None

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a task's table."""
        (self.folder / f"{name}.parquet").write_bytes(table.to_parquet(index=False))


def by_study(table: pd.DataFrame) -> tuple[list[str], dict[str, float]]:
    """Return a row a study, in Markdown: how many planted ones with 100 judgements or more were found, who was called what."""
    whole = table[table["cut"] == WHOLE]
    rows: list[tuple[Any, ...]] = []
    for name, own in whole.groupby("study", sort=False):
        planted = own[~own["looks"] & (own["judgements"] >= 100)]
        steady = own[own["looks"]]
        missed = planted[~planted["called"]]
        rows.append(
            (
                name,
                f"{int(planted['called'].sum())} of {len(planted)}",
                ", ".join(missed["kind"]) or "none",
                f"{int(steady['called'].sum())} of {len(steady)}",
                int((steady["verdict"] == "doubtful").sum()),
                int((steady["verdict"] == "too few").sum()),
            )
        )
    planted, steady = whole[~whole["looks"] & (whole["judgements"] >= 100)], whole[whole["looks"]]
    figures: dict[str, float] = {
        "planted": len(planted),
        "planted.found": int(planted["called"].sum()),
        "steady": len(steady),
        "steady.called": int(steady["called"].sum()),
        "steady.called.most": int(steady.groupby("study")["called"].sum().max()) if len(steady) else 0,
        "steady.doubtful": int((steady["verdict"] == "doubtful").sum()),
    }
    rows.append(
        ("all", f"{figures['planted.found']} of {len(planted)}", "", f"{figures['steady.called']} of {len(steady)}", "", "")
    )
    header = ["study", "planted found", "missed", "looking, called random or biased", "doubtful", "too few"]
    return markdown_table(header, rows, align="lrlrrr"), figures


def by_count(table: pd.DataFrame) -> tuple[list[str], dict[str, float]]:
    """Return a row for each number of judgements, in Markdown: the share found of each kind planted, and called of those who
    look."""
    kinds = sorted(table.loc[~table["looks"], "kind"].unique())
    rows, figures = [], dict[str, float]()
    for cut, own in table[table["limited"]].groupby("cut"):
        name = "all" if cut == WHOLE else str(cut)
        cells = [name]
        for kind, group in [*((kind, own[own["kind"] == kind]) for kind in kinds), ("looking", own[own["looks"]])]:
            low, high = (each[0] for each in wilson(np.array([group["called"].sum()]), np.array([len(group)])))
            cells.append(f"{int(group['called'].sum())} of {len(group)} [{low:.2f}, {high:.2f}]" if len(group) else "")
            figures[f"{name}/{kind}.called"] = float(group["called"].mean()) if len(group) else float("nan")
            figures[f"{name}/{kind}.doubtful"] = float((group["verdict"] == "doubtful").mean()) if len(group) else float("nan")
        doubtful = own[~own["looks"]]["verdict"] == "doubtful"
        rows.append((*cells, int(doubtful.sum())))
    rows = rows[1:] + rows[:1]
    header = ["judgements", *(f"{kind} found" for kind in kinds), "looking, called", "planted, doubtful"]
    return markdown_table(header, rows, align="l" + "r" * (len(kinds) + 2)), figures


def by_taste(accuracy: pd.DataFrame) -> tuple[list[str], dict[str, float]]:
    """Return a row for each taste and kind of study, in Markdown: accuracy with and without weights, and the difference.

    Its interval is over studies (seeds) and the people in them: people of one study are fitted together, so they go together.
    """
    if accuracy.empty:
        return [], {}
    rows, figures = [], dict[str, float]()
    for (study, taste), own in accuracy.groupby(["study", "taste"], sort=False):
        cells: list[Any] = [study, taste]
        for measure in ("accuracy", "logloss"):
            plain, weighted = own[f"{measure}.all"], own[f"{measure}.weighted"]
            difference = (weighted - plain).to_numpy()[:, None]
            gain: Interval = bootstrap_clusters(difference, own["seed"].to_numpy())[0]
            cells += [f"{plain.mean():.4f}", f"{weighted.mean():.4f}", gain]
            figures |= {f"{study}/{taste}/{measure}.{name}": float(own[f"{measure}.{name}"].mean()) for name in ("all", "weighted")}
            figures |= {f"{study}/{taste}/{measure}.gain.{name}": value for name, value in vars(gain).items()}
        by_seed = own.groupby("seed")
        worse = int((by_seed["accuracy.weighted"].mean() < by_seed["accuracy.all"].mean()).sum())
        figures[f"{study}/{taste}/accuracy.worse"] = worse
        rows.append((*cells, f"{worse} of {by_seed.ngroups}", len(own)))
    sides = ["all count", "with weights", "difference, 95 % over seeds and people"]
    header = [
        "study",
        "taste",
        *(f"{measure}, {side}" for measure in ("accuracy", "log-loss") for side in sides),
        "seeds where less accurate",
        "people",
    ]
    return markdown_table(header, rows, align="llrrrrrrrr"), figures


@functools.lru_cache(maxsize=2)
def _simulated(seed: int) -> JudgedStudy:
    """Return a simulated study; kept by the process, because its tasks come one after the other."""
    ratings, comparisons, kinds = SimulatedStudy(seed).tables()
    return JudgedStudy(f"seed {seed}", ratings, comparisons, kinds)


def _from_folder(settings: BenchQualitySettings, folder: str) -> JudgedStudy:
    """Import a folder of spreadsheets into a workspace of its own, and read it again."""
    place = Place.at(settings.workspace) / f"bench-quality-{Place.at(folder).name}"
    try:
        if cli.main(["import", f"source={folder}", f"workspace={place.uri}"]):
            raise BeholderError(f"{folder} can't be imported")
        workspace = Workspace(place.uri)
        truth = pd.read_csv(Place.at(folder).path + "/truth.csv", dtype=str).drop_duplicates("user_id")
        return JudgedStudy(
            Place.at(folder).name, workspace.read("ratings"), workspace.read("comparisons"), truth.set_index("user_id")["kind"]
        )
    finally:
        place.filesystem.delete_dir(place.path)


def _verdicts(tables: Sequence[pa.Table], settings: BenchQualitySettings) -> pd.DataFrame:
    """Return the verdicts on ratings and comparisons."""
    timed = timed_judgements(tables[0], tables[1])
    counts = measures.measure_alone(timed, len(timed.dataset.images), settings.measures, seed=0)
    return verdict.decide(counts, settings.verdict)[0]


@ray.remote(num_cpus=1)
def _detect(name: str, of: JudgedStudy | int, cut: int, settings: BenchQualitySettings) -> tuple[str, pd.DataFrame]:
    """Return `name`, and the verdicts of a study some of whose people are cut to their first judgements; WHOLE: nobody is.

    of: a study, or the seed of a simulated one.
    """
    study = of if isinstance(of, JudgedStudy) else _simulated(of)
    users = pd.concat([table["user_id"].to_pandas() for table in (study.ratings, study.comparisons)])
    count = users.value_counts().reindex(study.kinds.index, fill_value=0)
    looks = study.kinds.isin(STEADY)
    enough = count[count >= max(cut, 1)].index
    every_other = pd.Series(np.arange(int(looks.sum())) % 2 == 0, index=study.kinds.index[looks])
    turn = every_other.reindex(study.kinds.index, fill_value=True).astype(bool)
    limited = turn & study.kinds.index.isin(enough)
    tables = [study.ratings, study.comparisons]
    if cut != WHOLE:
        share = (cut / count)[limited]
        tables = [first_judgements(table, share) for table in tables]
    table = _verdicts(tables, settings)[["user_id", "verdict", "weight", "chance", "judgements", "predictability", "reasons"]]
    user = table["user_id"]
    return name, table.assign(
        study=study.name,
        cut=cut,
        kind=user.map(study.kinds),
        looks=user.map(looks),
        limited=user.map(limited),
        called=table["verdict"].isin(CALLED),
    )


def _tastes() -> dict[str, TasteConfig]:
    bayes = BayesTasteConfig(components=[16], spreads=[0.06], tempers=[1.0], iterations=6)
    mlp = MlpConfig(widths=[32], fit=TrainingConfig(epochs=10))
    return {kind: TasteConfig(kind=kind, bayes=bayes, mlp=mlp) for kind in ("population", "bayes", "mlp")}


@ray.remote(num_cpus=1)
def _fit(name: str, seed: int, planting: str, settings: BenchQualitySettings) -> tuple[str, pd.DataFrame]:
    """Return `name`, and the accuracy of tastes with and without weights, for each person who looks, on images that nothing was
    fitted to."""
    study = SimulatedStudy(seed, planted=PLANTINGS[planting])
    names = [f"portrait-{number:04d}" for number in range(study.images)]
    vectors = study.vectors()
    *tables, kinds = study.tables()
    found = _verdicts(tables, settings).set_index("user_id")["weight"]
    dataset, _ = from_tables(tables[0], tables[1], names)
    weights = found.reindex(list(dataset.people)).to_numpy(np.float64)
    rows = []
    for taste, config in _tastes().items():
        judged = {}
        for how, own in (("all", dataset), ("weighted", replace(dataset, weights=weights))):
            train, held_out, test = splits.by_image(own, seed=seed)
            fitted = taste_factory.fit(train, held_out, vectors, config, encoder_id=ENCODER, seed=seed)
            looking = test.of_people(np.array([kinds[user_id] in STEADY for user_id in test.people]))
            table = evaluation.agree(fitted, fitted, looking, validation.pairs(looking, seed=seed), vectors)
            for measure in ("accuracy", "logloss"):
                judged[f"{measure}.{how}"] = table.groupby("user_id")[f"{measure}.personal"].mean()
        people = pd.DataFrame(judged).reset_index()
        rows.append(people.assign(study=planting, taste=taste, seed=seed))
    return name, pd.concat(rows, ignore_index=True)
