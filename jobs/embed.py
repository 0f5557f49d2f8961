"""`beholder embed`: images -> a table of CLIP embeddings, with Ray Data.

list -> decode (CPU, many tasks) -> encode (actors that hold the model) -> write (one shard a batch). A shard is written as soon as
its batch is encoded, so a killed job has lost no more than what was in flight; starting again embeds what is missing.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset, ExecutionResources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from beholder import embeddings, images, tables
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError, ImageError, StorageError, TableError
from beholder.images import Fit, ImageLimits
from beholder.jobs._cluster import RayConfig, connect, quiet_data
from beholder.listing import list_images
from beholder.progress import Progress
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace


@dataclass(frozen=True)
class Settings:
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


def main(settings: Settings, run: Run) -> None:
    began = time.time()
    encoder = settings.encoder.resolved()
    encoder_id = encoder.encoder_id()
    workspace = Workspace(settings.workspace)
    folder = workspace.embeddings(encoder_id)
    listed = _list(settings, workspace)
    known = _known(folder, workspace)
    missing = listed.filter(pa.array([image_id not in known for image_id in listed["image_id"].to_pylist()], pa.bool_()))
    log.info("%s: %d images listed, %d to embed", encoder_id, listed.num_rows, missing.num_rows)

    seen: list[dict[str, Any]] = []
    if missing.num_rows:
        fetch(encoder)
        with connect(settings.ray), Progress("embed", total=missing.num_rows, unit="images") as progress:
            pipeline = build(missing, encoder, folder, known=known, settings=settings)
            for batch in pipeline.iter_batches(batch_size=None, batch_format="pyarrow"):
                seen += batch.to_pylist()
                progress.advance(batch.num_rows)
    copied, rejected = _copy_duplicates(folder, encoder_id, seen)
    shards = embeddings.compact(folder)
    _note(workspace, missing, seen, rejected)
    _report(run, encoder_id, listed, known, seen, copied, rejected, shards, seconds=time.time() - began)


def build(missing: pa.Table, encoder: EncoderConfig, folder: Place, *, known: dict[str, str | None], settings: Settings) -> Dataset:
    """The pipeline: rows of image_id, uri -> what became of each (see Decode and Encode), the shards written on the way."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    shape = Shape.of(nodes, encoder, actors=settings.actors, images=missing.num_rows)
    quiet_data()
    blocks = [missing.slice(start, shape.batch) for start in range(0, missing.num_rows, shape.batch)]
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    claims = Claims.options(scheduling_strategy=here).remote({sha: i for i, sha in known.items() if sha})
    dataset = ray.data.from_arrow(blocks)
    dataset.context.execution_options.resource_limits = ExecutionResources.for_limits(
        object_store_memory=settings.in_flight_mib * 2**20
    )
    return (
        dataset.map_batches(
            decode,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=shape.decode_cpus,
            fn_kwargs={"fit": encoder.fit, "limits": settings.limits, "claims": claims},
        )
        .map_batches(
            Encode,
            batch_size=shape.batch,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=shape.actors, max_tasks_in_flight_per_actor=2),
            num_cpus=shape.actor_cpus,
            num_gpus=shape.actor_gpus,
            fn_constructor_args=(encoder, shape.threads),
        )
        .map_batches(
            write,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=0.05,
            fn_kwargs={"folder": folder.uri, "encoder_id": encoder.encoder_id()},
        )
    )


@dataclass(frozen=True)
class Shape:
    """How the pipeline lies on the machines.

    With GPUs: an actor on each, every other core decodes. Without: a one-thread actor a core (a process a core is faster than one
    process with many threads, which wait for each other), and decoding, a few percent of the work, takes turns with them.
    """

    actors: int
    actor_cpus: float
    actor_gpus: float
    threads: int
    decode_cpus: float
    batch: int

    @classmethod
    def of(cls, nodes: list[dict[str, float]], encoder: EncoderConfig, *, actors: int, images: int) -> "Shape":
        """nodes: the resources of each, as Ray counts them ("CPU", "GPU")."""
        cores = sum(node.get("CPU", 0) for node in nodes) or 1
        largest = max((node.get("CPU", 0) for node in nodes), default=1) or 1
        gpus = int(sum(node.get("GPU", 0) for node in nodes)) if encoder.device != "cpu" else 0
        batch = encoder.batch_size or (256 if gpus else 16)
        count = min(actors or gpus or int(cores), max(math.ceil(images / batch), 1))
        if gpus:
            return cls(count, 0.5, min(gpus / count, 1.0), 1, 1.0 if largest > 1 else 0.5, batch)
        share = min(cores / count, largest)
        return cls(count, 0.7 * share, 0.0, max(int(share), 1), 0.2, batch)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Claims:
    """Who computes which bytes: the first image to claim a digest owns it. Losing it costs double work, never a wrong row."""

    def __init__(self, owners: dict[str, str]):
        self._owners = owners

    def claim(self, digests: list[str], image_ids: list[str]) -> list[str]:
        """The owner of each digest, which is the claimer itself where nobody came before."""
        return [self._owners.setdefault(sha, image_id) for sha, image_id in zip(digests, image_ids, strict=True)]


def decode(batch: pa.Table, *, fit: Fit, limits: ImageLimits, claims: Any) -> pa.Table:
    """Adds sha256, width, height, reason (why it is refused, or null) and pixels (uint8 RGB at the encoder's size; empty for an
    image that is refused or has the bytes of another one)."""
    rows = batch.to_pylist()
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


class Encode:
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


def _list(settings: Settings, workspace: Workspace) -> pa.Table:
    """What is to be embedded. An image that the workspace knows by its URI keeps its image_id."""
    table = workspace.read("images")
    if settings.images is None:
        if table.num_rows == 0:
            raise TableError(f"{settings.workspace} has no images yet; give images=..., or import a study first")
        return table.select(["image_id", "uri"])
    listed = list_images(settings.images)
    by_uri = dict(zip(table["uri"].to_pylist(), table["image_id"].to_pylist(), strict=True))
    by_id = dict(zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True))
    rows = [{"image_id": by_uri.get(uri, image_id), "uri": uri} for image_id, uri in _pairs(listed)]
    for row in rows:
        if by_id.get(row["image_id"], row["uri"]) != row["uri"]:
            raise TableError(
                f"image_id {row['image_id']!r} stands for {by_id[row['image_id']]} in this workspace, not for {row['uri']}; "
                "give a .parquet list with image ids of its own, or another workspace"
            )
    return pa.Table.from_pylist(rows, schema=listed.schema)


def _pairs(listed: pa.Table) -> Iterable[tuple[str, str]]:
    return zip(listed["image_id"].to_pylist(), listed["uri"].to_pylist(), strict=True)


def _known(folder: Place, workspace: Workspace) -> dict[str, str | None]:
    """image_id -> sha256 of what is embedded already; what was embedded from other bytes than the image has now is dropped."""
    known = embeddings.known(folder)
    table = workspace.read("images")
    now = dict(zip(table["image_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    stale = {image_id for image_id, sha in known.items() if sha and (now.get(image_id) or sha) != sha}
    if stale:
        log.info("%d images have changed since they were embedded", len(stale))
        embeddings.drop(folder, stale)
    return {image_id: sha for image_id, sha in known.items() if image_id not in stale}


def _copy_duplicates(folder: Place, encoder_id: str, seen: list[dict]) -> tuple[int, dict[str, str]]:
    """Give images with the bytes of another its vector; returns their count, and URI -> reason of everything refused."""
    rejected = {row["uri"]: row["reason"] for row in seen if row["reason"]}
    reasons = {row["sha256"]: row["reason"] for row in seen if row["reason"] and row["sha256"]}
    twins = [row for row in seen if not row["reason"] and not row["computed"]]
    vectors = embeddings.vectors_of(folder, {row["sha256"] for row in twins})
    copied = [row for row in twins if row["sha256"] in vectors]
    rejected |= {row["uri"]: reasons[row["sha256"]] for row in twins if row["sha256"] not in vectors}
    if copied:
        embeddings.write_shard(
            folder,
            encoder_id=encoder_id,
            image_ids=[row["image_id"] for row in copied],
            sha256=[row["sha256"] for row in copied],
            vectors=np.stack([vectors[row["sha256"]] for row in copied]),
        )
    return len(copied), rejected


def _note(workspace: Workspace, missing: pa.Table, seen: list[dict], rejected: dict[str, str]) -> None:
    """Put what was learned of the files into `images` and `rejected`."""
    rows = {row["image_id"]: row for row in workspace.read("images").to_pylist()}
    for row in seen:
        if row["uri"] not in rejected:
            rows[row["image_id"]] = {name: row[name] for name in tables.IMAGES.names}
    workspace.write("images", pa.Table.from_pylist(list(rows.values()), schema=tables.IMAGES))
    fresh = [{"file": uri, "reason": reason} for uri, reason in sorted(rejected.items())]
    workspace.replace_rejected(set(missing["uri"].to_pylist()), fresh)


def _report(
    run: Run,
    encoder_id: str,
    listed: pa.Table,
    known: dict,
    seen: list[dict],
    copied: int,
    rejected: dict[str, str],
    shards: int,
    *,
    seconds: float,
) -> None:
    computed = [row for row in seen if row["computed"]]
    steady = max((row["ended"] for row in computed), default=0.0) - min((row["began"] for row in computed), default=0.0)
    metrics = {
        "encoder_id": encoder_id,
        "images.listed": listed.num_rows,
        "images.present": listed.num_rows - len(seen),
        "images.embedded": len(computed),
        "images.copied": copied,
        "images.rejected": len(rejected),
        "embeddings": len(known) + len(computed) + copied,
        "shards": shards,
        "seconds": seconds,
        "seconds.encoding": steady,
        "images_per_second": len(computed) / seconds,
        "images_per_second.steady": len(computed) / steady if steady else 0.0,
    }
    run.metrics(metrics)
    lines = [f"# Embeddings of {encoder_id}", "", "| what | value |", "|---|---:|"]
    lines += [f"| {key} | {value:,.1f} |" if isinstance(value, float) else f"| {key} | {value} |" for key, value in metrics.items()]
    if rejected:
        lines += ["", "## Refused", "", "| file | reason |", "|---|---|"]
        lines += [f"| {uri} | {reason} |" for uri, reason in sorted(rejected.items())[:50]]
    run.summary("\n".join(lines) + "\n")
    print(
        f"{encoder_id}: {len(computed)} embedded, {copied} copied from equal files, {len(rejected)} rejected, "
        f"{metrics['images.present']} there already"
    )
