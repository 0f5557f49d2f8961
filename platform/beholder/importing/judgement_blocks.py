"""A block of a sheet and its layout -> ratings, comparisons and the cells that could not be read, as columns of Arrow tables.

Every judgement is either kept or rejected; a time or language that can't be read is listed, and its judgement kept without it.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import tables
from beholder.errors import SpreadsheetError
from beholder.importing.cells import Read, read_choice, read_column, read_id, read_number, read_time
from beholder.importing.column_mapping import FILE, ROW, SHEET, TableLayout
from beholder.importing.score_scale import FoundScores, ScoreScale, read_any_number
from beholder.importing.source_tables import SourceTable, TableBlock
from beholder.tables import LEFT, RIGHT, TIE

# Where a judgement stands: its table (by number), row and the column of its cell. Kept until the images are known to be of use.
_WHERE = [("table", pa.int32()), ("row", pa.int64()), ("column", pa.string())]
RATINGS = pa.schema([*tables.RATINGS, *_WHERE])
COMPARISONS = pa.schema([*tables.COMPARISONS, *_WHERE])
ANY_ATTRIBUTE = "preference"  # what was judged, where nothing says it
_MOST_RANKED = 100  # images of one ranking


@dataclass(frozen=True)
class ConversionRules:
    """How cells are read. scale: of scores, None to find it; attribute: where no column says it; choices: what choices are written
    as; decimal and days_first: see TableFormat."""

    scale: ScoreScale | None = None
    attribute: str | None = None
    choices: tuple[str, ...] = ()
    decimal: str | None = None
    days_first: bool | None = None


@dataclass(frozen=True)
class JudgementBlock:
    """Judgements of the schemas RATINGS and COMPARISONS, and rows of the table `rejected`.

    lost: judgements among the rejected rows, of ratings and of comparisons; blank: empty cells of a wide table, no judgements.
    """

    ratings: pa.Table
    comparisons: pa.Table
    rejected: pa.Table
    lost: tuple[int, int]
    blank: int


class OccurrenceCounter:
    """How often a key came before, for any number of keys at 8 bytes each: sorted runs of hashes that are merged as they grow."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def count(self, keys: np.ndarray) -> np.ndarray:
        """Return how often each key came before it, int64 [N]. keys: uint64 [N] hashes."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(keys) else np.zeros(0, np.int64)
        lengths = np.diff(np.r_[starts, len(keys)])
        different = ordered[starts]
        before = np.zeros(len(different), np.int64)
        pending = np.arange(len(different))
        while len(pending):
            seen = self._contains(_mixed(different[pending], before[pending]))
            pending = pending[seen]
            before[pending] += 1
        result = np.empty(len(keys), np.int64)
        result[order] = np.repeat(before, lengths) + np.arange(len(keys)) - np.repeat(starts, lengths)
        self._add(_mixed(keys, result))
        return result

    def _contains(self, keys: np.ndarray) -> np.ndarray:
        found = np.zeros(len(keys), bool)
        for run in self._runs:
            at = np.searchsorted(run, keys).clip(max=len(run) - 1)
            found |= run[at] == keys
        return found

    def _add(self, keys: np.ndarray) -> None:
        if len(keys):
            self._runs.append(np.sort(keys))
        while len(self._runs) > 1 and 2 * len(self._runs[-1]) >= len(self._runs[-2]):
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]))


class JudgementConverter:
    """Converts the blocks of one source after the other. found: the scores of each attribute that had no scale given; codes: the
    choices written as bare numbers, by table."""

    def __init__(self, rules: ConversionRules):
        self.rules = rules
        self.found: dict[str, FoundScores] = {}
        self.codes: dict[int, set[str]] = {}
        self._seen = OccurrenceCounter()
        self._ranks: list[dict[str, Any]] = []

    def convert(self, number: int, table: SourceTable, layout: TableLayout, block: TableBlock) -> JudgementBlock:
        """Return the judgements of a block. number: of the table. Ranks in rows of their own come with `finish`."""
        part = _Part(self.rules, number, table, layout, block)
        if not len(block):
            return self._named(part)
        if layout.form == "ratings":
            self._ratings(part)
        elif layout.form == "comparisons":
            self._comparisons(part)
        elif layout.form == "ranks":
            self._ranked(part)
        else:
            self._rankings(part)
        return self._named(part)

    def finish(self, number: int, table: SourceTable, layout: TableLayout) -> JudgementBlock:
        """Return the comparisons that ranks in rows of their own imply, once the whole table was converted."""
        part = _Part(self.rules, number, table, layout, TableBlock(np.zeros(0, np.int64), _no_columns(layout)))
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in self._ranks:
            groups.setdefault(row["key"], []).append(row)
        self._ranks = []
        for rows in groups.values():
            part.ranking(rows)
        return self._named(part)

    def _ratings(self, part: "_Part") -> None:
        for column in part.layout.values:
            name, reason = read_id(column) if part.layout.named else (None, None)
            attribute = part.attribute(name if part.layout.named == "attribute" else None, column)
            user = part.constant(name, reason, column) if part.layout.named == "user_id" else part.user
            image = part.constant(name, reason, column) if part.layout.named == "image_id" else part.image
            reader = self.rules.scale.reader(self.rules.decimal) if self.rules.scale else read_any_number(self.rules.decimal)
            score = part.cells(column, reader)
            blank = part.is_blank(column) if part.layout.named in ("user_id", "image_id") else np.zeros(len(part.block), bool)
            part.blank += int(blank.sum())
            kept = part.accept(column, [user, image, attribute, part.judgement, score], attribute, ~blank, ratings=True)
            kept = self._first(part, kept, column, attribute, ratings=True)
            if not kept.any():
                continue
            scores = score.values[kept].astype(np.float64)
            if self.rules.scale is None:
                names = attribute.values[kept]
                for each in pd.unique(names):
                    self.found.setdefault(str(each), FoundScores()).add(scores[names == each])
            part.add_ratings(kept, user, image, attribute, scores, column)

    def _comparisons(self, part: "_Part") -> None:
        won = part.layout.column("winner") is not None
        left = part.ids(part.layout.column("winner" if won else "left"))
        right = part.ids(part.layout.column("loser" if won else "right"))
        same = _Cells(left.values, left.reasons.copy(), left.column)
        equal = (left.values == right.values) & (left.reasons == None)  # noqa: E711  an array of objects
        same.reasons[np.asarray(equal, bool)] = "the pair of an image with itself"
        for column in part.layout.values or ("",):
            name = column if part.layout.named == "attribute" else None
            attribute = part.attribute(name, column)
            if won:
                choice = part.constant(LEFT, None, str(left.column))
            else:
                choice = part.cells(column, lambda text: read_choice(text, self.rules.choices))
                part.choices_by_name(choice, left, right)
                if not self.rules.choices:
                    self.codes.setdefault(part.number, set()).update(part.bare_numbers(column))
            kept = part.accept(
                column or str(left.column),
                [part.user, left, right, same, attribute, part.judgement, choice],
                attribute,
                np.ones(len(part.block), bool),
                ratings=False,
            )
            kept = self._first(part, kept, column, attribute, ratings=False)
            one, other, chosen = left.values[kept], right.values[kept], choice.values[kept]
            if won:  # the winner stands on neither side in particular
                swap = np.array([a > b for a, b in zip(one, other, strict=True)], bool)
                one, other = np.where(swap, other, one), np.where(swap, one, other)
                chosen = np.where(swap, RIGHT, LEFT)
            part.add_comparisons(kept, one, other, attribute, chosen, column or str(left.column))

    def _ranked(self, part: "_Part") -> None:
        (column,) = part.layout.values
        attribute = part.attribute(None, column)
        group = part.cells(part.layout.column("group"), read_id) if part.layout.column("group") else part.constant("", None, "")
        if part.holds_lists(part.layout.column("image_id")):
            part.listed_ranks(column, attribute)
            return
        rank = part.cells(column, lambda text: read_number(text, self.rules.decimal))
        kept = part.accept(
            column, [part.user, part.image, attribute, rank], attribute, np.ones(len(part.block), bool), ratings=False
        )
        for row in np.flatnonzero(kept).tolist():
            self._ranks.append(
                {
                    "key": (part.user.values[row], attribute.values[row], group.values[row]),
                    "image": part.image.values[row],
                    "rank": rank.values[row],
                    **part.common(row, attribute, column),
                }
            )

    def _rankings(self, part: "_Part") -> None:
        attribute = part.attribute(None, part.layout.values[0])
        kept = part.accept(part.layout.values[0], [part.user, attribute], attribute, np.ones(len(part.block), bool), ratings=False)
        for row in np.flatnonzero(kept).tolist():
            part.row_ranking(row, attribute)

    def _first(self, part: "_Part", kept: np.ndarray, column: str, attribute: "_Cells", *, ratings: bool) -> np.ndarray:
        """Return which of the kept judgements have an id that no sound one before them has; the others are rejected."""
        if part.layout.column("judgement_id") is None:
            return kept
        rows = np.flatnonzero(kept)
        keys = hash_columns(
            [part.judgement.values[rows], attribute.values[rows]], column if part.layout.named != "attribute" else ""
        )
        repeated = rows[self._seen.count(keys) > 0]
        if len(repeated):
            reason = "repeated: the first judgement of this id stays"
            part.reject(repeated, str(part.judgement.column), np.full(len(repeated), reason, object), attribute.values[repeated])
            part.lost[0 if ratings else 1] += len(repeated)
            kept = kept.copy()
            kept[repeated] = False
        return kept

    def _named(self, part: "_Part") -> JudgementBlock:
        """Return the block; a judgement without an id gets the file and which of the person's judgements of this item it is."""
        ratings = self._with_ids(part, part.table_of(part.ratings, RATINGS), ("user_id", "image_id", "attribute"))
        comparisons = self._with_ids(
            part, part.table_of(part.comparisons, COMPARISONS), ("user_id", "left_id", "right_id", "attribute")
        )
        rejected = pa.Table.from_batches(part.rejected, schema=tables.REJECTED)
        return JudgementBlock(ratings, comparisons, rejected, (part.lost[0], part.lost[1]), part.blank)

    def _with_ids(self, part: "_Part", table: pa.Table, key: Sequence[str]) -> pa.Table:
        if not table.num_rows or part.layout.column("judgement_id") is not None:
            return table
        keys = hash_columns([table[name].to_numpy() for name in key], f"{part.table.name}{len(key)}")
        again = self._seen.count(keys)
        names = np.full(len(keys), part.table.name, object)
        for row in np.flatnonzero(again).tolist():
            names[row] = f"{part.table.name}#{again[row] + 1}"
        return table.set_column(0, table.schema.field(0), pa.array(names, pa.string()))


@dataclass
class _Cells:
    """A meaning of each row: values and the reasons for those that can't be read, object [N]; and the column they are from."""

    values: np.ndarray
    reasons: np.ndarray
    column: str | None


class _Part:
    """A block on its way to judgements."""

    def __init__(self, rules: ConversionRules, number: int, table: SourceTable, layout: TableLayout, block: TableBlock):
        self.rules, self.number, self.table, self.layout = rules, number, table, layout
        self.block = block
        self._faults: dict[str, dict[int, str]] = {}
        for (row, column), reason in block.faults.items():
            self._faults.setdefault(column, {})[row] = reason
        self.ratings: list[dict[str, Any]] = []
        self.comparisons: list[dict[str, Any]] = []
        self.rejected: list[pa.RecordBatch] = []
        self.lost, self.blank = [0, 0], 0
        nothing = np.full(len(block), None, object)
        self._whole = _Cells(nothing, nothing.copy(), layout.columns()[0])
        for row, reason in self._faults.get("", {}).items():
            self._whole.reasons[row] = reason
        self._rows = self._not_blank()
        self.user = self.ids(layout.column("user_id"))
        self.image = self.ids(layout.column("image_id"))
        self.judgement = self.ids(layout.column("judgement_id"))
        self._at = self._aside("at", lambda text: read_time(text, days_first=rules.days_first))
        self._lang = self._aside("lang", read_id)

    def cells(self, column: str | None, read: Callable[[str | None], Read]) -> _Cells:
        """Return a column as read."""
        values, reasons = read_column(self.block.columns[str(column)], read)
        for row, reason in self._faults.get(str(column), {}).items():
            values[row], reasons[row] = None, reason
        return _Cells(values, reasons, column)

    def constant(self, value: Any, reason: str | None, column: str | None) -> _Cells:
        """Return the same for every row."""
        return _Cells(np.full(len(self.block), value, object), np.full(len(self.block), reason, object), column)

    def ids(self, column: str | None) -> _Cells:
        """Return the ids of a column, of the file's or sheet's name, of the row, or a word."""
        if column is None:
            return self.constant(None, None, None)
        if not column.startswith("@") or column in self.block.columns:
            return self.cells(column, read_id)
        stem = re.sub(r"\.\w+$", "", self.table.name.rpartition("/")[2])
        if column == ROW:
            names = [f"{stem}:{number}" for number in self.block.numbers.tolist()]
            return _Cells(np.array(names, object), np.full(len(names), None, object), None)
        word = {FILE: stem, SHEET: self.table.sheet or stem}.get(column, column[1:])
        return self.constant(*read_id(word), None)

    def attribute(self, name: str | None, column: str) -> _Cells:
        """Return what was judged: the column's name, the attribute's column, or one for all; else the name of a telling column."""
        if name is not None:
            return self.constant(*read_id(name), column)
        if self.layout.column("attribute") is not None:
            return self.ids(self.layout.column("attribute"))
        return self.constant(*read_id(self.rules.attribute or self.layout.telling_name() or ANY_ATTRIBUTE), None)

    def is_blank(self, column: str) -> np.ndarray:
        """Return which cells of a column are empty, bool [N]."""
        return read_column(self.block.columns[column], lambda text: (text is None or not text.strip(), None))[0].astype(bool)

    def accept(self, column: str, needed: Sequence[_Cells], attribute: _Cells, wanted: np.ndarray, *, ratings: bool) -> np.ndarray:
        """Return which of the wanted rows have all that is needed, bool [N]; the others are rejected, each for one reason."""
        bad = np.zeros(len(self.block), bool)
        wanted = wanted & self._rows
        for cells in (self._whole, *needed):
            wrong = wanted & ~bad & np.array([reason is not None for reason in cells.reasons], bool)
            if wrong.any():
                rows = np.flatnonzero(wrong)
                self.reject(rows, cells.column or column, cells.reasons[rows], attribute.values[rows])
                bad |= wrong
        self.lost[0 if ratings else 1] += int(bad.sum())
        return np.asarray(wanted & ~bad)

    def reject(self, rows: np.ndarray, column: str, reasons: np.ndarray, attributes: np.ndarray | None) -> None:
        """List cells as rejected."""
        texts = (
            self.block.columns[column].take(pa.array(rows)) if column in self.block.columns else pa.nulls(len(rows), pa.string())
        )
        count = len(rows)
        columns = [
            pa.array([self.table.file] * count, pa.string()),
            pa.array([self.table.sheet] * count, pa.string()),
            pa.array(self.block.numbers[rows], pa.int64()),
            pa.array([_storable(column)] * count, pa.string()),
            pa.array([None if text is None else text[:1000].strip() or None for text in texts.to_pylist()], pa.string()),
            pa.array([_storable(reason) for reason in reasons], pa.string()),
            pa.nulls(count, pa.string()) if attributes is None else pa.array(attributes, pa.string()),
        ]
        self.rejected.append(pa.record_batch(columns, schema=tables.REJECTED))

    def add_ratings(
        self, kept: np.ndarray, user: _Cells, image: _Cells, attribute: _Cells, scores: np.ndarray, column: str
    ) -> None:
        """Add ratings of the kept rows."""
        self.ratings.append(
            self._shared(kept, user, attribute, column) | {"image_id": image.values[kept], "score": scores.astype(np.float32)}
        )

    def add_comparisons(
        self, kept: np.ndarray, left: np.ndarray, right: np.ndarray, attribute: _Cells, choice: np.ndarray, column: str
    ) -> None:
        """Add comparisons of the kept rows."""
        self.comparisons.append(
            self._shared(kept, self.user, attribute, column) | {"left_id": left, "right_id": right, "choice": choice}
        )

    def common(self, row: int, attribute: _Cells, column: str) -> dict[str, Any]:
        """Return what a judgement of one row has besides what was judged."""
        return {
            "judgement_id": self.judgement.values[row] or "",
            "user_id": self.user.values[row],
            "attribute": attribute.values[row],
            "at": self._at.values[row],
            "lang": self._lang.values[row],
            "table": self.number,
            "row": int(self.block.numbers[row]),
            "column": column,
        }

    def ranking(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add the comparisons that the ranks of some images imply: of each two, the better one is chosen; equal ranks are a tie."""
        if len(rows) > _MOST_RANKED:
            raise SpreadsheetError(
                f"{self.table.where}, row {rows[0]['row']}: {len(rows)} images in one ranking, at most {_MOST_RANKED} are "
                "expected; say by columns.group=... what was ranked together"
            )
        listed: list[dict[str, Any]] = []
        for at, one in enumerate(rows):
            for other in rows[at + 1 :]:
                if one["image"] == other["image"]:
                    continue
                left, right = (one, other) if one["image"] < other["image"] else (other, one)
                choice = TIE if left["rank"] == right["rank"] else LEFT if left["rank"] < right["rank"] else RIGHT
                shared = {
                    name: one[name] for name in ("judgement_id", "user_id", "attribute", "at", "lang", "table", "row", "column")
                }
                listed.append({**shared, "left_id": left["image"], "right_id": right["image"], "choice": choice})
        if listed:
            self.comparisons.append({name: np.array([row[name] for row in listed], object) for name in COMPARISONS.names})

    def row_ranking(self, row: int, attribute: _Cells) -> None:
        """Add the comparisons of a ranking that stands in one row: images, the best first; a = b is a tie."""
        columns = self.layout.values
        places: list[list[str | None]]
        if len(columns) == 1:
            text = self.block.columns[columns[0]][row].as_py() or ""
            places = _places(text)
        else:
            cells = [self.block.columns[column][row].as_py() for column in columns]
            places = [[cell] for cell in cells if cell is not None and cell.strip()]
        rows = []
        for rank, images in enumerate(places):
            for text in images:
                image, reason = read_id(text)
                if reason is not None:
                    self._reject_one(row, columns[min(rank, len(columns) - 1)], reason, attribute)
                    return
                rows.append({"image": image, "rank": rank, **self.common(row, attribute, columns[min(rank, len(columns) - 1)])})
        if len(rows) < 2 or len({each["image"] for each in rows}) < len(rows):
            reason = "a ranking of fewer than two images" if len(rows) < 2 else "an image stands twice in this ranking"
            self._reject_one(row, columns[0], reason, attribute)
            return
        self.ranking(rows)

    def holds_lists(self, column: str | None) -> bool:
        """Tell whether the first cell of a column is a JSON list."""
        first = next((text for text in self.block.columns[str(column)].to_pylist() if text), "")
        return _json_list(first) is not None

    def listed_ranks(self, column: str, attribute: _Cells) -> None:
        """Add the comparisons of rows that hold a list of images and a list of their ranks."""
        image = str(self.layout.column("image_id"))
        kept = self.accept(column, [self.user, attribute], attribute, np.ones(len(self.block), bool), ratings=False)
        for row in np.flatnonzero(kept).tolist():
            images, ranks = (_json_list(self.block.columns[name][row].as_py() or "") for name in (image, column))
            numbers = [read_number(str(rank))[0] for rank in ranks or ()]
            names = [read_id(str(each)) for each in images or ()]
            if not images or len(images) != len(numbers) or None in numbers or any(reason for _, reason in names):
                self._reject_one(row, column, "expected as many ranks as images, each a number", attribute)
                continue
            self.ranking(
                [
                    {"image": name, "rank": rank, **self.common(row, attribute, column)}
                    for (name, _), rank in zip(names, numbers, strict=True)
                ]
            )

    def choices_by_name(self, choice: _Cells, left: _Cells, right: _Cells) -> None:
        """Read those choices that name an image of the pair."""
        for row in [at for at, reason in enumerate(choice.reasons) if reason not in (None, "missing")]:
            name = read_id(self.block.columns[str(choice.column)][row].as_py())[0]
            for meaning, side in ((LEFT, left), (RIGHT, right)):
                if name is not None and name == side.values[row]:
                    choice.values[row], choice.reasons[row] = meaning, None

    def bare_numbers(self, column: str) -> set[str]:
        """Return the different choices of a column that are whole numbers."""
        different = self.block.columns[column].dictionary_encode().dictionary.to_pylist()
        return {text.strip().removesuffix(".0") for text in different if text and re.fullmatch(r"\s*\d+(\.0)?\s*", text)}

    def table_of(self, parts: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
        """Return parts of columns as one table."""
        made = [
            pa.table({name: pa.array(part[name], schema.field(name).type) for name in schema.names}, schema=schema)
            for part in parts
        ]
        return pa.concat_tables(made) if made else schema.empty_table()

    def _shared(self, kept: np.ndarray, user: _Cells, attribute: _Cells, column: str) -> dict[str, Any]:
        count = int(kept.sum())
        named = self.layout.column("judgement_id") is not None
        return {
            "judgement_id": self.judgement.values[kept] if named else np.full(count, "", object),
            "user_id": user.values[kept],
            "attribute": attribute.values[kept],
            "at": self._at.values[kept],
            "lang": self._lang.values[kept],
            "table": np.full(count, self.number, np.int32),
            "row": self.block.numbers[kept],
            "column": np.full(count, column, object),
        }

    def _aside(self, meaning: str, read: Callable[[str | None], Read]) -> _Cells:
        """Return what a judgement can do without; cells that can't be read are listed, with no judgement lost."""
        column = self.layout.column(meaning)
        if column is None or column not in self.block.columns:
            return self.constant(None, None, None)
        cells = self.cells(column, read)
        wrong = np.flatnonzero(np.array([reason not in (None, "missing") for reason in cells.reasons], bool) & self._rows)
        if len(wrong):
            self.reject(wrong, column, cells.reasons[wrong], None)
        return cells

    def _reject_one(self, row: int, column: str, reason: str, attribute: _Cells) -> None:
        self.reject(np.array([row]), column, np.array([reason], object), attribute.values[[row]])
        self.lost[1] += 1

    def _not_blank(self) -> np.ndarray:
        """Return the rows that have anything in the columns that are read, bool [N]."""
        filled = np.zeros(len(self.block), bool)
        for column in self.block.columns:
            filled |= ~self.is_blank(column)
            if filled.all():
                break
        for row in [row for rows in self._faults.values() for row in rows]:
            filled[row] = True
        return filled


def hash_columns(columns: Sequence[np.ndarray], salt: str) -> np.ndarray:
    """Return a hash of each row of some columns of text, uint64 [N], the same in every process."""
    result = np.full(len(columns[0]) if columns else 0, int(pd.util.hash_array(np.array([salt], object))[0]), np.uint64)
    for column in columns:
        encoded = pa.array(column, pa.string()).dictionary_encode()
        codes = pd.util.hash_array(np.array([*encoded.dictionary.to_pylist(), ""], object), categorize=False)
        at = encoded.indices.fill_null(len(codes) - 1).to_numpy(zero_copy_only=False)
        result = _mixed(result ^ codes[at], np.uint64(1))
    return result


def _mixed(keys: np.ndarray, counts: Any) -> np.ndarray:
    """Return hashes of (key, count), uint64 [N] (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        value = keys + np.asarray(counts).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(value ^ (value >> np.uint64(31)))


def _places(text: str) -> list[list[str | None]]:
    """Return the images of a ranking at each place: of "a > b = c", "a, b, c", "a; b" or a JSON list of names."""
    listed = _json_list(text)
    if listed is not None:
        return [[str(each)] for each in listed]
    mark = next((mark for mark in (">", ";", "|", ",") if mark in text), ">")
    return [list(place.split("=")) if mark == ">" else [place] for place in text.split(mark) if place.strip()]


def _json_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _storable(text: str | None) -> str | None:
    """Return a text with a ? for each half of a surrogate pair, which JSON may hold and no table can."""
    return None if text is None else text.encode("utf-8", "replace").decode()


def _no_columns(layout: TableLayout) -> dict[str, pa.Array]:
    return {name: pa.array([], pa.string()) for name in layout.columns()}
