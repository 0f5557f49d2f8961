"""Figures of perceptions: a perfect one has no regret, a blind one has, and the rest is known by hand or from scipy."""

import numpy as np
import pytest
from support.surrogate_double import Colours

from beholder.editing.fake import FakeEditor
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.edit_set import EditSet
from beholder.simulation import simulated_people, surrogate_error
from beholder.simulation.ground_truth import GroundTruth, open_ground_truth
from beholder.storage import Place

EDITOR = FakeEditor(16)
CANDIDATES = candidates(EDITOR.directions, CandidatesConfig(count=60))


class Counting(Colours):
    """An encoder that counts pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def images(self, pixels):
        self.seen += len(pixels)
        return super().images(pixels)


def hang(folder, encoder=None, **more) -> GroundTruth:
    read = more.pop("read", lambda pixels: pixels[:, 8, 8].astype(np.float32))
    settings = {"candidates": CANDIDATES, "seeds": (3, 5), "made_for": "discs"} | more
    return open_ground_truth(Place.at(folder), EDITOR, encoder or Colours(), read, **settings)


def test_a_gallery_is_drawn_once(tmp_path):
    encoder = Counting()
    first = hang(tmp_path, encoder)
    again = hang(tmp_path, encoder)
    assert encoder.seen == 2 * 61
    assert len(again) == 2
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    true = Colours().images(EDITOR.edit(EDITOR.generate([5]), [CANDIDATES.edit(7)]))
    np.testing.assert_allclose(again.embeddings[1, 7], true[0], atol=1e-3)


def test_a_gallery_can_hang_other_latents(tmp_path):
    hang(tmp_path)
    other = hang(tmp_path, made_for="discs, others", latents=lambda seeds: EDITOR.generate([seed + 100 for seed in seeds]))
    true = Colours().images(EDITOR.edit(EDITOR.generate([103]), [{}]))
    np.testing.assert_allclose(other.base_embeddings[0], true[0], atol=1e-3)


def test_what_is_told_rightly_has_no_regret(tmp_path):
    gallery = hang(tmp_path)
    told = [simulated_people.edit_set(gallery, image) for image in range(2)]
    found = surrogate_error.compare(told, gallery, surrogate_error.any_tastes(12, 5, seed=1))
    assert found.rank_correlation.shape == found.regret.shape == (2, 5)
    np.testing.assert_allclose(found.rank_correlation, 1)
    np.testing.assert_array_equal(found.regret, 0)
    assert set(surrogate_error.missed(told, gallery).values()) == {0.0}


def test_one_who_tells_the_opposite_picks_the_worst(tmp_path):
    gallery = hang(tmp_path)
    told = [simulated_people.edit_set(gallery, image) for image in range(2)]
    told = [EditSet(each.alphas, -each.embeddings, each.directions, each.original) for each in told]
    found = surrogate_error.compare(told, gallery, surrogate_error.any_tastes(12, 5, seed=1), final=1)
    np.testing.assert_allclose(found.rank_correlation, -1)
    np.testing.assert_allclose(found.regret, 1)


def test_one_who_sees_no_edit_misses_all_of_it(tmp_path):
    gallery = hang(tmp_path)
    told = [simulated_people.edit_set(gallery, image) for image in range(2)]
    blind = [EditSet(each.alphas, np.tile(each.original, (60, 1)), each.directions, each.original) for each in told]
    assert surrogate_error.missed(blind, gallery) == {name: pytest.approx(1.0) for name in EDITOR.directions}


def test_regret_is_what_the_pick_lacks_as_a_share_of_the_range():
    truths = np.array([[0.0, 1.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    guesses = np.array([[0.5, 0.4, 0.3, 0.1], [0.0, 1.0, 2.0, 3.0]])
    np.testing.assert_allclose(surrogate_error.regrets(guesses, truths, final=2), [0.75, 0])
    np.testing.assert_allclose(surrogate_error.regrets(guesses, truths, final=4), [0, 0])


def test_goals_are_known_by_their_names():
    assert surrogate_error.reached("seeds/people/rank_correlation", 0.9) is True
    assert surrogate_error.reached("seeds/people/regret", 0.021) is False
    assert surrogate_error.reached("seconds_exact", 9.0) is None
