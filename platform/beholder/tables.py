"""The schema of every table, and Parquet to and from bytes.

Times are UTC with microseconds. Ids are text. `rejected` has one row per refused judgement or image.
"""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from beholder.errors import BeholderError, StorageError, TableError
from beholder.storage import Place

METADATA = 2**25  # bytes that the metadata of a Parquet file may have: 32 MiB
LEFT, RIGHT, TIE = "left", "right", "tie"  # a comparison's choices
_TIME = pa.timestamp("us", tz="UTC")

IMAGES = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        ("sha256", pa.string()),  # of the file's bytes, in hex; null until somebody has read them
        ("width", pa.int32()),  # pixels, as shown (after EXIF rotation)
        ("height", pa.int32()),
    ]
)
RATINGS = pa.schema(
    [
        pa.field("judgement_id", pa.string(), nullable=False),  # the `_id` of the spreadsheet's row
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),  # on any ordered scale, the table `scales` has its ends
        ("at", _TIME),
        ("lang", pa.string()),
    ]
)
COMPARISONS = pa.schema(
    [
        pa.field("judgement_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("left_id", pa.string(), nullable=False),
        pa.field("right_id", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("choice", pa.string(), nullable=False),  # left, right or tie
        ("at", _TIME),
        ("lang", pa.string()),
    ]
)
SCALES = pa.schema(
    [
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),  # the lowest and the highest score that could be given
        pa.field("high", pa.float64(), nullable=False),
        pa.field("step", pa.float64(), nullable=False),  # the distance of two scores; 0: any number between low and high
        ("words", pa.string()),  # the scores' names with commas between, lowest first; null where they are numbers
        pa.field("declared", pa.bool_(), nullable=False),  # false: only as far as the scores tell
    ]
)
RESPONSES = pa.schema(  # of studies: every answer, those that are no judgements too
    [
        pa.field("judgement_id", pa.string(), nullable=False),  # as in ratings and comparisons
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("study", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),  # main, repeat or check (of attention, which is no judgement)
        pa.field("left_id", pa.string(), nullable=False),  # the image, or the left one of two
        ("right_id", pa.string()),
        pa.field("answer", pa.string(), nullable=False),  # a score, left, right, tie or not_sure (which is no judgement)
        ("expected", pa.string()),  # what an attention check asked for
        ("repeat_of", pa.string()),  # the judgement_id of what is repeated, sides exchanged
        pa.field("place", pa.int32(), nullable=False),  # in the participant's session, from 0
        ("response_ms", pa.int32()),  # from shown to answered, as the browser measured it
        ("at", _TIME),
        ("lang", pa.string()),
    ]
)
REJECTED = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),  # the spreadsheet, or the image's URI
        ("sheet", pa.string()),
        ("row", pa.int64()),  # as the spreadsheet counts: the header is row 1
        ("column", pa.string()),
        ("value", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        ("attribute", pa.string()),  # the judgement that was lost; null for an image
    ]
)
QUALITY = pa.schema(  # what `quality` found of each person
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("weight", pa.float32(), nullable=False),  # 0..1
    ]
)
EMBEDDINGS = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        ("sha256", pa.string()),
        pa.field("embedding", pa.list_(pa.float32()), nullable=False),
    ]
)


def open_parquet(file: Any, name: str, *, error: type[BeholderError] = TableError) -> pq.ParquetFile:
    """Return a Parquet file, opened for reading. file: its bytes, opened for reading from any position; name: for messages.

    Raises `error` where it is none, and where its metadata, which is unpacked whole before anything is read, has more than METADATA
    bytes: of more than a hundred million the library has ended the process.
    """
    try:
        size = file.seek(0, 2) or file.tell()
        file.seek(max(0, size - 8))
        tail = bytes(file.read(8))
        file.seek(0)
        metadata = int.from_bytes(tail[:4], "little") if tail[4:] in (b"PAR1", b"PARE") else 0
        if metadata > METADATA:
            raise error(f"{name} has {metadata:,} bytes of metadata; expected at most {METADATA:,}: write it with fewer row groups")
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as reason:
        raise error(f"{name} is no readable Parquet file: {str(reason).splitlines()[0]}") from None


def read(place: Place, schema: pa.Schema, *, must_exist: bool = False) -> pa.Table:
    """Return the table at `place`, or an empty one where there is none yet.

    must_exist: raise StorageError where there is none. Raises TableError where the file is no Parquet or lacks a column of
    the schema.
    """
    if not must_exist and not place.is_file():
        return schema.empty_table()
    try:
        table = open_parquet(io.BytesIO(place.read_bytes()), place.uri).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    return conform(table, schema, name=place.uri)


def write(place: Place, table: pa.Table, *, metadata: dict[str, str] | None = None) -> bool:
    """Write the table, whole or not at all; return False where the same table was there and nothing was written."""
    if metadata:
        table = table.replace_schema_metadata(metadata)
    if place.is_file():
        try:
            if read(place, table.schema).equals(table, check_metadata=bool(metadata)):
                return False
        except (TableError, StorageError):
            pass  # unreadable: replace it
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    place.write_bytes(buffer.getvalue())
    return True


def conform(table: pa.Table, schema: pa.Schema, *, name: str) -> pa.Table:
    """Return the columns of `schema`, in its order and types. Raises TableError naming what is missing or of a wrong type."""
    missing = [column for column in schema.names if column not in table.column_names]
    if missing:
        raise TableError(f"{name} has no column {missing[0]!r}; found: {', '.join(table.column_names)}")
    for field in schema:
        if not field.nullable and (empty := table[field.name].null_count):
            raise TableError(f"{name} is not of its schema: {empty:,} of {table.num_rows:,} rows have no {field.name}")
    try:
        return table.select(schema.names).cast(schema.with_metadata(table.schema.metadata))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise TableError(f"{name} is not of its schema: {str(error).splitlines()[0]}") from None
