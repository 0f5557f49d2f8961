"""Splits: nothing of a test is in training; dataset from tables; the pairs that ratings imply."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.taste_suite import simulate

from beholder import tables
from beholder.errors import TasteError
from beholder.taste import splits
from beholder.taste.dataset import RatingTable, from_tables, implied_comparisons, join

EVIDENCE = simulate(images=60, comparisons=500, ratings=300).train


def images(dataset) -> set[int]:
    return {*dataset.ratings.image.tolist(), *dataset.comparisons.left.tolist(), *dataset.comparisons.right.tolist()}


@given(seed=st.integers(0, 1000))
def test_by_image_no_image_is_in_two_parts(seed):
    train, val, test = splits.by_image(EVIDENCE, seed=seed)
    assert not images(train) & images(val)
    assert not images(train) & images(test)
    assert not images(val) & images(test)
    assert len(train.ratings) + len(val.ratings) + len(test.ratings) == len(EVIDENCE.ratings)


@given(seed=st.integers(0, 1000))
def test_by_pair_every_judgement_is_in_one_part(seed):
    parts = splits.by_pair(EVIDENCE, seed=seed)
    assert sum(len(part) for part in parts) == len(EVIDENCE)
    assert images(parts[0]) & images(parts[2])  # which is why it flatters


@given(seed=st.integers(0, 1000))
def test_by_person_nobody_is_in_two_parts(seed):
    one, other = splits.by_person(EVIDENCE, seed=seed, shares=(0.5, 0.5))
    assert not (one.counts() > 0) @ (other.counts() > 0)
    assert len(one) + len(other) == len(EVIDENCE)


def test_by_table_as_it_says():
    parts = ["train", "val", "test", ""] * 15
    split = splits.by_table(EVIDENCE, parts)
    assert all(image % 4 == 1 for image in images(split.val))
    with pytest.raises(TasteError, match="60 images, got 3"):
        splits.by_table(EVIDENCE, ["train"] * 3)


@pytest.mark.parametrize("shares", [(0.5, 0.6), (1.0, 0.0)])
def test_shares_have_to_sum_to_one(shares):
    with pytest.raises(TasteError, match="sum to 1"):
        splits.by_image(EVIDENCE, seed=0, shares=shares)


def test_what_is_divided_can_be_joined():
    parts = splits.by_pair(EVIDENCE, seed=1)
    assert len(join(join(parts[0], parts[1]), parts[2])) == len(EVIDENCE)
    with pytest.raises(TasteError, match="can be joined where"):
        join(parts[0], simulate(images=30, comparisons=10, ratings=10).train)


def test_ratings_imply_the_pairs_that_differ():
    rated = RatingTable(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 1]), np.zeros(5, np.int64), np.array([1, 3, 3, 2, 2.0]))
    dataset = EVIDENCE.select(np.zeros(0, np.int64), np.zeros(0, np.int64))
    dataset = type(dataset)(dataset.people, dataset.images, dataset.attributes, rated, dataset.comparisons)
    pairs = implied_comparisons(dataset, at_most=10, seed=0)
    said = {
        (int(p), int(a), int(b), float(c)) for p, a, b, c in zip(pairs.person, pairs.left, pairs.right, pairs.choice, strict=True)
    }
    assert said == {(0, 0, 1, 0.0), (0, 0, 2, 0.0)}
    assert len(implied_comparisons(dataset, at_most=1, seed=0)) == 1


def test_judgements_of_images_without_an_embedding_are_counted_out():
    ratings = pa.Table.from_pylist(
        [
            {"judgement_id": "1", "user_id": "ana", "image_id": "a", "attribute": "smart", "score": 3.0},
            {"judgement_id": "2", "user_id": "ben", "image_id": "gone", "attribute": "smart", "score": 1.0},
        ],
        schema=tables.RATINGS,
    )
    comparisons = pa.Table.from_pylist(
        [
            {
                "judgement_id": "3", "user_id": "ben", "left_id": "a", "right_id": "b", "attribute": "attractive", "choice": "tie",
            }
        ],
        schema=tables.COMPARISONS,
    )  # fmt: skip
    dataset, lost = from_tables(ratings, comparisons, ["b", "a"])
    assert lost == 1
    assert dataset.people == ("ana", "ben")
    assert dataset.attributes == ("attractive", "smart")
    assert dataset.ratings.image.tolist() == [1]
    assert dataset.comparisons.choice.tolist() == [0.5]
    assert (dataset.comparisons.left.tolist(), dataset.comparisons.right.tolist()) == ([1], [0])
    assert len(from_tables(ratings, comparisons, ["b", "a"], attributes=["smart"])[0]) == 1
    with pytest.raises(TasteError, match="none of the 3 judgements"):
        from_tables(ratings, comparisons, ["other"])
