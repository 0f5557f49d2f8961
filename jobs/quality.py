"""`beholder quality`: which people can be believed, why, and a weight that training can use.

Tables of judgements are divided into blocks of people; what everybody shares is learned from a sample of them, a Ray task for each
fold of cross-validation; then a task measures some blocks. Only the counts of each person come back, and are made verdicts of
together.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from beholder.config import setting
from beholder.embedding import embeddings
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, TasteError
from beholder.jobs import _judgement_files, _placement
from beholder.progress import Progress
from beholder.quality import agreement, measures, verdict
from beholder.quality.chance_mixture import ChanceMixture
from beholder.quality.measures import MeasuresConfig, Reference
from beholder.quality.person_weights import write_weights
from beholder.quality.verdict import VERDICTS, VerdictConfig
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.reports.quality_report import quality_report
from beholder.reports.report import FILES
from beholder.runs import Run, log
from beholder.statistics import Interval
from beholder.storage import Place
from beholder.taste import judgement_partitions
from beholder.taste.dataset import TimedJudgements, draw_people
from beholder.taste.judgement_partitions import JudgedPeople, PartitionFile, PartitionKey, TablePart
from beholder.taste.person_features import PrincipalAxes
from beholder.workspace import Workspace

_SHOWN_IMAGES = 500  # on which people's tastes are laid beside each other, at most


@dataclass(frozen=True)
class QualitySettings:
    common: ClassVar[tuple[str, ...]] = (
        "attributes",
        "embeddings",
        "encoder",
        "encoder_id",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder quality",
        "beholder quality attributes=[attractive] encoder_id=mine",
    )
    measures: MeasuresConfig = setting(MeasuresConfig(), "what is measured of each person")
    verdict: VerdictConfig = setting(VerdictConfig(), "from when on what is said of a person")
    attributes: list[str] = setting([], "attributes whose judgements count; empty: all that were judged")
    embeddings: bool = setting(True, "predict from the encoder's embeddings as well, where the workspace has them")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP whose embeddings are used")
    encoder_id: str | None = setting(None, "name of imported embeddings to use instead of an encoder's")
    matrix: int = setting(200, "people whose agreement with each other is written, drawn where there are more; 0: none")
    block: int = setting(500, "people whose judgements are read together, about")
    seed: int = setting(0, "seed of folds, samples and bootstraps")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.block < 1 or self.matrix < 0:
            raise ConfigError(f"expected block >= 1 and matrix >= 0, got {self.block} and {self.matrix}")


@dataclass(frozen=True)
class QualityResult:
    """What came of it. table: a row a person; alpha: Krippendorff's, in all ("") and by attribute; matrix: user_ids in an order
    that puts the alike beside each other, and the correlations of their utilities."""

    table: pd.DataFrame
    mixture: ChanceMixture
    alpha: dict[str, Interval]
    matrix: pd.DataFrame


@dataclass(frozen=True)
class _QualityContext:
    """What every task needs. files: of judgements, by blocks of people; images: how many; shown: of which utilities are
    returned."""

    files: list[PartitionFile]
    attributes: tuple[str, ...]
    images: int
    shown: np.ndarray
    config: MeasuresConfig
    seed: int

    def read(self, blocks: range) -> TimedJudgements:
        return judgement_partitions.read_timed(self.files, blocks, self.attributes)


@dataclass(frozen=True)
class _Measured:
    """What a task found. table: counts, a row a person; drawn: some of these people, and their utilities, float32 [drawn, A, N]."""

    table: pd.DataFrame
    drawn: list[str]
    utilities: np.ndarray


def main(settings: QualitySettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    result = find(settings, workspace)
    table = result.table
    write_weights(workspace, table)
    run.results(table)
    if len(result.matrix):
        run.write_text("agreement.csv", result.matrix.to_csv())
    figures = _metrics(result)
    run.metrics(figures)
    report = quality_report(
        table, result.alpha, result.matrix, usual=result.mixture.mean, usable=result.mixture.usable, workspace=settings.workspace
    )
    report.write(run, files=("agreement.csv",) * bool(len(result.matrix)) + FILES)
    run.summary("\n".join(_summary(result, figures)))
    print(_sentence(table))


def find(settings: QualitySettings, workspace: Workspace) -> QualityResult:
    """Return what the judgements of a workspace say of the people who made them. Raises TasteError before Ray is asked for
    anything where there are none."""
    scratch = workspace.place / "quality_blocks"
    try:
        parts = _judgement_files.table_parts(workspace) or _whole_tables(workspace, scratch)
        judged = _judged(settings, workspace, parts)
        with connect(settings.ray):
            return _find(settings, workspace, parts, judged, scratch)
    finally:
        for entry in scratch.files():
            (scratch / entry.path).delete()


def _judged(settings: QualitySettings, workspace: Workspace, parts: list[TablePart]) -> JudgedPeople:
    """Return who judged. Raises TasteError where nobody did, ConfigError for an attribute that nobody judged."""
    judged = judgement_partitions.judged_people(parts, attributes=settings.attributes)
    if not judged.attributes:
        raise TasteError(_judgement_files.none_there(workspace))
    if strange := [name for name in settings.attributes if name not in judged.attributes]:
        raise ConfigError(f"nobody judged {', '.join(strange)}; attributes judged: {', '.join(judged.attributes)}")
    return judged


def _find(
    settings: QualitySettings, workspace: Workspace, parts: list[TablePart], judged: JudgedPeople, scratch: Place
) -> QualityResult:
    ids = judgement_partitions.judged_images(parts)
    attributes = tuple(sorted(settings.attributes or judged.attributes))
    blocks = -(-judged.people // settings.block)
    key = PartitionKey(ids, attributes, blocks, settings.seed, times=True)
    files = _judgement_files.divide(parts, ray.put(key), scratch)
    rng = np.random.default_rng(settings.seed)
    shown = np.sort(rng.permutation(len(ids))[:_SHOWN_IMAGES]) if settings.matrix else np.zeros(0, np.int64)
    config = settings.measures
    context = ray.put(_QualityContext(files, attributes, len(ids), shown, config, settings.seed))
    features = ray.put(_features(settings, workspace, ids))
    wanted = min(blocks, int(blocks * 1.1 * config.predictability.sample / judged.people) + 1)
    sample = _sample.remote(context, range(wanted))
    models = [_fit_fold.remote(context, sample, fold, features) for fold in range(config.predictability.folds)]
    others: Any = _others.options(num_returns=2).remote(context, sample)
    usual, alphas = others
    reference = _reference.remote(usual, *models)
    cores = int(_placement.cluster_resources().get("CPU", 1))
    size = max(1, blocks // (4 * cores))
    spans = [range(begin, min(begin + size, blocks)) for begin in range(0, blocks, size)]
    share = min(1.0, 2 * settings.matrix / judged.people)
    tasks = [_measure.remote(context, span, reference, share) for span in spans]
    found: dict[int, _Measured] = {}
    with Progress("measure", total=judged.people, unit="people") as progress:
        for begin, each in _placement.as_completed(tasks):
            found[begin] = each
            progress.advance(len(each.table))
    counts = pd.concat([found[begin].table for begin in sorted(found)], ignore_index=True)
    order = np.argsort(counts["user_id"].to_numpy(dtype=str), kind="stable")
    table, mixture = verdict.decide(counts.iloc[order].reset_index(drop=True), settings.verdict)
    users, utilities = _drawn([found[begin] for begin in sorted(found)], settings.matrix, settings.seed)
    return QualityResult(table, mixture, ray.get(alphas), _matrix(users, utilities))


@ray.remote(num_cpus=1)
def _sample(context: _QualityContext, blocks: range) -> TimedJudgements:
    """Return the judgements of the people from whom what all share is learned."""
    first = context.read(blocks)
    return first.of_people(draw_people(first.dataset.people, context.config.predictability.sample, context.seed))


@ray.remote(num_cpus=1)
def _fit_fold(context: _QualityContext, sample: TimedJudgements, fold: int, features: np.ndarray | None) -> Any:
    return measures.fit_fold(sample, fold, context.images, context.config, seed=context.seed, features=features)


@ray.remote(num_cpus=1)
def _others(context: _QualityContext, sample: TimedJudgements) -> tuple[tuple[float, np.ndarray], dict[str, Interval]]:
    """Return the usual response time and the levels of scores, and alpha in all and by attribute."""
    rated = sample.dataset.ratings
    unit = rated.image * len(context.attributes) + rated.attribute
    alphas = {"": agreement.alpha(unit, rated.score, seed=context.seed)}
    for row, name in enumerate(context.attributes):
        own = rated.attribute == row
        alphas[name] = agreement.alpha(unit[own], rated.score[own], seed=context.seed)
    return (measures.usual_seconds(sample, context.config), measures.score_levels(sample)), alphas


@ray.remote(num_cpus=0)
def _reference(others: tuple[float, np.ndarray], *models: Any) -> Reference:
    return Reference(models, *others)


@ray.remote(num_cpus=1)
def _measure(context: _QualityContext, span: range, reference: Reference, share: float) -> tuple[int, _Measured]:
    """Measure the people of some blocks; of a share of them, the utilities of the images that are shown come back as well."""
    tables, drawn, utilities = [], [], [np.zeros((0, len(context.attributes), len(context.shown)), np.float32)]
    for block in span:
        timed = context.read(range(block, block + 1))
        if not len(timed):
            continue
        known = context.images, context.config
        tables.append(measures.measure(timed, reference, *known, seed=context.seed))
        people = timed.dataset.people
        kept = draw_people(people, int(np.ceil(share * len(people))), context.seed)
        if share and kept.any():
            some = timed.of_people(kept)
            tastes = measures.utilities(some, reference.models[0], *known, seed=context.seed, shown=context.shown)
            utilities.append(tastes[kept].astype(np.float32))
            drawn += [user_id for user_id, keep in zip(people, kept, strict=True) if keep]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return span.start, _Measured(table, drawn, np.concatenate(utilities))


def _whole_tables(workspace: Workspace, scratch: Place) -> list[TablePart]:
    """Return tables some of whose rows were removed as one file each."""
    places: dict[judgement_partitions.Kind, list[Place]] = {}
    for kind in judgement_partitions.KINDS:
        table = workspace.read(kind)
        if table.num_rows:
            places[kind] = [scratch / f"whole-{kind}.parquet"]
            buffer = pa.BufferOutputStream()
            pq.write_table(table, buffer)
            places[kind][0].write_bytes(buffer.getvalue().to_pybytes())
    return judgement_partitions.table_parts(places)


def _features(settings: QualitySettings, workspace: Workspace, ids: pa.Array) -> np.ndarray | None:
    """Return what the embeddings say of each image, float64 [N, K]; zeros for an image without one; None where there are none."""
    config = settings.measures.predictability
    if not settings.embeddings or not config.components:
        return None
    folder = workspace.embeddings(settings.encoder_id or settings.encoder.encoder_id())
    if not list(embeddings.shards(folder)):
        log.info("no embeddings in %s: people are predicted from each other alone", folder.uri)
        return None
    known = embeddings.read(folder)
    at = {image_id: row for row, image_id in enumerate(known.image_ids)}
    rows = np.array([at.get(image_id, -1) for image_id in ids.to_pylist()])
    if (rows < 0).all():
        return None
    vectors = known.vectors[rows[rows >= 0]]
    principal = PrincipalAxes.of(vectors, vectors.mean(axis=0))
    scores = principal.moved @ principal.axes[: config.components].T
    features = np.zeros((len(ids), scores.shape[1]))
    features[rows >= 0] = np.sqrt(config.spread) * scores / max(np.sqrt((scores**2).mean()), 1e-12)
    return features


def _drawn(found: list[_Measured], most: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return the people whose tastes are laid beside each other, and their utilities, [P, A, N]."""
    users = [user_id for each in found for user_id in each.drawn]
    kept = draw_people(users, most, seed)
    return [user_id for user_id, keep in zip(users, kept, strict=True) if keep], np.concatenate([each.utilities for each in found])[
        kept
    ]


def _matrix(users: list[str], utilities: np.ndarray) -> pd.DataFrame:
    """Return the correlation of people's utilities, averaged over attributes, with the alike beside each other."""
    if not users:
        return pd.DataFrame()
    joined = utilities - utilities.mean(axis=2, keepdims=True)
    size = np.sqrt((joined**2).sum(axis=2, keepdims=True))
    joined = np.divide(joined, size, out=np.zeros_like(joined), where=size > 0)
    correlation, order = agreement.clustered(joined.reshape(len(users), -1))
    names = [users[row] for row in order]
    return pd.DataFrame(correlation[np.ix_(order, order)].round(4), index=pd.Index(names, name="user_id"), columns=names)


def _metrics(result: QualityResult) -> dict[str, Any]:
    table, mixture = result.table, result.mixture
    counted = table["verdict"].value_counts()
    figures: dict[str, Any] = {
        "people": len(table),
        "judgements": int(table["judgements"].sum()),
        **{f"verdict.{name}": int(counted.get(name, 0)) for name in VERDICTS},
        "weight.mean": float(table["weight"].mean()),
        "chance.share": mixture.share,
        "predictability.usual": mixture.mean,
        "predictability.usable": mixture.usable,
    }
    for name, interval in result.alpha.items():
        prefix = f"alpha.{name}" if name else "alpha"
        figures |= {prefix: interval.mean, f"{prefix}.low": interval.low, f"{prefix}.high": interval.high}
    return figures


def _sentence(table: pd.DataFrame) -> str:
    counted = table["verdict"].value_counts()
    parts = [f"{int(counted[name]):,} {name}" for name in VERDICTS if counted.get(name, 0)]
    return f"{len(table):,} people, {int(table['judgements'].sum()):,} judgements: {', '.join(parts)}"


def _summary(result: QualityResult, figures: dict[str, Any]) -> list[str]:
    table = result.table
    worst = table[table["verdict"].isin(["random", "biased", "doubtful"])].sort_values(["weight", "user_id"]).head(50)
    told = "A person who looks is predicted right in {:.0%} of cases, one who answers by chance in 50 %."
    lines = ["# Quality of judgements", "", _sentence(table) + ".", ""]
    if result.mixture.usable:
        lines += [told.format(result.mixture.mean), ""]
    else:
        lines += ["Hardly anybody's judgements can be predicted from others', so answers by chance can't be told here.", ""]
    rows = [(row.user_id, row.judgements, row.verdict, f"{row.weight:.2f}", row.reasons) for row in worst.itertuples()]
    if rows:
        lines += [*markdown_table(["person", "judgements", "verdict", "weight", "why"], rows, align="lrlrl"), ""]
    lines += ["Agreement of ratings (Krippendorff's ordinal alpha, 95 % by bootstrap over images):", ""]
    alphas = [
        (name or "all attributes", _interval(each) if np.isfinite(each.mean) else "too few to say")
        for name, each in result.alpha.items()
    ]
    lines += [*markdown_table(["attribute", "alpha"], alphas, align="ll"), ""]
    names = {
        "predictability": "predictions right",
        "agreement": "right by what all share",
        "consistency": "comparisons as the own ratings",
        "retest": "said the same again",
        "left": "left image chosen",
        "same_score": "most frequent score",
        "cyclic": "cyclic triads",
        "fast": "fast answers",
    }
    measured = [(words, *_spread(table[name])) for name, words in names.items()]
    lines += [*markdown_table(["measure", "people", "a tenth", "median", "nine tenths"], measured, align="lrrrr"), ""]
    lines += ["results.csv has every person and measure with intervals; empty: too few to say.", ""]
    return lines


def _interval(each: Interval) -> str:
    return f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]"


def _spread(values: pd.Series) -> tuple[str, ...]:
    known = values.dropna()
    if known.empty:
        return ("0", "", "too few to say", "")
    return (f"{len(known):,}", *(f"{value:.3f}" for value in known.quantile([0.1, 0.5, 0.9])))
