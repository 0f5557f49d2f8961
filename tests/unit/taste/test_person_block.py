"""Blocks of people: padded batches say of everybody what a plain loop over people says, however the people are divided."""

import numpy as np
import pytest
from support.taste_suite import ATTRIBUTES, PEOPLE

from beholder.taste import gaussian, person_block, rating_scale
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.gaussian import Gaussian
from beholder.taste.person_block import ImageDesign, PersonBlock

IMAGES, WIDTH = 30, 5
RNG = np.random.default_rng(8)
DESIGN = ImageDesign(np.r_[RNG.normal(size=(IMAGES, WIDTH)), np.zeros((1, WIDTH))], np.r_[RNG.normal(size=IMAGES), 0.0])
COVARIANCE = np.cov(RNG.normal(size=(WIDTH, 20)))
SEVERAL = [(0, 3), (9, 0), (1, 1), (0, 0), (25, 12), (3, 40), (2, 0), (9, 0)]  # ratings and comparisons of each person


def dataset() -> JudgementDataset:
    """People who rated, who compared, who did both, and one who did nothing, in no order."""
    rater, chooser = (np.repeat(np.arange(len(PEOPLE)), counts) for counts in zip(*SEVERAL, strict=True))
    rater, chooser = RNG.permutation(rater), RNG.permutation(chooser)
    left = RNG.integers(0, IMAGES, len(chooser))
    ratings = RatingTable(rater, RNG.integers(0, IMAGES, len(rater)), 0 * rater, RNG.integers(1, 6, len(rater)).astype(np.float32))
    right = (left + RNG.integers(1, IMAGES, len(left))) % IMAGES
    choices = RNG.choice([0.0, 0.5, 1.0], len(left)).astype(np.float32)
    return JudgementDataset(
        PEOPLE,
        tuple(map(str, range(IMAGES))),
        ATTRIBUTES[:1],
        ratings,
        ComparisonTable(chooser, left, right, 0 * chooser, choices),
    )


def one_by_one(data: JudgementDataset, noise: float, temper: float, steps: int) -> dict[int, Gaussian]:
    """A loop over people, each with a mask over all judgements."""
    scale, prior, found = rating_scale.standardise(data), Gaussian(np.zeros(WIDTH), COVARIANCE), {}
    for person in np.flatnonzero(data.counts()).tolist():
        seen = scale.observations(data.of_person(person), DESIGN.own, DESIGN.shared)
        seen.precisions[:] = 1 / (rating_scale.LOGITS**2 * noise)
        found[person] = gaussian.laplace(prior, np.linalg.inv(COVARIANCE), seen, temper=temper, steps=steps)
    return found


@pytest.mark.parametrize("floats", [1, 400, 2**20])  # people alone, a few, all of them together
@pytest.mark.parametrize(("temper", "steps"), [(1.0, 20), (0.5, 20), (1.0, 1), (1.0, 3)])
def test_everybody_has_the_posterior_of_a_loop_over_people(floats: int, temper: float, steps: int) -> None:
    data = dataset()
    block = PersonBlock.of(data, rating_scale.standardise(data), width=WIDTH, floats=floats)
    assert len(block.batches) == {1: 7, 2**20: 2}.get(floats, len(block.batches))
    expected = one_by_one(data, rating_scale.NOISE, temper, steps)
    seen = set()
    for some in person_block.posteriors(block, DESIGN, COVARIANCE, block.state(WIDTH), temper=temper, steps=steps):
        for person, mean, covariance in zip(block.people[some.rows].tolist(), some.mean, some.covariance, strict=True):
            np.testing.assert_allclose(mean, expected[person].mean, atol=1e-9)
            np.testing.assert_allclose(covariance, expected[person].covariance, atol=1e-9)
            seen.add(person)
    assert seen == expected.keys() == {person for person, counts in enumerate(SEVERAL) if sum(counts)}


def test_noise_and_moments_are_those_of_a_loop_over_people() -> None:
    data = dataset()
    scale = rating_scale.standardise(data)
    block = PersonBlock.of(data, scale, width=WIDTH)
    after, moments = person_block.expect(block, DESIGN, COVARIANCE, None, temper=1.0)
    expected = one_by_one(data, rating_scale.NOISE, 1.0, 3)
    assert moments.count == len(expected)
    np.testing.assert_allclose(moments.square, sum(each.covariance + np.outer(each.mean, each.mean) for each in expected.values()))
    for row, person in enumerate(block.people.tolist()):
        seen = scale.observations(data.of_person(person), DESIGN.own, DESIGN.shared)
        mean, variance = expected[person].project(seen.rating_design)
        errors = ((seen.values - mean) ** 2 + variance).sum() / rating_scale.LOGITS**2
        noise = (errors + 5 * rating_scale.NOISE) / (len(seen.values) + 5) if len(seen.values) else rating_scale.NOISE
        assert after.noise[row] == pytest.approx(noise)


def test_parts_of_the_people_add_up_to_all_of_them() -> None:
    data = dataset()
    scale = rating_scale.standardise(data)
    whole = person_block.expect(PersonBlock.of(data, scale, width=WIDTH), DESIGN, COVARIANCE, None, temper=1.0)
    parts = []
    for some in (np.arange(8) < 3, np.arange(8) >= 3):
        block = PersonBlock.of(data.of_people(some), scale, width=WIDTH)
        parts.append(person_block.expect(block, DESIGN, COVARIANCE, None, temper=1.0))
    np.testing.assert_allclose(np.concatenate([part[0].mean for part in parts]), whole[0].mean, atol=1e-10)
    together = parts[0][1] + parts[1][1]
    assert together.count == whole[1].count
    np.testing.assert_allclose(together.square, whole[1].square, atol=1e-10)
