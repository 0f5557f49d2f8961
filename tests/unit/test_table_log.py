"""table_log: rows of many writers, merged when they are read."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from support import table_writer

from beholder import table_log, tables
from beholder.errors import TableError
from beholder.storage import Place
from beholder.table_log import TableLog

SCHEMA = pa.schema(
    [pa.field("user", pa.string(), nullable=False), pa.field("image", pa.string(), nullable=False), ("score", pa.int64())]
)


def log(folder: Path | str, **options) -> TableLog:
    return TableLog(Place.at(folder) / "ratings", SCHEMA, ("user", "image"), **options)


def rows(*values: tuple[str, str, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, value, strict=True)) for value in values], schema=SCHEMA)


def values(table: pa.Table) -> list[tuple]:
    return [tuple(row.values()) for row in table.to_pylist()]


def keys(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table({"user": [user for user, _ in pairs], "image": [image for _, image in pairs]}, schema=SCHEMA.remove(2))


def test_nothing_was_written(tmp_path):
    assert log(tmp_path).read().equals(SCHEMA.empty_table())
    assert log(tmp_path).compact() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_later_row_takes_the_place_of_the_earlier_one_of_its_key(tmp_path):
    log(tmp_path).append(rows(("ana", "1", 1), ("bo", "1", 2), ("ana", "2", 3)))
    log(tmp_path).append(rows(("ana", "1", 5), ("cy", "1", 4)))
    assert values(log(tmp_path).read()) == [("ana", "1", 5), ("bo", "1", 2), ("ana", "2", 3), ("cy", "1", 4)]


def test_of_one_key_twice_in_a_part_the_last_row_counts(tmp_path):
    log(tmp_path).append(rows(("ana", "1", 1), ("bo", "1", 2), ("ana", "1", 3)))
    assert values(log(tmp_path).read()) == [("ana", "1", 3), ("bo", "1", 2)]


def test_rows_of_a_key_with_many_are_replaced_together(tmp_path):
    many = log(tmp_path, one_per_key=False)
    many.append(rows(("ana", "1", 1), ("ana", "1", 2), ("bo", "1", 3)))
    many.append(rows(("ana", "1", 7)))
    assert values(many.read()) == [("ana", "1", 7), ("bo", "1", 3)]


def test_removed_keys_are_gone_until_they_come_again(tmp_path):
    log(tmp_path).append(rows(("ana", "1", 1), ("bo", "1", 2)))
    log(tmp_path).remove(keys(("ana", "1"), ("nobody", "1")))
    assert values(log(tmp_path).read()) == [("bo", "1", 2)]
    log(tmp_path).append(rows(("ana", "1", 9)))
    assert values(log(tmp_path).read()) == [("ana", "1", 9), ("bo", "1", 2)]


def test_upsert_writes_only_what_is_new(tmp_path):
    assert log(tmp_path).upsert(rows(("ana", "1", 1), ("bo", "1", 2)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert not log(tmp_path).upsert(rows(("bo", "1", 2)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")} == before
    assert log(tmp_path).upsert(rows(("bo", "1", 3), ("ana", "1", 1)))
    assert values(log(tmp_path).read()) == [("ana", "1", 1), ("bo", "1", 3)]


def test_replace_leaves_just_these_rows(tmp_path):
    log(tmp_path).append(rows(("ana", "1", 1)))
    assert log(tmp_path).replace(rows(("bo", "1", 2)))
    assert not log(tmp_path).replace(rows(("bo", "1", 2)))
    assert values(log(tmp_path).read()) == [("bo", "1", 2)]
    assert log(tmp_path).replace(SCHEMA.empty_table())
    assert values(log(tmp_path).read()) == []


def test_the_file_that_version_0_1_wrote_is_the_oldest_part(tmp_path):
    pq.write_table(rows(("ana", "1", 1), ("bo", "1", 2)), tmp_path / "ratings.parquet")
    log(tmp_path).append(rows(("ana", "1", 5)))
    assert values(log(tmp_path).read()) == [("ana", "1", 5), ("bo", "1", 2)]
    assert log(tmp_path).compact() == 1
    assert not (tmp_path / "ratings.parquet").exists()
    assert values(log(tmp_path).read()) == [("ana", "1", 5), ("bo", "1", 2)]


def test_a_part_of_another_schema_is_refused(tmp_path):
    with pytest.raises(TableError, match="ratings has no column 'score'"):
        log(tmp_path).append(keys(("ana", "1")))
    (tmp_path / "ratings").mkdir()
    (tmp_path / "ratings" / "00000000000000000001-x.parquet").write_text("hello")
    with pytest.raises(TableError, match="no readable Parquet"):
        log(tmp_path).read()


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["append", "remove", "compact", "merge"]),
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12"), st.integers(0, 3)), max_size=4),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS)
def test_it_holds_what_a_dict_would(actions, tmp_path_factory):
    table = log(tmp_path_factory.mktemp("log"))
    expected: dict[tuple[str, str], int] = {}
    for stamp, (action, some) in enumerate(actions, start=1):
        if action == "append":
            table.append(rows(*some), stamp=stamp)
            expected |= {(user, image): score for user, image, score in some}
        elif action == "remove":
            table.remove(keys(*[(user, image) for user, image, _ in some]), stamp=stamp)
            for user, image, _ in some:
                expected.pop((user, image), None)
        elif action == "compact":
            assert table.compact() <= 2
        else:
            table.merge(table.parts()[-2:])  # not all of them: removed keys have to stay removed
        assert {(user, image): score for user, image, score in values(table.read())} == expected


@pytest.mark.parametrize("where", ["folder", pytest.param("s3", marks=pytest.mark.soak)])
def test_eight_writers_killed_at_random_lose_nothing_that_was_acknowledged(where, tmp_path, request):
    """Four of eight are killed wherever they are; each acknowledges a row of its own, and one that all write, after the write."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([table_writer.__name__])
    uri = str(tmp_path / "table") if where == "folder" else f"{request.getfixturevalue('s3')}/eight-writers"
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    folders = [str(tmp_path / f"acknowledged-{number}") for number in range(8)]
    writers = [
        context.Process(target=table_writer.write, args=(uri, number, 12, folder, variables))
        for number, folder in enumerate(folders)
    ]
    for writer in writers:
        writer.start()
    rng = random.Random(7)
    for number in rng.sample(range(8), 4):
        least, until = rng.randrange(1, 8), time.monotonic() + 60
        while len(table_writer.acknowledged(folders[number])) < least and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.random() * 0.05)
        writers[number].kill()
    for writer in writers:
        writer.join(120)
    assert {writer.exitcode for writer in writers} <= {0, -signal.SIGKILL}
    assert [writer.exitcode for writer in writers].count(0) >= 4
    found = values(TableLog(Place.at(uri), table_writer.SCHEMA, table_writer.KEY).read())
    of = {number: [image for user, image, _ in found if user == f"user-{number}"] for number in range(8)}
    for number, folder in enumerate(folders):
        said = table_writer.acknowledged(folder)
        assert len(of[number]) == len(set(of[number]))  # once
        assert set(said) <= set(of[number])
        assert len(of[number]) - len(said) in (0, 1)  # but for one that was written and not acknowledged any more
        assert len(said) == 12 or writers[number].exitcode
    everybody = [image for user, image, _ in found if user == "everybody"]
    assert sorted(everybody) == sorted({*everybody})
    assert set(everybody) >= {image for folder in folders for image in table_writer.acknowledged(folder)}


def test_parts_are_merged_up_to_a_size(tmp_path, s3):
    table = TableLog(Place.at(s3) / "ratings", SCHEMA, ("user", "image"))
    for at in range(5):
        table.append(rows((f"user-{at}", "1", at)))
    size = table.parts()[0].size()
    assert len(table.groups()) == 1 < table_log.PART_BYTES / size
    assert table.compact() == 1
    assert [row[2] for row in values(table.read())] == list(range(5))
    assert tables.read(table.parts()[0], SCHEMA).num_rows == 5


# ---- many blocks, without the table in memory


def test_blocks_add_what_is_new(tmp_path):
    table = log(tmp_path)
    assert table.upsert_blocks([rows(("a", "1", 1)), rows(("b", "1", 2), ("b", "2", 3))]) == 3
    assert len(table.parts()) == 1
    assert table.upsert_blocks([rows(("a", "1", 1), ("b", "1", 5)), rows(("c", "1", 4))]) == 2
    assert sorted(values(table.read())) == [("a", "1", 1), ("b", "1", 5), ("b", "2", 3), ("c", "1", 4)]
    parts = table.parts()
    assert table.upsert_blocks([table.read()]) == 0
    assert table.parts() == parts


def test_a_row_that_went_back_is_new_again(tmp_path):
    """What counts is the newest row of a key, not whether a part has such a row."""
    table = log(tmp_path)
    for score in (1, 2, 1):
        assert table.upsert_blocks([rows(("a", "1", score))]) == 1
    assert values(table.read()) == [("a", "1", 1)]
    table.remove(keys(("a", "1")))
    assert table.upsert_blocks([rows(("a", "1", 1))]) == 1
    assert values(table.read()) == [("a", "1", 1)]


def test_blocks_agree_with_one_upsert(tmp_path):
    one, many = log(tmp_path / "one"), log(tmp_path / "many")
    blocks = [rows(*((f"u{number % 7}", f"{number + shift}", number % 3) for number in range(20))) for shift in (0, 100, 200)]
    one.upsert(pa.concat_tables(blocks))
    for _ in range(2):
        many.upsert_blocks(blocks)
    assert many.read().equals(one.read())
