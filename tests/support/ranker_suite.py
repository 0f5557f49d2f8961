"""What every ranker has to do. A kind inherits all of it: `class TestLogistic(RankerContract)` with a `config`.

The world is small and known: an edit moves along three directions, its embedding shows where to, and a choice is logistic in how
much more of the first direction an edit has; one person likes less of it.
"""

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.posteriors import PriorStore, StoredPrior
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.ranker import Ranker, RankerInfo
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.storage import Place

DIRECTIONS = ("smile", "hat", "age")
TASTE = np.array([2.0, 0.0, 0.0])
PEOPLE = tuple(f"person {number}" for number in range(12))
OTHERWISE = PEOPLE[0]
_SHOWN = np.random.default_rng(1).normal(size=(3, 6))


def edit_set(count: int, seed: int) -> EditSet:
    alphas = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return EditSet(alphas, (alphas @ _SHOWN).astype(np.float32), DIRECTIONS, np.zeros(6, np.float32))


def choices(user_id: str, count: int, *, taste: np.ndarray = TASTE, seed: int = 2) -> list[Comparison]:
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        both = edit_set(2, 1000 * seed + number)
        gap = float((both.alphas[0] - both.alphas[1]) @ taste)
        found.append(Comparison(user_id, "face", both[0], both[1], float(rng.random() < 1 / (1 + np.exp(-gap))), float(number)))
    return found


def everybody(each: int = 30) -> list[Comparison]:
    tastes = {user_id: -TASTE if user_id == OTHERWISE else TASTE for user_id in PEOPLE}
    return [comparison for row, who in enumerate(PEOPLE) for comparison in choices(who, each, taste=tastes[who], seed=10 + row)]


def agreement(ranker: Ranker, user_id: str, taste: np.ndarray = TASTE) -> float:
    """The correlation of what is told with what is true."""
    shown = edit_set(100, 7)
    return float(np.corrcoef(ranker.utilities(user_id, shown), shown.alphas @ taste)[0, 1])


class RankerContract:
    """Inherit, and write `config`. doubts: whether it knows how sure it is."""

    config: RankerConfig
    uncertainties = False

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls) -> Ranker:
        return ranker_factory.fit(everybody(), cls.config)

    @pytest.fixture
    def ranker(self, fitted: Ranker) -> Ranker:
        """A copy, so that nobody's choices are in another test."""
        return ranker_factory.load(fitted.info, dict(fitted.tensors()), fitted.settings())

    def test_it_says_what_it_is_for(self, ranker):
        assert ranker.info == RankerInfo(self.config.kind, DIRECTIONS, 6)
        assert RankerInfo.from_dict(json.loads(json.dumps(ranker.info.to_dict()))) == ranker.info

    def test_what_everybody_likes_is_found_and_is_what_a_stranger_gets(self, ranker):
        shown = edit_set(20, 8)
        assert agreement(ranker, PEOPLE[3]) > 0.7
        assert agreement(ranker, "a stranger") > 0.7
        np.testing.assert_array_equal(ranker.utilities("a stranger", shown), ranker.utilities("another", shown))

    def test_it_learns_on_with_each_choice(self, ranker):
        before = agreement(ranker, "ana", -TASTE)
        for comparison in choices("ana", 60, taste=-TASTE, seed=5):
            ranker.update(comparison)
        assert agreement(ranker, "ana", -TASTE) > max(0.3, before + 1)

    def test_one_choice_is_enough_to_begin_with_and_moves_nobody_else(self, ranker):
        shown = edit_set(20, 8)
        before = ranker.utilities(PEOPLE[3], shown)
        ranker.update(choices("ana", 1)[0])
        assert np.isfinite(ranker.utilities("ana", shown)).all()
        np.testing.assert_array_equal(ranker.utilities(PEOPLE[3], shown), before)

    def test_neither_is_a_choice_too(self, ranker):
        both = edit_set(2, 3)
        for _ in range(5):
            ranker.update(Comparison("ana", "face", both[0], both[1], 0.5))
        assert np.isfinite(ranker.utilities("ana", both)).all()

    def test_which_side_an_edit_was_on_means_nothing(self, ranker):
        for comparison in choices("ana", 10):
            ranker.update(comparison)
            ranker.update(Comparison("ben", "face", comparison.right, comparison.left, 1 - comparison.outcome, comparison.at))
        shown = edit_set(20, 8)
        np.testing.assert_allclose(ranker.utilities("ana", shown), ranker.utilities("ben", shown), atol=1e-3)

    def test_draws_are_those_of_the_joint_belief(self, ranker):
        shown = edit_set(5, 8)
        joint = ranker.joint(PEOPLE[3], shown)
        drawn = ranker.draws(PEOPLE[3], shown, count=20_000, seed=1).astype(np.float64)
        assert drawn.shape == (20_000, 5)
        assert (joint.factor.shape[1] > 0) == self.uncertainties
        np.testing.assert_allclose(drawn.mean(axis=0), joint.mean, rtol=0.01, atol=0.03)
        np.testing.assert_allclose(np.cov(drawn.T), joint.factor @ joint.factor.T, rtol=0.05, atol=0.03)
        np.testing.assert_array_equal(ranker.draws("x", shown, count=3, seed=4), ranker.draws("x", shown, count=3, seed=4))

    def test_utilities_do_not_depend_on_what_else_is_asked(self, ranker):
        shown = edit_set(9, 8)
        assert ranker.utilities(PEOPLE[1], shown).dtype == np.float32
        np.testing.assert_allclose(ranker.utilities(PEOPLE[1], shown[4])[0], ranker.utilities(PEOPLE[1], shown)[4], atol=1e-5)

    def test_what_is_preferred_is_a_probability_and_turns_round_with_the_sides(self, ranker):
        shown = edit_set(20, 8)
        chances = ranker.preferred(PEOPLE[3], shown, shown[0])
        assert ((chances >= 0) & (chances <= 1)).all()
        assert chances[0] == pytest.approx(0.5)
        for row in (1, 5, 19):
            assert ranker.preferred(PEOPLE[3], shown[0], shown[row])[0] == pytest.approx(1 - chances[row], abs=1e-5)
        told = ranker.utilities(PEOPLE[3], shown)
        assert ((chances[1:] > 0.5) == (told[1:] > told[0])).all()

    def test_somebody_forgotten_is_a_stranger(self, ranker):
        shown = edit_set(20, 8)
        ranker.utilities(OTHERWISE, shown)
        assert ranker.remove_person(OTHERWISE)
        assert not ranker.remove_person(OTHERWISE)
        np.testing.assert_array_equal(ranker.utilities(OTHERWISE, shown), ranker.utilities("a stranger", shown))
        assert OTHERWISE not in json.dumps(ranker.settings())

    def test_it_can_be_written_down_and_learns_on_where_it_was(self, fitted):
        tensors = load(save({name: np.ascontiguousarray(array) for name, array in fitted.tensors().items()}))
        again = ranker_factory.load(fitted.info, tensors, json.loads(json.dumps(fitted.settings())))
        first = ranker_factory.load(fitted.info, dict(fitted.tensors()), fitted.settings())
        shown = edit_set(20, 8)
        for user_id in (*PEOPLE, "a stranger"):
            np.testing.assert_array_equal(again.utilities(user_id, shown), fitted.utilities(user_id, shown))
        for each in (first, again):
            each.update(choices(OTHERWISE, 1, seed=77)[0])
        np.testing.assert_array_equal(again.utilities(OTHERWISE, shown), first.utilities(OTHERWISE, shown))

    def test_what_all_share_can_be_stored(self, fitted, tmp_path):
        """As a service keeps it: without people, who are learned again from their own choices."""
        store = PriorStore(Place.at(tmp_path), {"generator": "portraits"})
        assert store.read() is None
        store.write(StoredPrior.of(fitted, 12.0))
        stored = store.read()
        assert stored is not None
        shown = edit_set(20, 8)
        assert (stored.learned_at, stored.version) == (12.0, StoredPrior.of(fitted, 0.0).version)
        assert stored.version.startswith(f"{self.config.kind}-")
        np.testing.assert_array_equal(stored.ranker.utilities(OTHERWISE, shown), fitted.utilities("a stranger", shown))
        assert OTHERWISE not in json.dumps(stored.ranker.settings())
        assert PriorStore(Place.at(tmp_path), {"generator": "ffhq"}).read() is None
        store.place.write_bytes(store.place.read_bytes()[:-9])
        assert store.read() is None

    def test_a_copy_of_one_person_learns_alone(self, fitted):
        shown = edit_set(20, 8)
        before = fitted.utilities(OTHERWISE, shown), fitted.utilities(PEOPLE[2], shown)
        copy = fitted.of_person(OTHERWISE)
        np.testing.assert_array_equal(copy.utilities(OTHERWISE, shown), before[0])
        np.testing.assert_array_equal(copy.utilities(PEOPLE[2], shown), fitted.utilities("a stranger", shown))
        for comparison in choices(OTHERWISE, 3, seed=77):
            copy.update(comparison)
        assert not np.array_equal(copy.utilities(OTHERWISE, shown), before[0])
        np.testing.assert_array_equal(fitted.utilities(OTHERWISE, shown), before[0])
        np.testing.assert_array_equal(fitted.of_person(OTHERWISE).utilities(OTHERWISE, shown), before[0])
        nobody = fitted.of_person(None)
        np.testing.assert_array_equal(nobody.utilities(OTHERWISE, shown), fitted.utilities("a stranger", shown))

    def test_the_same_choices_make_the_same_ranker(self, fitted):
        again = ranker_factory.fit(everybody(), self.config)
        shown = edit_set(20, 8)
        np.testing.assert_array_equal(again.utilities(PEOPLE[2], shown), fitted.utilities(PEOPLE[2], shown))

    def test_other_directions_and_embeddings_are_refused(self, ranker):
        shown = edit_set(2, 1)
        turned = EditSet(shown.alphas, shown.embeddings, DIRECTIONS[::-1], shown.original)
        short = EditSet(shown.alphas, shown.embeddings[:, :5], DIRECTIONS, shown.original[:5])
        for wrong, said in ((turned, "smile, hat, age"), (short, "embeddings of 6 numbers, got 5")):
            with pytest.raises(ChoiceError, match=said):
                ranker.joint("ana", wrong)
            with pytest.raises(ChoiceError, match=said):
                ranker.update(Comparison("ana", "face", wrong[0], wrong[1], 1.0))

    def test_no_choices_are_refused(self):
        with pytest.raises(ChoiceError, match="at least one choice"):
            ranker_factory.fit([], self.config)

    def test_very_few_choices_are_enough_to_fit(self):
        few = ranker_factory.fit(choices("ana", 2), self.config)
        assert np.isfinite(few.utilities("ana", edit_set(5, 1))).all()
