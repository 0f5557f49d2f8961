"""Parquet, JSON and JSON lines as columns of text, block by block; the numbers' digits stay as they are written."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder.errors import SpreadsheetError
from beholder.importing.archive_limits import check_parquet
from beholder.importing.cells import LONG_NUMBER
from beholder.storage import Place
from beholder.tables import open_parquet

_EXACT = 2.0**53  # floats from here on stand for several whole numbers
_MOST_JSON = 2**28  # bytes of a .json file, which is read whole
_SEEN = 200  # records of JSON that name the columns

# Rows, columns of text, and faults: (row of the block, column) -> reason.
RecordBlock = tuple[np.ndarray, dict[str, pa.Array], dict[tuple[int, str], str]]


def parquet_header(place: Place) -> list[str]:
    """Return the columns of a Parquet file. Raises SpreadsheetError where it is none, or would unpack to too much."""
    with place.open() as file:
        parquet = open_parquet(file, place.uri, error=SpreadsheetError)
        check_parquet(parquet.metadata, place.uri, packed=file.size(), error=SpreadsheetError)
        return [str(name) for name in parquet.schema_arrow.names]


def parquet_blocks(place: Place, columns: Sequence[str], rows: int) -> Iterator[RecordBlock]:
    """Yield these columns of a Parquet file in blocks of at most so many rows; the first record is row 1."""
    with place.open() as file:
        try:
            parquet = open_parquet(file, place.uri, error=SpreadsheetError)
            first = 1
            for batch in parquet.iter_batches(rows, columns=list(columns), use_threads=False):
                texts: dict[str, pa.Array] = {}
                faults: dict[tuple[int, str], str] = {}
                for name in columns:
                    if name in batch.schema.names:
                        texts[name] = _text_column(batch[name], name, faults)
                yield np.arange(first, first + batch.num_rows), texts, faults
                first += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise SpreadsheetError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _text_column(column: pa.Array, name: str, faults: dict[tuple[int, str], str]) -> pa.Array:
    """Return a column as text; faults: gains an entry for each number that is not exact."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text_column(column.dictionary_decode(), name, faults)
    if pa.types.is_struct(kind):  # an image as Hugging Face has it: bytes and path
        if kind.get_field_index("path") >= 0:
            return _text_column(pc.struct_field(column, "path"), name, faults)
        return pa.array([None if value is None else json.dumps(value, default=str) for value in column.to_pylist()], pa.string())
    if pa.types.is_floating(kind):
        wide = column.cast(pa.float64())
        large = pc.fill_null(pc.greater_equal(pc.abs(wide), _EXACT), False).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(large).tolist():
            faults[row, name] = LONG_NUMBER
        values = column.to_numpy(zero_copy_only=False)
        known, whole = ~np.isnan(values), np.isfinite(values) & (values == np.trunc(values)) & (np.abs(values) < _EXACT)
        integers = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
        texts = pc.if_else(pa.array(whole), integers, column.cast(pa.string()))
        return pc.if_else(pa.array(known), texts, pa.scalar(None, pa.string()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return pa.array([None if value is None else json.dumps(value, default=str) for value in column.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return pa.array(
            [
                None if value is None else value.isoformat()
                for value in column.cast(pa.timestamp("us", tz=kind.tz), safe=False).to_pylist()
            ],
            pa.string(),
        )
    return column.cast(pa.string())


def json_records(place: Place) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """Yield (number, record, line) of a .jsonl file, or of a .json file with a list of records.

    The record is None where a line is no JSON object. Numbers come as text, as they are written.

    Raises SpreadsheetError where a .json file holds no list of records.
    """
    if not place.name.lower().endswith(".json"):
        with place.open() as file:
            try:
                for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape"), start=1):
                    if line.strip():
                        yield number, _record(line), line.strip()
            except UnicodeError as error:
                raise SpreadsheetError(f"{place.uri} is no UTF-8 text: {error}") from None
        return
    try:
        whole = json.loads(
            place.read_bytes(limit=_MOST_JSON).decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=str
        )
    except (ValueError, RecursionError) as error:
        raise SpreadsheetError(f"{place.uri} is no JSON: {error}") from None
    if isinstance(whole, dict):
        whole = next((value for value in whole.values() if isinstance(value, list)), None)
    if not isinstance(whole, list):
        raise SpreadsheetError(f"{place.uri}: expected a list of records, or a record on each line of a .jsonl file")
    for number, record in enumerate(whole, start=1):
        yield number, record if isinstance(record, dict) else None, json.dumps(record)[:200]


def json_header(place: Place) -> list[str]:
    """Return the names that the first records of a JSON file have, in order."""
    names: dict[str, None] = {}
    for number, (_, record, _) in enumerate(json_records(place)):
        if number >= _SEEN:
            break
        names.update(dict.fromkeys(str(name) for name in record or ()))
    return list(names)


def json_blocks(place: Place, columns: Sequence[str], rows: int) -> Iterator[RecordBlock]:
    """Yield these names of a JSON file's records in blocks of at most so many rows."""
    numbers: list[int] = []
    cells: dict[str, list[str | None]] = {name: [] for name in columns}
    faults: dict[tuple[int, str], str] = {}
    for number, record, line in json_records(place):
        if record is None:
            faults[len(numbers), ""] = f"no JSON object: {line[:80]}"
        for name in columns:
            cells[name].append(_json_text((record or {}).get(name)))
        numbers.append(number)
        if len(numbers) == rows:
            yield np.array(numbers), {name: pa.array(column, pa.string()) for name, column in cells.items()}, faults
            numbers, cells, faults = [], {name: [] for name in columns}, {}
    if numbers:
        yield np.array(numbers), {name: pa.array(column, pa.string()) for name, column in cells.items()}, faults


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return (value.encode("utf-8", "replace").decode() if value is not None and not value.isprintable() else value) or None
    if isinstance(value, bool):
        return str(value)
    return json.dumps(value)
