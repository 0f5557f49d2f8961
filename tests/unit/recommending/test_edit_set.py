"""Edit sets and comparisons: finite numbers of the right shapes, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from support.ranker_suite import edit_set

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet


@pytest.mark.parametrize("field", ["alphas", "embeddings", "original"])
def test_numbers_that_are_not_finite_are_refused(field):
    good = edit_set(3, 1)
    bad = {field: np.full_like(getattr(good, field), np.nan)}
    with pytest.raises(ChoiceError, match="finite"):
        replace(good, **bad)


def test_wrong_shapes_are_refused():
    good = edit_set(3, 1)
    with pytest.raises(ChoiceError, match="a column for each direction"):
        replace(good, directions=("smile",))
    with pytest.raises(ChoiceError, match="an embedding for each of 3"):
        replace(good, embeddings=good.embeddings[:2])
    with pytest.raises(ChoiceError, match=r"original's embedding \[6\]"):
        replace(good, original=good.original[:5])
    with pytest.raises(ChoiceError, match="outcome must be"):
        Comparison("ana", "face", good[0], good[1], 0.7)
    with pytest.raises(ChoiceError, match="one edit on each side"):
        Comparison("ana", "face", good, good[1], 1.0)


def test_the_unedited_image_is_an_edit_set_of_one_row():
    unedited = edit_set(3, 1).unedited
    assert isinstance(unedited, EditSet)
    assert not unedited.alphas.any()
    np.testing.assert_array_equal(unedited.embeddings[0], unedited.original)
