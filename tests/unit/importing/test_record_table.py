"""record_table: Parquet and JSON as columns of text, to the last digit."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder.errors import SpreadsheetError
from beholder.importing import record_table
from beholder.storage import Place


def texts(path, column: str, rows: int = 100):
    blocks = list(record_table.parquet_blocks(Place.at(path), [column], rows))
    return [text for _, columns, _ in blocks for text in columns[column].to_pylist()], blocks


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None]), ["1", None]),
        (pa.array([2**63 - 1]), ["9223372036854775807"]),
        (pa.array([1.0, None, 3.0]), ["1", None, "3"]),
        (pa.array([0.1, 2.0], pa.float32()), ["0.1", "2"]),
        (pa.array([0.1, 2.5, float("nan"), 2.0**60]), ["0.1", "2.5", None, "1.152921504606847e+18"]),
        (pa.array(["a", None, "é"]).dictionary_encode(), ["a", None, "é"]),
        (pa.array([True]), ["true"]),
        (pa.array([datetime.datetime(2025, 2, 1, 12)]), ["2025-02-01T12:00:00"]),
        (pa.array([datetime.datetime(2025, 2, 1, 12, tzinfo=datetime.UTC)]), ["2025-02-01T12:00:00+00:00"]),
        (pa.array([["a", "b"]]), ['["a", "b"]']),
        (pa.array([{"bytes": b"x", "path": "a.jpg"}]), ["a.jpg"]),
        (pa.array([b"x"]), [None]),
    ],
)
def test_every_type_as_text(tmp_path, values, expected):
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet")
    assert texts(tmp_path / "x.parquet", "x")[0] == expected


def test_rows_by_blocks(tmp_path):
    pq.write_table(pa.table({"x": np.arange(10)}), tmp_path / "x.parquet")
    found, blocks = texts(tmp_path / "x.parquet", "x", 4)
    assert found == [str(number) for number in range(10)]
    assert [numbers.tolist() for numbers, _, _ in blocks] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_a_float_that_stands_for_several_numbers(tmp_path):
    pq.write_table(pa.table({"x": [1.0, 2.0**53]}), tmp_path / "x.parquet")
    _, [(_, _, faults)] = texts(tmp_path / "x.parquet", "x")
    assert list(faults) == [(1, "x")]


def test_json_lines(tmp_path):
    lines = ['{"a": 12345678901234567890, "b": 0.10}', "", "[1]", '{"b": [1, "x"]}', "{"]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    place = Place.at(tmp_path / "x.jsonl")
    assert record_table.json_header(place) == ["a", "b"]
    [(numbers, columns, faults)] = record_table.json_blocks(place, ["a", "b"], 100)
    assert numbers.tolist() == [1, 3, 4, 5]
    assert columns["a"].to_pylist() == ["12345678901234567890", None, None, None]
    assert columns["b"].to_pylist() == ["0.10", None, '["1", "x"]', None]
    assert faults == {(1, ""): "no JSON object: [1]", (3, ""): "no JSON object: {"}


@pytest.mark.parametrize("wrapped", [False, True])
def test_json_of_a_list(tmp_path, wrapped):
    records = [{"a": "x"}, {"a": "y"}]
    (tmp_path / "x.json").write_text(json.dumps({"data": records} if wrapped else records))
    [(_, columns, _)] = record_table.json_blocks(Place.at(tmp_path / "x.json"), ["a"], 100)
    assert columns["a"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize("text", ["{}", "1", "[", ""])
def test_json_of_something_else(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SpreadsheetError, match=r"x\.json"):
        record_table.json_header(Place.at(tmp_path / "x.json"))


def test_parquet_that_unpacks_to_gigabytes(tmp_path):
    """150 million rows of nothing, in some kilobytes."""
    pq.write_table(pa.table({"a": pa.nulls(150_000_000)}), tmp_path / "x.parquet", row_group_size=2**24)
    with pytest.raises(SpreadsheetError, match=r"would unpack to 1,200,000,000; expected at most 100 times its size"):
        record_table.parquet_header(Place.at(tmp_path / "x.parquet"))


def test_bytes_that_are_no_parquet(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SpreadsheetError, match=r"x\.parquet is no readable Parquet file"):
        record_table.parquet_header(Place.at(tmp_path / "x.parquet"))
