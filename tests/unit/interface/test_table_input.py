"""Tables of any library are one table, and what is wrong with one is said."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder.errors import InputError
from beholder.interface.table_input import frame, need, renamed

ROWS = [{"user_id": "ana", "image_id": 1, "score": 2.0}, {"user_id": "ben", "image_id": 2, "score": 3.0}]


class OnlyCapsule:
    """A table of a library that offers Arrow's PyCapsule interface alone."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class OnlyInterchange:
    """A table of a library that offers the dataframe interchange protocol alone."""

    def __init__(self, table):
        self._table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self._table.__dataframe__(nan_as_null, allow_copy)


def kinds():
    table = pa.Table.from_pylist(ROWS)
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    indexed = pd.DataFrame(ROWS, index=[7, 9])
    return {
        "pandas": indexed,
        "arrow": table,
        "capsule": OnlyCapsule(table),
        "interchange": OnlyInterchange(table),
        "dicts": ROWS,
        "columns": columns,
        "arrays": {name: np.array(values) for name, values in columns.items()},
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_kind_of_table_is_read_as_the_same_rows(kind):
    assert frame(kinds()[kind], name="ratings").to_dict("records") == ROWS


def test_polars_is_read_where_it_is_installed():
    polars = pytest.importorskip("polars", reason="the extra dev is not installed")
    assert frame(polars.DataFrame(ROWS), name="ratings").to_dict("records") == ROWS


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl"])
def test_files_are_read_by_their_suffix(tmp_path, suffix):
    path = tmp_path / f"ratings{suffix}"
    table = pd.DataFrame(ROWS)
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pandas(table), path)
    elif suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert frame(path, name="ratings").to_dict("records") == ROWS


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (3, "ratings: expected a table .* got int"),
        ("nowhere.csv", "there is no file nowhere.csv"),
        ("judgements.xlsx", "expected a file that ends in .parquet, .csv, .tsv, .jsonl"),
        ([1, 2], "expected a table"),
    ],
)
def test_what_is_no_table_is_refused_in_words(table, says):
    with pytest.raises(InputError, match=says):
        frame(table, name="ratings")


def test_a_broken_file_is_refused_in_words(tmp_path):
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(InputError, match="can't be read"):
        frame(path, name="ratings")


def test_columns_are_renamed_to_ours():
    table = pd.DataFrame({"rater": ["ana"], "user_id": ["somebody else"], "image_id": [1]})
    assert renamed(table, {"user_id": "rater"}, name="ratings").to_dict("records") == [{"user_id": "ana", "image_id": 1}]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"rater": "user_id"}, "maps our names to yours: columns={'user_id': 'rater'}"),
        ({"user": "rater"}, "did you mean user_id"),
        (["user_id"], "expected a dict"),
    ],
)
def test_a_mapping_that_is_none_of_ours_is_refused(columns, says):
    with pytest.raises(InputError) as error:
        renamed(pd.DataFrame({"rater": ["ana"]}), columns, name="ratings")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("present", "says"),
    [
        (["rater", "image_id", "score"], "is it 'rater'? Then give columns={'user_id': 'rater'}"),
        (["user_ids", "image_id", "score"], "is it 'user_ids'?"),
        (["image_id", "score"], "table.assign(user_id='me')"),
    ],
)
def test_a_missing_column_names_what_may_be_meant(present, says):
    with pytest.raises(InputError) as error:
        need(pd.DataFrame({name: [1] for name in present}), ["user_id", "image_id", "score"], None, name="ratings")
    assert "ratings has no column 'user_id'" in str(error.value)
    assert says in str(error.value)


def test_an_empty_table_is_refused():
    with pytest.raises(InputError, match="ratings is empty"):
        need(pd.DataFrame({"user_id": []}), ["user_id"], None, name="ratings")
