"""sheet: one .xlsx file as rows that remember where they stood."""

import datetime
import zipfile

import pytest

from beholder import spreadsheets as sheets
from beholder.errors import SpreadsheetError, StorageError
from beholder.storage import Place


def read(path, *columns: str) -> list[sheets.SheetRow]:
    return list(sheets.sheet_rows(Place.at(path), columns))


def test_rows_know_where_they_stand(tmp_path, sheet):
    path = sheet(tmp_path / "x.xlsx", ["a", "b"], [[1, "x"], [None, None], ["", None], [2.0, None]])
    rows = read(path, "a", "b")
    assert [(row.file, row.sheet, row.number) for row in rows] == [(str(path), "data", 2), (str(path), "data", 5)]
    assert [(row["a"], row["b"], row.text("a")) for row in rows] == [(1, "x", "1"), (2, None, "2")]


def test_columns_may_come_in_any_order_with_others_between(tmp_path, sheet):
    (row,) = read(sheet(tmp_path / "x.xlsx", [None, "b", "more", " a "], [[9, "x", 8, "y"]]), "a", "b")
    assert (row["a"], row["b"], row["none"]) == ("y", "x", None)


def test_a_short_row_has_empty_cells(tmp_path, sheet):
    (row,) = read(sheet(tmp_path / "x.xlsx", ["a", "b"], [[1]]), "b")
    assert row.text("b") is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        (" x ", "x"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (True, "True"),
        (datetime.datetime(2025, 2, 1, 12), "2025-02-01T12:00:00"),
        (datetime.date(2025, 2, 1), "2025-02-01"),
    ],
)
def test_text(cell, said):
    assert sheets.cell_text(cell) == said


def test_refuse_says_where_and_what(tmp_path, sheet):
    (row,) = read(sheet(tmp_path / "x.xlsx", ["a"], [[7.0]]), "a")
    assert row.refuse("a", "too much", attribute="smart") == {
        "file": str(tmp_path / "x.xlsx"),
        "sheet": "data",
        "row": 2,
        "column": "a",
        "value": "7",
        "reason": "too much",
        "attribute": "smart",
    }


def test_a_missing_column_names_file_column_and_what_was_found(tmp_path, sheet):
    path = sheet(tmp_path / "x.xlsx", ["user", "_id"], [])
    with pytest.raises(SpreadsheetError) as caught:
        read(path, "_id", "user_id")
    assert str(caught.value) == f"{path} has no column 'user_id'; found: user, _id; did you mean user?"
    with pytest.raises(SpreadsheetError, match=r"has no column 'zzz'; found: user, _id$"):
        read(path, "zzz")


def test_an_empty_sheet(tmp_path, sheet):
    with pytest.raises(SpreadsheetError, match="has no column 'a'; found: an empty first row"):
        read(sheet(tmp_path / "x.xlsx", [], []), "a")
    assert read(sheet(tmp_path / "y.xlsx", ["a"], []), "a") == []


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04"])
def test_a_file_that_is_no_workbook(tmp_path, data):
    (tmp_path / "x.xlsx").write_bytes(data)
    with pytest.raises(SpreadsheetError, match=r"x\.xlsx can't be read as an \.xlsx workbook: .+") as caught:
        read(tmp_path / "x.xlsx", "a")
    assert "\n" not in str(caught.value)


def test_another_kind_of_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(SpreadsheetError, match=r"can't be read as an \.xlsx workbook"):
        read(tmp_path / "x.xlsx", "a")


def test_a_workbook_that_breaks_off_in_the_middle(tmp_path, sheet):
    path = sheet(tmp_path / "x.xlsx", ["a"], [[n] for n in range(50)])
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as broken:
        for name, data in parts.items():
            broken.writestr(name, data[: len(data) // 2] if name.endswith("sheet1.xml") else data)
    with pytest.raises(SpreadsheetError, match=r"x\.xlsx (is broken|can't be read)") as caught:
        read(path, "a")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StorageError, match="does not exist"):
        read(tmp_path / "x.xlsx", "a")


def test_a_claimed_size_is_not_believed(tmp_path, sheet):
    """Some writers say A1:A1 whatever they wrote."""
    path = sheet(tmp_path / "x.xlsx", ["a", "b"], [[1, 2], [3, 4]])
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as lying:
        for name, data in parts.items():
            lying.writestr(name, data.replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1:A1"'))
    assert [row["b"] for row in read(path, "b")] == [2, 4]
