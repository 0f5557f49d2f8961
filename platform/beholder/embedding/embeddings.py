"""The table image_id -> vector of one encoder: Parquet shards in a folder.

A shard is named by a hash of its image ids, so that work done twice after a failure overwrites itself. A reader of the table gets
each image once, whatever a killed job left behind. A shard tells whether colour profiles counted when its images were read: until
version 0.2 they did not.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder import tables
from beholder.errors import EmbeddingError, TableError
from beholder.storage import Place

COMPACT_ROWS = 65_536  # rows that a compacted shard holds at most: 128 MiB of 512 float32
ENCODER_ID = b"encoder_id"
_COLOURS, _SRGB = "colours", "srgb"


@dataclass(frozen=True)
class Embeddings:
    """Embeddings by image: image_ids[i] has the vector vectors[i], float32 [N, D]. In order of image_id, each once."""

    image_ids: list[str]
    vectors: np.ndarray

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.image_ids) != len(self.vectors):
            raise EmbeddingError(f"{len(self.image_ids)} images have vectors of shape {list(self.vectors.shape)}")


def write_shard(
    folder: Place,
    *,
    encoder_id: str,
    image_ids: Sequence[str],
    sha256: Sequence[str | None],
    vectors: np.ndarray,
    profiles: bool = True,
) -> Place:
    """Write float32 [N, D] vectors into the table as one shard, whole or not at all; return its place.

    profiles: whether the images' colour profiles counted.
    """
    name = hashlib.sha256("\0".join(image_ids).encode()).hexdigest()[:20]
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    offsets = pa.array(np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32))
    columns = {
        "image_id": pa.array(list(image_ids), pa.string()),
        "sha256": pa.array(list(sha256), pa.string()),
        "embedding": pa.ListArray.from_arrays(offsets, flat),
    }
    place = folder / f"part-{name}.parquet"
    tables.write(
        place,
        pa.table(columns, schema=tables.EMBEDDINGS),
        metadata={"encoder_id": encoder_id} | ({_COLOURS: _SRGB} if profiles else {}),
    )
    return place


def read(folder: Place) -> Embeddings:
    """Return the whole table. Raises EmbeddingError where there is none, or where vectors differ in length."""
    check_there(folder)
    parts = [tables.read(place, tables.EMBEDDINGS) for place in shards(folder)]
    whole = _once(pa.concat_tables(parts))
    return Embeddings(whole.column("image_id").to_pylist(), _matrix(whole, folder.uri))


def check_there(folder: Place) -> None:
    """Raise EmbeddingError where there is no table."""
    if next(iter(shards(folder)), None) is not None:
        return
    names = _names_beside(folder)
    there = f"; of this workspace are those of {', '.join(names)} (encoder_id={names[0]})" if names else ""
    raise EmbeddingError(f"no embeddings in {folder.uri}; make them with beholder embed or beholder import embeddings={there}")


def _names_beside(folder: Place) -> list[str]:
    """Return the encoder ids of the other tables beside this one."""
    above = Place(folder.uri.rpartition("/")[0], folder.path.rpartition("/")[0], folder.filesystem)
    return sorted({entry.path.partition("/")[0] for entry in above.files() if "/" in entry.path} - {folder.name})


def known(folder: Place) -> dict[str, str | None]:
    """Return image_id -> sha256 of every image in the table; the vectors are not read."""
    result: dict[str, str | None] = {}
    for place in shards(folder):
        table = columns(place, ["image_id", "sha256"])
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


def vectors_of(folder: Place, contents: pa.Array) -> pa.Table:
    """Return sha256 and embedding of an image with each of these contents that the table has, read a shard at a time."""
    result = [tables.EMBEDDINGS.empty_table().select(["sha256", "embedding"])]
    for place in shards(folder) if len(contents) else ():
        if pc.any(pc.is_in(columns(place, ["sha256"])["sha256"], value_set=contents)).as_py():
            table = tables.read(place, tables.EMBEDDINGS).replace_schema_metadata(None)
            result.append(table.filter(pc.is_in(table["sha256"], value_set=contents)).select(["sha256", "embedding"]))
    whole = pa.concat_tables(result)
    first = {sha256: row for row, sha256 in reversed(list(enumerate(whole["sha256"].to_pylist())))}
    return whole.take(pa.array(sorted(first.values()), pa.int64()))


def drop(folder: Place, image_ids: set[str], *, but: Collection[str] = ()) -> None:
    """Remove images from the table, shard by shard; the shards named in `but` stay as they are."""
    removed = pa.array(sorted(image_ids), pa.string())
    for place in shards(folder):
        if place.name not in but:
            keep(place, pc.invert(pc.is_in(columns(place, ["image_id"])["image_id"], value_set=removed)))


def keep(shard: Place, rows: pa.Array) -> None:
    """Keep these rows of a shard (bool, one per row); it is deleted where none are left."""
    if pc.all(rows).as_py():
        return
    table = tables.read(shard, tables.EMBEDDINGS)
    if pc.any(rows).as_py():
        tables.write(shard, table.filter(rows), metadata=_metadata(table))
    else:
        shard.delete()


def compact(folder: Place, *, rows: int = COMPACT_ROWS) -> int:
    """Merge small shards into ones of at most `rows` rows, and drop rows repeated in one; return the number of shards left."""
    return sum(merge(folder, group) for group in groups(folder, rows=rows))


def groups(folder: Place, *, rows: int = COMPACT_ROWS) -> list[list[Place]]:
    """Return the shards in groups that are merged into one each, by their numbers of rows; a group of one stays as it is."""
    result: list[list[Place]] = []
    total = 0
    for place in shards(folder):
        count = _rows(place)
        if not result or total + count > rows:
            result.append([])
            total = 0
        result[-1].append(place)
        total += count
    return result


def merge(folder: Place, group: Sequence[Place]) -> int:
    """Merge shards into one, each image once; return how many are left.

    The merged shard is written before the others go, so that a killed merge loses nothing.
    """
    if len(group) < 2:
        return len(group)
    parts = [tables.read(place, tables.EMBEDDINGS) for place in group]
    whole = _once(pa.concat_tables(parts))
    kept = write_shard(
        folder,
        encoder_id=_metadata(whole).get("encoder_id", ""),
        image_ids=whole["image_id"].to_pylist(),
        sha256=whole["sha256"].to_pylist(),
        vectors=_matrix(whole, folder.uri),
        profiles=all(_metadata(part).get(_COLOURS) == _SRGB for part in parts),
    )
    for place in group:
        if place.path != kept.path:
            place.delete()
    return 1


def without_profiles(folder: Place) -> int:
    """Return how many vectors are of images that were read when colour profiles did not count yet; merged, others among them."""
    total = 0
    for place in shards(folder):
        with place.open() as file:
            metadata = tables.open_parquet(file, place.uri).schema_arrow.metadata or {}
        if metadata.get(_COLOURS.encode()) != _SRGB.encode():
            total += len(columns(place, ["sha256"])["sha256"].drop_null())
    return total


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


def shards(folder: Place) -> Iterator[Place]:
    """Yield the shards of the table, in order of name."""
    for entry in folder.files():
        if entry.path.startswith("part-") and entry.path.endswith(".parquet"):
            yield folder / entry.path


def read_shard(shard: Place) -> tuple[list[str], np.ndarray]:
    """Return image_ids and vectors, float32 [N, D], of a shard."""
    table = tables.read(shard, tables.EMBEDDINGS)
    return table["image_id"].to_pylist(), _matrix(table, shard.uri)


def columns(shard: Place, names: list[str]) -> pa.Table:
    """Return some columns of a shard. Raises TableError where it is no readable Parquet."""
    try:
        with shard.open() as file:
            return tables.open_parquet(file, shard.uri).read(columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{shard.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _rows(shard: Place) -> int:
    try:
        with shard.open() as file:
            return int(tables.open_parquet(file, shard.uri).metadata.num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{shard.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


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


def _metadata(table: pa.Table) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
