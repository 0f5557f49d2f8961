"""The table image_id -> vector of one encoder: Parquet shards in a folder, and vectors computed elsewhere.

A shard is named by a hash of its image ids, so that work done twice after a failure overwrites itself. A reader of the table gets
each image once, whatever a killed job left behind.
"""

import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beholder import tables
from beholder.errors import EmbeddingError, TableError
from beholder.safe_pickle.numpy_pickle import read_arrays
from beholder.storage import Place

COMPACT_ROWS = 65_536  # rows that a compacted shard holds at most: 128 MiB of 512 float32
ENCODER_ID = b"encoder_id"


@dataclass(frozen=True)
class Embeddings:
    """Embeddings by image: image_ids[i] has the vector vectors[i], float32 [N, D]. In order of image_id, each once."""

    image_ids: list[str]
    vectors: np.ndarray

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.image_ids) != len(self.vectors):
            raise EmbeddingError(f"{len(self.image_ids)} images have vectors of shape {list(self.vectors.shape)}")


def write_shard(
    folder: Place, *, encoder_id: str, image_ids: Sequence[str], sha256: Sequence[str | None], vectors: np.ndarray
) -> Place:
    """Write float32 [N, D] vectors into the table as one shard, whole or not at all; return its place."""
    name = hashlib.sha256("\0".join(image_ids).encode()).hexdigest()[:20]
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    offsets = pa.array(np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32))
    columns = {
        "image_id": pa.array(list(image_ids), pa.string()),
        "sha256": pa.array(list(sha256), pa.string()),
        "embedding": pa.ListArray.from_arrays(offsets, flat),
    }
    place = folder / f"part-{name}.parquet"
    tables.write(place, pa.table(columns, schema=tables.EMBEDDINGS), metadata={"encoder_id": encoder_id})
    return place


def read(folder: Place) -> Embeddings:
    """Return the whole table. Raises EmbeddingError where there is none, or where vectors differ in length."""
    parts = [tables.read(place, tables.EMBEDDINGS) for place in _shards(folder)]
    if not parts:
        raise EmbeddingError(f"no embeddings in {folder.uri}; make them with beholder embed or beholder import embeddings=")
    whole = _once(pa.concat_tables(parts))
    return Embeddings(whole.column("image_id").to_pylist(), _matrix(whole, folder.uri))


def known(folder: Place) -> dict[str, str | None]:
    """Return image_id -> sha256 of every image in the table; the vectors are not read."""
    result: dict[str, str | None] = {}
    for place in _shards(folder):
        table = _columns(place, ["image_id", "sha256"])
        result.update(zip(table["image_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    return result


def current(folder: Place, images: pa.Table) -> dict[str, str | None]:
    """Drop the images whose bytes have changed since (by the sha256 in `images`) from the table; return `known` of the rest."""
    stored = known(folder)
    now = dict(zip(images["image_id"].to_pylist(), images["sha256"].to_pylist(), strict=True))
    stale = {image_id for image_id, sha256 in stored.items() if sha256 and (now.get(image_id) or sha256) != sha256}
    if stale:
        drop(folder, stale)
    return {image_id: sha256 for image_id, sha256 in stored.items() if image_id not in stale}


def copy(folder: Place, *, encoder_id: str, twins: Sequence[Mapping[str, Any]]) -> set[str]:
    """Give each of `twins` (image_id, sha256) the vector of an image with the same bytes; return the image_ids that got one."""
    vectors = vectors_of(folder, {twin["sha256"] for twin in twins})
    copied = [twin for twin in twins if twin["sha256"] in vectors]
    if copied:
        write_shard(
            folder,
            encoder_id=encoder_id,
            image_ids=[twin["image_id"] for twin in copied],
            sha256=[twin["sha256"] for twin in copied],
            vectors=np.stack([vectors[twin["sha256"]] for twin in copied]),
        )
    return {twin["image_id"] for twin in copied}


def vectors_of(folder: Place, digests: set[str]) -> dict[str, np.ndarray]:
    """Return sha256 -> float32 [D] for those of `digests` that the table has, read a shard at a time."""
    result: dict[str, np.ndarray] = {}
    for place in _shards(folder) if digests else ():
        present = _columns(place, ["sha256"])["sha256"].to_pylist()
        if digests.isdisjoint(present):
            continue
        table = tables.read(place, tables.EMBEDDINGS)
        for row, sha256 in enumerate(present):
            if sha256 in digests and sha256 not in result:
                result[sha256] = np.asarray(table["embedding"][row].values, np.float32)
    return result


def drop(folder: Place, image_ids: set[str], *, but: Collection[str] = ()) -> None:
    """Remove images from the table, shard by shard; the shards named in `but` stay as they are."""
    for place in _shards(folder):
        if place.name in but:
            continue
        table = tables.read(place, tables.EMBEDDINGS)
        keep = pa.array([image_id not in image_ids for image_id in table["image_id"].to_pylist()])
        if all(keep.to_pylist()):
            continue
        if any(keep.to_pylist()):
            tables.write(place, table.filter(keep), metadata=_metadata(table))
        else:
            place.delete()


def compact(folder: Place, *, rows: int = COMPACT_ROWS) -> int:
    """Merge small shards into ones of at most `rows` rows, and drop repeated rows; return the number of shards left.

    A merged shard is written before the small ones go, so that a killed compaction loses nothing.
    """
    group: list[tuple[Place, pa.Table]] = []
    count, ids_before = 0, set[str]()
    for place in _shards(folder):
        table = tables.read(place, tables.EMBEDDINGS)
        ids = table["image_id"].to_pylist()
        fresh = table.filter(pa.array([image_id not in ids_before for image_id in ids], pa.bool_()))
        ids_before.update(ids)
        if group and sum(part.num_rows for _, part in group) + fresh.num_rows > rows:
            count += _merge(folder, group)
            group = []
        group.append((place, fresh))
    return count + _merge(folder, group)


def from_file(place: Place) -> Embeddings:
    """Read vectors computed elsewhere: Parquet with image_id and embedding; .npz with one array per image, or with the arrays
    image_id [N] and embedding [N, D]; or a pickle (.pkl, .pickle) of a dict path -> vector, read without running anything in it.

    Raises EmbeddingError for another kind of file, vectors of different lengths, and numbers that are not finite.
    """
    kind = place.name.rpartition(".")[2].lower()
    readers = {"parquet": _from_parquet, "npz": _from_npz, "pkl": _from_pickle, "pickle": _from_pickle}
    if kind not in readers:
        raise EmbeddingError(f"{place.uri}: expected a .parquet, .npz, .pkl or .pickle file")
    ids, rows = readers[kind](place.read_bytes(), place.uri)
    if not ids:
        raise EmbeddingError(f"{place.uri} holds no embeddings")
    vectors = [np.asarray(row, np.float32).reshape(-1) for row in rows]
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) != 1 or lengths[0] == 0:
        raise EmbeddingError(f"{place.uri} holds vectors of different lengths: {lengths[:4]}")
    matrix = np.stack(vectors)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise EmbeddingError(f"{place.uri}: the vector of {ids[int(np.argmin(finite))]!r} has numbers that are not finite")
    if len(set(ids)) != len(ids):
        repeated = next(image_id for row, image_id in enumerate(ids) if image_id in ids[:row])
        raise EmbeddingError(f"{place.uri} has image {repeated!r} more than once")
    order = np.argsort(np.array(ids, dtype=object), kind="stable")
    return Embeddings([ids[row] for row in order], matrix[order])


def match(names: Sequence[str], images: pa.Table) -> list[str]:
    """Return the image_id that each name means: itself an image_id or URI, or the end of just one image's path; else the name.

    Older tools name images by a path of another machine: /home/ana/data/images/7.jpg is .../images/7.jpg here.
    """
    ids = images["image_id"].to_pylist()
    exact = dict(zip(images["uri"].to_pylist(), ids, strict=True)) | {image_id: image_id for image_id in ids}
    by_name: dict[str, list[tuple[list[str], str]]] = {}
    for uri, image_id in zip(images["uri"].to_pylist(), ids, strict=True):
        parts = uri.partition("?")[0].split("/")
        by_name.setdefault(parts[-1], []).append((parts[::-1], image_id))
    result = []
    for name in names:
        parts = name.replace("\\", "/").split("/")[::-1]
        shared = [(_common(parts, other), image_id) for other, image_id in by_name.get(parts[0], [])]
        best = [image_id for length, image_id in shared if length == max(shared)[0]]
        result.append(exact.get(name) or (best[0] if len(best) == 1 else name))
    return result if len(set(result)) == len(result) else list(names)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many parts two paths share, counted from the end."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _from_parquet(data: bytes, name: str) -> tuple[list[str], Sequence[np.ndarray]]:
    try:
        table = tables.conform(
            pq.read_table(io.BytesIO(data)),
            pa.schema([("image_id", pa.string()), ("embedding", pa.list_(pa.float32()))]),
            name=name,
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise EmbeddingError(f"{name} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    except TableError as error:
        raise EmbeddingError(str(error)) from None
    for column in table.column_names:
        if table[column].null_count:
            raise EmbeddingError(f"{name} has {table[column].null_count} rows without {column}")
    return table["image_id"].to_pylist(), [np.asarray(row.values) for row in table["embedding"]]


def _from_npz(data: bytes, name: str) -> tuple[list[str], Sequence[np.ndarray]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:  # numpy and zipfile each raise their own for broken or hostile files
        raise EmbeddingError(f"{name} can't be read as an .npz of numeric arrays: {error}") from None
    if other := [key for key, array in arrays.items() if array.dtype.kind not in "iuf" and key != "image_id"]:
        raise EmbeddingError(f"{name}: expected numeric arrays, got one of {arrays[other[0]].dtype} under {other[0]!r}")
    if set(arrays) == {"image_id", "embedding"}:
        ids, matrix = arrays["image_id"], arrays["embedding"]
        if matrix.ndim != 2 or ids.shape != (len(matrix),):
            raise EmbeddingError(f"{name}: image_id {list(ids.shape)} does not fit embedding {list(matrix.shape)}")
        return [str(image_id) for image_id in ids], list(matrix)
    return list(arrays), list(arrays.values())


def _from_pickle(data: bytes, name: str) -> tuple[list[str], Sequence[np.ndarray]]:
    content = read_arrays(data, name=name, error=EmbeddingError)
    if not isinstance(content, dict) or not all(isinstance(v, np.ndarray) and v.dtype.kind in "iuf" for v in content.values()):
        raise EmbeddingError(f"{name}: expected a dict of path -> numeric numpy array, got a {type(content).__name__}")
    return [str(key) for key in content], list(content.values())


def _shards(folder: Place) -> Iterator[Place]:
    for entry in folder.files():
        if entry.path.startswith("part-") and entry.path.endswith(".parquet"):
            yield folder / entry.path


def _columns(place: Place, names: list[str]) -> pa.Table:
    try:
        with place.filesystem.open_input_file(place.path) as file:
            return pq.read_table(file, columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _once(table: pa.Table) -> pa.Table:
    """Return the first row of each image, in order of image_id."""
    ids = table["image_id"].to_pylist()
    first = {image_id: row for row, image_id in reversed(list(enumerate(ids)))}
    return table.take(pa.array([first[image_id] for image_id in sorted(first)], pa.int64()))


def _matrix(table: pa.Table, name: str) -> np.ndarray:
    column = table["embedding"].combine_chunks()
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    lengths = set(np.diff(column.offsets.to_numpy()).tolist())
    if len(lengths) > 1:
        raise EmbeddingError(f"{name} holds vectors of different lengths: {sorted(lengths)}")
    return flat.reshape(len(column), -1)


def _merge(folder: Place, group: list[tuple[Place, pa.Table]]) -> int:
    """Replace a group of shards by one; return how many are left. A group of one with all its rows stays as it is."""
    if not group:
        return 0
    whole = pa.concat_tables([table for _, table in group])
    metadata = _metadata(whole)
    if len(group) == 1 and whole.num_rows == _columns(group[0][0], ["image_id"]).num_rows:
        return 1
    kept = None
    if whole.num_rows:
        kept = write_shard(
            folder,
            encoder_id=metadata.get("encoder_id", ""),
            image_ids=whole["image_id"].to_pylist(),
            sha256=whole["sha256"].to_pylist(),
            vectors=_matrix(whole, folder.uri),
        )
    for place, _ in group:
        if kept is None or place.path != kept.path:
            place.delete()
    return int(kept is not None)


def _metadata(table: pa.Table) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
