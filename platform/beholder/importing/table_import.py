"""A whole source of tables -> the workspace: converted block by block into files aside, checked, and then added to the tables.

What is in memory does not grow with the source but for its distinct images and people, the rejected cells, and 24 bytes for each
judgement (to tell repeated ones); ranks in rows of their own are held until their table ends.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder import tables
from beholder.embedding import embeddings
from beholder.errors import ConfigError, SpreadsheetError
from beholder.importing import score_scale
from beholder.importing.column_mapping import ColumnMapping, TableLayout, layout_of
from beholder.importing.judgement_blocks import (
    ANY_ATTRIBUTE,
    COMPARISONS,
    RATINGS,
    ConversionRules,
    JudgementBlock,
    JudgementConverter,
)
from beholder.importing.published_shapes import PublishedShape
from beholder.importing.score_scale import ScoreScale
from beholder.importing.source_tables import SourceTable, TableFormat, find_tables
from beholder.storage import Place
from beholder.workspace import Workspace

# What is said where no column says what was judged.
_ONE_ATTRIBUTE = f"guessed: attribute={ANY_ATTRIBUTE} (columns.attribute=@file takes it from the name of each file)"
_SEVERAL_TABLES = (
    f"guessed: attribute={ANY_ATTRIBUTE}, the same in several tables; where each table is of another attribute, give "
    "columns.attribute=@file, which takes it from the name of each file, and another workspace"
)
# image ids -> rows of the table `images`, and image_id -> why its file is of no use.
MeasureImages = Callable[[list[str]], tuple[list[dict[str, Any]], dict[str, str]]]


@dataclass(frozen=True)
class ImportOptions:
    """How a source is read. onto: the scale that scores are moved onto; the others: see ConversionRules and TableFormat."""

    mapping: ColumnMapping
    form: TableFormat
    shape: PublishedShape | None = None
    scale: ScoreScale | None = None
    onto: ScoreScale | None = None
    attribute: str | None = None
    choices: tuple[str, ...] = ()


@dataclass
class ImportedTables:
    """What an import did. notes: what was guessed and what was passed over, for people; scales: of each attribute."""

    notes: list[str] = field(default_factory=list)
    scales: dict[str, ScoreScale] = field(default_factory=dict)
    ratings: int = 0
    comparisons: int = 0
    ratings_rejected: int = 0
    comparisons_rejected: int = 0
    blank: int = 0
    people: int = 0
    images: int = 0
    images_rejected: int = 0
    rejected: pa.Table = field(default_factory=tables.REJECTED.empty_table)

    @property
    def read(self) -> int:
        """The number of judgements read, accepted or not."""
        return self.ratings + self.comparisons + self.ratings_rejected + self.comparisons_rejected


def import_tables(source: Place, workspace: Workspace, options: ImportOptions, measure: MeasureImages | None) -> ImportedTables:
    """Read the judgements of a file or folder into the workspace; what can't be read goes to the table `rejected`.

    measure: looks at image files; None: images are known by their ids alone. Nothing is written before everything was read. Raises
    SpreadsheetError where no table is readable or no judgement is, ConfigError where the scale is not that of the workspace.
    """
    with tempfile.TemporaryDirectory(prefix="beholder-import-") as folder:
        return _Import(source, workspace, options, Path(folder)).run(measure)


class _Import:
    def __init__(self, source: Place, workspace: Workspace, options: ImportOptions, folder: Path):
        self.source, self.workspace, self.options = source, workspace, options
        self.result = ImportedTables()
        self.tables: list[SourceTable] = []
        self.names: dict[str, tuple[int, int, str]] = {}  # image -> table, row and column where it comes first
        self.people: set[str] = set()
        self.rejected: list[pa.Table] = []
        self.scales: list[dict[str, Any]] = []  # rows of the table
        shape = options.shape
        self._scale = options.scale or (ScoreScale.parse(shape.scale) if shape and shape.scale else None)  # of the file
        if options.onto is not None and self._scale is None:
            raise ConfigError("onto= moves scores from one scale to another: say by scale= what the file's is, e.g. scale=1..7")
        self._converter = JudgementConverter(
            ConversionRules(
                scale=self._scale,
                attribute=options.attribute or (shape.attribute if shape else None),
                choices=options.choices or (tuple(shape.choices.split(",")) if shape and shape.choices else ()),
                decimal=options.form.decimal,
                days_first=options.form.days_first,
            )
        )
        self._ratings = _StagedTable(folder / "ratings.arrow", RATINGS)
        self._comparisons = _StagedTable(folder / "comparisons.arrow", COMPARISONS)

    def run(self, measure: MeasureImages | None) -> ImportedTables:
        for number, (table, layout) in enumerate(self._layouts()):
            self.tables.append(table)
            for block in table.blocks(layout.columns()):
                self._take(self._converter.convert(number, table, layout, block), layout)
            self._take(self._converter.finish(number, table, layout), layout)
            self._check_codes(self._converter.codes.get(number, set()), table, layout)
        self._ratings.close()
        self._comparisons.close()
        self._check_anything()
        self._find_scales()
        ids, images, refused = self._images(measure)
        self._write(ids, images, refused)
        return self.result

    def _layouts(self) -> Iterator[tuple[SourceTable, TableLayout]]:
        """Yield the tables whose columns say who judged what; the others are noted. Raises SpreadsheetError where there is none."""
        shape = self.options.shape
        form = self.options.form
        if shape is not None and shape.delimiter is not None and form.delimiter is None:
            form = TableFormat(**{**vars(form), "delimiter": shape.delimiter})
        first: SpreadsheetError | None = None
        told: set[str] = set()
        count = untold = 0
        for table in find_tables(self.source, form, workspace=self.workspace.place):
            layout = None
            try:
                layout = self._layout(table)
            except SpreadsheetError as error:
                first = first or error
                self.result.notes.append(f"not read: {error}")
            if layout is None:
                continue
            count += 1
            note = f"{'guessed: ' if layout.guessed else 'columns: '}{layout.mapping}"
            if note not in told:
                told.add(note)
                self.result.notes.append(note)
            told_by_table = (
                layout.named == "attribute" or layout.column("attribute") is not None or layout.telling_name() is not None
            )
            if not told_by_table and not self._converter.rules.attribute:
                untold += 1
                if untold == 1:
                    self.result.notes.append(_ONE_ATTRIBUTE)
                elif untold == 2:
                    self.result.notes[self.result.notes.index(_ONE_ATTRIBUTE)] = _SEVERAL_TABLES
            if table.guessed:
                self.result.notes.append(f"guessed: format.{table.guessed} ({table.name})")
            yield table, layout
        if not count:
            raise first or SpreadsheetError(f"{self.source.uri} has no tables with rows")

    def _layout(self, table: SourceTable) -> TableLayout:
        shape = self.options.shape
        if shape is None:
            return layout_of(table, self.options.mapping)
        error: SpreadsheetError | None = None
        for mapping in shape.mappings:
            try:
                return layout_of(table, ColumnMapping(**{**mapping.given(), **self.options.mapping.given()}), guess=False)
            except SpreadsheetError as reason:
                error = error or reason
        raise SpreadsheetError(f"{error}; expected {shape.about}")

    def _take(self, block: JudgementBlock, layout: TableLayout) -> None:
        """Keep a block aside, and what of it stays in memory."""
        self._ratings.add(block.ratings)
        self._comparisons.add(block.comparisons)
        if block.rejected.num_rows:
            self.rejected.append(block.rejected)
        self.result.ratings_rejected += block.lost[0]
        self.result.comparisons_rejected += block.lost[1]
        self.result.blank += block.blank
        for part, columns in ((block.ratings, ("image_id",)), (block.comparisons, ("left_id", "right_id"))):
            self.people.update(pc.unique(part["user_id"]).to_pylist())
            for column in columns:
                fresh = [name for name in pc.unique(part[column]).to_pylist() if name not in self.names]
                if fresh:
                    rows = pc.index_in(pa.array(fresh), value_set=part[column].combine_chunks()).to_pylist()
                    for name, row in zip(fresh, rows, strict=True):
                        place = layout.column(column.replace("left_id", "left").replace("right_id", "right"))
                        place = place or part["column"][row].as_py()
                        self.names[name] = (part["table"][row].as_py(), part["row"][row].as_py(), place)

    def _check_codes(self, codes: set[str], table: SourceTable, layout: TableLayout) -> None:
        """Refuse choices of 0 and 1 alone: 1 may be left or right, and 0 may be left or a tie."""
        if codes and codes <= {"0", "1"} and "0" in codes:
            raise SpreadsheetError(
                f"{table.where}: {', '.join(layout.values)} has 0 and 1 alone, which may mean several things; give "
                "choices=LEFT,RIGHT or choices=LEFT,RIGHT,TIE as the file has them, e.g. choices=0,1"
            )

    def _check_anything(self) -> None:
        if self._ratings.rows + self._comparisons.rows == 0:
            for part in self.rejected:
                row = part.slice(0, 1).to_pylist()[0]
                sheet = f", sheet {row['sheet']}" if row["sheet"] else ""
                raise SpreadsheetError(
                    f"none of the {self.result.read:,} judgements in {self.source.uri} can be read; the first: "
                    f"{row['file']}{sheet}, row {row['row']}, column {row['column']}: {row['value']!r}: {row['reason']}"
                )
            raise SpreadsheetError(f"{self.source.uri} has no judgements: its tables have no rows below their headers")

    def _find_scales(self) -> None:
        """Tell the scale of each attribute, and that it is the one the workspace has. Raises ConfigError where it is another."""
        if not self._ratings.rows:
            return
        stored = {row["attribute"]: row for row in self.workspace.read("scales").to_pylist()}
        found = {name: scores.scale() for name, scores in self._converter.found.items()}
        if self._scale is not None:
            names: set[str] = set()
            for part in self._ratings.batches():
                names.update(pc.unique(part["attribute"]).to_pylist())
            found = dict.fromkeys(sorted(names), self._scale)
        ranges = {} if set(found) <= set(stored) else self._stored_ranges()
        for name, own in found.items():
            scale = self.options.onto or own
            self.result.scales[name] = scale
            if self._scale is None:
                self.result.notes.append(f"guessed: scale={own} of {name}")
            row = stored.get(name)
            low, high = (row["low"], row["high"]) if row else ranges.get(name, (scale.low, scale.high))
            other = (low, high) != (scale.low, scale.high)
            outside = scale.low < low or scale.high > high
            message = (
                f"{name} is on a scale of {low:g}..{high:g} in {self.workspace.place.uri}, and of {scale.low:g}..{scale.high:g} in "
                f"{self.source.uri}; onto={low:g}..{high:g} moves its scores there"
            )
            if row and row["declared"]:
                if outside or (self._scale is not None and other):
                    raise ConfigError(f"{message}, or take another workspace")
                continue
            if other and (row or name in ranges):
                self.result.notes.append(f"note: {message}")
            if self._scale is None:
                scale = ScoreScale(min(low, scale.low), max(high, scale.high), scale.step)
            self.scales.append(score_scale.as_row(name, scale, declared=self._scale is not None))

    def _stored_ranges(self) -> dict[str, tuple[float, float]]:
        """Return the lowest and highest score of each attribute in the workspace, of attributes whose scale was never stored."""
        ranges: dict[str, tuple[float, float]] = {}
        for part in self.workspace.table("ratings").iterate(["attribute", "score"]):
            if not part.num_rows:
                continue
            ends = part.group_by("attribute").aggregate([("score", "min"), ("score", "max")])
            for row in ends.to_pylist():
                low, high = ranges.get(row["attribute"], (np.inf, -np.inf))
                ranges[row["attribute"]] = (min(low, row["score_min"]), max(high, row["score_max"]))
        return ranges

    def _images(self, measure: MeasureImages | None) -> tuple[dict[str, str], list[dict[str, Any]], dict[str, str]]:
        """Return the image_id of each name, the new rows of `images`, and why images are of no use, by name."""
        stored = self.workspace.read("images")
        names = list(self.names)
        refused: dict[str, str] = {}
        if measure is not None:
            rows, refused = measure(names)
            by_uri: dict[str, str] = dict(zip(stored["uri"].to_pylist(), stored["image_id"].to_pylist(), strict=True))
            ids = {str(row["image_id"]): by_uri.get(row["uri"], str(row["image_id"])) for row in rows}
            return ids, [{**row, "image_id": ids[row["image_id"]]} for row in rows], refused
        ids = _known_images(names, stored)
        have = set(stored["image_id"].to_pylist())
        return ids, [{"image_id": name, "uri": name} for name in dict.fromkeys(ids.values()) if name not in have], refused

    def _write(self, ids: dict[str, str], images: list[dict[str, Any]], refused: dict[str, str]) -> None:
        """Add everything to the workspace."""
        result = self.result
        for name, reason in refused.items():
            number, row, column = self.names[name]
            table = self.tables[number]
            self.rejected.append(
                pa.Table.from_pylist(
                    [{"file": table.file, "sheet": table.sheet, "row": row, "column": column, "value": name, "reason": reason}],
                    schema=tables.REJECTED,
                )
            )
        counts = [0, 0]

        def usable(staged: _StagedTable, columns: tuple[str, ...], kind: int) -> Iterator[pa.Table]:
            for part in staged.batches():
                if refused:
                    part, lost = self._without(part, columns, refused)
                    result.ratings_rejected += lost * (kind == 0)
                    result.comparisons_rejected += lost * (kind == 1)
                counts[kind] += part.num_rows
                yield self._stored(part, columns, ids)

        if images:
            self.workspace.upsert("images", pa.Table.from_pylist(images, schema=tables.IMAGES))
        ratings = usable(self._ratings, ("image_id",), 0)
        self.workspace.table("ratings").upsert_blocks(part.select(tables.RATINGS.names) for part in ratings)
        comparisons = usable(self._comparisons, ("left_id", "right_id"), 1)
        self.workspace.table("comparisons").upsert_blocks(part.select(tables.COMPARISONS.names) for part in comparisons)
        if self.scales:
            self.workspace.upsert("scales", pa.Table.from_pylist(self.scales, schema=tables.SCALES))
        result.ratings, result.comparisons = counts
        result.people, result.images, result.images_rejected = len(self.people), len(self.names) - len(refused), len(refused)
        result.rejected = pa.concat_tables([tables.REJECTED.empty_table(), *self.rejected])
        self._replace_rejected()

    def _stored(self, part: pa.Table, columns: tuple[str, ...], ids: dict[str, str]) -> pa.Table:
        """Return a part with the workspace's image ids, and scores on the scale that was asked for."""
        for column in columns:
            encoded = part[column].combine_chunks().dictionary_encode()
            if any(ids.get(name, name) != name for name in encoded.dictionary.to_pylist()):
                renamed = pa.array([ids.get(name, name) for name in encoded.dictionary.to_pylist()], pa.string())
                part = part.set_column(
                    part.schema.get_field_index(column), part.schema.field(column), renamed.take(encoded.indices)
                )
        onto = self.options.onto
        if onto is not None and self._scale is not None and "score" in part.schema.names and part.num_rows:
            moved = self._scale.onto(onto, part["score"].to_numpy().astype(np.float64)).astype(np.float32)
            part = part.set_column(part.schema.get_field_index("score"), part.schema.field("score"), pa.array(moved, pa.float32()))
        return part

    def _without(self, part: pa.Table, columns: tuple[str, ...], refused: dict[str, str]) -> tuple[pa.Table, int]:
        """Return a part without the judgements of images that are of no use, which are rejected, and how many these are."""
        lost = 0
        for column in columns:
            bad = pc.is_in(part[column], value_set=pa.array(list(refused), pa.string()))
            for row in part.filter(bad).to_pylist():
                table = self.tables[row["table"]]
                fault = {
                    "file": table.file,
                    "sheet": table.sheet,
                    "row": row["row"],
                    "column": row["column"],
                    "value": row[column],
                    "reason": f"its image {row[column]} is of no use: {refused[row[column]]}",
                    "attribute": row["attribute"],
                }
                self.rejected.append(pa.Table.from_pylist([fault], schema=tables.REJECTED))
                lost += 1
            part = part.filter(pc.invert(bad))
        return part, lost

    def _replace_rejected(self) -> None:
        """Let `rejected` hold what these files have, and nothing that they had before."""
        rejected = self.workspace.table("rejected")
        files = {table.file for table in self.tables}
        rejected.upsert(self.result.rejected)
        fresh = set(pc.unique(self.result.rejected["file"]).to_pylist())
        clean = (set(pc.unique(rejected.read()["file"]).to_pylist()) & files) - fresh
        rejected.remove(pa.table({"file": sorted(clean)}, schema=pa.schema([tables.REJECTED.field("file")])))


def _known_images(names: list[str], images: pa.Table) -> dict[str, str]:
    """Return the workspace's image_id for each name: the same, the end of an image's path, or such an end without its suffix."""
    matched = embeddings.match(names, images)
    stems: dict[str, list[str]] = {}
    for uri, image_id in zip(images["uri"].to_pylist(), images["image_id"].to_pylist(), strict=True):
        file = uri.partition("?")[0].rpartition("/")[2]
        stems.setdefault(file.rpartition(".")[0] or file, []).append(image_id)
    have = set(images["image_id"].to_pylist())
    result = {}
    for name, image_id in zip(names, matched, strict=True):
        alone = stems.get(name, [])
        result[name] = image_id if image_id in have or len(alone) != 1 else alone[0]
    return result if len(set(result.values())) == len(result) else {name: name for name in names}


class _StagedTable:
    """A table in a file aside, written and read some rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema):
        self._path = path
        self._writer: Any = pa.ipc.new_stream(str(path), schema)
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        if table.num_rows:
            self._writer.write_table(table)
            self.rows += table.num_rows

    def close(self) -> None:
        self._writer.close()

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows, some thousand at a time."""
        with pa.OSFile(str(self._path)) as file, pa.ipc.open_stream(file) as reader:
            batches: Iterable[pa.RecordBatch] = reader
            for batch in batches:
                yield pa.Table.from_batches([batch])
