"""Noticeable differences: what people can't see is little for an encoder of colours, and an edit is more."""

import numpy as np
import pytest
from support.disc_service import CANDIDATES, EDITOR, Colours

from beholder.simulation import noticeable


def test_what_is_not_seen_changes_little():
    pictures = EDITOR.edit(EDITOR.generate([1, 2, 3]), [{}] * 3)
    for changed in noticeable.unseen(pictures):
        assert changed.dtype == np.uint8
        assert 0 < np.abs(changed.astype(int) - pictures).mean() < 12
    np.testing.assert_array_equal(noticeable.unseen(pictures)[3], noticeable.unseen(pictures)[3])


def test_the_just_noticeable_difference_is_below_what_edits_do():
    latents, encoder = EDITOR.generate([1, 2]), Colours()
    pictures = EDITOR.edit(latents, [{}] * 2)
    least = noticeable.just_noticeable_difference(encoder, pictures)
    originals = encoder.images(pictures)
    edited = np.stack([encoder.images(EDITOR.edit(latents[row : row + 1], CANDIDATES.edits())) for row in range(2)])
    assert 0 < least < noticeable.usual_change(originals, edited)


def test_the_usual_change_is_a_root_mean_square():
    assert noticeable.usual_change(np.zeros((1, 2)), np.array([[[3.0, 4.0], [0.0, 0.0]]])) == pytest.approx(np.sqrt(12.5))
