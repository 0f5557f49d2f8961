"""A table that many processes may write at once: a folder of Parquet parts, merged when they are read.

A writer never reads, merges and replaces. It adds a part of its own, whole or not at all: `<time>-<hash>.parquet` with rows, or
`<time>-<hash>.removed.parquet` with keys whose rows are removed. A reader takes the parts in order of name and keeps, of the rows
that have the same key, those of the last part (merge on read, as log-structured tables do). So writers at the same time lose
nothing of each other, on a folder and in an object store alike, and without a lock. `compact` merges small parts, and deletes them
when the merged part is there. The single file `<name>.parquet` that version 0.1.0 wrote beside the folder is the oldest part.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from beholder import tables
from beholder.errors import StorageError, TableError
from beholder.storage import Place

PART_BYTES = 64 * 2**20  # size up to which parts are merged into one
REMOVED = ".removed.parquet"  # end of the name of a part with removed keys
PART_ROWS = 500_000  # rows of a part that is written with others from many blocks
_MANY = 8  # parts from which on a writer merges them
_ATTEMPTS = 20  # at reading parts while other processes merge them


@dataclass(frozen=True)
class TableLog:
    """A table kept as parts. place: their folder; schema: of the rows; key: the columns that make two rows the same row.

    one_per_key: a key has one row; else it may have many, which are replaced together.
    """

    place: Place
    schema: pa.Schema
    key: tuple[str, ...]
    one_per_key: bool = True

    def read(self) -> pa.Table:
        """Return the table: of each key the newest rows, keys in the order in which they came; empty where nothing was written.

        Raises TableError where a part is no Parquet or lacks a column of the schema.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return self._merged(self.parts())[0]
            except StorageError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.02 * attempt)  # a part was merged into another between listing and reading
        raise AssertionError("unreachable")

    def iterate(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield these columns of each part, the oldest first, unmerged: a later row of a key takes an earlier one's place.

        Of removed keys, nothing is said. For tables of which no more than a part is to be in memory.
        """
        schema = pa.schema([self.schema.field(name) for name in columns])
        for place in self.parts():
            if not place.name.endswith(REMOVED):
                yield tables.read(place, schema)

    def parts(self) -> list[Place]:
        """Return the parts, the oldest first."""
        entries = [entry for entry in self.place.files() if entry.path.endswith(".parquet") and "/" not in entry.path]
        return [*([self._first] if self._first.is_file() else []), *(self.place / entry.path for entry in entries)]

    def append(self, rows: pa.Table, *, stamp: int | None = None) -> None:
        """Add rows, which take the place of all earlier rows of their keys; written whole or not at all.

        stamp: time of writing in nanoseconds since the epoch; now by default. Equal rows with an equal stamp are written once.
        """
        if rows.num_rows:
            self._write(self._last(tables.conform(rows, self.schema, name=self.name)), stamp=stamp, suffix=".parquet")

    def remove(self, keys: pa.Table, *, stamp: int | None = None) -> None:
        """Remove all earlier rows of these keys (a table of the key's columns)."""
        if keys.num_rows:
            self._write(keys.select(list(self.key)), stamp=stamp, suffix=REMOVED)

    def upsert(self, rows: pa.Table) -> bool:
        """Add those rows that are not in the table as they are; return False where all were."""
        fresh = self._last(tables.conform(rows, self.schema, name=self.name))
        old = self.read()
        if old.num_rows:
            known = set(_texts(old, self.schema.names).to_pylist())
            fresh = fresh.filter(pa.array([text not in known for text in _texts(fresh, self.schema.names).to_pylist()], pa.bool_()))
        self.append(fresh)
        if len(self.parts()) > _MANY:
            self.compact()
        return bool(fresh.num_rows)

    def upsert_blocks(self, blocks: Iterable[pa.Table]) -> int:
        """Add those rows of many blocks that are not in the table as they are; return how many. Blocks have no key in common.

        As `upsert`, but with about 16 bytes in memory for each row of the table and PART_ROWS rows besides.
        """
        keys, rows = self._current_hashes()
        waiting: list[pa.Table] = []
        count = added = 0
        for block in blocks:
            block = tables.conform(block, self.schema, name=self.name)
            if len(keys) and block.num_rows:
                at = np.searchsorted(keys, key := _hashes(block, self.key)).clip(max=len(keys) - 1)
                known = (keys[at] == key) & (rows[at] == _hashes(block, self.schema.names))
                block = block.filter(pa.array(~known))
            waiting.append(block)
            count += block.num_rows
            if count >= PART_ROWS:
                self.append(pa.concat_tables(waiting))
                waiting, added, count = [], added + count, 0
        if count:
            self.append(pa.concat_tables(waiting))
        if len(self.parts()) > _MANY and len(keys) + added + count <= PART_ROWS:
            self.compact()
        return added + count

    def _current_hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return hashes of the keys, sorted, and of the newest rows of each, uint64 [N] each."""
        keys, rows = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
        for place in self.parts():
            removed = place.name.endswith(REMOVED)
            for part in _batches(place, self.schema.names if not removed else list(self.key)):
                keys.append(_hashes(part, self.key))
                rows.append(np.zeros(part.num_rows, np.uint64) if removed else _hashes(part, self.schema.names))
        whole = np.concatenate(keys)
        _, last = np.unique(whole[::-1], return_index=True)
        last = len(whole) - 1 - last
        return whole[last], np.concatenate(rows)[last]

    def mentions(self, column: str, value: str) -> bool:
        """Return whether a value is in a column of any part, be it in rows that were replaced or in keys that were removed."""
        for place in self.parts():
            schema = pa.schema([self.schema.field(column)])
            if place.name.endswith(REMOVED) and column not in self.key:
                continue
            if pc.any(pc.equal(tables.read(place, schema)[column], value)).as_py():
                return True
        return False

    def replace(self, rows: pa.Table, *, always: bool = False) -> bool:
        """Let the table hold these rows and no others; return False where it did already, unless its parts are to go `always`.

        Rows that another process adds meanwhile are kept.
        """
        rows = self._last(tables.conform(rows, self.schema, name=self.name))
        before = self.parts()
        if before and not always and self._merged(before)[0].equals(rows):
            return False
        self._write(rows, stamp=None, suffix=".parquet")
        for place in before:
            place.delete()
        return True

    def compact(self) -> int:
        """Merge small parts; return how many parts are left."""
        return sum(self.merge(group) for group in self.groups())

    def groups(self) -> list[list[Place]]:
        """Return the parts in groups that are merged into one each, by their sizes; a group of one stays as it is."""
        groups: list[list[Place]] = []
        total = 0
        for place in self.parts():
            size = place.size()
            if not groups or total + size > PART_BYTES:
                groups.append([])
                total = 0
            groups[-1].append(place)
            total += size
        return groups

    def merge(self, group: Sequence[Place]) -> int:
        """Merge parts that follow each other; return how many are left. The merged part is written before its sources go.

        Where another process has merged some of them meanwhile, the others stay for the next time. Removed keys are kept: a part
        with an older row of theirs may be written yet by a process that merges other parts.
        """
        if len(group) < 2:
            return len(group)
        try:
            rows, removed = self._merged(group)
        except StorageError:
            return len(group)
        stamp = int(group[-1].name.partition("-")[0]) if group[-1] != self._first else 0
        kept = [self._write(rows, stamp=stamp, suffix=".parquet")]
        if removed.num_rows:
            kept.append(self._write(removed, stamp=stamp, suffix=REMOVED))
        for place in group:
            if place not in kept:
                place.delete()
        return len(kept)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.place.name

    @property
    def _first(self) -> Place:
        folder, _, query = self.place.uri.partition("?") if "://" in self.place.uri else (self.place.uri, "", "")
        return Place(f"{folder}.parquet{'?' if query else ''}{query}", f"{self.place.path}.parquet", self.place.filesystem)

    def _last(self, rows: pa.Table) -> pa.Table:
        """Return the last row of each key, at the place of its first, where a key has one row."""
        if not self.one_per_key or not rows.num_rows:
            return rows
        codes, count = _codes([_texts(rows, self.key)])
        if count == rows.num_rows:
            return rows
        last = np.zeros(count, np.int64)
        np.maximum.at(last, codes, np.arange(rows.num_rows))
        return rows.take(pa.array(last))

    def _write(self, table: pa.Table, *, stamp: int | None, suffix: str) -> Place:
        digest = hashlib.sha256()
        for column in table.columns:
            for chunk in column.chunks:
                for buffer in chunk.buffers():
                    digest.update(buffer or b"")
        place = self.place / f"{time.time_ns() if stamp is None else stamp:020d}-{digest.hexdigest()[:16]}{suffix}"
        tables.write(place, table)
        return place

    def _merged(self, places: Sequence[Place]) -> tuple[pa.Table, pa.Table]:
        """Return the rows that the parts leave, and the keys that they leave removed."""
        keys_only = pa.schema([self.schema.field(name) for name in self.key])
        read = [tables.read(place, keys_only if place.name.endswith(REMOVED) else self.schema, must_exist=True) for place in places]
        rows = [part for part in read if part.schema.names == self.schema.names]
        if len(read) == 1:
            return (read[0], keys_only.empty_table()) if rows else (self.schema.empty_table(), read[0])
        if not read:
            return self.schema.empty_table(), keys_only.empty_table()
        codes, count = _codes([_texts(part, self.key) for part in read])
        part_of = np.repeat(np.arange(len(read)), [part.num_rows for part in read])
        newest = np.zeros(count, np.int64)
        np.maximum.at(newest, codes, part_of)
        current = part_of == newest[codes]
        has_rows = np.array([part.schema.names == self.schema.names for part in read])
        of_rows = has_rows[part_of] if len(part_of) else np.zeros(0, bool)
        table = pa.concat_tables(rows) if rows else self.schema.empty_table()
        kept = np.flatnonzero(current[of_rows])
        ordered = kept[np.argsort(codes[of_rows][kept], kind="stable")]
        removed = pa.concat_tables([part.select(list(self.key)) for part in read]).filter(pa.array(current & ~of_rows))
        return table.take(pa.array(ordered)), removed


def _codes(texts: Sequence[pa.ChunkedArray]) -> tuple[np.ndarray, int]:
    """Return a number for each text, equal for equal ones and in the order in which they came, and how many there are."""
    whole = pa.chunked_array([chunk for text in texts for chunk in text.chunks], pa.string()).combine_chunks()
    encoded = whole.dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False), len(encoded.dictionary)


def _batches(place: Place, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield these columns of a part, some rows at a time."""
    try:
        with place.open() as file:
            for batch in tables.open_parquet(file, place.uri).iter_batches(2**18, columns=list(names)):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _hashes(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Return a hash of these columns of each row, uint64 [N]."""
    hashed: np.ndarray = pd.util.hash_array(_texts(table, names).to_numpy().astype(object), categorize=False)
    return hashed


def _texts(table: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    """Return one text per row that tells its values of these columns apart from others'."""
    columns = [table[name].cast(pa.string()) for name in names]
    if len(columns) == 1:
        return columns[0]
    joined = pc.binary_join_element_wise(*columns, "\x1f", null_handling="replace", null_replacement="\x1e")
    return joined if isinstance(joined, pa.ChunkedArray) else pa.chunked_array([joined])
