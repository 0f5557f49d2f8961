"""Judgements divided by people: Parquet files whose row groups are blocks of people, so that a block is read without the others.

Made from the tables of a workspace a few row groups at a time; images and attributes are numbers from then on.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandas.util import hash_array

from beholder import tables
from beholder.errors import TableError
from beholder.storage import Place
from beholder.tables import LEFT, RIGHT, TIE
from beholder.taste.dataset import NO_TIME, ComparisonTable, JudgementDataset, RatingTable, TimedJudgements, person_hashes
from beholder.taste.person_shards import blocks_of

Kind = Literal["ratings", "comparisons"]
KINDS: tuple[Kind, ...] = ("ratings", "comparisons")
_IMAGES = {"ratings": ["image_id"], "comparisons": ["left_id", "right_id"]}
_VALUE = {"ratings": "score", "comparisons": "choice"}


@dataclass(frozen=True)
class PartitionKey:
    """What numbers mean. images: image_ids in the order of their numbers, a pa.Array; attributes: in the order of theirs.

    blocks: how many blocks of people; seed: of the hash that a person's block follows from; times: whether it is kept when a
    judgement was made.
    """

    images: Any
    attributes: tuple[str, ...]
    blocks: int
    seed: int
    times: bool = False


@dataclass(frozen=True)
class PartitionFile:
    """A file of some judgements. groups: block -> its row group. left_out: judgements of images without a number."""

    place: Place
    kind: Kind
    groups: Mapping[int, int]
    left_out: int


@dataclass(frozen=True)
class TablePart:
    """A file of a table of judgements, and the number of rows of each of its row groups.

    order: its number, the oldest first, where a table has several: a judgement may stand in more than one, and the last one counts;
    None where it is the table's only one.
    """

    place: Place
    kind: Kind
    rows: tuple[int, ...]
    order: int | None

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return some columns of some row groups. Raises TableError where there are none of these."""
        with self.place.filesystem.open_input_file(self.place.path) as file:
            try:
                return (
                    tables.open_parquet(file, self.place.uri)
                    .read_row_groups(list(groups), columns=list(columns))
                    .select(list(columns))
                )
            except KeyError as error:
                raise TableError(f"{self.place.uri} lacks a column: {str(error).splitlines()[0]}") from None


@dataclass(frozen=True)
class JudgedPeople:
    """Who judged what, without the judgements: how many people, and on which attributes."""

    people: int
    attributes: tuple[str, ...]


def table_parts(places: Mapping[Kind, Sequence[Place]]) -> list[TablePart]:
    """Return the files of tables of judgements; the files of each table, the oldest first."""
    parts = []
    for kind, files in places.items():
        for order, place in enumerate(files):
            with place.filesystem.open_input_file(place.path) as file:
                metadata = tables.open_parquet(file, place.uri).metadata
                rows = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
            parts.append(TablePart(place, kind, rows, order if len(files) > 1 else None))
    return parts


def judged_people(parts: Sequence[TablePart], *, attributes: Sequence[str] = ()) -> JudgedPeople:
    """Return who judged, read a row group at a time. attributes: only these count; empty: all."""
    people: set[str] = set()
    names: set[str] = set()
    for part in parts:
        for group in range(len(part.rows)):
            table = part.read([group], ["user_id", "attribute"])
            names.update(pc.unique(table["attribute"]).to_pylist())
            if attributes:
                table = table.filter(pc.is_in(table["attribute"], pa.array(list(attributes), pa.string())))
            people.update(pc.unique(table["user_id"]).to_pylist())
    return JudgedPeople(len(people), tuple(sorted(names)))


def judged_images(parts: Sequence[TablePart]) -> pa.Array:
    """Return the image_ids that anything was said of, in order, read a row group at a time."""
    found = pa.array([], pa.string())
    for part in parts:
        for group in range(len(part.rows)):
            table = part.read([group], _IMAGES[part.kind])
            found = pc.unique(pa.concat_arrays([found, *(table[name].combine_chunks() for name in _IMAGES[part.kind])]))
    return found.take(pc.sort_indices(found))


def draw(parts: Sequence[TablePart], share: float, kind: Kind, *, seed: int) -> pa.Table:
    """Return the judgements of a kind of a share of the people, drawn by the seed, read a row group at a time."""
    schema = tables.RATINGS if kind == "ratings" else tables.COMPARISONS
    drawn = [schema.empty_table()]
    own = [part for part in parts if part.kind == kind]
    for part in own:
        for group in range(len(part.rows)):
            rows = tables.conform(part.read([group], schema.names), schema, name=part.place.uri)
            users = pc.unique(rows["user_id"])
            chosen = person_hashes(users.to_pylist(), seed) < share * 2.0**64
            drawn.append(rows.filter(pc.is_in(rows["user_id"], users.filter(pa.array(chosen)))))
    table = pa.concat_tables(drawn)
    if len(own) < 2:
        return table
    keys = table.select(["judgement_id", "user_id", "attribute", *_IMAGES[kind]]).to_pandas()
    return table.filter(pa.array(~keys.duplicated(keep="last").to_numpy()))


def partition(part: TablePart, groups: Sequence[int], target: Place, key: PartitionKey) -> PartitionFile:
    """Divide some row groups of a table of judgements by people, and write them to a file."""
    kind, several = part.kind, part.order is not None
    extra = [name for name, wanted in (("judgement_id", several), ("at", key.times)) if wanted]
    rows = part.read(groups, ["user_id", "attribute", *_IMAGES[kind], _VALUE[kind], *extra])
    users = rows["user_id"].combine_chunks().dictionary_encode()
    number = {"attribute": pc.index_in(rows["attribute"], pa.array(list(key.attributes), pa.string()))}
    for name in _IMAGES[kind]:
        number[name] = pc.index_in(rows[name], key.images)
    value = rows["score"].cast(pa.float32()) if kind == "ratings" else _choices(rows["choice"])
    block = blocks_of(users.dictionary.to_pylist(), blocks=key.blocks, seed=key.seed)[users.indices.to_numpy()]
    columns = {"user_id": users, **number, _VALUE[kind]: value}
    if key.times:
        columns["at"] = pc.fill_null(rows["at"].cast(pa.timestamp("us")).cast(pa.int64()), NO_TIME)
    if several:  # whatever of a judgement stands in a later part takes its place
        columns["judgement"] = pa.array(hash_array(rows["judgement_id"].to_numpy(zero_copy_only=False)))
        columns["part"] = pa.repeat(pa.scalar(part.order, pa.int64()), rows.num_rows)
    numbered = pa.table(columns)
    asked = number["attribute"].is_valid().to_numpy()
    usable = np.logical_and.reduce([asked, *(column.is_valid().to_numpy() for column in number.values())])
    order = np.argsort(block, kind="stable")
    order = order[usable[order]]
    numbered = numbered.take(pa.array(order)).set_column(0, "user_id", users.take(pa.array(order)).cast(pa.string()))
    edges = np.searchsorted(block[order], np.arange(key.blocks + 1))
    buffer, present = io.BytesIO(), np.flatnonzero(np.diff(edges)).tolist()
    with pq.ParquetWriter(buffer, numbered.schema, compression="zstd", write_statistics=False) as writer:
        for each in present:
            writer.write_table(numbered.slice(edges[each], edges[each + 1] - edges[each]))
    target.write_bytes(buffer.getvalue())
    return PartitionFile(target, kind, {each: at for at, each in enumerate(present)}, int((asked & ~usable).sum()))


def read(files: Sequence[PartitionFile], blocks: Sequence[int], attributes: tuple[str, ...]) -> JudgementDataset:
    """Return the judgements of some blocks of people; its images have numbers alone, no names."""
    return _dataset(*_tables(files, blocks), attributes)


def read_timed(files: Sequence[PartitionFile], blocks: Sequence[int], attributes: tuple[str, ...]) -> TimedJudgements:
    """Return the judgements of some blocks of people as `read` does, and when they were made; from files that keep it."""
    rated, compared = _tables(files, blocks)
    at = [np.zeros(0, np.int64) if table is None else table["at"].to_numpy().astype(np.int64) for table in (rated, compared)]
    return TimedJudgements(_dataset(rated, compared, attributes), *at)


def _tables(files: Sequence[PartitionFile], blocks: Sequence[int]) -> tuple[Any, Any]:
    """Return the ratings and the comparisons of some blocks of people; None where there are none."""
    parts: dict[Kind, list[pa.Table]] = {"ratings": [], "comparisons": []}
    for each in files:
        groups = [each.groups[block] for block in blocks if block in each.groups]
        if groups:
            with each.place.filesystem.open_input_file(each.place.path) as file:
                parts[each.kind].append(tables.open_parquet(file, each.place.uri).read_row_groups(groups))
    rated, compared = (_last(pa.concat_tables(each)) if each else None for each in parts.values())
    return rated, compared


def _dataset(rated: Any, compared: Any, attributes: tuple[str, ...]) -> JudgementDataset:
    """Return tables of numbers as judgements; None stands for an empty one."""
    users = [pc.unique(table["user_id"]).to_pylist() for table in (rated, compared) if table is not None]
    people = tuple(sorted(set().union(*users)))
    names = pa.array(people, pa.string())

    def column(table: Any, name: str) -> np.ndarray:
        """Return a column as numbers, int64, or as it is where it is of floats."""
        if table is None:
            return np.zeros(0, np.float32 if name in _VALUE.values() else np.int64)
        values = pc.index_in(table[name], names) if name == "user_id" else table[name]
        array: np.ndarray = values.to_numpy()
        return array if array.dtype.kind == "f" else array.astype(np.int64)

    return JudgementDataset(
        people,
        (),
        attributes,
        RatingTable(*(column(rated, name) for name in ("user_id", "image_id", "attribute", "score"))),
        ComparisonTable(*(column(compared, name) for name in ("user_id", "left_id", "right_id", "attribute", "choice"))),
    )


def _last(table: pa.Table) -> pa.Table:
    """Return of each judgement the row of the last part that it stands in, in order."""
    if "part" not in table.column_names:
        return table
    frame = table.drop_columns([name for name in ("score", "choice", "at") if name in table.column_names]).to_pandas()
    order = frame["part"].argsort(kind="stable").to_numpy()
    last = ~frame.iloc[order].drop(columns="part").duplicated(keep="last").to_numpy()
    return table.take(pa.array(np.sort(order[last])))


def _choices(column: Any) -> Any:
    """Return choices as numbers: 1 left, 0 right, 0.5 a tie."""
    at = pc.index_in(column, pa.array([LEFT, RIGHT, TIE]))
    return pc.take(pa.array([1.0, 0.0, 0.5], pa.float32()), at)
