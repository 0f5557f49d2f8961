"""Comparisons beside the person's own ratings, and items judged again, counted by hand."""

import numpy as np
from support.judgement_rows_double import dataset_of, rows_of

from beholder.quality import consistency

RATINGS = [("ann", 0, 1), ("ann", 1, 2), ("ann", 2, 2), ("ann", 3, 4), ("bob", 0, 3)]


def test_the_share_that_goes_the_same_way_is_counted_ties_apart():
    made = [
        ("ann", 3, 0, "left"),  # 4 over 1, chosen
        ("ann", 0, 1, "left"),  # 1 over 2, chosen all the same
        ("ann", 1, 2, "left"),  # rated alike
        ("ann", 1, 3, "tie"),  # rated 2 and 4, a tie
        ("ann", 3, 5, "left"),  # 5 was never rated
        ("bob", 0, 1, "left"),  # 1 was not rated by bob
    ]
    counts = consistency.consistency(rows_of(dataset_of(ratings=RATINGS, comparisons=made)))
    assert {name: values.tolist() for name, values in counts.items()} == {
        "consistency.right": [1, 0],
        "consistency.pairs": [2, 0],
        "consistency.equal": [1, 0],
        "consistency.ties": [1, 0],
    }


def test_an_image_rated_twice_counts_by_the_mean():
    ratings = [("ann", 0, 1), ("ann", 0, 4), ("ann", 1, 2), ("ann", 2, 3)]
    made = [("ann", 0, 1, "left"), ("ann", 0, 2, "left")]
    counts = consistency.consistency(rows_of(dataset_of(ratings=ratings, comparisons=made)))
    assert counts["consistency.right"] == [1]
    assert counts["consistency.pairs"] == [2]


def test_repeats_are_found_with_sides_exchanged_too():
    made = [
        ("ann", 0, 1, "left"),
        ("ann", 1, 0, "right"),  # exchanged, the same image
        ("ann", 0, 1, "right"),  # exchanged once more, the other image
        ("ann", 2, 3, "tie"),
        ("ann", 2, 3, "tie"),  # the same again
    ]
    data = dataset_of(ratings=[("ann", 4, 2), ("ann", 4, 3), ("ann", 5, 1), ("ann", 5, 1)], comparisons=made)
    counts = consistency.retest(rows_of(data), np.arange(9))
    assert {name: values.tolist() for name, values in counts.items()} == {
        "retest.repeats": [5],
        "retest.same": [3],
        "retest.swapped": [2],
        "retest.swapped_same": [1],
    }


def test_nobody_who_only_rated_has_a_consistency():
    rows = rows_of(dataset_of(ratings=RATINGS))
    assert all((values == 0).all() for values in consistency.consistency(rows).values())
    assert all((values == 0).all() for values in consistency.retest(rows, np.arange(len(rows))).values())
