"""Ratings and comparisons as a Python program has them -> the tables that tastes are fitted to."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import tables
from beholder.errors import InputError, nearest
from beholder.importing.cells import read_choice
from beholder.interface.labels import Labels, text_of, texts_of, unknown
from beholder.interface.table_input import OURS, Columns, frame, need, renamed
from beholder.taste.dataset import JudgementDataset, from_tables

ATTRIBUTE = "preference"  # the name of what was judged, where no column and no argument names it
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")
_RATING, _COMPARISON = ("user_id", "image_id", "score"), ("user_id", "left_id", "right_id", "choice")


@dataclass(frozen=True)
class Judgements:
    """Judgements of any people on any images. ratings and comparisons: of the schemas tables.RATINGS and tables.COMPARISONS.

    people and images: their ids as they were given.
    """

    ratings: pa.Table
    comparisons: pa.Table
    people: Labels
    images: Labels

    def __len__(self) -> int:
        return int(self.ratings.num_rows + self.comparisons.num_rows)

    def image_ids(self) -> list[str]:
        """Return the images that anything was said of, sorted."""
        columns = [self.ratings["image_id"], self.comparisons["left_id"], self.comparisons["right_id"]]
        return sorted({each for column in columns for each in column.to_pylist()})

    def on(self, images: list[str], *, where: str = "embeddings") -> JudgementDataset:
        """Return the judgements by number, on these images. Raises InputError for a judgement of another image."""
        have = set(images)
        if missing := [image for image in self.image_ids() if image not in have]:
            shown = unknown(missing[0], sorted(have), what="image", whom=f"the {where}")
            raise InputError(
                f"{len(missing):,} of {len(self.image_ids()):,} judged images have no row in the {where} (embed them, or "
                f"leave their judgements out): {shown}"
            )
        return from_tables(self.ratings, self.comparisons, images)[0]


def read_judgements(
    judgements: Any = None,
    *,
    ratings: Any = None,
    comparisons: Any = None,
    columns: Columns | None = None,
    attribute: str | None = None,
) -> Judgements:
    """Return tables of judgements, checked.

    judgements: one table of either kind, told by its columns. columns: our names -> the tables'. attribute: only judgements on
    this one, or where a table does not say what was judged, what it is. Raises InputError, naming table, column, row and value.
    """
    if judgements is not None:
        judgements = frame(judgements, name="judgements")
        table = renamed(judgements, columns, name="judgements")
        pairs = any(name in table.columns for name in ("left_id", "right_id", "choice")) and "score" not in table.columns
        if pairs and comparisons is None:
            comparisons = judgements
        elif not pairs and ratings is None:
            ratings = judgements
        else:
            raise InputError(f"judgements are {'comparisons' if pairs else 'ratings'}, which were given as well; give them once")
    if ratings is None and comparisons is None:
        raise InputError(
            "expected judgements: ratings=TABLE with user_id, image_id, score, or comparisons=TABLE with "
            "user_id, left_id, right_id, "
            "choice (left, right or tie)"
        )
    ratings = None if ratings is None else frame(ratings, name="ratings")
    comparisons = None if comparisons is None else frame(comparisons, name="comparisons")
    _check_columns(columns, ratings=ratings, comparisons=comparisons)
    rated = _Table.read(ratings, "ratings", _RATING, columns, attribute)
    compared = _Table.read(comparisons, "comparisons", _COMPARISON, columns, attribute)
    if attribute is not None and not rated.rows + compared.rows:
        known = sorted({*rated.attributes, *compared.attributes})
        raise InputError(f"nobody judged attribute={attribute!r}{nearest(attribute, known)}")
    return Judgements(
        rated.arrow(tables.RATINGS, score=rated.scores()),
        compared.arrow(tables.COMPARISONS, choice=compared.choices()),
        rated.labels("user_id").join(compared.labels("user_id")),
        rated.labels("image_id").join(compared.labels("left_id")).join(compared.labels("right_id")),
    )


def _check_columns(columns: Columns | None, **given: pd.DataFrame | None) -> None:
    """Raise InputError for a column of `columns` that none of the tables has."""
    names = {str(each): name for name, table in given.items() if table is not None for each in table.columns}
    for ours, theirs in (columns or {}).items():
        if theirs not in names and ours in OURS and ours != "embedding":
            where = " or ".join(sorted(set(names.values())))
            hint = nearest(str(theirs), list(names))
            raise InputError(f"columns={{{ours!r}: {theirs!r}}}: there is no column {theirs!r} in {where}{hint}")


def _id(value: Any) -> str:
    """Return the text of a value that may be an id; empty for what is none."""
    try:
        return text_of(value, what="choice")
    except InputError:
        return ""


def _shown(value: Any) -> str:
    """Return a cell's value as people write it: 3.0, not np.float64(3.0)."""
    return repr(value.item() if isinstance(value, np.generic) else value)


@dataclass(frozen=True)
class _Table:
    """One of the two tables. frame: None where it was not given; ids: texts by column; attributes: all that it had."""

    name: str
    frame: pd.DataFrame | None
    ids: dict[str, list[str]]
    attributes: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Any, name: str, wanted: tuple[str, ...], columns: Columns | None, attribute: str | None) -> "_Table":
        if table is None:
            return cls(name, None, {})
        own = renamed(frame(table, name=name), columns, name=name)
        need(own, wanted, columns, name=name)
        known: tuple[str, ...] = ()
        if "attribute" not in own.columns:
            own = own.assign(attribute=attribute or ATTRIBUTE)
        else:
            texts = pd.Series(texts_of(own["attribute"], what=f"{name}, column attribute"), index=own.index, dtype=object)
            known = tuple(sorted(set(texts)))
            own = own.assign(attribute=texts)
            if attribute is not None:
                own = own[texts == attribute].reset_index(drop=True)
        columns_of_ids = [each for each in wanted if each.endswith("_id")]
        return cls(name, own, {each: texts_of(own[each], what=f"{name}, column {each}") for each in columns_of_ids}, known)

    @property
    def rows(self) -> int:
        return 0 if self.frame is None else len(self.frame)

    def labels(self, column: str) -> Labels:
        return Labels() if self.frame is None else Labels.of(self.frame[column], self.ids[column])

    def scores(self) -> np.ndarray:
        """Return the scores, float32. Raises InputError for what is no finite number."""
        if self.frame is None:
            return np.zeros(0, np.float32)
        values = pd.to_numeric(self.frame["score"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{self.name}, column score: expected numbers on an ordered scale, got "
                f"{_shown(self.frame['score'].iloc[row])} in row {row} "
                f"({int(bad.sum()):,} of {len(bad):,} rows are none); drop them, or replace words by numbers, the best highest"
            )
        return values.astype(np.float32)

    def choices(self) -> list[str]:
        """Return the choices as left, right or tie. Raises InputError for anything else, and for an image beside itself."""
        if self.frame is None:
            return []
        result, left, right = [], self.ids["left_id"], self.ids["right_id"]
        for row, value in enumerate(self.frame["choice"]):
            if left[row] == right[row]:
                raise InputError(f"{self.name}, row {row}: image {left[row]!r} is compared with itself; leave such rows out")
            text = None if value is None or value != value else str(value)  # NaN is not itself
            choice = {left[row]: tables.LEFT, right[row]: tables.RIGHT}.get(_id(value))
            if choice is None and not _NUMBER.fullmatch(text or ""):  # 1 and 0, or 1 and 2: nobody knows which is left
                choice = read_choice(text)[0]
            if choice is None:
                raise InputError(
                    f"{self.name}, column choice: expected left, right, tie or the id of the chosen image, got {_shown(value)} "
                    f"in row {row}; "
                    "for codes of your own: table.assign(choice=table['choice'].map({1: 'left', 0: 'right'}))"
                )
            result.append(choice)
        return result

    def arrow(self, schema: pa.Schema, **values: Any) -> pa.Table:
        """Return the table in one of the project's schemas."""
        if self.frame is None:
            return schema.empty_table()
        rows = self.rows
        given: dict[str, Any] = {**self.ids, **values, "attribute": self.frame["attribute"].to_list()}
        given |= {"judgement_id": [str(row) for row in range(rows)], "lang": [None] * rows, "at": self._times()}
        return pa.table({name: pa.array(given[name], schema.field(name).type) for name in schema.names}, schema=schema)

    def _times(self) -> Any:
        if self.frame is None or "at" not in self.frame.columns:
            return [None] * self.rows
        times = pd.to_datetime(self.frame["at"], utc=True, errors="coerce")
        bad = times.isna() & self.frame["at"].notna()
        if bad.any():
            row = int(np.argmax(bad.to_numpy()))
            raise InputError(f"{self.name}, column at: expected times, got {_shown(self.frame['at'].iloc[row])} in row {row}")
        return [None if pd.isna(each) else each.to_pydatetime() for each in times]
