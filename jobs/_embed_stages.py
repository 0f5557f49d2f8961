"""The stages of `beholder embed` as Ray runs them: pieces of lists and shards -> pixels -> embeddings -> the workspace.

On GPUs the cores decode, an actor on each GPU encodes, and tasks store. Without a GPU one actor a core does all of it, so that no
pixels are copied from process to process.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from beholder import image_lists, image_shards, process
from beholder.embedding import image_batch
from beholder.embedding.digest_index import digests
from beholder.embedding.image_batch import BatchStore, Claim, ImageBatch
from beholder.embedding.known_images import KnownImages
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import BeholderError, StorageError, TableError
from beholder.image_shards import Shard, ShardImage
from beholder.images import ImageLimits
from beholder.workspace import Workspace

CLAIMS = 32_000_000  # contents that all actors of claims remember together, about 150 bytes each
_DECODED = 64  # images that are decoded before they are encoded, where one process does both
_SHOWN = 50  # refusals of a piece that are passed on for the report


@dataclass(frozen=True)
class EmbedPlan:
    """What every stage knows. known, parts: in Ray's object store; parts: tables of image_id and uri, all of them missing."""

    encoder: EncoderConfig
    limits: ImageLimits
    workspace: str
    encoder_id: str
    stamp: int
    known: "ray.ObjectRef[KnownImages]"
    parts: "Sequence[ray.ObjectRef[pa.Table]]"
    claims: Sequence[Any]  # handles of actors of DigestClaims

    @property
    def store(self) -> BatchStore:
        """Where the results go."""
        return BatchStore(Workspace(self.workspace), self.encoder_id, self.stamp)

    def batches(self, piece: dict[str, Any], rows: int) -> Iterator[ImageBatch]:
        """Yield the images of a piece, read and decoded, at most so many at a time."""
        known: KnownImages = ray.get(self.known)
        options: dict[str, Any] = {
            "fit": self.encoder.fit,
            "limits": self.limits,
            "known": known,
            "claim": claim_by(self.claims),
        }
        if piece["shard"] is None:
            part: pa.Table = ray.get(self.parts[piece["part"]])
            for start in range(piece["start"], piece["stop"], rows):
                yield image_batch.read_batch(part.slice(start, min(rows, piece["stop"] - start)), **options)
            return
        shard = Shard(**piece["shard"])
        try:
            for some in _chunks(image_shards.read(shard, max_bytes=self.limits.max_bytes), rows):
                yield image_batch.decode_batch(_missing(some, known, Workspace(self.workspace)), **options)
        except (StorageError, TableError) as error:  # a broken shard is refused like a broken image, from there on
            yield image_batch.decode_batch([ShardImage(shard.uri, shard.uri, None, str(error))], **options)


def pieces(counts: Sequence[int], shards: Sequence[Shard], *, rows: int) -> list[dict[str, Any]]:
    """Return the work in pieces: so many rows of a part each (counts: rows of each part), or a shard."""
    lists = [
        {"part": part, "start": start, "stop": min(start + rows, count), "shard": None}
        for part, count in enumerate(counts)
        for start in range(0, count, rows)
    ]
    return lists + [{"part": 0, "start": 0, "stop": 0, "shard": vars(shard)} for shard in shards]


class EmbedPiece:
    """Read, decode, encode and store a piece, in one process. Returns one row of counts."""

    def __init__(self, plan: EmbedPlan, threads: int):
        import torch

        torch.set_num_threads(threads)
        process.keep_freed_memory()  # a batch takes the same large blocks as the one before
        self.plan = plan
        self.encoder = Encoder.load(plan.encoder)

    def __call__(self, piece: dict[str, Any]) -> dict[str, Any]:
        """Embed the piece."""
        began = time.time()
        try:
            done, vectors = [], [np.empty((0, 0), np.float32)]
            for batch in self.plan.batches(piece, max(_DECODED, self.encoder.batch_size)):
                if len(batch.pixels):
                    vectors.append(self.encoder.images(batch.pixels))
                batch.pixels = batch.pixels[:0]
                done.append(batch)
            whole = ImageBatch.concat(done, self.plan.encoder.size)
            computed = [part for part in vectors if len(part)]
            return _stored(self.plan, whole, np.concatenate(computed) if computed else vectors[0], began)
        except BeholderError as error:  # beside the counts of what was stored before
            return _counts(began, error=error)


def read_piece(row: pa.Table, *, plan: EmbedPlan, rows: int) -> Iterator[pa.Table]:
    """Yield the images of a piece (a table of one row), read and decoded."""
    (piece,) = row.to_pylist()
    for batch in plan.batches(piece, rows):
        yield batch.to_arrow()


class EncodeBatch:
    """Turns pixels into embeddings, on a GPU; rows without pixels pass through."""

    def __init__(self, plan: EmbedPlan, threads: int):
        import torch

        torch.set_num_threads(threads)
        self.encoder = Encoder.load(plan.encoder)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the table with `embedding` in place of `pixels`."""
        began = time.time()
        batch = ImageBatch.from_arrow(table, self.encoder.config.size)
        vectors = self.encoder.images(batch.pixels) if len(batch.pixels) else np.empty((0, 1), np.float32)
        lengths = np.where(batch.own, vectors.shape[1], 0)
        column = pa.LargeListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)])), pa.array(vectors.reshape(-1)))
        times = pa.array(np.tile([began, time.time()], (len(batch), 1)).tolist(), pa.list_(pa.float64()))
        return table.drop_columns(["pixels"]).append_column("embedding", column).append_column("times", times)


def store_batch(table: pa.Table, *, plan: EmbedPlan) -> pa.Table:
    """Store encoded images; return one row of counts."""
    columns = {name: table[name].to_pylist() for name in (*image_batch.ROWS, "reason")}
    own = table["own"].to_numpy(zero_copy_only=False).astype(bool)
    batch = ImageBatch(**columns, own=own, pixels=np.empty((0, 1, 1, 3), np.uint8))
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    times = np.array(table["times"].to_pylist())
    try:
        counts = _stored(
            plan, batch, flat.reshape(int(own.sum()), -1) if own.any() else flat.reshape(0, 0), float(times[:, 0].min())
        )
        counts["ended"] = float(times[:, 1].max())
    except BeholderError as error:
        counts = _counts(time.time(), error=error)
    return pa.Table.from_pylist([counts], schema=COUNTS)


class DigestClaims:
    """An actor that knows who computes which contents: the first image to claim some owns them.

    Losing it, or what it forgets when it is full, costs double work, never a wrong row.
    """

    def __init__(self, room: int):
        self._owners: dict[bytes, bytes] = {}
        self._room = room

    def claim(self, contents: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return which images compute their contents (both uint64 [N, 2]): those that came first, also when they come again."""
        result = np.ones(len(ids), bool)
        for row, (content, image) in enumerate(zip(contents, ids, strict=True)):
            if len(self._owners) < self._room:
                result[row] = self._owners.setdefault(content.tobytes(), image.tobytes()) == image.tobytes()
            else:
                result[row] = self._owners.get(content.tobytes(), image.tobytes()) == image.tobytes()
        return result


def claim_by(actors: Sequence[Any]) -> Claim:
    """Return what asks the actors of DigestClaims, each for its share of all contents."""

    def claim(contents: np.ndarray, ids: np.ndarray) -> np.ndarray:
        if len(actors) == 1:
            answer: np.ndarray = ray.get(actors[0].claim.remote(contents, ids))
            return answer
        of = (contents[:, 0] % np.uint64(len(actors))).astype(np.int64)
        shares = [np.flatnonzero(of == number) for number in range(len(actors))]
        asked = [(rows, actors[number].claim.remote(contents[rows], ids[rows])) for number, rows in enumerate(shares) if len(rows)]
        result = np.zeros(len(ids), bool)
        for rows, reply in asked:
            result[rows] = ray.get(reply)
        return result

    return claim


COUNTS = pa.schema(
    [
        *[(name, pa.int64()) for name in ("images", "computed", "twins", "rejected")],
        *[(name, pa.float64()) for name in ("began", "ended")],
        ("refused", pa.list_(pa.list_(pa.string()))),  # the first: URI, reason
        ("error", pa.list_(pa.string())),  # the class and the text of an error that ended the piece
    ]
)


def _counts(began: float, counts: dict[str, Any] | None = None, *, error: BeholderError | None = None) -> dict[str, Any]:
    row = dict.fromkeys(("images", "computed", "twins", "rejected"), 0) | {"began": began, "ended": time.time(), "refused": []}
    return row | (counts or {}) | {"error": [type(error).__name__, str(error)] if error else []}


def _stored(plan: EmbedPlan, batch: ImageBatch, vectors: np.ndarray, began: float) -> dict[str, Any]:
    counts = plan.store.store(batch, vectors, known=ray.get(plan.known))
    refused = [[uri, reason] for uri, reason in zip(batch.uri, batch.reason, strict=True) if reason is not None]
    return _counts(began, {"images": len(batch), "refused": refused[:_SHOWN], **counts})


def _missing(files: list[ShardImage], known: KnownImages, workspace: Workspace) -> list[ShardImage]:
    """Return those images of a shard that have no embedding yet, under the ids that the workspace knows them by."""
    listed = pa.table({"image_id": [f.image_id for f in files], "uri": [f.uri for f in files]}, schema=image_lists.SCHEMA)
    try:
        missing = known.missing(listed, workspace.table("images"))
    except TableError as error:
        return [ShardImage(file.image_id, file.uri, None, str(error)) for file in files]
    by_uri = {file.uri: file for file in files}
    return [
        ShardImage(image_id, uri, by_uri[uri].data, by_uri[uri].reason)
        for image_id, uri in zip(missing["image_id"].to_pylist(), missing["uri"].to_pylist(), strict=True)
    ]


def _chunks(files: Iterable[ShardImage], size: int) -> Iterator[list[ShardImage]]:
    rest = iter(files)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk


def list_part(listed: pa.Table, known: KnownImages, workspace: str) -> tuple[pa.Table, int, np.ndarray]:
    """Return the rows of a part of a list that have no embedding, how many they are, and the digests of all its ids."""
    missing = known.missing(listed, Workspace(workspace).table("images"))
    return missing, missing.num_rows, digests(listed["image_id"].to_pylist())
