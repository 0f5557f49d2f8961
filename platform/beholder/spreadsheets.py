"""The .xlsx files of the labelling tools -> judgements; every refused one is listed with its cell and the reason.

A folder holds any of these, each as big_*.xlsx and small_*.xlsx (or .csv; "big_label (1).xlsx" where it is the only one):

data            _id, data_image_part                                           an image: its id and path
label           _id, user_id, item_id, <attributes>, lang, insert_time         ratings 1..4 of an image, one per attribute
compare_data    _id, im1_path, im2_path                                        a pair, by path
compares        _id1, _id2, name                                               a pair, by image id; `name` is the pair's own id
compare_label   _id, user_id, item_id, <attributes>, lang, insert_time         choices within a pair, one per attribute

A choice is 1 (the first image), 2 (the second), or 0, "tie" or "equal"; also left, right and the id or path of an image. Times
without a zone are UTC. Ids are unique within a file; the same judgement (_id, person and item) in two files is one. The columns
lang and insert_time may be absent, and so may some of the attributes. Tables of other columns are read by `importing`.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from beholder.errors import SpreadsheetError, nearest
from beholder.importing.cells import LONG_NUMBER, NO_RESULT, Read, read_choice, read_id, read_time
from beholder.importing.cells import text_of as cell_text
from beholder.importing.score_scale import ScoreScale
from beholder.importing.text_table import TextTable
from beholder.importing.workbook import FormulaText, Workbook, is_long_number
from beholder.storage import Place
from beholder.tables import LEFT, RIGHT

SCALE = ScoreScale(1, 4)
FAMILIES = ("big", "small")
KINDS = ("data", "label", "compare_data", "compares", "compare_label")
ATTRIBUTES = ("attractive", "smart", "trustworthy")
_HEADER_ROWS = 10  # among which the columns' names are looked for
_COPY = re.compile(r"(?:copy of )?(.+?)(?: ?\(\d+\)| - copy(?: \(\d+\))?|_copy)?(\.\w+)")  # how copies are named


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet: its values by column, and its file, sheet and number (the header is row 1). columns: of the sheet."""

    file: str
    sheet: str
    number: int
    values: dict[str, Any]
    columns: frozenset[str] = frozenset()

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    def text(self, column: str) -> str | None:
        """Return the cell as text (7.0 is "7"), None where it is empty."""
        return cell_text(self.values.get(column))

    def id(self, column: str) -> str | None:
        """Return the cell as an id in Unicode's form NFC, None where it is empty or no id."""
        return None if self.fault(column) else str(read_id(self.text(column))[0])

    def fault(self, column: str) -> str | None:
        """Return why the cell is no id, None where it is one."""
        value = self.values.get(column)
        if isinstance(value, FormulaText):
            return NO_RESULT
        return LONG_NUMBER if is_long_number(value) else read_id(self.text(column))[1]

    def refuse(self, column: str, reason: str, *, attribute: str | None = None) -> dict[str, Any]:
        """Return a row of the table `rejected` about one cell of this row."""
        return {
            "file": self.file,
            "sheet": self.sheet,
            "row": self.number,
            "column": column,
            "value": self.text(column),
            "reason": reason,
            "attribute": attribute,
        }


def sheet_rows(place: Place, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[SheetRow]:
    """Yield the rows that are not blank of the first sheet that has all of `columns`; hidden sheets come last.

    Names may differ from `columns` and `optional` in case and spaces. A file that is text is read as CSV.
    Raises SpreadsheetError where the file can't be read, or no sheet has the columns.
    """
    sheets: list[tuple[str, Iterator[tuple[int, tuple[Any, ...]]]]]
    if _is_text(place):
        sheets = [("", _text_rows(place))]
    else:
        book = Workbook(place)
        sheets = [(sheet.title, book.rows(sheet.index)) for sheet in sorted(book.sheets, key=lambda sheet: sheet.hidden)]
    first: SpreadsheetError | None = None
    for title, lines in sheets:
        header, missing = _header(lines, columns, optional)
        if missing is None:
            names = frozenset(name for name in header if name is not None)
            for number, cells in lines:
                values = {name: cell for name, cell in zip(header, cells, strict=False) if name is not None}
                yield SheetRow(place.uri, title, number, values, names)
            return
        present = [name for name in header if name is not None]
        first = first or missing_column(place.uri, missing, present, columns, sheet=title if len(sheets) > 1 else None)
    raise first or SpreadsheetError(f"{place.uri} has no sheets")


def _header(
    lines: Iterator[tuple[int, tuple[Any, ...]]], columns: Sequence[str], optional: Sequence[str]
) -> tuple[list[str | None], str | None]:
    """Return the names of the first row that has all of `columns`, and None; or those of the first row, and a column it lacks."""
    first: list[str | None] | None = None
    for _, cells in islice(lines, _HEADER_ROWS):
        header = [_known_name(cell_text(cell), (*columns, *optional)) for cell in cells]
        if set(columns) <= set(header):
            return header, None
        first = first or header
    return first or [], next((column for column in columns if column not in (first or ())), None)


def missing_column(uri: str, column: str, present: Sequence[str], known: Sequence[str], *, sheet: str | None) -> SpreadsheetError:
    """Return an error that names the column, what was found (at most twelve names), and the nearest one without a meaning."""
    others = [name for name in present if name not in known]
    hint = nearest(column, others) if others else ""
    listed = ", ".join(present[:12]) + (f" and {len(present) - 12} more" if len(present) > 12 else "")
    return SpreadsheetError(
        f"{uri} has no column {column!r}{f' in sheet {sheet!r}' if sheet else ''}; found: {listed or 'an empty first row'}"
        + (hint if "did you mean" in hint else "")
    )


def _known_name(name: str | None, columns: Sequence[str]) -> str | None:
    """Return a column's name as the schema has it, where it differs in case, spaces or a byte order mark alone."""
    if name is None:
        return None
    plain = name.strip("\ufeff\u200b \t\xa0")
    return next((column for column in columns if column.lower() == plain.lower()), plain)


def _is_text(place: Place) -> bool:
    """Tell whether a file is CSV, whatever its name says."""
    with place.open() as file:
        head = bytes(file.read(4096))
    return (
        b"\0" not in head and not head.startswith(b"PK") and any(mark in head.partition(b"\n")[0] for mark in (b",", b";", b"\t"))
    )


def _text_rows(place: Place) -> Iterator[tuple[int, tuple[Any, ...]]]:
    for number, cells in TextTable.of(place).rows():
        if any(cell.strip() for cell in cells):
            yield number, tuple(cells)


@dataclass(frozen=True)
class SpreadsheetImages:
    """The images that the sheets name: paths[image_id] as written there, rows[image_id] their rows, and the refused rows."""

    paths: dict[str, str]
    rows: dict[str, SheetRow]
    rejected: list[dict[str, Any]]


@dataclass
class SpreadsheetJudgements:
    """Rows of the tables ratings, comparisons and rejected; read = accepted + rejected, counted in judgements.

    absent: file and column of each attribute that a file has no column of.
    """

    ratings: list[dict[str, Any]] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    ratings_rejected: int = 0
    comparisons_rejected: int = 0
    absent: set[tuple[str, str]] = field(default_factory=set)

    @property
    def read(self) -> int:
        """The number of judgements read, accepted or not."""
        return len(self.ratings) + len(self.comparisons) + self.ratings_rejected + self.comparisons_rejected


def find(folder: Place) -> dict[tuple[str, str], Place]:
    """Return (family, kind) -> file for each spreadsheet of the schema in `folder`.

    A copy ("big_label (1).xlsx") counts where there is no file of the plain name. Raises SpreadsheetError where there is none, or
    where two copies could be meant.
    """
    present = {entry.path.lower(): folder / entry.path for entry in folder.files() if "/" not in entry.path}
    copies: dict[str, list[str]] = {}
    for name in present:
        if (found := _COPY.fullmatch(name)) and not name.startswith("~$"):
            copies.setdefault(found[1] + found[2], []).append(name)
    files = {}
    for key in ((family, kind) for kind in KINDS for family in FAMILIES):
        for suffix in (".xlsx", ".csv"):
            name = f"{key[0]}_{key[1]}{suffix}"
            named = [name] if name in present else copies.get(name, [])
            if len(named) > 1:
                raise SpreadsheetError(f"{folder.uri} has several files for {name}: {', '.join(sorted(named))}; keep one of them")
            if named:
                files[key] = present[named[0]]
                break
    if not files:
        raise SpreadsheetError(
            f"{folder.uri} has none of the spreadsheets {{{','.join(FAMILIES)}}}_{{{','.join(KINDS)}}}.xlsx; "
            f"found: {', '.join(sorted(present)[:8]) or 'no files'}"
        )
    return files


def read_images(files: Mapping[tuple[str, str], Place]) -> SpreadsheetImages:
    """Return the images of the data sheets; where there is no data sheet, the paths of the pairs, each its own id."""
    images = SpreadsheetImages({}, {}, [])
    for row in _rows(files, "data", ("_id", "data_image_part")):
        image_id, path = row.id("_id"), row.text("data_image_part")
        if image_id is None:
            images.rejected.append(row.refuse("_id", row.fault("_id") or "missing"))
        elif path is None:
            images.rejected.append(row.refuse("data_image_part", "missing"))
        elif image_id in images.paths:
            if images.paths[image_id] != path or images.rows[image_id].file == row.file:
                images.rejected.append(row.refuse("_id", "repeated: the first image of this _id stays"))
        else:
            images.paths[image_id], images.rows[image_id] = path, row
    if not any(kind == "data" for _, kind in files):
        for row in _rows(files, "compare_data", ("_id", "im1_path", "im2_path")):
            for path in (row.text("im1_path"), row.text("im2_path")):
                if path is not None and path not in images.paths:
                    images.paths[path], images.rows[path] = path, row
    return images


def read_judgements(
    files: Mapping[tuple[str, str], Place],
    images: SpreadsheetImages,
    *,
    refused: Mapping[str, str],
    attributes: Sequence[str] = ATTRIBUTES,
    scale: ScoreScale = SCALE,
) -> SpreadsheetJudgements:
    """Return every rating and comparison in the sheets, accepted or rejected with file, row, column, value and reason.

    refused: image_id -> why its file can't be used; judgements of it are rejected. Raises SpreadsheetError for a missing column.
    """
    judgements = SpreadsheetJudgements()
    items = {image_id: (image_id,) for image_id in images.paths}
    read_score = scale.reader(None)
    expected = "1, 2, 3 or 4" if scale == SCALE else str(scale)

    def score_of(row: SheetRow, text: str) -> Read:
        score, reason = read_score(text)
        return score, f"outside the scale: expected {expected}" if reason else None

    for row, attribute, score, fault in _judgements(
        files, "label", attributes, items, images, refused, score_of, expected, judgements
    ):
        if fault:
            judgements.rejected.append(fault)
            judgements.ratings_rejected += 1
        else:
            judgements.ratings.append(_common_columns(row, attribute) | {"image_id": row.id("item_id"), "score": score})
    pairs = _pairs(files, images)
    expected = "1 (left), 2 (right) or 0 (tie)"

    def choice_of(row: SheetRow, text: str) -> Read:
        choice, reason = read_choice(text)
        for meaning, image_id in zip((LEFT, RIGHT), pairs.get(row.id("item_id") or "", ()), strict=False):
            if choice is None and text in (image_id, images.paths.get(image_id)):
                return meaning, None
        return choice, f"outside the scale: expected {expected}" if reason else None

    for row, attribute, choice, fault in _judgements(
        files, "compare_label", attributes, pairs, images, refused, choice_of, expected, judgements
    ):
        if fault:
            judgements.rejected.append(fault)
            judgements.comparisons_rejected += 1
        else:
            left, right = pairs[str(row.id("item_id"))]
            judgements.comparisons.append(_common_columns(row, attribute) | {"left_id": left, "right_id": right, "choice": choice})
    return judgements


def _rows(
    files: Mapping[tuple[str, str], Place], kind: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[SheetRow]:
    for family in FAMILIES:
        if (family, kind) in files:
            yield from sheet_rows(files[family, kind], columns, optional)


def _pairs(files: Mapping[tuple[str, str], Place], images: SpreadsheetImages) -> dict[str, tuple[str, str]]:
    """Return pair id -> (left, right), from either form of the pair table; an unknown image stays as it is written."""
    by_path = {path: image_id for image_id, path in images.paths.items()}
    pairs: dict[str, tuple[str, str]] = {}
    for row in _rows(files, "compare_data", ("_id", "im1_path", "im2_path")):
        left, right = row.text("im1_path"), row.text("im2_path")
        if (pair := row.id("_id")) is not None:
            pairs.setdefault(pair, (by_path.get(left or "", left or ""), by_path.get(right or "", right or "")))
    for row in _rows(files, "compares", ("_id1", "_id2", "name")):
        for column in ("_id", "name"):
            if (pair := row.id(column)) is not None:
                pairs.setdefault(pair, (row.id("_id1") or "", row.id("_id2") or ""))
    return pairs


def _judgements(
    files: Mapping[tuple[str, str], Place],
    kind: str,
    attributes: Sequence[str],
    items: Mapping[str, tuple[str, ...]],
    images: SpreadsheetImages,
    refused: Mapping[str, str],
    read: Callable[[SheetRow, str], Read],
    expected: str,
    judgements: SpreadsheetJudgements,
) -> Iterator[tuple[SheetRow, str, Any, dict[str, Any] | None]]:
    """Yield (row, attribute, value, None) for every valid judgement, (row, attribute, None, rejected row) for the others."""
    accepted: dict[tuple[str, str], Any] = {}
    for row in _rows(files, kind, ("_id", "user_id", "item_id"), (*attributes, "lang", "insert_time")):
        present = [attribute for attribute in attributes if attribute in row.columns]
        if not present:
            raise missing_column(row.file, attributes[0], sorted(row.columns), ("_id", "user_id", "item_id"), sheet=None)
        judgements.absent.update((row.file, attribute) for attribute in attributes if attribute not in row.columns)
        fault = _row_fault(row, kind, items, images, refused, accepted)
        for attribute in present:
            text = row.text(attribute)
            value, reason = (None, "missing") if text is None else read(row, text)
            if fault:
                yield row, attribute, None, row.refuse(*fault, attribute=attribute)
            elif isinstance(row[attribute], FormulaText):
                yield row, attribute, None, row.refuse(attribute, NO_RESULT, attribute=attribute)
            elif reason is not None:
                reason = f"missing: expected {expected}" if text is None else reason
                yield row, attribute, None, row.refuse(attribute, reason, attribute=attribute)
            else:
                yield row, attribute, value, None


def _row_fault(
    row: SheetRow,
    kind: str,
    items: Mapping[str, tuple[str, ...]],
    images: SpreadsheetImages,
    refused: Mapping[str, str],
    accepted: dict[tuple[str, str], Any],
) -> tuple[str, str] | None:
    """Return (column, reason) of what makes a whole row invalid, or None; adds a valid row's _id to `accepted`."""
    judgement, user, item = row.id("_id"), row.id("user_id"), row.id("item_id")
    for column in ("_id", "user_id", "item_id"):
        if (reason := row.fault(column)) is not None:
            return column, reason
    image_ids = items.get(str(item))
    if image_ids is None:
        return "item_id", f"unknown item: no {'image' if kind == 'label' else 'pair'} has this id"
    for image_id in image_ids:
        if image_id in refused:
            return "item_id", f"its image {image_id} is of no use: {refused[image_id]}"
    if unknown := [image_id for image_id in image_ids if image_id not in images.paths]:
        return "item_id", f"unknown image {unknown[0]!r} in this pair"
    if len(image_ids) == 2 and image_ids[0] == image_ids[1]:
        return "item_id", "the pair of an image with itself"
    if "insert_time" in row.columns and _time(row["insert_time"]) is None:
        return "insert_time", "missing" if row.text("insert_time") is None else "not a readable time"
    same = (user, image_ids)
    if (row.file, str(judgement)) in accepted or accepted.get(("", str(judgement))) == same:
        return "_id", "repeated: the first judgement of this _id stays"
    accepted[row.file, str(judgement)] = accepted["", str(judgement)] = same
    return None


def _common_columns(row: SheetRow, attribute: str) -> dict[str, Any]:
    """Return the columns that ratings and comparisons share."""
    return {
        "judgement_id": row.id("_id"),
        "user_id": row.id("user_id"),
        "attribute": attribute,
        "at": _time(row["insert_time"]),
        "lang": row.text("lang"),
    }


def _time(value: Any) -> datetime.datetime | None:
    """Return a date cell or a text that `read_time` reads as UTC; None for all else (a bare number could mean several times)."""
    if isinstance(value, str):
        return read_time(value)[0]  # type: ignore[no-any-return]
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime.datetime):
        return None
    try:
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)
    except OverflowError:  # before year 1 or after 9999
        return None
