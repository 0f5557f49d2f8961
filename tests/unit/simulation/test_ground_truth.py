"""The ground truth: drawn once and kept, of the images and latents that it is said to be of."""

import numpy as np
from support.ground_truth_double import CANDIDATES, EDITOR, drawn
from support.surrogate_double import Colours


class Counting(Colours):
    """An encoder that counts pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def images(self, pixels):
        self.seen += len(pixels)
        return super().images(pixels)


def test_images_are_drawn_once(tmp_path):
    encoder = Counting()
    first = drawn(tmp_path, encoder)
    again = drawn(tmp_path, encoder)
    assert encoder.seen == 2 * 61
    assert len(again) == 2
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    true = Colours().images(EDITOR.edit(EDITOR.generate([5]), [CANDIDATES.edit(7)]))
    np.testing.assert_allclose(again.embeddings[1, 7], true[0], atol=1e-3)


def test_other_latents_can_be_drawn(tmp_path):
    drawn(tmp_path)
    other = drawn(tmp_path, made_for="discs, others", latents=lambda seeds: EDITOR.generate([seed + 100 for seed in seeds]))
    true = Colours().images(EDITOR.edit(EDITOR.generate([103]), [{}]))
    np.testing.assert_allclose(other.original_embeddings[0], true[0], atol=1e-3)
