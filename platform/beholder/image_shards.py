"""Files that hold many images: WebDataset tars, and Parquet with a column of image bytes (as Hugging Face's datasets have).

An image in such a file has a URI of its own, with the place behind a #: `s3://bucket/shard-0001.tar#cat/7.jpg`,
`images.parquet#image:42` (the 43rd row of the column `image`).
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from beholder import image_lists, tables
from beholder.errors import ImageError, StorageError, TableError
from beholder.storage import Place

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
_ID_COLUMNS = ("image_id", "id", "key", "__key__")
_MEMBER = re.compile(r"^(?P<shard>.+\.(?P<kind>tar|parquet)(\?[^#]*)?)#(?P<member>.+)$")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")  # shard-{0000..0127}.tar
_BATCH_ROWS = 256  # rows of a Parquet file that are held at a time


@dataclass(frozen=True)
class Shard:
    """A file of many images, or one row group of it. uri: the file; group: of a Parquet file, else 0; column: of its bytes."""

    uri: str
    group: int = 0
    column: str = ""


@dataclass(frozen=True)
class ShardImage:
    """An image of a shard: its id, its URI, and its bytes, None where there are none or too many (reason says which)."""

    image_id: str
    uri: str
    data: bytes | None
    reason: str | None = None


def find(source: str | None) -> list[Shard]:
    """Return the shards that `source` names: a .tar, a glob or {0000..0127} of .tar files, or .parquet with a column of bytes.

    Empty where it names something else. Raises StorageError where a .tar or .parquet is missing, TableError for broken Parquet.
    """
    if source is None:
        return []
    if source.partition("?")[0].lower().endswith(".tar"):
        names = _expand(source)
        uris = [entry.uri for name in names for entry in image_lists.entries(name)]
        if not uris:
            raise StorageError(f"no files in {source}; expected .tar files of images")
        return [Shard(uri) for uri in uris]
    if source.partition("?")[0].lower().endswith(".parquet"):
        entries = [entry.uri for entry in image_lists.entries(source)]
        return [shard for uri in entries for shard in _row_groups(uri)]
    return []


def read(shard: Shard, *, max_bytes: int) -> Iterator[ShardImage]:
    """Yield the images of a shard in their order. Raises StorageError where it can't be read, TableError where it is broken."""
    yield from _parquet_rows(shard, max_bytes) if shard.column else _tar_members(shard, max_bytes)


def is_member(uri: str) -> bool:
    """Return whether a URI is of an image in a shard."""
    return _MEMBER.match(uri) is not None


def read_member(uri: str, *, max_bytes: int) -> bytes:
    """Return the bytes of one image by its URI. Raises ImageError where there is none."""
    match = _MEMBER.match(uri)
    if match is None:
        raise ImageError(f"{uri} names no image in a .tar or .parquet file")
    member = match["member"]
    if match["kind"] == "tar":
        shards = [Shard(match["shard"])]
    else:
        column, _, row = member.rpartition(":")
        if not row.isdecimal():
            raise ImageError(f"{uri}: expected COLUMN:ROW behind the #, got {member!r}")
        shards = [shard for shard in _row_groups(match["shard"]) if shard.column == column]
    for shard in shards:
        for image in read(shard, max_bytes=max_bytes):
            if image.uri == uri:
                if image.data is None:
                    raise ImageError(f"{uri}: {image.reason}")
                return image.data
    raise ImageError(f"{uri} does not exist")


def _expand(source: str) -> list[str]:
    match = _BRACES.search(source)
    if match is None:
        return [source]
    first, last = match[1], match[2]
    return [
        name
        for number in range(int(first), int(last) + 1)
        for name in _expand(f"{source[: match.start()]}{number:0{len(first)}d}{source[match.end() :]}")
    ]


def _tar_members(shard: Shard, max_bytes: int) -> Iterator[ShardImage]:
    stem = PurePosixPath(shard.uri.partition("?")[0]).stem
    try:
        with Place.at(shard.uri).open() as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if not member.isfile() or not member.name.lower().endswith(IMAGE_SUFFIXES):
                    continue  # captions and labels beside the images
                uri = f"{shard.uri}#{member.name}"
                if member.size > max_bytes:
                    yield ShardImage(f"{stem}/{member.name}", uri, None, _too_large(member.size, max_bytes))
                    continue
                content = archive.extractfile(member)
                yield ShardImage(f"{stem}/{member.name}", uri, content.read() if content else b"")
    except (tarfile.TarError, EOFError) as error:
        raise TableError(f"{shard.uri} is no readable tar file: {error}") from None
    except OSError as error:
        raise StorageError(f"{shard.uri} can't be read: {error.strerror or error}") from None


def _row_groups(uri: str) -> list[Shard]:
    """Return the row groups of a Parquet file whose images are in a column of bytes; none where it has no such column."""
    try:
        with Place.at(uri).open() as file:
            parquet = tables.open_parquet(file, uri)
            column = next((field.name for field in parquet.schema_arrow if _holds_bytes(field.type)), None)
            return [] if column is None else [Shard(uri, group, column) for group in range(parquet.num_row_groups)]
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _holds_bytes(type: Any) -> bool:
    if pa.types.is_struct(type):  # Hugging Face: {bytes, path}
        return any(type.field(at).name == "bytes" and _holds_bytes(type.field(at).type) for at in range(type.num_fields))
    return bool(pa.types.is_binary(type) or pa.types.is_large_binary(type))


def _parquet_rows(shard: Shard, max_bytes: int) -> Iterator[ShardImage]:
    stem = PurePosixPath(shard.uri.partition("?")[0]).stem
    try:
        with Place.at(shard.uri).open() as file:
            parquet = tables.open_parquet(file, shard.uri)
            row = sum(parquet.metadata.row_group(group).num_rows for group in range(shard.group))
            named = next((name for name in _ID_COLUMNS if name in parquet.schema_arrow.names), None)
            columns = [shard.column] + ([named] if named else [])
            for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=[shard.group], columns=columns):
                ids = batch[named].to_pylist() if named else [None] * batch.num_rows
                for image_id, value in zip(ids, batch[shard.column], strict=True):
                    data = value.as_py()
                    if isinstance(data, dict):
                        data = data.get("bytes")
                    name, uri = f"{stem}/{row}" if image_id is None else str(image_id), f"{shard.uri}#{shard.column}:{row}"
                    row += 1
                    if data is None:
                        yield ShardImage(name, uri, None, "has no bytes")
                    elif len(data) > max_bytes:
                        yield ShardImage(name, uri, None, _too_large(len(data), max_bytes))
                    else:
                        yield ShardImage(name, uri, data)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{shard.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _too_large(size: int, max_bytes: int) -> str:
    return f"has {size:,} bytes, more than the {max_bytes:,} allowed"
