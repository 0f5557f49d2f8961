"""Ranking on discs: it finds the edit that a known taste likes best, and leaves alone what is best as it is."""

from dataclasses import replace

import numpy as np
import pytest
from support.disc_service import CANDIDATES, EDITOR, Colours, DrawingSurrogate
from support.partial_doubles import PartialRanker
from support.store_suite import answer, question

from beholder.errors import ConfigError, EditError
from beholder.recommending.edit_features import EditableImage, EditFeatures, draw
from beholder.recommending.rankers.ranker import JointNormal, RankerInfo
from beholder.recommending.ranking import RANKED_BY, UNEDITED, RankingConfig, ScoredEdit, is_known, rank, shortlist
from beholder.recommending.store.question import Choice


class Redness(PartialRanker):
    """A ranker that likes red, as the embedding shows it, and knows its uncertainty."""

    def __init__(self, sign: float = 1.0):
        self.info, self.sign = RankerInfo("redness", CANDIDATES.directions, 6), sign

    def joint(self, user_id, edit_set):
        self.info.check(edit_set)
        mean = 10 * self.sign * edit_set.embeddings[:, 3].astype(float)
        return JointNormal(mean, np.abs(edit_set.alphas).sum(axis=1, keepdims=True) * 0.1)


@pytest.fixture
def image():
    latent = EDITOR.generate([3])
    return EditableImage("seed-3", latent, Colours().images(EDITOR.edit(latent, [{}]))[0])


def recommend(image, ranker, *, off: float = 0.0, config: RankingConfig | None = None) -> list[ScoredEdit]:
    features = EditFeatures(DrawingSurrogate(off), CANDIDATES)
    edits = [CANDIDATES.edit(int(row)) for row in shortlist(ranker, "ana", features.edit_set(image), config)]
    embeddings = draw(EDITOR, Colours(), image.latent, edits).embeddings
    return rank(ranker, "ana", features.drawn(image, edits, embeddings), edits)


def true_gain(image, edit) -> float:
    return float(10 * (Colours().images(EDITOR.edit(image.latent, [edit]))[0, 3] - image.original[3]))


def test_it_finds_the_best_edit(image):
    ranked = recommend(image, Redness())
    assert ranked[0].utility == pytest.approx(max(true_gain(image, edit) for edit in CANDIDATES.edits()), abs=1e-4)
    assert [each.utility for each in ranked] == sorted((each.utility for each in ranked), reverse=True)
    assert len(ranked) == 8
    assert 0.5 < ranked[0].probability < 1
    assert ranked[0].uncertainty == pytest.approx(0.1 * sum(map(abs, ranked[0].edit.values())), rel=1e-5)


def test_what_is_predicted_wrongly_is_put_right_by_drawing(image):
    ranked = recommend(image, Redness(), off=0.02, config=RankingConfig(exact=20))
    assert ranked[0].utility == pytest.approx(max(true_gain(image, edit) for edit in CANDIDATES.edits()), rel=0.1)
    assert [each.utility for each in ranked] == pytest.approx([true_gain(image, each.edit) for each in ranked], abs=1e-4)


def test_an_image_that_nothing_makes_better_is_left_as_it_is(image):
    class Content(Redness):
        def joint(self, user_id, edit_set):
            moved = np.abs(edit_set.alphas).sum(axis=1)
            return JointNormal(-moved.astype(float), np.zeros((len(edit_set), 0)))

    ranked = recommend(image, Content())
    assert ranked[0] == UNEDITED
    assert all(each.probability < 0.5 for each in ranked[1:])


def test_one_joint_distribution_ranks(image):
    """What is asked of a ranker once says utility, uncertainty and probability."""

    class Counted(Redness):
        asked = 0

        def joint(self, user_id, edit_set):
            type(self).asked += 1
            return super().joint(user_id, edit_set)

    ranker = Counted()
    edits = CANDIDATES.edits()[:5]
    features = EditFeatures(DrawingSurrogate(), CANDIDATES)
    ranked = rank(ranker, "ana", features.edit_set(image, CANDIDATES.alphas[:5]), edits)
    assert Counted.asked == 1
    chances = ranker.preferred("ana", features.edit_set(image, CANDIDATES.alphas[:5]), features.edit_set(image).unedited)
    assert {tuple(each.edit.items()): each.probability for each in ranked if each != UNEDITED} == pytest.approx(
        {tuple(edit.items()): chance for edit, chance in zip(edits, chances, strict=True)}
    )


def test_a_choice_reaches_the_ranker_as_it_was(image):
    features = EditFeatures(DrawingSurrogate(), CANDIDATES)
    asked = question(1, left={"redder": 1.5, "larger": -2.0}, right={})
    comparison = features.comparison(Choice(asked, answer(1, "right"), 1), replace(image, image_id="face-1"))
    assert (comparison.user_id, comparison.image_id, comparison.outcome) == ("ana", "face-1", 0.0)
    assert comparison.left.alphas.tolist() == [[1.5, 0, 0, -2.0, 0]]
    assert not comparison.right.alphas.any()
    drawn = Colours().images(EDITOR.edit(image.latent, [{"redder": 1.5, "larger": -2.0}]))
    np.testing.assert_allclose(comparison.left.embeddings, drawn, atol=1e-6)


def test_a_direction_that_is_not_known_is_said(image):
    features = EditFeatures(DrawingSurrogate(), CANDIDATES)
    with pytest.raises(EditError, match="reder is not a direction"):
        features.comparison(Choice(question(1, left={"reder": 1.0}), answer(1), 1), image)


def test_choices_that_cannot_be_used_are_counted(image):
    features = EditFeatures(DrawingSurrogate(), CANDIDATES)
    images = {"face-1": replace(image, image_id="face-1")}
    elsewhere = replace(question(3, left={"redder": 1.0}), image_id="face-2")
    asked = [question(1, left={"redder": 1.0}), question(2, left={"reder": 1.0}), elsewhere]

    def encode_image(image_id):
        if image_id not in images:
            raise EditError("gone")
        return images[image_id]

    choices = [Choice(each, answer(number), number) for number, each in enumerate(asked, 1)]
    comparisons, unusable = features.comparisons(choices, encode_image)
    assert ([comparison.image_id for comparison in comparisons], unusable) == (["face-1"], 2)


def test_at_least_one_edit_has_to_be_drawn():
    with pytest.raises(ConfigError, match=r"ranking.exact must be at least 1, got 0"):
        RankingConfig(exact=0)


class Indifferent(Redness):
    """Likes every edit as much as none."""

    def joint(self, user_id, edit_set):
        return JointNormal(np.zeros(len(edit_set)), np.abs(edit_set.alphas).sum(axis=1, keepdims=True) * 0.1)


def test_ties_are_broken_by_the_least_change_and_then_by_chance_for_each_person(image):
    edit_set = EditFeatures(DrawingSurrogate(), CANDIDATES).edit_set(image)
    orders = {
        user_id: tuple(shortlist(Indifferent(), user_id, edit_set, RankingConfig(exact=80))) for user_id in ("ana", "bo", "cy")
    }
    changes = np.abs(CANDIDATES.alphas).sum(axis=1)
    for rows in orders.values():
        assert (np.diff(changes[list(rows)]) >= -1e-6).all()
    assert len(set(orders.values())) == 3
    assert orders["ana"] == tuple(shortlist(Indifferent(), "ana", edit_set, RankingConfig(exact=80)))


def test_nothing_is_known_where_all_is_liked_alike(image):
    edit_set = EditFeatures(DrawingSurrogate(), CANDIDATES).edit_set(image)
    assert not is_known(Indifferent(), "ana", edit_set)
    assert not is_known(Indifferent(), "ana", edit_set, rounds=3)
    assert is_known(Redness(), "ana", edit_set)
    assert not is_known(FurtherIsWorse(), "ana", edit_set)
    assert is_known(FurtherIsWorse(), "ana", edit_set, rounds=3)  # who has answered likes the image as it is best


@pytest.mark.parametrize(
    ("probability", "words"), [(0.5, "a guess"), (0.69, "a guess"), (0.7, "likely"), (0.89, "likely"), (0.9, "sure")]
)
def test_a_probability_in_words(probability, words):
    assert ScoredEdit({"redder": 1.0}, 1.0, 0.1, probability).confidence == words


class FurtherIsWorse(PartialRanker):
    """A ranker that likes the image as it is best."""

    def __init__(self):
        self.info = RankerInfo("worse", CANDIDATES.directions, 6)

    def joint(self, user_id, edit_set):
        far = np.abs(edit_set.alphas).sum(axis=1).astype(float)
        return JointNormal(-far, np.zeros((len(far), 0)))


class FurtherIsBetterPerhaps(PartialRanker):
    """A ranker that likes an edit the more the further it goes, and soon knows little of it."""

    def __init__(self):
        self.info = RankerInfo("further", CANDIDATES.directions, 6)

    def joint(self, user_id, edit_set):
        far = np.abs(edit_set.alphas).sum(axis=1).astype(float)
        return JointNormal(far, far[:, None] ** 3)


def test_ranked_by_probability_what_is_far_from_all_that_is_known_is_left(image):
    features = EditFeatures(DrawingSurrogate(), CANDIDATES)
    edit_set, far = features.edit_set(image), np.abs(CANDIDATES.alphas).sum(axis=1)
    ranker = FurtherIsBetterPerhaps()
    best, surest = (shortlist(ranker, "ana", edit_set, RankingConfig(exact=5, by=by)) for by in RANKED_BY)
    assert far[best].min() > far[surest].max()
    edits = [CANDIDATES.edit(int(row)) for row in (best[0], surest[0])]
    both = edit_set[[int(best[0]), int(surest[0])]]
    assert rank(ranker, "ana", both, edits)[0].edit == edits[0]
    first, second = rank(ranker, "ana", both, edits, by="probability")
    assert first.edit == edits[1]
    assert first.probability > second.probability
    assert first.utility < second.utility


def test_what_to_rank_by_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="by=luck is none of utility, probability"):
        RankingConfig(by="luck")
