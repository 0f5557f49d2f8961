"""`beholder embed`: images -> a table of CLIP embeddings, with Ray.

list -> what is missing -> pieces -> read, decode, encode, store (see _embed_stages) -> copies for equal files -> merged shards.
What a piece has come to is stored at once, so a killed job has lost no more than what was in flight; starting again embeds what is
missing. Nothing that is kept in this process grows with the number of images: lists, what is known of them and results are Parquet,
or tables in Ray's object store.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from beholder import errors, image_lists, image_shards
from beholder.config import setting
from beholder.embedding import embeddings
from beholder.embedding.image_batch import BatchStore
from beholder.embedding.known_images import KnownImages
from beholder.encoder import EncoderConfig, fetch
from beholder.errors import ConfigError, TableError
from beholder.image_shards import Shard
from beholder.images import ImageLimits
from beholder.jobs import _embed_stages, _placement
from beholder.jobs._embed_stages import DigestClaims, EmbedPiece, EmbedPlan, EncodeBatch
from beholder.jobs._placement import Placement
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect, quiet_data
from beholder.reports.markup import markdown_table, markdown_values
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.table_log import TableLog
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from ray.data import Dataset

PIECE_ROWS = 1024  # images of a piece at most: what is done again when a process dies
_QUICK = 32 * 2**20  # bytes of files that this process merges itself, for which no process has to come up
_SMALL = 64 * 2**20  # bytes of tables that this process reads itself, instead of a task


@dataclass(frozen=True)
class EmbedSettings:
    common: ClassVar[tuple[str, ...]] = (
        "images",
        "encoder",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder embed",
        "beholder embed images=photos",
        "beholder embed images=s3://bucket/photos encoder=vit_l_14 workspace=s3://bucket/team",
    )
    images: str | None = setting(
        None,
        "folder, glob, s3:// prefix, a list of URIs (.parquet, .csv, .tsv, .jsonl, .txt; http(s):// too), .tar shards, or .parquet "
        "with a column of image bytes; null: the images of the workspace",
    )
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds images")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    actors: int = setting(0, "processes that hold the model; 0 is one per GPU, or one per core where there is no GPU")
    in_flight_mib: int = setting(0, "decoded pixels that may wait for a GPU, in MiB; 0 leaves it to Ray Data")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    ray: RayConfig = setting(RayConfig(), "which Ray")

    def __post_init__(self) -> None:
        if self.actors < 0:
            raise ConfigError(f"actors must be 0 or more, got {self.actors}")
        if self.in_flight_mib and self.in_flight_mib < 64:
            raise ConfigError(f"in_flight_mib must be 0 or at least 64, got {self.in_flight_mib}")


def main(settings: EmbedSettings, run: Run) -> None:
    began = time.time()
    encoder = settings.encoder.resolved()
    workspace = Workspace(settings.workspace)
    store = BatchStore(workspace, encoder.encoder_id(), time.time_ns())
    shards = image_shards.find(settings.images)
    parts = _listing(workspace, settings) if not shards else iter(())
    first, second = next(parts, None), next(parts, None)
    outcome = EmbedOutcome()
    if not shards and second is None and _is_small(store):  # what is here can be told without Ray
        outcome.listed = first.num_rows if first is not None else 0
        known = KnownImages.read(workspace, store.folder)
        missing = _missing_of_one(first, known, workspace)
        log.info("%s: %d images listed, %d to embed", store.encoder_id, outcome.listed, missing.num_rows)
        if missing.num_rows or store.twins.parts():
            fetch(encoder)
            with connect(settings.ray):
                _embed([ray.put(missing)], [missing.num_rows], [], ray.put(known), store, encoder, settings, outcome)
    else:
        fetch(encoder)
        with connect(settings.ray):
            known_ref = ray.remote(num_cpus=1)(_read_known).remote(workspace, store.folder)
            listed = (part for part in (first, second) if part is not None)
            refs, counts = _missing_of_many(listed, parts, known_ref, workspace.place.uri, outcome)
            log.info("%s: %d images and %d shards listed, %d to embed", store.encoder_id, outcome.listed, len(shards), sum(counts))
            if sum(counts) or shards or store.twins.parts():
                _embed(refs, counts, shards, known_ref, store, encoder, settings, outcome)
    if old := embeddings.without_profiles(store.folder):
        log.warning(
            "%d embeddings in %s may be of pictures read without their colour profiles, as before version 0.2: those of pictures "
            "with a profile other than sRGB are off. Remove that folder and embed again to have all alike",
            old,
            store.folder.uri,
        )
    _report(run, store, outcome, seconds=time.time() - began)


def _listing(workspace: Workspace, settings: EmbedSettings) -> Iterator[pa.Table]:
    """Yield image_id and uri of what `images` names (see image_lists), or of every image of the workspace where it is None."""
    if settings.images is not None:
        yield from image_lists.iterate(settings.images, roots=settings.limits.roots)
        return
    images = workspace.read("images").select(["image_id", "uri"])
    if images.num_rows == 0:
        raise TableError(f"{workspace.place.uri} has no images yet; give images=..., or import a study first")
    for start in range(0, images.num_rows, image_lists.PART_ROWS):
        yield images.slice(start, image_lists.PART_ROWS)


def _read_known(workspace: Workspace, folder: Place) -> KnownImages:
    return KnownImages.read(workspace, folder)  # Ray takes functions for tasks, not methods


def _is_small(store: BatchStore) -> bool:
    tables = [*store.workspace.table("images").parts(), *store.workspace.table("rejected").parts()]
    total = sum(place.size() for place in tables) + sum(entry.size for entry in store.folder.files())
    return total < _SMALL


def _missing_of_one(part: pa.Table | None, known: KnownImages, workspace: Workspace) -> pa.Table:
    if part is None:
        return image_lists.SCHEMA.empty_table()
    missing, _, digests = _embed_stages.list_part(part, known, workspace.place.uri)
    _refuse_repeated([digests], [part])
    return missing


def _missing_of_many(
    first: Iterable[pa.Table],
    rest: Iterator[pa.Table],
    known: "ray.ObjectRef[KnownImages]",
    workspace: str,
    outcome: "EmbedOutcome",
) -> tuple[list[Any], list[int]]:
    """Return what is missing of each part, as tables in Ray's object store, and their numbers of rows."""
    task: Any = ray.remote(num_cpus=1, num_returns=3)(_embed_stages.list_part)  # Ray's types know one reference per call
    listed, asked = [], []
    for parts in (first, rest):
        for part in parts:
            outcome.listed += part.num_rows
            listed.append(ray.put(part))
            asked.append(task.remote(listed[-1], known, workspace))
    ray.get(ray.remote(num_cpus=1)(_refuse_repeated).remote([digests for _, _, digests in asked], listed))
    return [missing for missing, _, _ in asked], ray.get([count for _, count, _ in asked])


def _refuse_repeated(digests: Sequence[Any], parts: Sequence[Any]) -> None:
    """Raise TableError where an id stands twice in a list. digests: uint64 [N, 2] of each part's ids; both may be references."""
    arrays = [ray.get(each) if isinstance(each, ray.ObjectRef) else each for each in digests]
    every = np.concatenate(arrays) if arrays else np.empty((0, 2), np.uint64)
    order = np.lexsort((every[:, 1], every[:, 0]))
    twice = np.flatnonzero((every[order][1:] == every[order][:-1]).all(axis=1))
    if len(twice):
        row, part = int(order[twice[0] + 1]), 0
        while row >= len(arrays[part]):
            row, part = row - len(arrays[part]), part + 1
        table: pa.Table = ray.get(parts[part]) if isinstance(parts[part], ray.ObjectRef) else parts[part]
        raise TableError(f"the list has image_id {table['image_id'][row].as_py()!r} more than once")


def _embed(
    parts: Sequence[Any],
    counts: Sequence[int],
    shards: Sequence[Shard],
    known: "ray.ObjectRef[KnownImages]",
    store: BatchStore,
    encoder: EncoderConfig,
    settings: EmbedSettings,
    outcome: "EmbedOutcome",
) -> None:
    """Embed what is missing, copy embeddings to equal files, and merge what was written."""
    nodes = _placement.nodes()
    if encoder.device not in ("auto", "cpu") and not _placement.gpus(nodes, encoder.device):
        raise ConfigError(
            f"encoder.device={encoder.device} wants a GPU, and no node of this Ray has one; leave encoder.device=auto, or give cpu"
        )
    total = sum(counts)
    plan = EmbedPlan(
        encoder,
        settings.limits,
        store.workspace.place.uri,  # whole: a Ray that was started elsewhere works in another folder
        store.encoder_id,
        store.stamp,
        known,
        parts,
        _start_claims(total or 10_000_000),
    )
    with Progress("embed", total=total, unit="images") as progress:
        for row in _counted(plan, counts, shards, nodes, settings):
            outcome.add(row)
            progress.advance(row["images"])
    for copied in _spread(_copy_twins, [(plan, group) for group in store.twins.groups()]):
        outcome.copied += copied["copied"]
        outcome.rejected += copied["rejected"]
    groups = [(store.folder, group) for group in embeddings.groups(store.folder)]
    outcome.shards = sum(_spread(embeddings.merge, groups))
    for name in ("images", "rejected"):
        table = store.workspace.table(name)
        list(_spread(_merge_parts, [(table, group) for group in table.groups()]))


def _spread(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield what a function makes of each of these, whose last is a group of files: here if they are small, else in tasks."""
    if sum(place.size() for each in arguments for place in each[-1]) <= _QUICK:
        yield from (function(*each) for each in arguments)
        return
    task: Any = ray.remote(num_cpus=1)(function)
    yield from _placement.as_completed(task.remote(*each) for each in arguments)


def _merge_parts(table: TableLog, group: Sequence[Place]) -> int:
    return table.merge(group)


def _counted(
    plan: EmbedPlan, counts: Sequence[int], shards: Sequence[Shard], nodes: Sequence[dict[str, float]], settings: EmbedSettings
) -> Iterator[dict[str, Any]]:
    """Yield rows of counts (_embed_stages.COUNTS), of a piece or a few; what comes of the images is stored on the way."""
    on_gpu = bool(_placement.gpus(nodes, plan.encoder.device))
    batch = plan.encoder.batch_size or (256 if on_gpu else 32)
    total, cores = sum(counts), sum(node.get("CPU", 0) for node in nodes) or 1
    rows = int(np.clip(total // (16 * max(settings.actors, cores)), batch, PIECE_ROWS)) if total else batch
    work = _embed_stages.pieces(counts, shards, rows=rows)
    placement = Placement.of(nodes, device=plan.encoder.device, items=len(work), actors=settings.actors)
    if not on_gpu:  # no pixels pass between processes
        yield from _placement.map_unordered(EmbedPiece, (plan, placement.threads), work, placement)
        return
    quiet_data()
    tables: Iterable[pa.Table] = pipeline(plan, work, placement, rows=rows, in_flight_mib=settings.in_flight_mib).iter_batches(
        batch_size=None, batch_format="pyarrow"
    )
    for table in tables:
        yield from table.to_pylist()


def pipeline(plan: EmbedPlan, work: Sequence[dict[str, Any]], placement: Placement, *, rows: int, in_flight_mib: int) -> "Dataset":
    """Return what embeds pieces on GPUs, as a dataset of rows of counts."""
    import ray.data
    from ray.data import ActorPoolStrategy, ExecutionResources

    # from_items counts its blocks here; from_arrow would start tasks to do it, and wait for the first workers to come up
    dataset = ray.data.from_items(list(work), override_num_blocks=len(work))
    if in_flight_mib:
        limit = ExecutionResources.for_limits(object_store_memory=in_flight_mib * 2**20)
        dataset.context.execution_options.resource_limits = limit
    return (
        dataset.map_batches(
            _embed_stages.read_piece,  # type: ignore[arg-type]  # Ray's types know nothing of fn_kwargs
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            fn_kwargs={"plan": plan, "rows": rows},
        )
        .map_batches(
            EncodeBatch,
            batch_size=rows,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=placement.actors, max_tasks_in_flight_per_actor=2),
            num_cpus=placement.num_cpus,
            num_gpus=placement.num_gpus,
            fn_constructor_args=(plan, placement.threads),
        )
        .map_batches(
            _embed_stages.store_batch,  # type: ignore[arg-type]  # the same
            batch_size=4 * PIECE_ROWS,
            batch_format="pyarrow",
            num_cpus=0.25,
            fn_kwargs={"plan": plan},
        )
    )


def _start_claims(images: int) -> list[Any]:
    """Start the actors of claims: one for a few million images, else more, on any node."""
    count = min(max(images // 4_000_000, 1), 16)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    where: dict[str, Any] = {"scheduling_strategy": here} if count == 1 else {"scheduling_strategy": "SPREAD"}
    room = _embed_stages.CLAIMS // count
    return [_placement.start(DigestClaims, room, num_cpus=0, max_restarts=-1, max_task_retries=-1, **where) for _ in range(count)]


def _copy_twins(plan: EmbedPlan, group: Sequence[Any]) -> dict[str, int]:
    return plan.store.copy(group, known=ray.get(plan.known), limits=plan.limits, fit=plan.encoder.fit)


@dataclass
class EmbedOutcome:
    """What became of the images, in counts. refused: the first files that were refused: URI, reason."""

    listed: int = 0
    handled: int = 0
    computed: int = 0
    copied: int = 0
    rejected: int = 0
    shards: int = 0
    began: float = float("inf")  # of encoding, seconds since the epoch
    ended: float = float("-inf")
    refused: list[list[str]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Take in a row of counts. Raises the error that a process met."""
        if row["error"]:
            name, text = row["error"]
            raise getattr(errors, name, errors.BeholderError)(text)
        self.handled += row["images"]
        self.computed += row["computed"]
        self.rejected += row["rejected"]
        self.refused = [*self.refused, *row["refused"]][:50]
        if row["computed"]:
            self.began = min(self.began, row["began"])
            self.ended = max(self.ended, row["ended"])


def _report(run: Run, store: BatchStore, outcome: EmbedOutcome, *, seconds: float) -> None:
    encoding = max(outcome.ended - outcome.began, 0.0) if outcome.computed else 0.0
    listed = max(outcome.listed, outcome.handled)
    metrics = {
        "encoder_id": store.encoder_id,
        "images.listed": listed,
        "images.present": listed - outcome.handled,
        "images.embedded": outcome.computed,
        "images.copied": outcome.copied,
        "images.rejected": outcome.rejected,
        "shards": outcome.shards or sum(1 for _ in embeddings.shards(store.folder)),
        "seconds": seconds,
        "seconds.encoding": encoding,
        "images_per_second": outcome.computed / seconds,
        "images_per_second.steady": outcome.computed / encoding if encoding else 0.0,
    }
    run.metrics(metrics)
    lines = [f"# Embeddings of {store.encoder_id}", "", *markdown_values(metrics, real=",.1f")]
    if outcome.refused:
        lines += ["", "## Refused", "", *markdown_table(["file", "reason"], sorted(outcome.refused))]
    run.summary("\n".join(lines) + "\n")
    print(
        f"{store.encoder_id}: {outcome.computed} embedded, {outcome.copied} copied from equal files, "
        f"{outcome.rejected} rejected, {metrics['images.present']} there already"
    )
