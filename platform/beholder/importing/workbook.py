"""Workbooks (.xlsx): their sheets row by row, whatever the file claims to be; the only file that imports openpyxl."""

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from beholder.errors import SpreadsheetError
from beholder.importing.archive_limits import FLOOR, SHARED_TEXTS, WORKBOOK, check_unpacked, check_zip
from beholder.storage import Place

ROWS, COLUMNS = 1_048_576, 16_384  # of a sheet: Excel's own
ZIP = b"PK\x03\x04"
_EXACT = 10**15  # numbers from here on are rounded by spreadsheets
_CHUNK = 1024  # rows read at a time
_STRICT = b"http://purl.oclc.org/ooxml/"
_TRANSITIONAL = (
    (b"http://purl.oclc.org/ooxml/spreadsheetml/main", b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (b"http://purl.oclc.org/ooxml/drawingml/main", b"http://schemas.openxmlformats.org/drawingml/2006/main"),
)


class FormulaText(str):
    """A formula whose result the file does not hold; the text of it."""


@dataclass(frozen=True)
class WorkbookSheet:
    """A sheet of a workbook that has rows of cells. index: its place among these; hidden: whether people see it."""

    index: int
    title: str
    hidden: bool


class Workbook:
    """An .xlsx workbook. `sheets` names its sheets, `rows` yields the cells of one. Raises SpreadsheetError where it is none."""

    def __init__(self, place: Place):
        self._name = place.uri
        data = place.read_bytes()
        if not data.startswith(ZIP):
            raise SpreadsheetError(f"{place.uri} can't be read as an .xlsx workbook: {_other(data)}")
        self._data = _transitional(data, place.uri)
        self._has_formulas = _has_formulas(self._data)
        self._values = self._load(data_only=True)
        self.sheets = [
            WorkbookSheet(index, sheet.title, sheet.sheet_state != "visible") for index, sheet in enumerate(self._values.worksheets)
        ]

    def rows(self, index: int, *, columns: int | None = None) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield (number, cells) of each row of a sheet that has any; the first row of the sheet is number 1.

        columns: cells of a row that are read; None: as many as it has. A formula without a result comes as FormulaText.
        """
        values = self._lines(self._values, index, columns)
        formulas = None
        if self._has_formulas:
            formulas = self._lines(self._load(data_only=False), index, columns)
        for number, cells in enumerate(values, start=1):
            if number > ROWS:
                raise SpreadsheetError(f"{self._name} has a cell beyond row {ROWS:,}, the last one of a sheet")
            if formulas is not None:
                texts = next(formulas, ())
                cells = tuple(
                    FormulaText(_formula(text)) if value is None and _formula(text) else value
                    for value, text in zip(cells, texts, strict=False)
                )
            if any(cell is not None and cell != "" and not (isinstance(cell, str) and not cell.strip()) for cell in cells):
                yield number, cells

    def close(self) -> None:
        """Close the file."""
        self._values.close()

    def _load(self, *, data_only: bool) -> Any:
        from openpyxl import load_workbook

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles and extensions that do not matter here
                return load_workbook(io.BytesIO(self._data), read_only=True, data_only=data_only)
        except Exception as error:  # zipfile, XML and openpyxl each raise their own
            raise SpreadsheetError(f"{self._name} can't be read as an .xlsx workbook: {_first_line(error)}") from None

    def _lines(self, book: Any, index: int, columns: int | None) -> Iterator[tuple[Any, ...]]:
        try:
            sheet = book.worksheets[index]
            sheet.reset_dimensions()  # some writers claim fewer cells than they wrote
            lines = sheet.iter_rows(values_only=True, max_col=columns)
            while True:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about dates out of range: their cells say #VALUE!
                    chunk = list(islice(lines, _CHUNK))
                if not chunk:
                    return
                yield from chunk
        except (SpreadsheetError, GeneratorExit):
            raise
        except Exception as error:
            raise SpreadsheetError(f"{self._name} is broken: {_first_line(error)}") from None


def is_long_number(value: Any) -> bool:
    """Tell whether a cell is a number of more digits than a spreadsheet keeps."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= _EXACT


def write(sheets: dict[str, list[list[Any]]]) -> bytes:
    """Return an .xlsx workbook of these sheets, each a list of rows."""
    from openpyxl import Workbook as Written

    book = Written(write_only=True)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _formula(cell: Any) -> str:
    """Return the text of a cell's formula, "" where it has none."""
    text = getattr(cell, "text", cell)  # an array formula is an object with its text
    return text if isinstance(text, str) and text.startswith("=") else ""


def _other(data: bytes) -> str:
    """Return what a file is that is no zip."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not data:
        return "it is empty"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return "it is an .xls of before 2007, or locked with a password; save it as .xlsx"
    if start.startswith((b"<html", b"<!doctype", b"<table")):
        return "it is a web page; open it in a spreadsheet program and save it as .xlsx"
    if start.startswith(b"<?xml"):
        return "it is an XML file; open it in a spreadsheet program and save it as .xlsx"
    if b"\0" not in data[:4096]:
        return "it is text; name it .csv if it is a table"
    return "File is not a zip file"


def _transitional(data: bytes, name: str) -> bytes:
    """Return the workbook with the namespaces that openpyxl knows, where it is of the strict form of the standard.

    Raises SpreadsheetError where it would unpack to too much.
    """
    try:
        entries = check_zip(io.BytesIO(data), name, packed=len(data), error=SpreadsheetError, floor=WORKBOOK)
    except SpreadsheetError as error:
        if "no whole zip" in str(error):
            raise SpreadsheetError(f"{name} can't be read as an .xlsx workbook: {str(error).partition(': ')[2]}") from None
        raise
    names = {entry.filename for entry in entries}
    if "mimetype" in names:
        raise SpreadsheetError(f"{name} can't be read as an .xlsx workbook: it is an OpenDocument file; save it as .xlsx")
    texts = sum(entry.file_size for entry in entries if entry.filename.lower().endswith("sharedstrings.xml"))
    check_unpacked(f"the text in {name}", packed=len(data), unpacked=texts, error=SpreadsheetError, floor=SHARED_TEXTS)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "xl/workbook.xml" not in names or _STRICT not in archive.read("xl/workbook.xml"):
                return data
            if sum(entry.file_size for entry in entries) > FLOOR:
                raise SpreadsheetError(f"{name} is a strict workbook of more than {FLOOR:,} bytes; save it as an ordinary .xlsx")
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as rewritten:
                for entry in entries:
                    content = archive.read(entry)
                    if entry.filename.endswith((".xml", ".rels")):
                        for strict, usual in _TRANSITIONAL:
                            content = content.replace(strict, usual)
                    rewritten.writestr(entry.filename, content)
            return buffer.getvalue()
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, RuntimeError, EOFError) as error:
        raise SpreadsheetError(f"{name} can't be read as an .xlsx workbook: {_first_line(error)}") from None


def _has_formulas(data: bytes) -> bool:
    """Tell whether any sheet has a formula."""
    mark = re.compile(rb"<(?:\w+:)?f[ >/]")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if not entry.filename.startswith("xl/worksheets/") or not entry.filename.endswith(".xml"):
                    continue
                with archive.open(entry) as part:
                    tail = b""
                    while chunk := part.read(2**20):
                        if mark.search(tail + chunk):
                            return True
                        tail = chunk[-16:]
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, RuntimeError, EOFError, NotImplementedError):
        return False  # openpyxl says what is wrong with it
    return False


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
