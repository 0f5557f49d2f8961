"""Sides and scores, counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement_rows_double import dataset_of, rows_of

from beholder.quality import response_bias


def test_left_choices_are_counted_and_ties_are_not():
    made = [("ann", 0, 1, "left"), ("ann", 2, 3, "left"), ("ann", 4, 5, "right"), ("ann", 6, 7, "tie"), ("bob", 0, 1, "right")]
    counts = response_bias.position(rows_of(dataset_of(comparisons=made)))
    assert counts["left"].tolist() == [2, 0]
    assert counts["left.pairs"].tolist() == [3, 1]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["left", "right", "tie"])), min_size=1, max_size=30)
)
def test_exchanging_the_sides_mirrors_the_bias(made):
    other = {"left": "right", "right": "left", "tie": "tie"}
    one = response_bias.position(rows_of(dataset_of(comparisons=[("ann", a, b, c) for a, b, c in made])))
    two = response_bias.position(rows_of(dataset_of(comparisons=[("ann", b, a, other[c]) for a, b, c in made])))
    assert one["left.pairs"] == two["left.pairs"]
    assert one["left"] + two["left"] == pytest.approx(one["left.pairs"])


def test_scores_of_one_kind_have_no_entropy_and_one_long_run():
    ratings = [("ann", image, 3) for image in range(8)] + [("bob", image, 1 + image % 4) for image in range(8)]
    rows = rows_of(dataset_of(ratings=ratings))
    score = np.array([score for *_, score in ratings], float)
    found = response_bias.straight_lining(rows, score, np.arange(16), levels=np.array([4]))
    assert found["same_score"].tolist() == [8, 2]
    assert found["same_score.ratings"].tolist() == [8, 8]
    assert (found["entropy.sum"] / 8).tolist() == pytest.approx([0, 1])
    assert found["run"].tolist() == [8, 1]


@pytest.mark.parametrize(("values", "longest"), [([], 0), ([1], 1), ([1, 1, 2], 2), ([1, 2, 2, 2, 1, 1], 3)])
def test_the_longest_run(values, longest):
    assert response_bias.longest_run(np.array(values)) == longest


def test_the_probability_of_a_run_is_at_least_that_of_shuffled_scores():
    rng = np.random.default_rng(2)
    values = np.repeat([1, 2, 3], [20, 10, 10])
    share = np.array([0.5, 0.25, 0.25])
    runs = np.array([response_bias.longest_run(rng.permutation(values)) for _ in range(2000)])
    for run in (6, 8, 10):
        bound = response_bias.run_probability(share, 40, run)
        assert (runs >= run).mean() <= bound + 0.02
    assert response_bias.run_probability(share, 40, 20) < 1e-4
