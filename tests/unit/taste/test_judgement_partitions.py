"""Partitions: every judgement is in the block of its person, and a block is read without the others."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import tables
from beholder.errors import TableError
from beholder.storage import Place
from beholder.taste import dataset as judgement_dataset
from beholder.taste import judgement_partitions
from beholder.taste.judgement_partitions import KINDS, PartitionKey, TablePart
from beholder.taste.person_shards import blocks_of
from beholder.workspace import Workspace

PEOPLE = [f"person {number}" for number in range(40)]
IMAGES = [f"image {number}" for number in range(12)]
ATTRIBUTES = ("attractive", "smart")
BLOCKS, SEED = 5, 3
KEY = PartitionKey(pa.array(IMAGES), ATTRIBUTES, BLOCKS, SEED)


@pytest.fixture
def workspace(tmp_path: Path) -> Place:
    rng = np.random.default_rng(0)

    def columns(count: int) -> dict[str, Any]:
        return {
            "judgement_id": [str(row) for row in range(count)],
            "user_id": rng.choice(PEOPLE, count).tolist(),
            "attribute": rng.choice(ATTRIBUTES, count).tolist(),
        }

    def images(count: int) -> list[str]:
        return rng.choice([*IMAGES, "an image that nobody embedded"], count).tolist()

    rated = columns(300) | {"image_id": images(300), "score": rng.integers(1, 5, 300).astype(np.float32)}
    compared = columns(120) | {"left_id": images(120), "right_id": images(120)}
    compared["choice"] = rng.choice(["left", "right", "tie"], 120).tolist()
    for name, values, schema in (("ratings", rated, tables.RATINGS), ("comparisons", compared, tables.COMPARISONS)):
        missing = {"at": [None] * len(values["user_id"]), "lang": [None] * len(values["user_id"])}
        pq.write_table(pa.table(values | missing, schema=schema), tmp_path / f"{name}.parquet", row_group_size=70)
    return Place.at(tmp_path)


def rows(data: judgement_dataset.JudgementDataset) -> list[tuple[Any, ...]]:
    """Judgements by names, in some order."""
    rated, compared = data.ratings, data.comparisons
    found: list[tuple[Any, ...]] = [
        (data.people[p], i, data.attributes[a], s)
        for p, i, a, s in zip(rated.person, rated.image, rated.attribute, rated.score, strict=True)
    ]
    found += [
        (data.people[p], left, right, data.attributes[a], c) for p, left, right, a, c in zip(*vars(compared).values(), strict=True)
    ]
    return sorted(found, key=str)


def parts_of(workspace: Place) -> list[TablePart]:
    return judgement_partitions.table_parts({kind: [workspace / f"{kind}.parquet"] for kind in KINDS})


def test_blocks_hold_each_judgement_once_with_its_person(workspace: Place, tmp_path: Path) -> None:
    parts = parts_of(workspace)
    judged = judgement_partitions.judged_people(parts)
    assert (judged.people, judged.attributes) == (len(PEOPLE), ATTRIBUTES)
    assert [part.rows for part in parts] == [(70, 70, 70, 70, 20), (70, 50)]
    files: list[judgement_partitions.PartitionFile] = []
    for number, groups in ((0, [0, 1]), (0, [2, 3, 4]), (1, [0, 1])):
        target = Place.at(tmp_path / "parts" / f"{len(files)}.parquet")
        files.append(judgement_partitions.partition(parts[number], groups, target, KEY))
    whole, left_out = judgement_dataset.from_tables(
        tables.read(parts[0].place, tables.RATINGS), tables.read(parts[1].place, tables.COMPARISONS), IMAGES
    )
    found = []
    for block in range(BLOCKS):
        part = judgement_partitions.read(files, [block], ATTRIBUTES)
        assert (blocks_of(part.people, blocks=BLOCKS, seed=SEED) == block).all()
        found += rows(part)
    assert sorted(found, key=str) == rows(whole)
    assert sum(each.left_out for each in files) == left_out > 0
    assert rows(judgement_partitions.read(files, range(BLOCKS), ATTRIBUTES)) == rows(whole)


def test_a_judgement_that_was_read_again_counts_as_it_was_last(tmp_path: Path) -> None:
    log = Workspace(str(tmp_path)).table("ratings")

    def write(scores: dict[tuple[str, str], float], stamp: int) -> None:
        rows = [
            {"judgement_id": name, "user_id": user, "image_id": IMAGES[0], "attribute": "smart", "score": score}
            for (name, user), score in scores.items()
        ]
        log.append(pa.Table.from_pylist(rows, schema=tables.RATINGS), stamp=stamp)

    write({("a", PEOPLE[0]): 1.0, ("b", PEOPLE[0]): 2.0, ("a", PEOPLE[1]): 3.0}, stamp=1)
    write({("a", PEOPLE[0]): 4.0, ("c", PEOPLE[0]): 2.5}, stamp=2)
    parts = judgement_partitions.table_parts({"ratings": log.parts(), "comparisons": []})
    targets = [Place.at(tmp_path / "parts" / f"{number}.parquet") for number in range(2)]
    files = [judgement_partitions.partition(part, [0], target, KEY) for part, target in zip(parts, targets, strict=True)]
    found = judgement_partitions.read(files, range(BLOCKS), ATTRIBUTES)
    scores = sorted(zip([found.people[person] for person in found.ratings.person], found.ratings.score.tolist(), strict=True))
    assert scores == [(PEOPLE[0], 2.0), (PEOPLE[0], 2.5), (PEOPLE[0], 4.0), (PEOPLE[1], 3.0)]
    drawn = judgement_partitions.draw(parts, 1.0, "ratings", seed=0)
    assert sorted(drawn["score"].to_pylist()) == sorted(log.read()["score"].to_pylist()) == [2.0, 2.5, 3.0, 4.0]


def test_who_is_drawn_comes_with_all_of_their_judgements(workspace: Place) -> None:
    parts = parts_of(workspace)
    whole = tables.read(parts[0].place, tables.RATINGS)
    some = judgement_partitions.draw(parts, 0.4, "ratings", seed=1)
    people = set(some["user_id"].to_pylist())
    assert 4 < len(people) < 30
    assert some.num_rows == sum(user_id in people for user_id in whole["user_id"].to_pylist())
    assert people != set(judgement_partitions.draw(parts, 0.4, "ratings", seed=2)["user_id"].to_pylist())
    assert judgement_partitions.draw(parts, 1.0, "ratings", seed=1).equals(whole)


def test_no_table_has_nobody_and_a_broken_one_is_said(tmp_path: Path) -> None:
    assert judgement_partitions.judged_people([]).people == 0
    (tmp_path / "ratings.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableError, match=r"ratings\.parquet is no readable Parquet file"):
        judgement_partitions.table_parts({"ratings": [Place.at(tmp_path / "ratings.parquet")]})
