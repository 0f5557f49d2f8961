"""cells: what people write into cells, and what it means."""

import datetime
import re

import numpy as np
import pyarrow as pa
import pytest

from beholder.importing import cells

UTC = datetime.UTC


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 3.0 ", 3),
        ("3.5", 3.5),
        ("3,5", 3.5),
        (",5", 0.5),
        ("-1", -1),
        ("\u22121", -1),
        ("1e3", 1000),
        ("٣", 3),
        ("３", 3),
        ("2 - good", 2),
        ("2: good", 2),
        ("2 good", 2),
        ("7 (very much)", 7),
        ("good", None),
        ("1-2", None),
        ("3 4", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
        ("True", None),
        ("#N/A", None),
        ("", None),
        (None, None),
    ],
)
def test_numbers(text, value):
    found, reason = cells.read_number(text)
    assert found == value
    assert (reason is None) == (value is not None)


def test_a_thousand_or_a_fraction():
    assert cells.read_number("1,000")[1] == "1,234 may be a thousand or a fraction; give format.decimal=, or format.decimal=."
    assert cells.read_number("1,000", ",") == (1.0, None)
    assert cells.read_number("1,000", ".") == (1000.0, None)
    assert cells.read_number("1.234,5", ",") == (1234.5, None)
    assert cells.read_number("0,125") == (0.125, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" ana ", "ana"),
        ("\ufeffana", "ana"),
        ("cafe\u0301", "caf\u00e9"),
        ("a/b c.jpg", "a/b c.jpg"),
        ("'=1+2", "=1+2"),
        ("'", "'"),
        ("65f0c2e5", "65f0c2e5"),
    ],
)
def test_ids(text, value):
    assert cells.read_id(text) == (value, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "missing"),
        (" \xa0 ", "missing"),
        ("a\x00b", r"U\+0000"),
        ("a\nb", r"U\+000A"),
        ("a\u200bb", r"U\+200B"),
        ("\u202eana", r"U\+202E"),
        ("a\udce9", "not of the file's encoding"),
        ("7.65432E+17", "more than 15 digits"),
        ("1E+20", "more than 15 digits"),
        ("#REF!", "error value"),
        ("x" * 9000, "9,000 characters"),
    ],
)
def test_ids_that_are_refused(text, says):
    value, reason = cells.read_id(text)
    assert value is None
    assert re.search(says, str(reason)), reason


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        *((text, "left") for text in ("left", "L", "A", "1", "1.0", " first ")),
        *((text, "right") for text in ("RIGHT", "r", "b", "2")),
        *((text, "tie") for text in ("0", "tie", "Equal", "neither", "=")),
        *((text, None) for text in ("3", "-1", "1.5", "True", "", None, "leftish")),
    ],
)
def test_choices(text, meaning):
    assert cells.read_choice(text)[0] == meaning


def test_choices_as_the_file_writes_them():
    assert [cells.read_choice(text, ("0", "1", "0.5"))[0] for text in ("0", "1", "0.50", "0.5", "2")] == [
        "left",
        "right",
        "tie",
        "tie",
        None,
    ]
    assert cells.read_choice("Links", ("links", "rechts")) == ("left", None)
    assert cells.read_choice("2", ("links", "rechts"))[1] == "outside the choices: expected links, rechts"


NOON = datetime.datetime(2024, 3, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-14T12:00:00Z",
        "2024-03-14 12:00",
        "2024-03-14T15:30:00+03:30",
        "14.03.2024 12:00",
        "14.3.2024, 12:00:00",
        "14/03/2024 12:00",
        "3/14/2024 12:00 PM",
        "2024/03/14 12:00",
        "1710417600",
        "1710417600000",
        "Thu Mar 14 2024 13:00:00 GMT+0100 (Central European Standard Time)",
    ],
)
def test_times(text):
    assert cells.read_time(text) == (NOON, None)


@pytest.mark.parametrize(
    "text", ["yesterday", "45365.71", "17:06", "31.02.2024", "14.03.24", "0001-01-01T00:00:00+05:00", "14.03.2024 25:00", "", None]
)
def test_times_that_can_not_be_read(text):
    assert cells.read_time(text)[0] is None


def test_a_day_or_a_month_first():
    assert "day or month may come first" in str(cells.read_time("3/4/2024")[1])
    assert cells.read_time("3/4/2024", days_first=True)[0] == datetime.datetime(2024, 4, 3, tzinfo=UTC)
    assert cells.read_time("3/4/2024", days_first=False)[0] == datetime.datetime(2024, 3, 4, tzinfo=UTC)
    assert cells.read_time("4/4/2024")[0] == datetime.datetime(2024, 4, 4, tzinfo=UTC)


def test_a_column_is_read_once_for_each_text():
    asked = []

    def read(text):
        asked.append(text)
        return (None, "missing") if text is None else (text * 2, None)

    values, reasons = cells.read_column(pa.array(["a", None, "b", "a", "a"]), read)
    assert values.tolist() == ["aa", None, "bb", "aa", "aa"]
    assert reasons.tolist() == [None, "missing", None, None, None]
    assert sorted(map(str, asked)) == ["None", "a", "b"]
    assert values.dtype == np.dtype(object)
