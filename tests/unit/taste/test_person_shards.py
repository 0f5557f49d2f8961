"""Shards: a person's posterior comes back from one file, a taste around shards is as one that holds everybody."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from support.taste_suite import ENCODER, PEOPLE, TasteContract, simulate

from beholder.errors import TasteError
from beholder.storage import Place
from beholder.taste import bayes, rating_scale, sharded_bayes, shrinkage, taste_registry
from beholder.taste.bayes import BayesTaste, BayesTasteConfig
from beholder.taste.contract import TasteInfo
from beholder.taste.dataset import JudgementDataset, draw_people
from beholder.taste.person_block import ImageDesign
from beholder.taste.person_shards import PersonShards, ShardedPeople, ShardedPosteriors, blocks_of
from beholder.taste.rating_scale import ScoreMoments

WORLD = simulate()
ITEMS = TasteContract().items(WORLD)
CONFIG = BayesTasteConfig(components=[8, 16], ranks=[4], iterations=4, prior_people=5)
SHARDS, SEED = 3, 0


@pytest.fixture(scope="module")
def whole() -> BayesTaste:
    """The taste of everybody, whose prior is learned from five of the eight people."""
    return bayes.fit(WORLD.train, WORLD.held_out, ITEMS, CONFIG, encoder_id=ENCODER, seed=SEED)


@pytest.fixture
def models(whole: BayesTaste, tmp_path: Path) -> Place:
    """The same taste block by block, in a registry."""
    folder = Place.at(tmp_path) / "ours" / "people-0"
    drawn = draw_people(PEOPLE, CONFIG.prior_people, SEED)
    usual = ScoreMoments.of(WORLD.train.of_people(drawn))
    designs = [ImageDesign.of(prior.features, ITEMS, np.arange(len(ITEMS))) for prior in whole.priors]
    for block in range(SHARDS):
        mine = np.flatnonzero(blocks_of(PEOPLE, blocks=SHARDS, seed=SEED) == block)
        train, held_out = (_only(part, mine) for part in (WORLD.train, WORLD.held_out))
        shard = sharded_bayes.fit_shard(train, held_out, whole.priors, designs, usual, seed=SEED)
        shard.write(PersonShards(folder, 0, SHARDS, SEED).place(block))
    nobody = BayesTaste(TasteInfo("bayes", ENCODER, whole.info.attributes, ()), whole.priors, [{}, {}], whole.chosen)
    shards = PersonShards(folder, len(PEOPLE), SHARDS, SEED)
    taste_registry.write_sharded(Place.at(tmp_path), "ours", nobody, shards, figures={}, config={}, commit=None)
    return Place.at(tmp_path)


def served_by(models: Place) -> shrinkage.ShrunkTaste:
    """The taste of the registry as it is served."""
    taste = taste_registry.read(models, "ours", encoder_id=ENCODER).taste
    assert isinstance(taste, shrinkage.ShrunkTaste)
    return taste


def inner(models: Place) -> BayesTaste:
    """The taste that is shrunk."""
    taste = served_by(models).taste
    assert isinstance(taste, BayesTaste)
    return taste


def shards_of(info: TasteInfo) -> PersonShards:
    assert isinstance(info.people, ShardedPeople)
    return info.people.shards


def _only(data: JudgementDataset, people: np.ndarray) -> JudgementDataset:
    """Some people's judgements, with these people numbered from 0."""
    mask = np.isin(np.arange(len(data.people)), people)
    part = data.of_people(mask)
    at = np.cumsum(mask) - 1
    rated, compared = part.ratings, part.comparisons
    return JudgementDataset(
        tuple(data.people[person] for person in people),
        data.images,
        data.attributes,
        type(rated)(at[rated.person], rated.image, rated.attribute, rated.score),
        type(compared)(at[compared.person], compared.left, compared.right, compared.attribute, compared.choice),
    )


def test_everybody_is_served_as_by_the_taste_that_holds_everybody(models: Place, whole: BayesTaste) -> None:
    ours = served_by(models)
    weights = shrinkage.weigh(whole, WORLD.held_out, ITEMS, seed=SEED)
    served = shrinkage.ShrunkTaste(whole, weights)
    for attribute in whole.info.attributes:
        for user_id in [*PEOPLE, "a stranger"]:
            assert ours.weights[attribute].get(user_id, 1.0) == pytest.approx(weights[attribute].get(user_id, 1.0), abs=1e-4)
            found, expected = (each.differences(ITEMS[:9], ITEMS[9:18], user_id, attribute) for each in (ours, served))
            np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
            np.testing.assert_allclose(found.variance, expected.variance, atol=1e-4)
    assert set(ours.info.people) == set(PEOPLE)
    assert len(ours.info.people) == len(PEOPLE)
    assert PEOPLE[0] not in (Path(models.path) / "ours/card.json").read_text()


def test_posteriors_are_those_of_one_fit(models: Place, whole: BayesTaste) -> None:
    taste = inner(models)
    for row, attribute in enumerate(whole.info.attributes):
        assert set(taste.posteriors[row]) == set(PEOPLE)
        for user_id in PEOPLE:
            one, other = (each.posterior(user_id, attribute) for each in (taste, whole))
            np.testing.assert_allclose(one.mean, other.mean, atol=1e-6)
            np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-6)


def test_one_person_opens_one_shard(models: Place) -> None:
    taste: shrinkage.ShrunkTaste = pickle.loads(pickle.dumps(served_by(models)))
    taste.utilities(ITEMS, [PEOPLE[3]], "smart")
    taste.differences(ITEMS[:3], ITEMS[3:6], PEOPLE[3], "attractive")
    taste.utilities(ITEMS, [shrinkage.POPULATION], "smart")
    assert shards_of(taste.info).opened == 1


def test_it_goes_on_learning_and_the_shards_stay_as_they_are(models: Place) -> None:
    taste = inner(models)
    few = _only(WORLD.held_out, np.array([1]))
    stranger = JudgementDataset(("somebody",), few.images, few.attributes, few.ratings, few.comparisons)
    taught = taste.learn(stranger, ITEMS)
    assert isinstance(taught.info.people, ShardedPeople)
    assert "somebody" in taught.info.people
    assert len(taught.info.people) == len(PEOPLE) + 1
    assert "somebody" not in taste.info.people
    before = taste.utilities(ITEMS[:5], [PEOPLE[0]], "smart")
    taught.update(ITEMS[0], ITEMS[1], 1.0, PEOPLE[0], "smart")
    assert not np.array_equal(taught.utilities(ITEMS[:5], [PEOPLE[0]], "smart"), before)
    assert np.array_equal(taste.utilities(ITEMS[:5], [PEOPLE[0]], "smart"), before)


def test_somebody_forgotten_is_in_no_shard(models: Place) -> None:
    before = taste_registry.read(models, "ours").taste
    others = [user_id for user_id in PEOPLE if user_id != PEOPLE[2]]
    expected = before.utilities(ITEMS, others, "smart")
    assert taste_registry.forget(models, PEOPLE[2]) == ["ours"]
    after = taste_registry.read(models, "ours").taste
    assert PEOPLE[2] not in after.info.people
    assert len(after.info.people) == len(others)
    np.testing.assert_array_equal(after.utilities(ITEMS, others, "smart"), expected)
    stored = b"".join((Path(models.path) / "ours" / entry.path).read_bytes() for entry in (models / "ours").files())
    assert PEOPLE[2].encode() not in stored
    assert taste_registry.forget(models, PEOPLE[2]) == []


def test_another_taste_of_the_name_takes_the_shards_with_it(models: Place, whole: BayesTaste) -> None:
    taste_registry.write(models, "ours", whole, figures={}, config={}, commit=None)
    assert {entry.path.partition("/")[2] for entry in (models / "ours").files()} == {""}
    assert taste_registry.read(models, "ours").taste.info.people == PEOPLE


def test_a_broken_shard_and_a_card_that_leads_elsewhere_are_said(models: Place) -> None:
    taste = taste_registry.read(models, "ours").taste
    folder = Path(models.path) / "ours"
    for path in folder.glob("people-0/*"):
        path.write_bytes(b"broken")
    with pytest.raises(TasteError, match="no readable shard"):
        taste.utilities(ITEMS, [PEOPLE[0]], "smart")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"people": card["people"] | {"folder": "../other"}}))
    with pytest.raises(TasteError, match="no readable taste"):
        taste_registry.read(models, "ours")


def test_scores_are_shrunk_to_how_others_use_the_scale() -> None:
    people = np.arange(len(PEOPLE))
    some = _only(WORLD.train, people[:2])
    usual = ScoreMoments.of(WORLD.train)
    found, whole = rating_scale.standardise(some, usual), rating_scale.standardise(WORLD.train)
    np.testing.assert_allclose(found.mean, whole.mean[:2])
    np.testing.assert_allclose(found.spread, whole.spread[:2])


def test_sharded_posteriors_are_a_mapping(models: Place) -> None:
    shards = shards_of(taste_registry.info(models, "ours"))
    posteriors = ShardedPosteriors(shards, 0)
    assert len(posteriors) == len(PEOPLE)
    assert posteriors.get("a stranger") is None
