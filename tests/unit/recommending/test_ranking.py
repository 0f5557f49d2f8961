"""The recommender on discs: it finds the edit that a known taste likes best, draws it, and leaves alone what is best as it is."""

from dataclasses import replace

import numpy as np
import pytest
from store_suite import answer, question

from beholder.editing.fake import FakeEditor
from beholder.errors import ConfigError, EditError
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.ranking import RecommendConfig, best, ranked, recommend
from beholder.recommending.store.question import Choice
from beholder.recommending.studio import Studio

EDITOR = FakeEditor(16)
CANDIDATES = candidates(EDITOR.directions, CandidatesConfig(count=80))


class Colours:
    """An encoder: the picture's mean colour and how bright its middle is, as a row of length 1."""

    def images(self, pixels: np.ndarray) -> np.ndarray:
        found = np.concatenate([pixels.mean(axis=(1, 2)), pixels[:, 8, 8].astype(float)], axis=1)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


class Drawing:
    """A perception that draws what it is asked; `off` is how wrong it is, and `asked` how often it was asked."""

    def __init__(self, off: float = 0.0):
        self.off, self.asked = off, 0

    def embeddings(self, latent, alphas, *, directions=None, original=None):
        self.asked += 1
        edits = [dict(zip(directions, map(float, row), strict=True)) for row in alphas]
        found = Colours().images(EDITOR.edit(latent, edits))
        return found + self.off * np.random.default_rng(0).normal(size=found.shape).astype(np.float32)


class Redness(Ranker):
    """A ranker that likes red, as the embedding shows it, and knows its doubt."""

    def __init__(self, sign: float = 1.0):
        self.info, self.sign = RankerInfo("redness", CANDIDATES.directions, 6), sign

    def update(self, comparison):
        raise NotImplementedError

    def joint(self, user_id, edit_set):
        self.info.check(edit_set)
        mean = 10 * self.sign * edit_set.embeddings[:, 3].astype(float)
        return JointNormal(mean, np.abs(edit_set.alphas).sum(axis=1, keepdims=True) * 0.1)

    def tensors(self):
        return {}

    def settings(self):
        return {}


def studio(off: float = 0.0) -> Studio:
    return Studio(EDITOR, Colours(), Drawing(off), CANDIDATES)


@pytest.fixture
def latent():
    return EDITOR.generate([3])


def best_of_all(latent, sign: float = 1.0) -> float:
    drawn = Colours().images(EDITOR.edit(latent, CANDIDATES.edits()))
    return float((10 * sign * drawn[:, 3]).max() - 10 * sign * Colours().images(EDITOR.edit(latent, [{}]))[0, 3])


def test_it_finds_the_best_edit_and_shows_it(latent):
    ours = studio()
    found = recommend(ours, Redness(), "ana", ours.look("seed-3", latent))
    assert found[0].utility == pytest.approx(best_of_all(latent), abs=1e-4)
    assert np.array_equal(found[0].picture, EDITOR.edit(latent, [found[0].edit])[0])
    assert [each.utility for each in found] == sorted((each.utility for each in found), reverse=True)
    assert len(found) == 8
    assert 0.5 < found[0].probability < 1
    assert found[0].uncertainty == pytest.approx(0.1 * sum(map(abs, found[0].edit.values())), rel=1e-5)


def test_what_it_perceives_wrongly_is_put_right_by_drawing(latent):
    ours = studio(off=0.02)
    found = recommend(ours, Redness(), "ana", ours.look("seed-3", latent), RecommendConfig(exact=20))
    assert found[0].utility == pytest.approx(best_of_all(latent), rel=0.1)
    true = [10 * (Colours().images(each.picture[None])[0, 3] - Colours().images(EDITOR.edit(latent, [{}]))[0, 3]) for each in found]
    assert [each.utility for each in found] == pytest.approx(true, abs=1e-4)


def test_an_image_that_nothing_makes_better_is_left_as_it_is(latent):
    class Content(Redness):
        def joint(self, user_id, edit_set):
            moved = np.abs(edit_set.alphas).sum(axis=1)
            return JointNormal(-moved.astype(float), np.zeros((len(edit_set), 0)))

    ours = studio()
    view = ours.look("seed-3", latent)
    found = recommend(ours, Content(), "ana", view)
    assert (found[0].edit, found[0].probability) == ({}, 0.5)
    assert np.array_equal(found[0].picture, view.picture)
    assert all(each.probability < 0.5 for each in found[1:])


def test_an_image_is_perceived_once_whoever_asks(latent):
    ours = studio()
    view = ours.look("seed-3", latent)
    for user_id in ("ana", "bo", "cy"):
        recommend(ours, Redness(), user_id, view)
    assert ours.perception.asked == 1


def test_a_choice_reaches_the_ranker_as_it_was(latent):
    ours = studio()
    view = ours.look("face-1", latent)
    asked = question(1, left={"redder": 1.5, "larger": -2.0}, right={})
    comparison = ours.comparison(Choice(asked, answer(1, "right"), 1), view)
    assert (comparison.user_id, comparison.image_id, comparison.outcome) == ("ana", "face-1", 0.0)
    assert comparison.left.alphas.tolist() == [[1.5, 0, 0, -2.0, 0]]
    assert not comparison.right.alphas.any()
    drawn = Colours().images(EDITOR.edit(latent, [{"redder": 1.5, "larger": -2.0}]))
    np.testing.assert_allclose(comparison.left.embeddings, drawn, atol=1e-6)


def test_a_direction_that_it_does_not_know_is_said(latent):
    ours = studio()
    with pytest.raises(EditError, match="reder is not a direction"):
        ours.comparison(Choice(question(1, left={"reder": 1.0}), answer(1), 1), ours.look("face-1", latent))


def test_choices_that_cannot_be_understood_are_counted(latent):
    ours = studio()
    views = {"face-1": ours.look("face-1", latent)}
    elsewhere = replace(question(3, left={"redder": 1.0}), image_id="face-2")
    asked = [question(1, left={"redder": 1.0}), question(2, left={"reder": 1.0}), elsewhere]

    def see(image_id):
        if image_id not in views:
            raise EditError("gone")
        return views[image_id]

    comparisons, lost = ours.comparisons([Choice(each, answer(number), number) for number, each in enumerate(asked, 1)], see)
    assert ([comparison.image_id for comparison in comparisons], lost) == (["face-1"], 2)


def test_the_parts_of_a_recommendation_are_the_whole(latent):
    ours, ranker = studio(), Redness()
    view = ours.look("seed-3", latent)
    rows = best(ranker, "ana", view.edit_set)
    scores = ranked(ranker, "ana", view.edit_set[rows])
    whole = recommend(ours, ranker, "ana", view)
    assert [CANDIDATES.edit(int(rows[score.row])) for score in scores] == [found.edit for found in whole]


def test_at_least_one_edit_has_to_be_drawn():
    with pytest.raises(ConfigError, match=r"recommend.exact must be at least 1, got 0"):
        RecommendConfig(exact=0)
