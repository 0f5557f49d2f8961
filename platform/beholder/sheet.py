"""One .xlsx file as rows that remember where they stood."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from beholder.errors import SpreadsheetError, nearest
from beholder.storage import Place


@dataclass(frozen=True)
class Row:
    """One row: its values by column, and where a person finds it (the header is row 1)."""

    file: str
    sheet: str
    number: int
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values.get(column)

    def text(self, column: str) -> str | None:
        """The cell as text (7.0 is "7"), None where it is empty."""
        return text(self.values.get(column))

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


def rows(place: Place, columns: Sequence[str]) -> Iterator[Row]:
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
        header = [text(cell) for cell in next(lines, ())]
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
                yield Row(place.uri, sheet.title, number, values)
    except (SpreadsheetError, GeneratorExit):
        raise
    except Exception as error:
        raise SpreadsheetError(f"{place.uri} is broken: {error}") from None
    finally:
        workbook.close()


def text(value: Any) -> str | None:
    """A cell as text: whole floats without .0, times in ISO form, None for an empty cell."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value).strip() or None
