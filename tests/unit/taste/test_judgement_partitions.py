"""Partitions: every judgement is in the block of its person, and a block is read without the others."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import tables
from beholder.errors import TableError
from beholder.storage import Place
from beholder.taste import dataset as judgement_dataset
from beholder.taste import judgement_partitions
from beholder.taste.judgement_partitions import PartitionKey
from beholder.taste.person_shards import blocks_of

PEOPLE = [f"person {number}" for number in range(40)]
IMAGES = [f"image {number}" for number in range(12)]
ATTRIBUTES = ("attractive", "smart")
BLOCKS, SEED = 5, 3
KEY = PartitionKey(pa.array(IMAGES), ATTRIBUTES, BLOCKS, SEED)


@pytest.fixture
def workspace(tmp_path: Path) -> Place:
    rng = np.random.default_rng(0)

    def columns(count: int) -> dict[str, list[str]]:
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


def rows(data: judgement_dataset.JudgementDataset) -> list[tuple]:
    """Judgements by names, in some order."""
    rated, compared = data.ratings, data.comparisons
    found = [
        (data.people[p], i, data.attributes[a], s)
        for p, i, a, s in zip(rated.person, rated.image, rated.attribute, rated.score, strict=True)
    ]
    found += [
        (data.people[p], left, right, data.attributes[a], c) for p, left, right, a, c in zip(*vars(compared).values(), strict=True)
    ]
    return sorted(found, key=str)


def test_blocks_hold_each_judgement_once_with_its_person(workspace, tmp_path):
    places = judgement_partitions.places(workspace)
    judged = judgement_partitions.judged_people(places)
    assert (judged.people, judged.attributes) == (len(PEOPLE), ATTRIBUTES)
    assert judged.rows == {"ratings": (70, 70, 70, 70, 20), "comparisons": (70, 50)}
    files = []
    for kind, groups in (("ratings", [0, 1]), ("ratings", [2, 3, 4]), ("comparisons", [0, 1])):
        target = Place.at(tmp_path / "parts" / f"{len(files)}.parquet")
        files.append(judgement_partitions.partition(places[kind], kind, groups, target, KEY))
    whole, left_out = judgement_dataset.from_tables(
        tables.read(places["ratings"], tables.RATINGS), tables.read(places["comparisons"], tables.COMPARISONS), IMAGES
    )
    found = []
    for block in range(BLOCKS):
        part = judgement_partitions.read(files, [block], ATTRIBUTES)
        assert (blocks_of(part.people, blocks=BLOCKS, seed=SEED) == block).all()
        found += rows(part)
    assert sorted(found, key=str) == rows(whole)
    assert sum(each.left_out for each in files) == left_out > 0
    assert rows(judgement_partitions.read(files, range(BLOCKS), ATTRIBUTES)) == rows(whole)


def test_who_is_drawn_comes_with_all_of_their_judgements(workspace):
    place = judgement_partitions.places(workspace)["ratings"]
    whole = tables.read(place, tables.RATINGS)
    some = judgement_partitions.draw(place, 0.4, tables.RATINGS, seed=1)
    people = set(some["user_id"].to_pylist())
    assert 4 < len(people) < 30
    assert some.num_rows == sum(user_id in people for user_id in whole["user_id"].to_pylist())
    assert people != set(judgement_partitions.draw(place, 0.4, tables.RATINGS, seed=2)["user_id"].to_pylist())
    assert judgement_partitions.draw(place, 1.0, tables.RATINGS, seed=1).equals(whole)


def test_no_table_has_nobody_and_a_broken_one_is_said(tmp_path):
    places = judgement_partitions.places(Place.at(tmp_path))
    assert judgement_partitions.judged_people(places).people == 0
    (tmp_path / "ratings.parquet").write_bytes(b"no parquet")
    with pytest.raises(TableError, match=r"ratings\.parquet is no readable Parquet file"):
        judgement_partitions.judged_people(places)
