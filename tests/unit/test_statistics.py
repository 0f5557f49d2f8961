"""Statistics: known values, scipy's, and intervals that hold what they promise."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from beholder.statistics import (
    Interval,
    bootstrap,
    bootstrap_clusters,
    bootstrap_columns,
    bootstrap_pairs,
    bootstrap_two_way,
    log_likelihood,
    log_loss,
    sigmoid,
    spearman,
)


def test_sigmoid_is_the_logistic_function_and_never_overflows():
    assert sigmoid(0.0) == 0.5
    np.testing.assert_allclose(sigmoid(np.array([-1e4, -2.0, 1e4])), [0, 1 / (1 + math.exp(2)), 1])


def test_log_loss_is_that_of_logistic_choices():
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(math.log(2))
    assert log_loss(np.array([2.0]), np.array([0.5])) == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2)
    np.testing.assert_allclose(log_likelihood(np.array([1000, -1000], np.float32), np.array([1.0, 1.0])), [0, -1000])


def test_bootstrap_finds_the_interval_of_a_normal_mean():
    values = np.random.default_rng(0).normal(0.3, 1, 400)
    found = bootstrap(np.r_[values, np.nan], seed=1)
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert bootstrap(values, seed=1) == found


def test_bootstrap_of_nothing_is_not_a_number():
    assert math.isnan(bootstrap(np.array([np.nan])).mean)


def test_columns_are_drawn_together():
    values = np.random.default_rng(0).normal(size=(60, 2))
    first, second = bootstrap_columns(np.c_[values[:, 0], values[:, 0] + 1])
    assert [second.low - first.low, second.high - first.high] == pytest.approx([1, 1])
    assert first.low == pytest.approx(bootstrap(values[:, 0]).low)


def test_a_two_way_interval_allows_for_rows_and_for_columns():
    by_row = np.repeat(np.array([0.0, 1.0] * 8)[:, None], 50, axis=1)
    for values in (by_row, by_row.T):
        found = bootstrap_two_way(values)
        assert found.mean == 0.5
        assert 0.2 < found.low < 0.32
        assert 0.68 < found.high < 0.8


def test_an_interval_over_pairs_allows_for_people_and_for_images():
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 50)
    left, right = rng.integers(0, 30, 2000), rng.integers(30, 60, 2000)
    by_person, by_image = (effect[which] for effect, which in ((rng.normal(size=40), person), (rng.normal(size=60), left)))
    for values, spread in ((by_person, 1 / np.sqrt(40)), (by_image, 1 / np.sqrt(30))):
        found = bootstrap_pairs(values, person, left, right)
        assert found.mean == pytest.approx(values.mean())
        assert found.high - found.low == pytest.approx(2 * 1.96 * spread * 0.95, rel=0.25)
    over_people = bootstrap(by_image.reshape(40, 50).mean(axis=1))
    both = bootstrap_pairs(by_image, person, left, right)
    assert both.high - both.low > 2 * (over_people.high - over_people.low)  # what images share is no certainty


def test_a_mean_over_pairs_is_that_over_people_and_without_pairs_it_is_no_number():
    found = bootstrap_pairs(np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 9]), np.arange(4), np.arange(4) + 4)
    assert found.mean == 0.5
    assert math.isnan(bootstrap_pairs(np.zeros(0), *(np.zeros(0, np.int64) for _ in range(3))).mean)


def test_rank_correlations_are_scipys_with_ties_and_without():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(3, 40)), rng.normal(size=(3, 40)).round(0)
    expected = [spearmanr(one, other).statistic for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(spearman(first, second), expected)
    assert np.isnan(spearman(first[0], np.ones(40)))


def test_an_interval_reads_as_text():
    assert str(Interval(0.01234, -0.1, 0.2)) == "+0.0123 [-0.1000, +0.2000]"


def test_an_interval_over_clusters_is_as_wide_as_they_differ():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(30), 10)
    values = (rng.normal(size=30)[clusters] + 0.1 * rng.normal(size=300))[:, None]
    (interval,) = bootstrap_clusters(values, clusters)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / np.sqrt(30), rel=0.25)
    (alone,) = bootstrap_clusters(values, np.arange(300))
    assert alone.high - alone.low == pytest.approx(bootstrap_columns(values)[0].high - bootstrap_columns(values)[0].low, rel=0.1)
