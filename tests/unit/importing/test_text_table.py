"""text_table: encodings, delimiters, and rows that are numbered as a spreadsheet does."""

import codecs

import pytest

from beholder.errors import SpreadsheetError
from beholder.importing.text_table import TextTable
from beholder.storage import Place

LINES = "user;score\nJürgen;1\nMüller;2\n"


def table(tmp_path, data: bytes | str, name: str = "x.csv", **options) -> TextTable:
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return TextTable.of(Place.at(tmp_path / name), **options)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (LINES.encode(), "utf-8"),
        (codecs.BOM_UTF8 + LINES.encode(), "utf-8-sig"),
        (LINES.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"), "utf-16"),
        (LINES.encode("utf-16-le"), "utf-16-le"),
        (LINES.encode("utf-16-be"), "utf-16-be"),
        (LINES.encode("utf-32"), "utf-32"),
        (LINES.encode("latin-1"), "cp1252"),
        (LINES.replace("J", "\x93J").encode("latin-1"), "cp1252"),
        (LINES.replace("J", "\x81J").encode("latin-1"), "latin-1"),
    ],
)
def test_encodings(tmp_path, data, encoding):
    found = table(tmp_path, data)
    assert found.encoding == encoding
    rows = [cells for _, cells in found.rows()]
    assert [cells[0][-6:] for cells in rows] == ["user", "Jürgen", "Müller"]
    assert found.delimiter == ";"


def test_what_a_legacy_encoding_means(tmp_path):
    """The Euro sign of Windows is 0x80, and a guess is told."""
    found = table(tmp_path, "a,b\n€,é\n".encode("cp1252"))
    assert [cells for _, cells in found.rows()][1] == ["€", "é"]
    assert found.guessed == "encoding=cp1252"


def test_an_encoding_that_is_given(tmp_path):
    found = table(tmp_path, "a,b\n写真,1\n".encode("shift_jis"), encoding="shift_jis")
    assert [cells for _, cells in found.rows()][1] == ["写真", "1"]
    with pytest.raises(SpreadsheetError, match="'utf8x' is no encoding"):
        table(tmp_path, "a,b\n", encoding="utf8x")


def test_a_few_bytes_that_are_no_utf_8(tmp_path):
    """A file of UTF-8 in which one cell came from elsewhere stays UTF-8; its bytes are kept apart."""
    found = table(tmp_path, "a,b\nJürgen Müller,é\n".encode() + b"M\xfcller,1\n")
    assert found.encoding == "utf-8"
    assert [cells[0] for _, cells in found.rows()] == ["a", "Jürgen Müller", "M\udcfcller"]


def test_bytes_that_are_no_text(tmp_path):
    with pytest.raises(SpreadsheetError, match="is no text: it has zero bytes"):
        table(tmp_path, bytes(range(256)) * 10)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n1,5;2\n", ";"),
        ("a\tb\n1,5\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("a=b=c\n1=2=3\n", "="),
        ('a,b\n"x;y;z",1\n', ","),
        ("sep=;\na;b\n", ";"),
        ("a\n1\n", ","),
    ],
)
def test_delimiters(tmp_path, text, delimiter):
    assert table(tmp_path, text).delimiter == delimiter


def test_a_name_that_ends_in_tsv_has_tabs(tmp_path):
    assert table(tmp_path, "a,b\tc\n1,2\t3\n", "x.tsv").delimiter == "\t"


def test_rows_are_numbered_as_a_spreadsheet_does(tmp_path):
    found = table(tmp_path, 'sep=,\r\na,b\r\n\r\n"x\r\ny",2\r\n,\r\nlast,3')
    assert list(found.rows()) == [(2, ["a", "b"]), (4, ["x\r\ny", "2"]), (5, ["", ""]), (6, ["last", "3"])]


def test_a_quote_that_never_closes(tmp_path):
    found = table(tmp_path, 'a,b\n1,2\n"x,3\n' + "y,4\n" * 50_000)
    with pytest.raises(SpreadsheetError, match=r"x.csv is broken after row 2: .*a quote that never closes"):
        list(found.rows())
