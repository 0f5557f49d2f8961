"""spreadsheets: rows with their place, and the schema of the labelling tools; a whole study is in commands/test_import.py."""

import datetime
import zipfile

import pytest

from beholder import spreadsheets
from beholder.errors import SpreadsheetError, StorageError
from beholder.importing.cells import text_of
from beholder.spreadsheets import SpreadsheetImages
from beholder.storage import Place

SAID = ("_id", "user_id", "item_id", "attractive", "smart", "trustworthy", "lang", "insert_time")
UTC = datetime.UTC


def read(path, *columns: str) -> list[spreadsheets.SheetRow]:
    return list(spreadsheets.sheet_rows(Place.at(path), columns))


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
    assert text_of(cell) == said


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


def test_find_tells_what_is_there(tmp_path, sheet):
    for name in ("big_data", "Small_Label", "big_compares", "notes", "deep/big_label"):
        sheet(tmp_path / f"{name}.xlsx", ["a"], [])
    found = spreadsheets.find(Place.at(tmp_path))
    assert {key: place.name for key, place in found.items()} == {
        ("big", "data"): "big_data.xlsx",
        ("small", "label"): "Small_Label.xlsx",
        ("big", "compares"): "big_compares.xlsx",
    }


def test_find_nothing(tmp_path):
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(SpreadsheetError) as caught:
        spreadsheets.find(Place.at(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path} has none of the spreadsheets {{big,small}}_{{data,label,compare_data,compares,compare_label}}.xlsx; "
        "found: labels.csv"
    )
    with pytest.raises(SpreadsheetError, match="found: no files"):
        spreadsheets.find(Place.at(tmp_path / "none"))


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        (datetime.datetime(2025, 2, 1, 12), datetime.datetime(2025, 2, 1, 12, tzinfo=UTC)),
        ("2025-02-01T12:00:00", datetime.datetime(2025, 2, 1, 12, tzinfo=UTC)),
        ("2025-02-01 12:00:00.250", datetime.datetime(2025, 2, 1, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2025-02-01T12:00:00Z", datetime.datetime(2025, 2, 1, 12, tzinfo=UTC)),
        (" 2025-02-01T15:30:00+03:30 ", datetime.datetime(2025, 2, 1, 12, tzinfo=UTC)),
        ("2025-02-01", datetime.datetime(2025, 2, 1, tzinfo=UTC)),
        ("9999-12-31T23:00:00-05:00", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("01.02.2025", datetime.datetime(2025, 2, 1, tzinfo=UTC)),
        ("14.03.2024 17:06", datetime.datetime(2024, 3, 14, 17, 6, tzinfo=UTC)),
        ("3/14/2024 5:06 PM", datetime.datetime(2024, 3, 14, 17, 6, tzinfo=UTC)),
        ("3/4/2024", None),
        ("yesterday", None),
        ("", None),
        (45689.5, None),
        (datetime.time(12), None),
    ],
)
def test_times(cell, instant):
    assert spreadsheets._time(cell) == instant


def test_dates_are_midnight():
    assert spreadsheets._time(datetime.date(2025, 2, 1)) == datetime.datetime(2025, 2, 1, tzinfo=UTC)


def study(tmp_path, sheet, rows: list, **pairs: list) -> tuple[dict, SpreadsheetImages]:
    """Two images, their ratings, or their pairs and choices."""
    sheet(tmp_path / "big_data.xlsx", ["_id", "data_image_part"], [["a", "1.png"], ["b", "2.png"]])
    if "compare_data" in pairs:
        sheet(tmp_path / "big_compare_data.xlsx", ["_id", "im1_path", "im2_path"], pairs["compare_data"])
    if "compares" in pairs:
        sheet(tmp_path / "big_compares.xlsx", ["_id", "_id1", "_id2", "name"], pairs["compares"])
    sheet(tmp_path / ("big_compare_label.xlsx" if pairs else "big_label.xlsx"), SAID, rows)
    files = spreadsheets.find(Place.at(tmp_path))
    return files, spreadsheets.read_images(files)


def test_a_refused_image_refuses_its_judgements(tmp_path, sheet):
    rows = [["1", "u", "a", 1, 1, 1, "en", "2025-02-01"], ["2", "u", "b", 1, 1, 1, "en", "2025-02-01"]]
    files, images = study(tmp_path, sheet, rows)
    found = spreadsheets.read_judgements(files, images, refused={"a": "the file is empty"})
    assert [row["image_id"] for row in found.ratings] == ["b"] * 3
    assert {row["reason"] for row in found.rejected} == {"its image a is of no use: the file is empty"}
    assert (found.read, found.ratings_rejected, found.comparisons_rejected) == (6, 3, 0)


def test_a_pair_with_a_refused_image(tmp_path, sheet):
    rows = [["1", "u", "p", 1, 1, 1, "en", "2025-02-01"]]
    files, images = study(tmp_path, sheet, rows, compare_data=[["p", "1.png", "2.png"]])
    found = spreadsheets.read_judgements(files, images, refused={"b": "broken"})
    assert (found.comparisons, found.comparisons_rejected) == ([], 3)


@pytest.mark.parametrize("item", ["7", 7, 7.0, "a-b"])
def test_a_pair_goes_by_its_id_or_its_name(tmp_path, sheet, item):
    rows = [["1", "u", item, 1, 2, 0, "en", "2025-02-01"]]
    files, images = study(tmp_path, sheet, rows, compares=[[7, "a", "b", "a-b"]])
    found = spreadsheets.read_judgements(files, images, refused={})
    assert [(row["left_id"], row["right_id"], row["choice"]) for row in found.comparisons] == [
        ("a", "b", "left"),
        ("a", "b", "right"),
        ("a", "b", "tie"),
    ]


def test_a_row_that_was_refused_does_not_stand_in_the_way_of_the_next(tmp_path, sheet):
    """The first *sound* row of an _id stays."""
    rows = [["1", "u", "z", 1, 1, 1, "en", "2025-02-01"], ["1", "u", "a", 1, 1, 1, "en", "2025-02-01"]]
    files, images = study(tmp_path, sheet, rows)
    found = spreadsheets.read_judgements(files, images, refused={})
    assert [row["image_id"] for row in found.ratings] == ["a"] * 3
    assert {row["row"] for row in found.rejected} == {2}


def test_one_attribute_alone(tmp_path, sheet):
    files, images = study(tmp_path, sheet, [["1", "u", "a", 1, 9, 1, "en", "2025-02-01"]])
    found = spreadsheets.read_judgements(files, images, refused={}, attributes=["attractive"])
    assert (found.read, [row["attribute"] for row in found.ratings]) == (1, ["attractive"])
