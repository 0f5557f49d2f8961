"""The .xlsx schema of the labelling tools -> judgements, every refused one accounted for.

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
from beholder.judgements import LEFT, RIGHT, TIE
from beholder.storage import Place


@dataclass(frozen=True)
class SheetRow:
    """One row: its values by column, and where a person finds it (the header is row 1)."""

    file: str
    sheet: str
    number: int
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    def text(self, column: str) -> str | None:
        """The cell as text (7.0 is "7"), None where it is empty."""
        return cell_text(self.values.get(column))

    def refuse(self, column: str, reason: str, *, attribute: str | None = None) -> dict[str, Any]:
        """A row of the table `rejected` about one cell of this row."""
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
    """The rows of the first sheet that are not blank.

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
            found = [name for name in header if name is not None]
            hint = nearest(column, found) if found else ""
            raise SpreadsheetError(
                f"{place.uri} has no column {column!r}; found: {', '.join(found) or 'an empty first row'}"
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


FAMILIES = ("big", "small")
KINDS = ("data", "label", "compare_data", "compares", "compare_label")
ATTRIBUTES = ("attractive", "smart", "trustworthy")
_CHOICES = {"1": LEFT, "2": RIGHT, "0": TIE, "tie": TIE, "equal": TIE}
_SCORES = {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0}


@dataclass(frozen=True)
class SpreadsheetImages:
    """The images that the sheets speak of: paths[image_id] as written there, rows[image_id] where, and the refused rows."""

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
        """How many judgements there were."""
        return len(self.ratings) + len(self.comparisons) + self.ratings_rejected + self.comparisons_rejected


def find(folder: Place) -> dict[tuple[str, str], Place]:
    """(family, kind) -> file, for every spreadsheet of the schema in `folder`. Raises SpreadsheetError where there is none."""
    present = {entry.path.lower(): folder / entry.path for entry in folder.files() if "/" not in entry.path}
    names = {(family, kind): f"{family}_{kind}.xlsx" for kind in KINDS for family in FAMILIES}
    found = {key: present[name] for key, name in names.items() if name in present}
    if not found:
        raise SpreadsheetError(
            f"{folder.uri} has none of the spreadsheets {{{','.join(FAMILIES)}}}_{{{','.join(KINDS)}}}.xlsx; "
            f"found: {', '.join(sorted(present)[:8]) or 'no files'}"
        )
    return found


def read_images(files: Mapping[tuple[str, str], Place]) -> SpreadsheetImages:
    """Every image of the data sheets; where there is no data sheet, every path of the pairs (its own id)."""
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
    """Every rating and comparison in the sheets, accepted or rejected with file, row, column, value and reason.

    refused: image_id -> why its file is of no use; judgements of it are rejected. Raises SpreadsheetError for a missing column.
    """
    found = SpreadsheetJudgements()
    items = {image_id: (image_id,) for image_id in images.paths}
    for row, attribute, score, fault in _judgements(files, "label", attributes, items, images, refused, _SCORES):
        if fault:
            found.rejected.append(fault)
            found.ratings_rejected += 1
        else:
            found.ratings.append(_said(row, attribute) | {"image_id": row.text("item_id"), "score": score})
    pairs = _pairs(files, images)
    for row, attribute, choice, fault in _judgements(files, "compare_label", attributes, pairs, images, refused, _CHOICES):
        if fault:
            found.rejected.append(fault)
            found.comparisons_rejected += 1
        else:
            left, right = pairs[str(row.text("item_id"))]
            found.comparisons.append(_said(row, attribute) | {"left_id": left, "right_id": right, "choice": choice})
    return found


def _rows(files: Mapping[tuple[str, str], Place], kind: str, columns: Sequence[str]) -> Iterator[SheetRow]:
    for family in FAMILIES:
        if (family, kind) in files:
            yield from sheet_rows(files[family, kind], columns)


def _pairs(files: Mapping[tuple[str, str], Place], images: SpreadsheetImages) -> dict[str, tuple[str, str]]:
    """pair id -> (left, right), from either form of the pair table; an image nobody knows stays as it is written."""
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
    """(row, attribute, value, None) for every judgement that is sound, (row, attribute, None, rejected row) for the others."""
    expected = {"label": "1, 2, 3 or 4", "compare_label": "1 (left), 2 (right) or 0 (tie)"}[kind]
    seen: dict[tuple[str, str], Any] = {}
    for row in _rows(files, kind, ("_id", "user_id", "item_id", *attributes, "lang", "insert_time")):
        fault = _row_fault(row, kind, items, images, refused, seen)
        for attribute in attributes:
            value = values.get((row.text(attribute) or "").lower())
            if fault:
                yield row, attribute, None, row.refuse(*fault, attribute=attribute)
            elif value is None:
                said = "missing" if row.text(attribute) is None else "outside the scale"
                yield row, attribute, None, row.refuse(attribute, f"{said}: expected {expected}", attribute=attribute)
            else:
                yield row, attribute, value, None


def _row_fault(
    row: SheetRow,
    kind: str,
    items: Mapping[str, tuple[str, ...]],
    images: SpreadsheetImages,
    refused: Mapping[str, str],
    seen: dict[tuple[str, str], Any],
) -> tuple[str, str] | None:
    """(column, reason) of what makes a whole row unusable, or None; a sound row's _id is noted in `seen`."""
    judgement, user, item = row.text("_id"), row.text("user_id"), row.text("item_id")
    for column in ("_id", "user_id", "item_id"):
        if row.text(column) is None:
            return column, "missing"
    about = items.get(str(item))
    if about is None:
        return "item_id", f"unknown item: no {'image' if kind == 'label' else 'pair'} has this id"
    for image_id in about:
        if image_id in refused:
            return "item_id", f"its image {image_id} is of no use: {refused[image_id]}"
    if unknown := [image_id for image_id in about if image_id not in images.paths]:
        return "item_id", f"unknown image {unknown[0]!r} in this pair"
    if _time(row["insert_time"]) is None:
        return "insert_time", "missing" if row.text("insert_time") is None else "not a readable time"
    same = (user, about)
    if (row.file, str(judgement)) in seen or seen.get(("", str(judgement))) == same:
        return "_id", "repeated: the first judgement of this _id stays"
    seen[row.file, str(judgement)] = seen["", str(judgement)] = same
    return None


def _said(row: SheetRow, attribute: str) -> dict[str, Any]:
    """The columns that ratings and comparisons share."""
    return {
        "judgement_id": row.text("_id"),
        "user_id": row.text("user_id"),
        "attribute": attribute,
        "at": _time(row["insert_time"]),
        "lang": row.text("lang"),
    }


def _time(value: Any) -> datetime.datetime | None:
    """A date cell or ISO 8601 text as UTC; None for anything else (a bare number could mean several times)."""
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
