"""Cyclic triads counted by hand, and the error rate that explains them."""

import itertools

import numpy as np
import pytest
from support.judgement_rows_double import dataset_of, rows_of

from beholder.quality import transitivity


def triads(made):
    counts = transitivity.triads(rows_of(dataset_of(comparisons=made)))
    return [values.tolist() for values in counts.values()]


def test_a_circle_is_one_cyclic_triad_and_an_order_is_none():
    circle = [("ann", 0, 1, "left"), ("ann", 1, 2, "left"), ("ann", 0, 2, "right")]
    order = [("bob", 0, 1, "left"), ("bob", 1, 2, "left"), ("bob", 0, 2, "left")]
    assert triads(circle + order) == [[1, 1], [1, 0]]


def test_four_images_have_the_circles_of_kendall_and_babington_smith():
    """a > b > c > a, and d loses to all: of four triads one is cyclic. d = C(4,3) - sum of C(wins,2) = 4 - 3 * C(2,2) = 1."""
    made = [("ann", 0, 1, "left"), ("ann", 1, 2, "left"), ("ann", 2, 0, "left")] + [("ann", image, 3, "left") for image in range(3)]
    assert triads(made) == [[4], [1]]


def test_incomplete_triads_ties_and_even_repeats_do_not_count():
    assert triads([("ann", 0, 1, "left"), ("ann", 1, 2, "left")]) == [[0], [0]]
    assert triads([("ann", 0, 1, "left"), ("ann", 1, 2, "left"), ("ann", 0, 2, "tie")]) == [[0], [0]]
    twice = [("ann", 0, 1, "left"), ("ann", 1, 2, "left"), ("ann", 2, 0, "left"), ("ann", 2, 0, "right")]
    assert triads(twice) == [[0], [0]]
    assert triads([*twice, ("ann", 2, 0, "left")]) == [[1], [1]]


def test_of_coin_tosses_a_quarter_is_cyclic():
    rng = np.random.default_rng(4)
    made = [("ann", a, b, "left" if rng.random() < 0.5 else "right") for a, b in itertools.combinations(range(40), 2)]
    total, cyclic = transitivity.triads(rows_of(dataset_of(comparisons=made, images=40))).values()
    assert total == [40 * 39 * 38 / 6]
    spread = np.sqrt(total * 3 / 16)
    assert abs(cyclic - total / 4) < 4 * spread


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5])
def test_the_error_rate_is_found_again_in_the_circles(rate):
    assert transitivity.error_rate(np.array([rate * (1 - rate)])) == pytest.approx([rate])
    rng = np.random.default_rng(5)
    flips = rng.random((200_000, 3)) < rate  # of a > b, b > c, a > c
    cyclic = (flips[:, 0] == flips[:, 1]) & (flips[:, 0] != flips[:, 2])
    assert cyclic.mean() == pytest.approx(rate * (1 - rate), abs=0.003)


def test_more_circles_than_a_coin_makes_are_no_better_than_a_coin():
    assert transitivity.error_rate(np.array([0.4])) == [0.5]
