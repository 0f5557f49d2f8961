"""The .xlsx files of the labelling tools -> judgements; every refused one is listed with its cell and the reason.

A folder holds any of these, each as big_*.xlsx and small_*.xlsx:

data            _id, data_image_part                                           an image: its id and path
label           _id, user_id, item_id, <attributes>, lang, insert_time         ratings 1..4 of an image, one per attribute
compare_data    _id, im1_path, im2_path                                        a pair, by path
compares        _id1, _id2, name                                               a pair, by image id; `name` is the pair's own id
compare_label   _id, user_id, item_id, <attributes>, lang, insert_time         choices within a pair, one per attribute

A choice is 1 (the first image), 2 (the second), or 0, "tie" or "equal". Times without a zone are UTC. Ids are unique within a file;
the same judgement (_id, person and item) in two files is one.
"""

import datetime
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from beholder.errors import SpreadsheetError, nearest
from beholder.storage import Place
from beholder.tables import LEFT, RIGHT, TIE

FAMILIES = ("big", "small")
KINDS = ("data", "label", "compare_data", "compares", "compare_label")
ATTRIBUTES = ("attractive", "smart", "trustworthy")
_CHOICES = {"1": LEFT, "2": RIGHT, "0": TIE, "tie": TIE, "equal": TIE}
_SCORES = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0}


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet: its values by column, and its file, sheet and number (the header is row 1)."""

    file: str
    sheet: str
    number: int
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    def text(self, column: str) -> str | None:
        """Return the cell as text (7.0 is "7"), None where it is empty."""
        return cell_text(self.values.get(column))

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


def sheet_rows(place: Place, columns: Sequence[str]) -> Iterator[SheetRow]:
    """Yield the rows of the first sheet that are not blank.

    Raises SpreadsheetError where the file is no .xlsx workbook, or lacks one of `columns`.
    """
    from openpyxl import load_workbook

    data = place.read_bytes()
    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # some writers claim fewer cells than they wrote
        lines = sheet.iter_rows(values_only=True)
        header = [cell_text(cell) for cell in next(lines, ())]
    except Exception as error:  # zipfile, XML and openpyxl each raise their own
        raise SpreadsheetError(f"{place.uri} can't be read as an .xlsx workbook: {error}") from None
    for column in columns:
        if column not in header:
            present = [name for name in header if name is not None]
            hint = nearest(column, present) if present else ""
            raise SpreadsheetError(
                f"{place.uri} has no column {column!r}; found: {', '.join(present) or 'an empty first row'}"
                + (hint if "did you mean" in hint else "")
            )
    try:
        for number, cells in enumerate(lines, start=2):
            if any(cell is not None and cell != "" for cell in cells):
                values = {name: cell for name, cell in zip(header, cells, strict=False) if name is not None}
                yield SheetRow(place.uri, sheet.title, number, values)
    except (SpreadsheetError, GeneratorExit):
        raise
    except Exception as error:
        raise SpreadsheetError(f"{place.uri} is broken: {error}") from None
    finally:
        workbook.close()


def cell_text(value: Any) -> str | None:
    """A cell as text: whole floats without .0, times in ISO form, None for an empty cell."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value).strip() or None


@dataclass(frozen=True)
class SpreadsheetImages:
    """The images that the sheets name: paths[image_id] as written there, rows[image_id] their rows, and the refused rows."""

    paths: dict[str, str]
    rows: dict[str, SheetRow]
    rejected: list[dict[str, Any]]


@dataclass
class SpreadsheetJudgements:
    """Rows of the tables ratings, comparisons and rejected; read = accepted + rejected, counted in judgements."""

    ratings: list[dict[str, Any]] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    ratings_rejected: int = 0
    comparisons_rejected: int = 0

    @property
    def read(self) -> int:
        """The number of judgements read, accepted or not."""
        return len(self.ratings) + len(self.comparisons) + self.ratings_rejected + self.comparisons_rejected


def find(folder: Place) -> dict[tuple[str, str], Place]:
    """Return (family, kind) -> file for each spreadsheet of the schema in `folder`. Raises SpreadsheetError where there is none."""
    present = {entry.path.lower(): folder / entry.path for entry in folder.files() if "/" not in entry.path}
    names = {(family, kind): f"{family}_{kind}.xlsx" for kind in KINDS for family in FAMILIES}
    files = {key: present[name] for key, name in names.items() if name in present}
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
        image_id, path = row.text("_id"), row.text("data_image_part")
        if image_id is None:
            images.rejected.append(row.refuse("_id", "missing"))
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
) -> SpreadsheetJudgements:
    """Return every rating and comparison in the sheets, accepted or rejected with file, row, column, value and reason.

    refused: image_id -> why its file can't be used; judgements of it are rejected. Raises SpreadsheetError for a missing column.
    """
    judgements = SpreadsheetJudgements()
    items = {image_id: (image_id,) for image_id in images.paths}
    for row, attribute, score, fault in _judgements(files, "label", attributes, items, images, refused, _SCORES):
        if fault:
            judgements.rejected.append(fault)
            judgements.ratings_rejected += 1
        else:
            judgements.ratings.append(_common_columns(row, attribute) | {"image_id": row.text("item_id"), "score": score})
    pairs = _pairs(files, images)
    for row, attribute, choice, fault in _judgements(files, "compare_label", attributes, pairs, images, refused, _CHOICES):
        if fault:
            judgements.rejected.append(fault)
            judgements.comparisons_rejected += 1
        else:
            left, right = pairs[str(row.text("item_id"))]
            judgements.comparisons.append(_common_columns(row, attribute) | {"left_id": left, "right_id": right, "choice": choice})
    return judgements


def _rows(files: Mapping[tuple[str, str], Place], kind: str, columns: Sequence[str]) -> Iterator[SheetRow]:
    for family in FAMILIES:
        if (family, kind) in files:
            yield from sheet_rows(files[family, kind], columns)


def _pairs(files: Mapping[tuple[str, str], Place], images: SpreadsheetImages) -> dict[str, tuple[str, str]]:
    """Return pair id -> (left, right), from either form of the pair table; an unknown image stays as it is written."""
    by_path = {path: image_id for image_id, path in images.paths.items()}
    pairs: dict[str, tuple[str, str]] = {}
    for row in _rows(files, "compare_data", ("_id", "im1_path", "im2_path")):
        left, right = row.text("im1_path"), row.text("im2_path")
        if (pair := row.text("_id")) is not None:
            pairs.setdefault(pair, (by_path.get(left or "", left or ""), by_path.get(right or "", right or "")))
    for row in _rows(files, "compares", ("_id1", "_id2", "name")):
        for column in ("_id", "name"):
            if (pair := row.text(column)) is not None:
                pairs.setdefault(pair, (row.text("_id1") or "", row.text("_id2") or ""))
    return pairs


def _judgements(
    files: Mapping[tuple[str, str], Place],
    kind: str,
    attributes: Sequence[str],
    items: Mapping[str, tuple[str, ...]],
    images: SpreadsheetImages,
    refused: Mapping[str, str],
    values: Mapping[str, Any],
) -> Iterator[tuple[SheetRow, str, Any, dict[str, Any] | None]]:
    """Yield (row, attribute, value, None) for every valid judgement, (row, attribute, None, rejected row) for the others."""
    expected = {"label": "1, 2, 3 or 4", "compare_label": "1 (left), 2 (right) or 0 (tie)"}[kind]
    accepted: dict[tuple[str, str], Any] = {}
    for row in _rows(files, kind, ("_id", "user_id", "item_id", *attributes, "lang", "insert_time")):
        fault = _row_fault(row, kind, items, images, refused, accepted)
        for attribute in attributes:
            value = values.get((row.text(attribute) or "").lower())
            if fault:
                yield row, attribute, None, row.refuse(*fault, attribute=attribute)
            elif value is None:
                reason = "missing" if row.text(attribute) is None else "outside the scale"
                yield row, attribute, None, row.refuse(attribute, f"{reason}: expected {expected}", attribute=attribute)
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
    judgement, user, item = row.text("_id"), row.text("user_id"), row.text("item_id")
    for column in ("_id", "user_id", "item_id"):
        if row.text(column) is None:
            return column, "missing"
    image_ids = items.get(str(item))
    if image_ids is None:
        return "item_id", f"unknown item: no {'image' if kind == 'label' else 'pair'} has this id"
    for image_id in image_ids:
        if image_id in refused:
            return "item_id", f"its image {image_id} is of no use: {refused[image_id]}"
    if unknown := [image_id for image_id in image_ids if image_id not in images.paths]:
        return "item_id", f"unknown image {unknown[0]!r} in this pair"
    if _time(row["insert_time"]) is None:
        return "insert_time", "missing" if row.text("insert_time") is None else "not a readable time"
    same = (user, image_ids)
    if (row.file, str(judgement)) in accepted or accepted.get(("", str(judgement))) == same:
        return "_id", "repeated: the first judgement of this _id stays"
    accepted[row.file, str(judgement)] = accepted["", str(judgement)] = same
    return None


def _common_columns(row: SheetRow, attribute: str) -> dict[str, Any]:
    """Return the columns that ratings and comparisons share."""
    return {
        "judgement_id": row.text("_id"),
        "user_id": row.text("user_id"),
        "attribute": attribute,
        "at": _time(row["insert_time"]),
        "lang": row.text("lang"),
    }


def _time(value: Any) -> datetime.datetime | None:
    """Return a date cell or ISO 8601 text as UTC; None for anything else (a bare number could mean several times)."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime.datetime):
        return None
    try:
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)
    except OverflowError:  # before year 1 or after 9999
        return None
