"""Tables of a report: scrolled, filtered and sorted where they are; all rows are there without the script too."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from beholder.reports.markup import escape
from beholder.reports.person_names import person_names

MOST_ROWS = 1000  # a page stays below a megabyte; results.csv has all
_LONG = 36  # characters
_FEW_ROWS = 8  # fewer need no filter


@dataclass(frozen=True)
class Column:
    """How a column is shown. title: instead of its name; spec: a format as `format` takes it; choices: rows can be filtered by
    it."""

    title: str = ""
    spec: str = ""
    choices: bool = False


@dataclass(frozen=True)
class DataTable:
    """A table of a frame. caption: what its rows are, with units; columns: how those that need it are shown; others by 3 decimals.

    Of more than `most` rows the first are shown, and the caption says so.
    """

    frame: pd.DataFrame
    caption: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    most: int = MOST_ROWS

    def html(self) -> str:
        """Return the markup."""
        shown = self.frame.head(self.most)
        columns = [self.columns.get(str(name), Column()) for name in shown.columns]
        titles = [column.title or str(name) for column, name in zip(columns, shown.columns, strict=True)]
        numeric = [_numeric(shown[name]) for name in shown.columns]
        marks = [
            ' class="number"' if number else ' class="words"' if _long(shown[name]) else ""
            for number, name in zip(numeric, shown.columns, strict=True)
        ]
        caption = self.caption
        if len(shown) < len(self.frame):
            caption += f" The first {len(shown):,} of {len(self.frame):,} rows; results.csv has all."
        head = "".join(f'<th scope="col"{mark}>{escape(title)}</th>' for title, mark in zip(titles, marks, strict=True))
        rows = "".join(
            self._row(values, columns, marks, label)
            for values, label in zip(shown.itertuples(index=False, name=None), self._labels(shown), strict=True)
        )
        tools = self._tools(shown, columns, titles) if len(shown) > _FEW_ROWS else ""
        said = escape(caption)
        return (
            f'<div class="table"><p class="quiet">{said}</p>{tools}'
            f'<div class="scroll" role="region" tabindex="0" aria-label="{said}">'
            f'<table aria-label="{said}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>'
        )

    def _row(self, values: Sequence[Any], columns: Sequence[Column], marks: Sequence[str], label: tuple[str, str]) -> str:
        cells = [_cell(value, column.spec) for value, column in zip(values, columns, strict=True)]
        key, first = label
        others = "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks[1:], cells[1:], strict=True))
        return f'<tr{key}><th scope="row"{marks[0]}>{first or cells[0]}</th>{others}</tr>'

    def _labels(self, shown: pd.DataFrame) -> Sequence[tuple[str, str]]:
        """Return for each row an attribute by which it is found beside its text, and the markup of its first cell where it is not
        its value."""
        return [("", "")] * len(shown)

    def _tools(self, shown: pd.DataFrame, columns: Sequence[Column], titles: Sequence[str]) -> str:
        """Return the fields of the filter, hidden until the script finds them."""
        selects = ""
        for at, (column, title) in enumerate(zip(columns, titles, strict=True)):
            if column.choices:
                values = sorted({str(value) for value in shown.iloc[:, at]})
                options = "".join(f"<option>{escape(value)}</option>" for value in values)
                selects += (
                    f'<label>{escape(title)} <select data-column="{at}"><option value="">all</option>{options}</select></label>'
                )
        search = '<label>Filter <input type="search" autocomplete="off" spellcheck="false"></label>'
        return f'<div class="tools" hidden>{search}{selects}<output aria-live="polite"></output></div>'


@dataclass(frozen=True)
class PeopleTable(DataTable):
    """A `DataTable` whose first column is user_id. It shows names, and finds people by their whole ids as well."""

    def __post_init__(self) -> None:
        if list(self.frame.columns)[:1] != ["user_id"]:
            raise ValueError(f"the first column of a table of people is user_id, got {list(self.frame.columns)[:1]}")

    def _labels(self, shown: pd.DataFrame) -> Sequence[tuple[str, str]]:
        names = person_names(shown["user_id"])
        return [(f' data-id="{escape(each)}"', _name(str(each), names[str(each)])) for each in shown["user_id"]]


def _name(user_id: str, name: str) -> str:
    """Return the markup of a name, and beside one that is made the beginning of the id. A name's direction stays its own."""
    return f"<bdi>{escape(name)}</bdi>" + ("" if name == user_id else f" <small>{escape(user_id[:8])}</small>")


def interval(frame: pd.DataFrame, name: str, *, spec: str = "+.3f") -> pd.Series:
    """Return a column `name` with its `.low` and `.high` as text, `+0.120 [+0.020, +0.210]`; nothing where it is missing."""
    rows = zip(frame[name], frame[f"{name}.low"], frame[f"{name}.high"], strict=True)
    words = [None if math.isnan(each[0]) else "{:{s}} [{:{s}}, {:{s}}]".format(*each, s=spec) for each in rows]
    return pd.Series(words, index=frame.index, dtype=object)


def _long(column: pd.Series) -> bool:
    """Tell whether a column holds sentences, which are broken into lines."""
    return any(isinstance(value, str) and len(value) > _LONG for value in column)


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column)) and column.dtype != bool


def _cell(value: Any, spec: str) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if spec and not isinstance(value, str):
        return escape(format(value, spec))
    return escape(
        f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) and value is not True else value
    )
