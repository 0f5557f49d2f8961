"""workbook: what Excel and its users do to a sheet, and what a file may not do to us."""

import zipfile

import pytest
from openpyxl import Workbook as Written

from beholder.errors import SpreadsheetError
from beholder.importing import workbook
from beholder.importing.workbook import FormulaText, Workbook
from beholder.storage import Place


def book(path, *sheets: tuple[str, list]) -> Workbook:
    """An .xlsx of these sheets; one whose title begins with "old" is hidden."""
    written = Written()
    written.remove(written.active)
    for title, rows in sheets:
        page = written.create_sheet(title)
        for row in rows:
            page.append(row)
        page.sheet_state = "hidden" if title.startswith("old") else "visible"
    written.save(path)
    return Workbook(Place.at(path))


def repack(path, change) -> None:
    """Write the zip again, each part as change(name, content)."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))


def test_sheets_and_rows(tmp_path):
    found = book(tmp_path / "x.xlsx", ("notes", [["read me"]]), ("old", [[1]]), ("data", [["a", "b"], [None, " "], [1, 2]]))
    assert [(sheet.title, sheet.hidden) for sheet in found.sheets] == [("notes", False), ("old", True), ("data", False)]
    assert list(found.rows(2)) == [(1, ("a", "b")), (3, (1, 2))]
    assert list(found.rows(2, columns=1)) == [(1, ("a",)), (3, (1,))]


def test_a_formula_without_its_result(tmp_path):
    found = book(tmp_path / "x.xlsx", ("data", [["a", "b"], ["=1+2", None], [5, "=A2"]]))
    rows = dict(found.rows(0))
    assert rows[2] == ("=1+2",)
    assert isinstance(rows[2][0], FormulaText)
    assert rows[3] == (5, "=A2")


def test_a_formula_with_its_result(tmp_path):
    book(tmp_path / "x.xlsx", ("data", [["a"], ["=1+2"]]))
    repack(tmp_path / "x.xlsx", lambda name, content: content.replace(b"<v></v>", b"<v>3</v>").replace(b"<v />", b"<v>3</v>"))
    assert list(Workbook(Place.at(tmp_path / "x.xlsx")).rows(0)) == [(1, ("a",)), (2, (3,))]


def test_the_strict_form_of_the_standard(tmp_path):
    book(tmp_path / "x.xlsx", ("data", [["a", "b"], [1, "x"]]))
    strict = {usual: strict for strict, usual in workbook._TRANSITIONAL}

    def change(name: str, content: bytes) -> bytes:
        for usual, other in strict.items():
            content = content.replace(usual, other)
        return content

    repack(tmp_path / "x.xlsx", change)
    assert list(Workbook(Place.at(tmp_path / "x.xlsx")).rows(0)) == [(1, ("a", "b")), (2, (1, "x"))]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an .xls of before 2007, or locked with a password"),
        (b"<html><table>", "a web page"),
        (b"<?xml version='1.0'?><Workbook>", "an XML file"),
        (b"a,b\n1,2\n", "it is text; name it .csv"),
        (b"\x00\x01\x02", "not a zip"),
        (b"PK\x03\x04 and no more", "not a zip"),
    ],
)
def test_what_is_no_workbook(tmp_path, data, says):
    (tmp_path / "x.xlsx").write_bytes(data)
    with pytest.raises(SpreadsheetError, match=f"x.xlsx can't be read as an .xlsx workbook: .*{says}") as caught:
        Workbook(Place.at(tmp_path / "x.xlsx"))
    assert "\n" not in str(caught.value)


def test_an_open_document(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(SpreadsheetError, match="an OpenDocument file"):
        Workbook(Place.at(tmp_path / "x.xlsx"))


def test_a_row_that_no_sheet_has(tmp_path):
    book(tmp_path / "x.xlsx", ("data", [["a"], [1]]))
    far = b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData>'
    repack(tmp_path / "x.xlsx", lambda name, content: content.replace(b"</sheetData>", far))
    with pytest.raises(SpreadsheetError, match="a cell beyond row 1,048,576, the last one of a sheet"):
        list(Workbook(Place.at(tmp_path / "x.xlsx")).rows(0))


def test_a_workbook_that_unpacks_to_much_more(tmp_path):
    book(tmp_path / "x.xlsx", ("data", [["a"], [1]]))
    with zipfile.ZipFile(tmp_path / "x.xlsx", "a") as archive:
        archive.writestr("xl/more.xml", "")
        archive.getinfo("xl/more.xml").file_size = 2**30  # as its directory will say
    with pytest.raises(
        SpreadsheetError, match=r"bytes and would unpack to 1,07\d,\d{3},\d{3}; expected at most 100 times its size"
    ):
        Workbook(Place.at(tmp_path / "x.xlsx"))


def test_long_numbers():
    assert [workbook.is_long_number(value) for value in (10**15, -(10.0**15), 10**15 - 1, "9" * 20, True, None)] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
