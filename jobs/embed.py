"""`beholder embed`: images -> a table of CLIP embeddings, with Ray Data.

list -> decode (CPU, many tasks) -> encode (actors that hold the model) -> write (one shard a batch). A shard is written as soon as
its batch is encoded, so a killed job has lost no more than what was in flight; starting again embeds what is missing.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy, Dataset, ExecutionResources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from beholder import embeddings, image_index, images, tables
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError, ImageError, StorageError
from beholder.images import Fit, ImageLimits
from beholder.jobs import _placement
from beholder.jobs._placement import Placement
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect, quiet_data
from beholder.report import markdown_table, markdown_values
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace


@dataclass(frozen=True)
class EmbedSettings:
    images: str | None = setting(None, "folder, glob, .parquet list of URIs or s3:// prefix; null: the images of the workspace")
    encoder: EncoderConfig = setting(EncoderConfig(), "which CLIP")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    actors: int = setting(0, "processes that hold the model; 0 is one per GPU, or one per core where there is no GPU")
    in_flight_mib: int = setting(512, "decoded pixels that may wait for an encoder, in MiB")
    limits: ImageLimits = setting(ImageLimits(), "what an image may cost")
    ray: RayConfig = setting(RayConfig(), "which Ray")

    def __post_init__(self) -> None:
        if self.actors < 0:
            raise ConfigError(f"actors must be 0 or more, got {self.actors}")
        if self.in_flight_mib < 64:
            raise ConfigError(f"in_flight_mib must be at least 64, got {self.in_flight_mib}")


def main(settings: EmbedSettings, run: Run) -> None:
    began = time.time()
    encoder = settings.encoder.resolved()
    encoder_id = encoder.encoder_id()
    workspace = Workspace(settings.workspace)
    folder = workspace.embeddings(encoder_id)
    listed = image_index.find_images(workspace, settings.images)
    known = embeddings.current(folder, workspace.read("images"))
    missing = listed.filter(pa.array([image_id not in known for image_id in listed["image_id"].to_pylist()], pa.bool_()))
    log.info("%s: %d images listed, %d to embed", encoder_id, listed.num_rows, missing.num_rows)

    outcome = EmbedOutcome()
    if missing.num_rows:
        fetch(encoder)
        with connect(settings.ray), Progress("embed", total=missing.num_rows, unit="images") as progress:
            pipeline = build(missing, encoder, folder, encoder_id=encoder_id, known=known, settings=settings)
            for batch in pipeline.iter_batches(batch_size=None, batch_format="pyarrow"):
                outcome.add(batch)
                progress.advance(batch.num_rows)
    copied = embeddings.copy(folder, encoder_id=encoder_id, twins=outcome.twins)
    outcome.settle_twins(copied)
    image_index.record_images(workspace, outcome.images(), read=set(missing["uri"].to_pylist()), rejected=outcome.rejected)
    shards = embeddings.compact(folder)
    counts = {
        "encoder_id": encoder_id,
        "images.listed": listed.num_rows,
        "images.present": listed.num_rows - missing.num_rows,
        "images.embedded": outcome.computed,
        "images.copied": len(copied),
        "images.rejected": len(outcome.rejected),
        "embeddings": len(known) + outcome.computed + len(copied),
        "shards": shards,
    }
    _report(run, counts, outcome, seconds=time.time() - began)


def build(
    missing: pa.Table,
    encoder: EncoderConfig,
    folder: Place,
    *,
    encoder_id: str,
    known: dict[str, str | None],
    settings: EmbedSettings,
) -> Dataset:
    """The pipeline: rows of image_id, uri -> what became of each (see Decode and Encode), the shards written on the way."""
    nodes = _placement.nodes()
    batch = encoder.batch_size or (256 if _placement.gpus(nodes, encoder.device) else 32)
    # a core has room beside its actor for decoding, which is a few percent of the work
    placement = Placement.of(
        nodes, device=encoder.device, items=math.ceil(missing.num_rows / batch), actors=settings.actors, share=0.7
    )
    quiet_data()
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    claims = DigestClaims.options(scheduling_strategy=here).remote({sha: i for i, sha in known.items() if sha})
    # from_items counts its blocks here; from_arrow would start tasks to do it, and wait for the first workers to come up
    batches = [missing.slice(start, batch).to_pydict() for start in range(0, missing.num_rows, batch)]
    dataset = ray.data.from_items(batches, override_num_blocks=len(batches))
    dataset.context.execution_options.resource_limits = ExecutionResources.for_limits(
        object_store_memory=settings.in_flight_mib * 2**20
    )
    return (
        dataset.map_batches(
            decode,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=placement.cpus_beside,
            fn_kwargs={"fit": encoder.fit, "limits": settings.limits, "claims": claims},
        )
        .map_batches(
            EncodeImages,
            batch_size=batch,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=placement.actors, max_tasks_in_flight_per_actor=2),
            num_cpus=placement.num_cpus,
            num_gpus=placement.num_gpus,
            fn_constructor_args=(encoder, placement.threads),
        )
        .map_batches(
            write,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=0.05,
            fn_kwargs={"folder": folder.uri, "encoder_id": encoder_id},
        )
    )


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class DigestClaims:
    """Who computes which bytes: the first image to claim a digest owns it. Losing it costs double work, never a wrong row."""

    def __init__(self, owners: dict[str, str]):
        self._owners = owners

    def claim(self, digests: list[str], image_ids: list[str]) -> list[str]:
        """The owner of each digest, which is the claimer itself where nobody came before."""
        return [self._owners.setdefault(sha, image_id) for sha, image_id in zip(digests, image_ids, strict=True)]


def decode(batch: pa.Table, *, fit: Fit, limits: ImageLimits, claims: Any) -> pa.Table:
    """Rows of lists of image_id and uri -> a row per image, with sha256, width, height, reason (why it is refused, or null) and
    pixels (uint8 RGB at the encoder's size; empty for an image that is refused or has the bytes of another one)."""
    rows = [dict(zip(lists, values, strict=True)) for lists in batch.to_pylist() for values in zip(*lists.values(), strict=True)]
    files: list[bytes | None] = []
    for row in rows:
        row |= {"sha256": None, "width": None, "height": None, "reason": None, "pixels": b""}
        try:
            data = images.read(row["uri"], limits=limits)
            row["width"], row["height"] = images.shape(data, limits=limits)
            row["sha256"] = images.digest(data)
            files.append(data)
        except (ImageError, StorageError) as error:
            row["reason"] = str(error)
            files.append(None)
    whole = [row for row in rows if row["reason"] is None]
    owners = ray.get(claims.claim.remote([r["sha256"] for r in whole], [r["image_id"] for r in whole])) if whole else []
    mine = {row["image_id"] for row, owner in zip(whole, owners, strict=True) if owner == row["image_id"]}
    for row, data in zip(rows, files, strict=True):
        if data is not None and row["image_id"] in mine:
            try:
                row["pixels"] = images.decode_fit(data, fit, limits=limits).tobytes()
            except ImageError as error:
                row["reason"] = str(error)
    return pa.Table.from_pylist(rows, schema=_DECODED)


class EncodeImages:
    """Turns pixels into embeddings; rows without pixels pass through."""

    def __init__(self, config: EncoderConfig, threads: int):
        import torch

        torch.set_num_threads(threads)
        self.encoder = Encoder.load(config)

    def __call__(self, batch: pa.Table) -> pa.Table:
        began = time.time()
        size = self.encoder.config.size
        buffers = [pixels.as_buffer() for pixels in batch["pixels"]]
        own = [row for row, buffer in enumerate(buffers) if buffer.size]
        vectors: list[np.ndarray | None] = [None] * len(buffers)
        if own:
            pixels = np.stack([np.frombuffer(buffers[row], np.uint8).reshape(size, size, 3) for row in own])
            for row, vector in zip(own, self.encoder.images(pixels), strict=True):
                vectors[row] = vector
        done = batch.drop_columns(["pixels"]).append_column("embedding", pa.array(vectors, pa.list_(pa.float32())))
        times = {"began": began, "ended": time.time()}
        for name, value in times.items():
            done = done.append_column(name, pa.array([value] * len(buffers), pa.float64()))
        return done


def write(batch: pa.Table, *, folder: str, encoder_id: str) -> pa.Table:
    """Puts the batch's embeddings into a shard and passes on everything else, with `computed` for the embeddings' place."""
    computed = batch["embedding"].is_valid()
    kept = batch.filter(computed)
    if kept.num_rows:
        embeddings.write_shard(
            Place.at(folder),
            encoder_id=encoder_id,
            image_ids=kept["image_id"].to_pylist(),
            sha256=kept["sha256"].to_pylist(),
            vectors=np.stack(kept["embedding"].to_numpy(zero_copy_only=False)),
        )
    return batch.drop_columns(["embedding"]).append_column("computed", computed)


_DECODED = pa.schema([*tables.IMAGES, ("reason", pa.string()), ("pixels", pa.large_binary())])


class EmbedOutcome:
    """What became of the images, gathered batch by batch: counts and Arrow, so that millions of rows stay small."""

    def __init__(self) -> None:
        self.computed = 0
        self.rejected: dict[str, str] = {}  # URI -> reason
        self.twins: list[dict[str, Any]] = []  # rows of images whose bytes another one has
        self.began, self.ended = math.inf, -math.inf  # of encoding, seconds since the epoch
        self._whole = [tables.IMAGES.empty_table()]
        self._reasons: dict[str, str] = {}  # sha256 -> reason

    def add(self, batch: pa.Table) -> None:
        """Take in one batch as `write` passes it on."""
        refused = batch.filter(batch["reason"].is_valid())
        whole = batch.filter(batch["reason"].is_null())
        self.rejected |= dict(zip(refused["uri"].to_pylist(), refused["reason"].to_pylist(), strict=True))
        self._reasons |= dict(zip(refused["sha256"].to_pylist(), refused["reason"].to_pylist(), strict=True))
        self.twins += whole.filter(pc.invert(whole["computed"])).select(tables.IMAGES.names).to_pylist()
        computed = whole.filter(whole["computed"])
        self.computed += computed.num_rows
        self._whole.append(computed.select(tables.IMAGES.names).cast(tables.IMAGES))
        if computed.num_rows:
            self.began = min(self.began, pc.min(computed["began"]).as_py())
            self.ended = max(self.ended, pc.max(computed["ended"]).as_py())

    def settle_twins(self, copied: set[str]) -> None:
        """Twins that got a vector (by image_id) are images; the others share the reason of the one whose bytes they have."""
        self._whole.append(pa.Table.from_pylist([t for t in self.twins if t["image_id"] in copied], schema=tables.IMAGES))
        self.rejected |= {t["uri"]: self._reasons[t["sha256"]] for t in self.twins if t["image_id"] not in copied}

    def images(self) -> pa.Table:
        """The rows of the table `images` that were learned."""
        return pa.concat_tables(self._whole)


def _report(run: Run, counts: dict[str, Any], outcome: EmbedOutcome, *, seconds: float) -> None:
    encoding = max(outcome.ended - outcome.began, 0.0) if outcome.computed else 0.0
    metrics = counts | {
        "seconds": seconds,
        "seconds.encoding": encoding,
        "images_per_second": outcome.computed / seconds,
        "images_per_second.steady": outcome.computed / encoding if encoding else 0.0,
    }
    run.metrics(metrics)
    lines = [f"# Embeddings of {counts['encoder_id']}", "", *markdown_values(metrics, real=",.1f")]
    if outcome.rejected:
        lines += ["", "## Refused", "", *markdown_table(["file", "reason"], sorted(outcome.rejected.items())[:50])]
    run.summary("\n".join(lines) + "\n")
    print(
        f"{counts['encoder_id']}: {outcome.computed} embedded, {counts['images.copied']} copied from equal files, "
        f"{len(outcome.rejected)} rejected, {counts['images.present']} there already"
    )
