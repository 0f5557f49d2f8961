"""Zero-shot answers: weights that held-out attributes bear out, and CLIP alone where they don't."""

import numpy as np
import pytest

from beholder.errors import TasteError
from beholder.statistics import sigmoid
from beholder.taste.zero_shot import PARTS, HeldOutAttribute, ZeroShotAnswers, ZeroShotWeights, learn


def attribute(weights, *, seed, pairs=600, people=30, parts=None):
    """Choices made by these weights of PARTS; `parts`: those that a fit sees, others have nothing to do with the choices."""
    rng = np.random.default_rng(seed)
    differences = rng.normal(size=(pairs, len(PARTS)))
    choice = (rng.random(pairs) < sigmoid(differences @ np.array(weights))).astype(float)
    return HeldOutAttribute(differences, choice, rng.integers(0, people, pairs))


def test_a_mixture_that_holds_on_every_attribute_is_found():
    true = [1.0, 0.0, 0.5, 1.0, 0.8]
    found = learn([attribute(true, seed=seed) for seed in range(3)])
    np.testing.assert_allclose(found.values, true, atol=0.25)
    assert found.values.min() >= 0


def test_where_nothing_but_clip_tells_clip_alone_answers():
    found = learn([attribute([1.5, 0, 0, 0, 0], seed=seed) for seed in range(3)])
    assert (found.values[1:] == 0).all()
    assert found["clip"] == pytest.approx(1.5, abs=0.25)
    assert not found.adapted
    assert not found.attributes


def test_what_helps_on_one_attribute_and_harms_on_another_is_not_mixed_in():
    found = learn([attribute([1.0, 0, 0, 1.0, 0], seed=0), attribute([1.0, 0, 0, -1.0, 0], seed=1)])
    assert (found.values[1:] == 0).all()


def test_one_attribute_tells_no_more_than_the_scale_of_clip_and_none_not_even_that():
    assert (learn([attribute([1.0, 0, 0, 3.0, 0], seed=0)]).values[1:] == 0).all()
    assert learn([]).values.tolist() == [1, 0, 0, 0, 0]
    nothing = HeldOutAttribute(np.zeros((0, 5)), np.zeros(0), np.zeros(0, np.int64))
    assert learn([nothing]).values.tolist() == [1, 0, 0, 0, 0]


def test_a_mixture_is_the_weighted_sum_for_each_person():
    answers = ZeroShotAnswers(
        np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones(2), np.zeros((2, 2))
    )
    assert ZeroShotWeights(np.array([2.0, 1.0, 10.0, 0.5, 1.0])).mix(answers).tolist() == [[15.5, 9.5], [5.5, 19.5]]
    assert ZeroShotWeights.of_adapted().mix(answers).tolist() == [[4, 5], [3, 6]]


@pytest.mark.parametrize("values", [[1, 0, 0, 0], [1, 0, 0, 0, -1], [np.nan, 0, 0, 0, 0]])
def test_weights_that_can_not_be_are_refused(values):
    with pytest.raises(TasteError, match="expected 5 weights"):
        ZeroShotWeights(np.array(values, float))
