"""A batch of images on its way to embeddings: files read and decoded, then what came of them stored in a workspace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from beholder import images, tables
from beholder.embedding import embeddings
from beholder.embedding.digest_index import digests
from beholder.embedding.known_images import KnownImages, content_digests
from beholder.errors import ImageError
from beholder.image_shards import ShardImage
from beholder.images import Fit, ImageLimits
from beholder.storage import Place
from beholder.table_log import TableLog
from beholder.workspace import Workspace

# Asked for contents (uint64 [N, 2]) and the images that have them (the same shape): which images are to be computed, bool [N]. One
# of those with equal contents is, the others copy its embedding.
Claim = Callable[[np.ndarray, np.ndarray], np.ndarray]
ROWS = tuple(tables.IMAGES.names)  # the columns of a batch that the workspace's table `images` has


@dataclass
class ImageBatch:
    """Images by row. own: whether its embedding is computed here; pixels: of the own ones, uint8 [sum(own), size, size, 3].

    reason: why an image is refused, or None; one that is neither own nor refused has the contents of another.
    """

    image_id: list[str]
    uri: list[str]
    sha256: list[str | None]
    width: list[int | None]
    height: list[int | None]
    reason: list[str | None]
    own: np.ndarray
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.image_id)

    def to_arrow(self) -> pa.Table:
        """Return the batch as a table whose column `pixels` shares this batch's memory, empty for images that are not own."""
        size = int(np.prod(self.pixels.shape[1:]))
        offsets = np.concatenate([[0], np.cumsum(self.own.astype(np.int64) * size)])
        buffers = [None, pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(self.pixels))]
        pixels = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), buffers)
        table = self.rows().append_column("reason", pa.array(self.reason, pa.string()))
        return table.append_column("own", pa.array(self.own)).append_column("pixels", pixels)

    @classmethod
    def from_arrow(cls, table: pa.Table, size: int) -> "ImageBatch":
        """Return a batch from its table, without copying pixels that lie in one chunk. size: of the encoder's square."""
        column = table["pixels"]
        chunk = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        offsets = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        data = chunk.buffers()[2]
        flat = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.empty(0, np.uint8)
        columns = {name: table[name].to_pylist() for name in (*ROWS, "reason")}
        own = table["own"].to_numpy(zero_copy_only=False).astype(bool)
        return cls(**columns, own=own, pixels=flat.reshape(-1, size, size, 3))

    @classmethod
    def concat(cls, batches: "Sequence[ImageBatch]", size: int) -> "ImageBatch":
        """Return several batches as one, without their pixels. size: of the encoder's square."""
        lists = {name: [value for batch in batches for value in getattr(batch, name)] for name in (*ROWS, "reason")}
        own = np.concatenate([np.empty(0, bool), *(batch.own for batch in batches)])
        return cls(**lists, own=own, pixels=np.empty((0, size, size, 3), np.uint8))

    def rows(self) -> pa.Table:
        """Return what the workspace's table `images` says of each."""
        columns = [self.image_id, self.uri, self.sha256, self.width, self.height]
        return pa.table(dict(zip(tables.IMAGES.names, columns, strict=True)), schema=tables.IMAGES)


def read_batch(batch: pa.Table, *, fit: Fit, limits: ImageLimits, known: KnownImages, claim: Claim) -> ImageBatch:
    """Read and decode the images of a list (image_id, uri)."""
    uris = batch["uri"].to_pylist()
    files = images.read_many(uris, limits=limits)
    return decode_batch(
        [
            ShardImage(image_id, uri, None, str(file)) if isinstance(file, ImageError) else ShardImage(image_id, uri, file)
            for image_id, uri, file in zip(batch["image_id"].to_pylist(), uris, files, strict=True)
        ],
        fit=fit,
        limits=limits,
        known=known,
        claim=claim,
    )


def decode_batch(files: Sequence[ShardImage], *, fit: Fit, limits: ImageLimits, known: KnownImages, claim: Claim) -> ImageBatch:
    """Decode those of the files that are images with contents nobody else computes."""
    count = len(files)
    sha256: list[str | None] = [None] * count
    width: list[int | None] = [None] * count
    height: list[int | None] = [None] * count
    reason = [file.reason for file in files]
    for row, file in enumerate(files):
        if file.data is None:
            continue
        try:
            width[row], height[row] = images.shape(file.data, limits=limits)
            sha256[row] = images.digest(file.data)
        except ImageError as error:
            reason[row] = str(error)
    readable = np.array([text is not None for text in sha256], bool)
    contents = content_digests(sha256)
    stored, _ = known.contents.find(contents)
    asked = readable & ~stored
    own = np.zeros(count, bool)
    if asked.any():
        ids = digests([file.image_id for file in files])
        own[asked] = claim(contents[asked], ids[asked])
    pixels = np.empty((int(own.sum()), fit.size, fit.size, 3), np.uint8)
    filled = 0
    for row in np.flatnonzero(own).tolist():
        try:
            pixels[filled] = images.decode_fit(files[row].data or b"", fit, limits=limits)
            filled += 1
        except ImageError as error:
            reason[row], own[row] = str(error), False
    names = [file.image_id for file in files]
    return ImageBatch(names, [file.uri for file in files], sha256, width, height, reason, own, pixels[:filled])


@dataclass(frozen=True)
class BatchStore:
    """Where batches are stored. stamp: the time of the job in nanoseconds, so that what is done twice is written once."""

    workspace: Workspace
    encoder_id: str
    stamp: int

    @property
    def folder(self) -> Place:
        """The encoder's embeddings."""
        return self.workspace.embeddings(self.encoder_id)

    @property
    def twins(self) -> TableLog:
        """Images whose contents another one has, until they get its embedding."""
        return TableLog(self.workspace.place / "twins" / self.encoder_id, tables.IMAGES, ("image_id",))

    def store(self, batch: ImageBatch, vectors: np.ndarray, *, known: KnownImages) -> dict[str, int]:
        """Store a batch and the embeddings of its own images, float32 [sum(own), D]; return how many were computed, and so on."""
        own = pa.array(batch.own)
        refused = pa.array([reason is not None for reason in batch.reason], pa.bool_())
        rows = batch.rows()
        if len(vectors):
            computed = rows.filter(own)
            embeddings.write_shard(
                self.folder,
                encoder_id=self.encoder_id,
                image_ids=computed["image_id"].to_pylist(),
                sha256=computed["sha256"].to_pylist(),
                vectors=vectors,
            )
            self.workspace.table("images").append(computed, stamp=self.stamp)
        twin = np.array([reason is None for reason in batch.reason], bool) & ~batch.own
        self.twins.append(rows.filter(pa.array(twin)), stamp=self.stamp)
        self.reject(dict(zip(rows["uri"].filter(refused).to_pylist(), [r for r in batch.reason if r is not None], strict=True)))
        self._accept(rows["uri"].filter(own).to_pylist(), known)
        return {"computed": len(vectors), "twins": int(twin.sum()), "rejected": sum(reason is not None for reason in batch.reason)}

    def copy(self, twins: Sequence[Place], *, known: KnownImages, limits: ImageLimits, fit: Fit) -> dict[str, int]:
        """Give the twins of some parts the embeddings of the images with the same contents; return how many got one.

        Those of a broken file are rejected as it is; those whose other one was lost on the way are left for the next run.
        """
        log = self.twins
        rows = pa.concat_tables([log.schema.empty_table(), *(tables.read(place, log.schema) for place in twins)])
        stored = embeddings.vectors_of(self.folder, rows["sha256"].unique())
        at = {sha256: row for row, sha256 in enumerate(stored["sha256"].to_pylist())}
        found = [at.get(sha256, -1) for sha256 in rows["sha256"].to_pylist()]
        have = pa.array([row >= 0 for row in found])
        copied = rows.filter(have)
        vectors = stored["embedding"].take(pa.array([row for row in found if row >= 0], pa.int64()))
        for start in range(0, copied.num_rows, embeddings.COMPACT_ROWS):
            part, values = copied.slice(start, embeddings.COMPACT_ROWS), vectors.slice(start, embeddings.COMPACT_ROWS)
            embeddings.write_shard(
                self.folder,
                encoder_id=self.encoder_id,
                image_ids=part["image_id"].to_pylist(),
                sha256=part["sha256"].to_pylist(),
                vectors=values.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(part.num_rows, -1),
            )
            self.workspace.table("images").append(part, stamp=self.stamp)
        self._accept(copied["uri"].to_pylist(), known)
        reasons: dict[str, str | None] = {}  # contents -> why they are refused
        rejected: dict[str, str] = {}
        left = rows.filter(pa.array([row < 0 for row in found]))
        for uri, sha256 in zip(left["uri"].to_pylist(), left["sha256"].to_pylist(), strict=True):
            if sha256 not in reasons:
                reasons[sha256] = _refusal(uri, fit, limits)
            if (reason := reasons[sha256]) is not None:
                rejected[uri] = reason
        self.reject(rejected)
        for place in twins:
            place.delete()
        return {"copied": copied.num_rows, "rejected": len(rejected)}

    def reject(self, reasons: dict[str, str]) -> None:
        """Add files to the table `rejected`: URI -> why."""
        rows = [{"file": uri, "reason": reason} for uri, reason in sorted(reasons.items())]
        self.workspace.table("rejected").append(pa.Table.from_pylist(rows, schema=tables.REJECTED), stamp=self.stamp)

    def _accept(self, uris: Sequence[str], known: KnownImages) -> None:
        """Remove files that an earlier run has rejected from the table `rejected`."""
        mended = [uri for uri, was in zip(uris, known.rejected.find(digests(uris))[0], strict=True) if was]
        schema = pa.schema([tables.REJECTED.field("file")])
        self.workspace.table("rejected").remove(pa.table({"file": mended}, schema=schema), stamp=self.stamp)


def _refusal(uri: str, fit: Fit, limits: ImageLimits) -> str | None:
    try:
        images.decode_fit(images.read(uri, limits=limits), fit, limits=limits)
    except ImageError as error:
        return str(error)
    return None
