"""spreadsheets: the schema of the labelling tools; the whole way of a study is in jobs/test_import.py."""

import datetime

import pytest

from beholder import spreadsheets
from beholder.errors import SpreadsheetError
from beholder.spreadsheets import SpreadsheetImages
from beholder.storage import Place

SAID = ("_id", "user_id", "item_id", "attractive", "smart", "trustworthy", "lang", "insert_time")
UTC = datetime.UTC


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
        ("01.02.2025", None),
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
