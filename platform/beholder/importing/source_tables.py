"""The files of a source as sheets of text columns: header, row numbers, and blocks of rows of a bounded number of cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from beholder.config import setting
from beholder.errors import ConfigError, SpreadsheetError
from beholder.importing import record_table
from beholder.importing.cells import LONG_NUMBER, NO_RESULT, text_of
from beholder.importing.text_table import TextTable
from beholder.importing.workbook import COLUMNS, ZIP, FormulaText, Workbook, is_long_number
from beholder.storage import Place

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".jsonl", ".ndjson", ".json", ".xlsx")
BLOCK_ROWS, BLOCK_CELLS = 65_536, 2**20  # that a block has at most
_HEADER_ROWS = 50  # in which a header is looked for
_INVISIBLE = "\ufeff\u200b\u200e\u200f \t\r\n\xa0"


@dataclass(frozen=True)
class TableFormat:
    """What the bytes of a table do not tell."""

    encoding: str | None = setting(None, "of text files, e.g. cp1252 or shift_jis; null: told from the bytes")
    delimiter: str | None = setting(None, "between the cells of text files, one character or tab; null: told from the first lines")
    decimal: str | None = setting(None, "decimal mark of numbers, . or ,; null: both are read")
    days_first: bool | None = setting(None, "whether 3/4/2024 is the third of April; null: such dates are refused")
    header: int | None = setting(None, "row with the columns' names, the first being 1; null: the first row with two names")
    sheet: str | None = setting(None, "the only sheet of a workbook to read; null: all that people see")

    def __post_init__(self) -> None:
        if self.delimiter is not None and self.delimiter != "tab" and len(self.delimiter) != 1:
            raise ConfigError(f"format.delimiter is expected to be one character or the word tab, got {self.delimiter!r}")
        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"format.decimal is expected to be . or , got {self.decimal!r}")
        if self.header is not None and not 1 <= self.header <= 1000:
            raise ConfigError(f"format.header is expected to be a row from 1 to 1000, got {self.header}")


@dataclass(frozen=True)
class TableBlock:
    """Some rows of a sheet. numbers: of its rows, int64 [N], as a spreadsheet counts; columns: text [N] by name.

    faults: (row of the block, column) -> why this cell can't be read, with "" for the whole row.
    """

    numbers: np.ndarray
    columns: dict[str, pa.Array]
    faults: dict[tuple[int, str], str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class SourceTable:
    """A sheet of a file. file: its URI; name: its path below the source; sheet: its title, None where a file has one table.

    header: the names of its columns; guessed: what of the file's format is a guess, for people.
    """

    file: str
    name: str
    sheet: str | None
    header: tuple[str, ...]
    guessed: str
    _read: Any

    @property
    def where(self) -> str:
        """The file and sheet, for messages."""
        return self.file + (f", sheet {self.sheet!r}" if self.sheet else "")

    def blocks(self, columns: Sequence[str]) -> Iterator[TableBlock]:
        """Yield the rows that are not blank, these columns alone; may be called again."""
        rows = max(1, min(BLOCK_ROWS, BLOCK_CELLS // max(len(columns), 1)))
        yield from self._read(tuple(columns), rows)


def find_tables(source: Place, form: TableFormat, *, workspace: Place | None = None) -> Iterator[SourceTable]:
    """Yield the tables of a file, or of every file below a folder, in order of path.

    workspace: where it lies in that folder, what is in it is ours and no source.
    Raises SpreadsheetError where there is none, or where a file can't be read.
    """
    if source.is_file():
        places = [(source.name, source)]
    else:
        own = "" if workspace is None else f"{workspace.path}/"
        entries = [entry for entry in source.files() if entry.path.lower().endswith(SUFFIXES)]
        if own.startswith(f"{source.path}/"):
            entries = [entry for entry in entries if not f"{source.path}/{entry.path}".startswith(own)]
        places = [(entry.path, source / entry.path) for entry in entries if not entry.path.rpartition("/")[2].startswith("~$")]
        if not places:
            found = [entry.path for entry, _ in zip(source.files(), range(8), strict=False)]
            raise SpreadsheetError(f"{source.uri} has no tables ({', '.join(SUFFIXES)}); found: {', '.join(found) or 'no files'}")
    for name, place in places:
        yield from _tables_of(name, place, form)


def _tables_of(name: str, place: Place, form: TableFormat) -> Iterator[SourceTable]:
    with place.open() as file:
        head = bytes(file.read(8))
    suffix = name.rpartition(".")[2].lower()
    if not head:
        raise SpreadsheetError(f"{place.uri} is empty")
    if head.startswith(b"PAR1"):
        header = tuple(record_table.parquet_header(place))

        def parquet(columns: tuple[str, ...], rows: int) -> Iterator[TableBlock]:
            for block in record_table.parquet_blocks(place, columns, rows):
                yield TableBlock(*block)

        yield SourceTable(place.uri, name, None, header, "", parquet)
    elif head.startswith((ZIP, b"\xd0\xcf\x11\xe0")):
        yield from _sheets_of(name, place, form)
    elif suffix in ("jsonl", "ndjson", "json"):

        def records(columns: tuple[str, ...], rows: int) -> Iterator[TableBlock]:
            for block in record_table.json_blocks(place, columns, rows):
                yield TableBlock(*block)

        yield SourceTable(place.uri, name, None, tuple(record_table.json_header(place)), "", records)
    elif suffix == "parquet":
        raise SpreadsheetError(f"{place.uri} is no readable Parquet file: it does not begin like one")
    elif head.lstrip(b"\xef\xbb\xbf \r\n").lower().startswith((b"<html", b"<!doc", b"<?xml", b"<table")):
        raise SpreadsheetError(f"{place.uri} is a web page or XML; open it in a spreadsheet program and save it as .xlsx or .csv")
    else:
        delimiter = "\t" if form.delimiter == "tab" else form.delimiter
        table = TextTable.of(place, encoding=form.encoding, delimiter=delimiter)
        number, cells = _header(table.rows(), form.header, place.uri)
        names = _names(cells)

        def lines(columns: tuple[str, ...], rows: int) -> Iterator[TableBlock]:
            at = [names.index(column) for column in columns]
            following = ((row, row_cells) for row, row_cells in table.rows() if row > number)
            for start in _chunks(following, rows):
                yield _text_block(start, columns, at, len(cells))

        yield SourceTable(place.uri, name, None, tuple(each for each in names if each), table.guessed, lines)


def _sheets_of(name: str, place: Place, form: TableFormat) -> Iterator[SourceTable]:
    book = Workbook(place)
    titles = [sheet.title for sheet in book.sheets]
    if form.sheet is not None and form.sheet not in titles:
        raise SpreadsheetError(f"{place.uri} has no sheet {form.sheet!r}; found: {', '.join(titles[:12])}")
    for sheet in book.sheets:
        if sheet.title != form.sheet if form.sheet is not None else sheet.hidden:
            continue
        try:
            number, cells = _header(book.rows(sheet.index), form.header, f"{place.uri}, sheet {sheet.title!r}")
        except _EmptyTable:
            continue  # a sheet of a picture, or for later
        names = _names(cells)
        width = max((at for at, each in enumerate(names, start=1) if each), default=1)

        def rows_of(
            columns: tuple[str, ...],
            rows: int,
            index: int = sheet.index,
            width: int = width,
            names: list[str] = names,
            first: int = number,
        ) -> Iterator[TableBlock]:
            at = [names.index(column) for column in columns]
            following = ((row, row_cells) for row, row_cells in book.rows(index, columns=min(width, COLUMNS)) if row > first)
            for start in _chunks(following, rows):
                yield _sheet_block(start, columns, at)

        yield SourceTable(place.uri, name, sheet.title, tuple(each for each in names if each), "", rows_of)


class _EmptyTable(SpreadsheetError):
    pass


def _header(rows: Iterator[tuple[int, Any]], wanted: int | None, name: str) -> tuple[int, list[Any]]:
    """Return the number and cells of the header: row `wanted`, or the first of two different names, or else the first."""
    first: tuple[int, list[Any]] | None = None
    for number, cells in rows:
        texts = {text for text in map(text_of, cells) if text}
        if wanted is not None:
            if number == wanted:
                return number, list(cells)
            if number > wanted:
                break
            continue
        if len(texts) > 1:
            return number, list(cells)
        if first is None and texts:
            first = number, list(cells)
        if number > _HEADER_ROWS:
            break
    if wanted is not None:
        raise SpreadsheetError(f"{name} has no names in row {wanted} (format.header)")
    if first is None:
        raise _EmptyTable(f"{name} has no rows")
    return first


def _names(cells: Sequence[Any]) -> list[str]:
    """Return the names of columns, "" for those without; a name that stands twice gets a number."""
    names: list[str] = []
    for cell in cells:
        text = (text_of(cell) or "").encode("utf-8", "replace").decode().strip(_INVISIBLE)
        again = 1
        while text and (unique := text if again == 1 else f"{text} ({again})") in names:
            again += 1
        names.append(unique if text else "")
    return names


def _chunks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _text_block(rows: list[tuple[int, list[str]]], columns: Sequence[str], at: Sequence[int], width: int) -> TableBlock:
    faults: dict[tuple[int, str], str] = {}
    ragged = False
    for row, (_, cells) in enumerate(rows):
        if len(cells) != width:
            ragged = True
            if len(cells) > width and any(cell.strip() for cell in cells[width:]):
                faults[row, ""] = f"{len(cells)} cells where the header has {width} (a delimiter in a cell that is not quoted?)"
    texts: dict[str, pa.Array] = {}
    for name, place in zip(columns, at, strict=True):
        values: list[str | None] = (
            [cells[place] if place < len(cells) else None for _, cells in rows] if ragged else [cells[place] for _, cells in rows]
        )
        try:
            column = pa.array(values, pa.string())
        except UnicodeEncodeError:  # bytes that are not of the encoding
            for row, value in enumerate(values):
                if value is not None and not value.isascii() and any("\udc80" <= each <= "\udcff" for each in value):
                    faults[row, name] = "bytes that are not of the file's encoding; give format.encoding="
                    values[row] = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            column = pa.array(values, pa.string())
        texts[name] = column
    return TableBlock(np.array([number for number, _ in rows], np.int64), texts, faults)


def _sheet_block(rows: list[tuple[int, tuple[Any, ...]]], columns: Sequence[str], at: Sequence[int]) -> TableBlock:
    faults: dict[tuple[int, str], str] = {}
    texts: dict[str, pa.Array] = {}
    for name, place in zip(columns, at, strict=True):
        values: list[str | None] = []
        for row, (_, cells) in enumerate(rows):
            cell = cells[place] if place < len(cells) else None
            if isinstance(cell, FormulaText):
                faults[row, name] = NO_RESULT
            elif is_long_number(cell):
                faults[row, name] = LONG_NUMBER
            text = text_of(cell)
            values.append(text if text is None or text.isascii() else text.encode("utf-8", "replace").decode())
        texts[name] = pa.array(values, pa.string())
    return TableBlock(np.array([number for number, _ in rows], np.int64), texts, faults)
