"""Effects of a taste that was trained, and what judgements made since change of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.taste_suite import ENCODER, PEOPLE, TasteContract, simulate

from beholder.jobs import train, update
from beholder.storage import Place
from beholder.taste import bayes, shrinkage, taste_registry
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.dataset import JudgementDataset, RatingTable, join
from beholder.taste.shrinkage import ShrunkTaste
from beholder.taste.taste_factory import TasteConfig

WORLD = simulate()
ITEMS = TasteContract().items(WORLD)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A taste as `beholder train` leaves it."""
    place, config = Place.at(tmp_path_factory.mktemp("models")), BayesTasteConfig(components=[8], ranks=[4], iterations=4)
    taste = bayes.fit(WORLD.train, WORLD.held_out, ITEMS, config, encoder_id=ENCODER)
    weights = shrinkage.weigh(taste, WORLD.held_out, ITEMS, seed=0)
    job = train.TrainJob(WORLD.train, WORLD.held_out, TasteConfig(), ENCODER, 0, crowd=True)
    effects, axes = train.effects_after(taste, weights, job, ITEMS)
    taste_registry.write(place, "ours", taste, figures={}, config={}, commit=None, trust=weights)
    taste_registry.write_effects(place, "ours", effects, axes, WORLD.train, seed=0)
    return place


def test_what_was_trained_is_served(models: Place) -> None:
    entry = taste_registry.read(models, "ours", encoder_id=ENCODER)
    assert entry.effects is not None
    assert isinstance(entry.taste, ShrunkTaste)
    images = list(WORLD.train.images)
    judged = join(WORLD.train, WORLD.held_out)
    found = entry.effects.of(images, "smart", entry.taste, PEOPLE[0])
    counts = [len({*own.person.tolist()} - {0}) for own in (_by_image(judged, image) for image in range(len(images)))]
    assert found.people.tolist() == counts
    assert np.abs(found.mean).max() < 1.5
    assert not found.mean[np.array(counts) == 0].any()


def test_nothing_new_changes_nothing(models: Place) -> None:
    stored = taste_registry.stored(models, "ours")
    judged = join(WORLD.train, WORLD.held_out)
    effects, axes = update.effects_now(stored, judged, ITEMS)
    entry = stored.load()
    assert entry.effects is not None
    for user_id in (PEOPLE[0], "somebody new"):
        loading = axes.of(entry.taste, [user_id], "smart")[0]
        others = np.flatnonzero(effects.contributions.person != (0 if user_id == PEOPLE[0] else -1))
        own = replace(effects, contributions=effects.contributions[others]).posterior(1).estimate(loading)
        np.testing.assert_allclose(entry.effects.of(judged.images, "smart", entry.taste, user_id).mean, own.mean, atol=1e-9)


def test_people_who_came_since_count(models: Place) -> None:
    stored, judged = taste_registry.stored(models, "ours"), join(WORLD.train, WORLD.held_out)
    fresh = np.flatnonzero(WORLD.fresh)
    rated, late = judged.ratings, len(PEOPLE) + np.repeat(np.arange(6), 4)
    images, scores = np.tile(fresh[:4], 6), np.tile([4.0, 1.0, 1.0, 1.0], 6)
    more = RatingTable(
        np.concatenate([rated.person, late]),
        np.concatenate([rated.image, images]),
        np.concatenate([rated.attribute, np.ones(24, np.int64)]),
        np.concatenate([rated.score, scores]).astype(np.float32),
    )
    people = (*PEOPLE, *(f"late {number}" for number in range(6)))
    known = JudgementDataset(people, judged.images, judged.attributes, more, judged.comparisons)
    effects, axes = update.effects_now(stored, known, ITEMS)
    estimate = effects.posterior(1).estimate(np.zeros(axes.width))
    assert estimate.people[fresh[:4]].tolist() == [6] * 4
    assert estimate.mean[fresh[0]] > estimate.mean[fresh[1:4]].max()
    assert effects.fitted[WORLD.train.judged_images()].all()
    assert not effects.fitted[fresh].any()


def _by_image(judged: JudgementDataset, image: int) -> RatingTable:
    """What was said of an image on the second attribute, comparisons as ratings."""
    compared = judged.comparisons
    rated = np.flatnonzero((judged.ratings.image == image) & (judged.ratings.attribute == 1))
    sides = np.flatnonzero(((compared.left == image) | (compared.right == image)) & (compared.attribute == 1))
    person = np.concatenate([judged.ratings.person[rated], compared.person[sides]])
    return RatingTable(person, np.full(len(person), image), np.ones(len(person), np.int64), np.zeros(len(person), np.float32))


def test_the_folder_has_no_names_but_those_of_people_and_images(models: Place) -> None:
    files = {path.name for path in Path(models.path, "ours").rglob("*") if path.is_file()}
    assert {"card.json", "loadings.safetensors", "images-000000.safetensors"} <= files
