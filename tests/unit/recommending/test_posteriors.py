"""People: posteriors that are never older than the store, whoever changed it, and a prior that is learned rarely."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.posteriors import PosteriorCache, PosteriorCacheConfig, PriorStore
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Question
from beholder.storage import Place

NAMES = ("smile", "older")
DICE = np.random.default_rng(0)
AXES = DICE.normal(size=(2, 6))
ORIGINAL = DICE.normal(size=6).astype(np.float32)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def edit_set(alphas):
    """Edits whose embedding changes along two axes."""
    rows = np.array(alphas, np.float32)
    return EditSet(rows, (ORIGINAL + rows @ AXES).astype(np.float32), NAMES, ORIGINAL)


GRID = edit_set([(s, o) for s in (-2, -1, 0, 1, 2) for o in (-2, -1, 0, 1, 2)])


class Counted:
    """Choices -> events, and how many there were."""

    def __init__(self):
        self.count = 0

    def __call__(self, choices):
        self.count += len(choices)
        return [
            Comparison(
                each.question.user_id, each.question.image_id, side(each.question.left), side(each.question.right), each.outcome
            )
            for each in choices
        ]


def side(edit):
    return edit_set([[edit.get(name, 0.0) for name in NAMES]])


class Hours:
    """A clock."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def store(tmp_path):
    return Store.at(tmp_path / "choices.db")


def people(store, **more):
    understand = Counted()
    return PosteriorCache(
        store, understand, reference=lambda: GRID, ranker=RankerConfig(bayes=BayesRankerConfig(components=2)), **more
    ), understand


def chosen(store, number, choice="left", user="ana", left=None, right=None):
    """One more choice in the store: they like to smile."""
    asked = Question(f"{user}-{number}", user, "seed-1", left or {"smile": 2.0}, right or {"smile": -1.0}, "random", NOW)
    store.ask(asked)
    store.answer(Answer(f"event-{user}-{number}", asked.question_id, choice, NOW))


def test_somebody_new_is_as_everybody(store):
    ours, _ = people(store)
    known = ours.get("ana")
    assert known.rounds == 0
    assert not known.ranker.utilities("ana", GRID).any()


def test_a_choice_moves_its_person_and_nobody_else(store):
    ours, _ = people(store)
    for number in range(5):
        chosen(store, number)
    assert ours.get("ana").ranker.utilities("ana", side({"smile": 2.0}))[0] > 0.5
    assert ours.get("bo").ranker.utilities("bo", side({"smile": 2.0}))[0] == 0


def test_only_what_is_new_is_learned(store):
    ours, understand = people(store)
    ours.prior()
    for number in range(5):
        chosen(store, number)
        ours.get("ana")
        ours.get("ana")
    assert understand.count == 5


def test_two_of_them_agree_whoever_hears_of_it_first(store):
    one, other = (people(store)[0] for _ in range(2))
    for number, choice in enumerate(("left", "right", "neither", "left")):
        chosen(store, number, choice)
        first, second = (ours.get("ana").ranker.posteriors["ana"] for ours in (one, other))
        assert np.array_equal(first.means, second.means)
        assert np.array_equal(first.covariances, second.covariances)
    store.retract("ana-1")
    chosen(store, 9)
    fresh = people(store)[0].get("ana").ranker.posteriors["ana"]
    for ours in (one, other):
        assert np.array_equal(ours.get("ana").ranker.posteriors["ana"].means, fresh.means)


def test_an_answer_taken_back_is_unlearned(store):
    ours, _ = people(store)
    chosen(store, 1)
    before = ours.get("ana").ranker.utilities("ana", GRID)
    chosen(store, 2, "right")
    ours.get("ana")
    store.retract("ana-2")
    assert np.array_equal(ours.get("ana").ranker.utilities("ana", GRID), before)


def test_who_was_removed_and_comes_back_is_somebody_new(store):
    ours, _ = people(store)
    chosen(store, 1, "left")
    assert ours.get("ana").ranker.utilities("ana", side({"smile": 2.0}))[0] > 0
    store.erase("ana")
    chosen(store, 2, "right")  # as many changes as before
    assert ours.get("ana").ranker.utilities("ana", side({"smile": 2.0}))[0] < 0


def test_a_request_keeps_the_ranker_it_was_given(store):
    ours, _ = people(store)
    chosen(store, 1)
    known = ours.get("ana")
    before = known.ranker.utilities("ana", GRID)
    chosen(store, 2)
    assert not np.array_equal(ours.get("ana").ranker.utilities("ana", GRID), before)
    assert np.array_equal(known.ranker.utilities("ana", GRID), before)


def test_memory_has_an_end(store):
    ours, understand = people(store, config=PosteriorCacheConfig(kept=2))
    ours.prior()
    for user in ("ana", "bo", "cy"):
        chosen(store, 1, user=user)
        ours.get(user)
    assert understand.count == 3
    ours.get("cy")
    assert understand.count == 3
    assert ours.get("ana").rounds == 1  # from the store again
    assert understand.count == 4


def everybody_smiles(store):
    rng = np.random.default_rng(1)
    for user in range(12):
        for number in range(6):
            left = {"smile": float(rng.integers(1, 3)), "older": float(rng.integers(-2, 3))}
            chosen(store, number, user=f"person-{user}", left=left, right={"smile": -1.0})


def test_the_prior_is_learned_again_when_it_is_old(store):
    clock = Hours()
    ours, _ = people(store, config=PosteriorCacheConfig(prior_seconds=100), clock=clock)
    first = ours.get("zoe")
    everybody_smiles(store)
    assert ours.get("zoe").model == first.model
    clock.now = 101.0
    ours.get("zoe")  # asks for it, and does not wait
    ours.settle()
    later = ours.get("zoe")
    assert later.model != first.model
    assert later.model.startswith("bayes-")
    assert later.ranker.utilities("zoe", side({"smile": 2.0}))[0] > 0.5  # everybody likes to smile
    again, _ = people(store)
    assert again.get("zoe").model == later.model  # the same choices, the same version


def test_all_who_serve_share_a_prior(store, tmp_path):
    clock = Hours()
    shelf = PriorStore(Place.at(tmp_path), {"generator": "a"})
    config = PosteriorCacheConfig(prior_seconds=100)
    one, other = (people(store, config=config, clock=clock, priors=shelf)[0] for _ in range(2))
    before = one.get("zoe").model
    everybody_smiles(store)
    assert other.get("zoe").model == before  # begun later, from more choices: it takes what is there all the same
    clock.now = 101.0
    one.get("zoe")
    one.settle()
    assert one.get("zoe").model != before
    clock.now = 104.0
    assert other.get("zoe").model == one.get("zoe").model
    ana, again = (each.get("person-1").ranker.utilities("person-1", GRID) for each in (one, other))
    assert np.array_equal(ana, again)
    late, understand = people(store, config=config, clock=clock, priors=shelf)
    assert late.get("zoe").model == one.get("zoe").model
    assert understand.count == 0  # who starts anew has nothing to learn
    third, _ = people(store, config=config, clock=clock, priors=PriorStore(Place.at(tmp_path), {"generator": "b"}))
    assert third.get("zoe").rounds == 0
    assert len(list(tmp_path.glob("prior-*.safetensors"))) == 2


def test_a_shelf_that_holds_rubbish_is_an_empty_one(store, tmp_path):
    shelf = PriorStore(Place.at(tmp_path), {})
    for rubbish in (b"", b"x" * 100, b"\xff" * 8, (2).to_bytes(8, "little") + b"{}"):
        shelf.place.write_bytes(rubbish)
        assert shelf.read() is None
    ours, _ = people(store, priors=shelf)
    model, stored = ours.get("ana").model, shelf.read()
    assert stored is not None
    assert model == stored.version


def test_settings_that_make_no_sense():
    for wrong in ({"kept": 0}, {"prior_seconds": 0.0}):
        with pytest.raises(ConfigError, match=r"posteriors.kept must be at least 1"):
            replace(PosteriorCacheConfig(), **wrong)
