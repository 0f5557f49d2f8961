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

from beholder import tables
from beholder.errors import TableError
from beholder.judgements import LEFT, RIGHT, TIE
from beholder.storage import Place
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable, person_hashes
from beholder.taste.person_shards import blocks_of

Kind = Literal["ratings", "comparisons"]
_IMAGES = {"ratings": ["image_id"], "comparisons": ["left_id", "right_id"]}
_VALUE = {"ratings": "score", "comparisons": "choice"}


@dataclass(frozen=True)
class PartitionKey:
    """What numbers mean. images: image_ids in the order of their numbers, a pa.Array; attributes: in the order of theirs.

    blocks: how many blocks of people; seed: of the hash that a person's block follows from.
    """

    images: Any
    attributes: tuple[str, ...]
    blocks: int
    seed: int


@dataclass(frozen=True)
class PartitionFile:
    """A file of some judgements. groups: block -> its row group. left_out: judgements of images without a number."""

    place: Place
    kind: Kind
    groups: Mapping[int, int]
    left_out: int


@dataclass(frozen=True)
class JudgedPeople:
    """Who judged what, without the judgements. rows: by kind, the number of rows of each row group."""

    people: int
    attributes: tuple[str, ...]
    rows: Mapping[Kind, tuple[int, ...]]


def places(workspace: Place) -> dict[Kind, Place]:
    """Return where the tables of judgements of a workspace are."""
    return {"ratings": workspace / "ratings.parquet", "comparisons": workspace / "comparisons.parquet"}


def row_groups(place: Place) -> tuple[int, ...]:
    """Return the number of rows of each row group of a table; none where there is no table."""
    if not place.is_file():
        return ()
    with place.filesystem.open_input_file(place.path) as file:
        metadata = _open(file, place).metadata
        return tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))


def judged_people(judged: Mapping[Kind, Place], *, attributes: Sequence[str] = ()) -> JudgedPeople:
    """Return who judged in tables of judgements, read a row group at a time. attributes: only these; empty: all."""
    people: set[str] = set()
    names: set[str] = set()
    for place in judged.values():
        if not place.is_file():
            continue
        with place.filesystem.open_input_file(place.path) as file:
            source = _open(file, place)
            for group in range(source.metadata.num_row_groups):
                table = source.read_row_group(group, columns=["user_id", "attribute"])
                names.update(pc.unique(table["attribute"]).to_pylist())
                if attributes:
                    table = table.filter(pc.is_in(table["attribute"], pa.array(list(attributes), pa.string())))
                people.update(pc.unique(table["user_id"]).to_pylist())
    return JudgedPeople(len(people), tuple(sorted(names)), {kind: row_groups(place) for kind, place in judged.items()})


def draw(place: Place, share: float, schema: pa.Schema, *, seed: int) -> pa.Table:
    """Return the judgements of a share of the people of a table, drawn by the seed, read a row group at a time."""
    parts = [schema.empty_table()]
    for group in range(len(row_groups(place))):
        with place.filesystem.open_input_file(place.path) as file:
            rows = tables.conform(_open(file, place).read_row_group(group), schema, name=place.uri)
        users = pc.unique(rows["user_id"])
        drawn = person_hashes(users.to_pylist(), seed) < share * 2.0**64
        parts.append(rows.filter(pc.is_in(rows["user_id"], users.filter(pa.array(drawn)))))
    return pa.concat_tables(parts)


def partition(table: Place, kind: Kind, groups: Sequence[int], target: Place, key: PartitionKey) -> PartitionFile:
    """Divide some row groups of a table of judgements by people, and write them to a file."""
    with table.filesystem.open_input_file(table.path) as file:
        columns = ["user_id", "attribute", *_IMAGES[kind], _VALUE[kind]]
        rows = _open(file, table).read_row_groups(list(groups), columns=columns)
    users = rows["user_id"].combine_chunks().dictionary_encode()
    number = {"attribute": pc.index_in(rows["attribute"], pa.array(list(key.attributes), pa.string()))}
    for name in _IMAGES[kind]:
        number[name] = pc.index_in(rows[name], key.images)
    value = rows["score"].cast(pa.float32()) if kind == "ratings" else _choices(rows["choice"])
    block = blocks_of(users.dictionary.to_pylist(), blocks=key.blocks, seed=key.seed)[users.indices.to_numpy()]
    numbered = pa.table({"user_id": users, **number, _VALUE[kind]: value})
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
    parts: dict[Kind, list[pa.Table]] = {"ratings": [], "comparisons": []}
    for each in files:
        groups = [each.groups[block] for block in blocks if block in each.groups]
        if groups:
            with each.place.filesystem.open_input_file(each.place.path) as file:
                parts[each.kind].append(_open(file, each.place).read_row_groups(groups))
    rated, compared = (pa.concat_tables(each) if each else None for each in parts.values())
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


def _choices(column: Any) -> Any:
    """Return choices as numbers: 1 left, 0 right, 0.5 a tie."""
    at = pc.index_in(column, pa.array([LEFT, RIGHT, TIE]))
    return pc.take(pa.array([1.0, 0.0, 0.5], pa.float32()), at)


def _open(file: Any, place: Place) -> Any:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None
