"""Krippendorff's alpha has the values that Krippendorff published; people who are alike stand together."""

import numpy as np
import pytest

from beholder.quality import agreement

# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example D: four observers, twelve units, some values missing.
NAN = np.nan
EXAMPLE_D = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def rated(matrix):
    _, unit = np.nonzero(np.isfinite(matrix))
    return unit, matrix[np.isfinite(matrix)]


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_what_krippendorff_published(metric, published):
    found = agreement.alpha(*rated(EXAMPLE_D), metric=metric)
    assert found.mean == pytest.approx(published, abs=0.0005)
    assert found.low < found.mean < found.high <= 1


def test_alpha_of_binary_data_of_two_observers_is_what_krippendorff_published():
    """Example B of the same text: ten units, two observers, alpha = 0.095."""
    two = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], float)
    assert agreement.alpha(*rated(two), metric="nominal").mean == pytest.approx(0.095, abs=0.0005)


def test_alpha_is_one_where_all_agree_and_about_zero_for_dice():
    rng = np.random.default_rng(3)
    unit, same = np.repeat(np.arange(40), 3), np.repeat(np.arange(40) % 4, 3).astype(float)
    assert agreement.alpha(unit, same).mean == 1
    found = agreement.alpha(np.repeat(np.arange(400), 3), rng.integers(1, 5, 1200).astype(float))
    assert found.low < 0 < found.high
    assert abs(found.mean) < 0.06


@pytest.mark.parametrize(("unit", "value"), [([], []), ([0, 1, 2], [1.0, 2.0, 3.0]), ([0, 0, 1, 1], [2.0, 2.0, 2.0, 2.0])])
def test_alpha_is_nan_where_nothing_could_disagree(unit, value):
    found = agreement.alpha(np.array(unit, np.int64), np.array(value))
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_a_slider_has_about_the_alpha_of_its_steps():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    unit = np.repeat(np.arange(300), 4)
    felt = truth[unit] + 0.5 * rng.normal(size=1200)
    fine, coarse = (agreement.alpha(unit, values).mean for values in (felt, np.round(felt, 1)))
    assert fine == pytest.approx(coarse, abs=0.01)
    assert 0.7 < fine < 0.9


def test_people_who_are_alike_stand_together():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 50))
    people = np.stack([one, other, one, other, one]) + 0.1 * rng.normal(size=(5, 50))
    correlation, order = agreement.clustered(people)
    assert sorted(order.tolist()) == list(range(5))
    assert {tuple(sorted(order[:2].tolist())), tuple(sorted(order[:3].tolist()))} & {(1, 3), (0, 2, 4)}
    assert correlation[0, 2] > 0.9
    np.testing.assert_allclose(np.diag(correlation), 1)
