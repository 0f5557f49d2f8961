"""The Bayesian taste and the population's sign the contract; the Bayesian one learns on, and knows how sure it is."""

import numpy as np
import pytest
from support.taste_suite import ENCODER, OPPOSITE, PEOPLE, TasteContract, World, simulate

from beholder.errors import ConfigError
from beholder.taste import bayes, population
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.dataset import JudgementDataset
from beholder.taste.population import PopulationConfig

SMALL = BayesTasteConfig(components=[16], ranks=[4], spreads=[0.06], tempers=[1.0], strength=4.0, iterations=6)


def silent(*_: object) -> None:
    pass


class TestBayes(TasteContract):
    def fit(self, world: World, items: np.ndarray, seed: int) -> bayes.BayesTaste:
        return bayes.fit(world.train, world.held_out, items, SMALL, encoder_id=ENCODER, seed=seed, progress=silent)

    def test_a_choice_moves_the_utility_towards_it_and_the_doubt_down(self, taste, shown):
        info, tensors, settings = taste.info, taste.tensors(), taste.settings()
        fresh = bayes.load(info, tensors, settings)
        for _ in range(3):
            before = fresh.differences(shown[:1], shown[1:2], "a stranger", "smart")
            fresh.update(shown[0], shown[1], 1.0, "a stranger", "smart")
            after = fresh.differences(shown[:1], shown[1:2], "a stranger", "smart")
            assert after.mean[0] > before.mean[0]
            assert after.variance[0] < before.variance[0]
        assert np.array_equal(fresh.utilities(shown, PEOPLE, "smart"), taste.utilities(shown, PEOPLE, "smart"))

    def test_choices_one_by_one_are_about_the_same_as_all_at_once(self, taste, shown, world):
        row = PEOPLE.index(OPPOSITE)
        mine = world.train.of_people(np.arange(len(PEOPLE)) == row).on_attribute(1)
        few = mine.select(np.zeros(len(mine.ratings), bool), np.arange(40))
        stranger = JudgementDataset(("somebody",), few.images, few.attributes, few.ratings, _by_the_first(few.comparisons))
        together = taste.learn(stranger, shown)
        alone = bayes.load(taste.info, taste.tensors(), taste.settings())
        for left, right, choice in zip(few.comparisons.left, few.comparisons.right, few.comparisons.choice, strict=True):
            alone.update(shown[left], shown[right], float(choice), "somebody", "smart")
        one, other = (each.utilities(shown, ["somebody"], "smart")[0] for each in (together, alone))
        assert np.corrcoef(one, other)[0, 1] > 0.98
        left, right = world.pairs()
        found = [each.differences(shown[left], shown[right], "somebody", "smart") for each in (together, alone)]
        deviations = [np.sqrt(each.variance).mean() for each in found]
        assert deviations[0] == pytest.approx(deviations[1], rel=0.15)  # one by one is a little surer, and moves a little less
        assert np.std(found[0].mean) == pytest.approx(np.std(found[1].mean), rel=0.15)

    def test_somebody_learned_later_is_as_they_were_fitted(self, taste, shown, world):
        again = taste.learn(world.train, shown)
        for attribute in world.train.attributes:
            for user_id in PEOPLE:
                one, other = (each.posterior(user_id, attribute) for each in (taste, again))
                spread = np.sqrt(np.diag(one.covariance))
                assert np.abs(one.mean - other.mean).max() < 0.3 * spread.max()
                np.testing.assert_allclose(np.sqrt(np.diag(other.covariance)), spread, rtol=0.1)

    def test_ties_of_somebody_new_count(self, taste, shown, world):
        mine = world.train.of_people(np.arange(len(PEOPLE)) == 0).on_attribute(1)
        few = mine.select(np.zeros(len(mine.ratings), bool), np.arange(20))
        tied = _by_the_first(few.comparisons)
        tied = type(tied)(tied.person, tied.left, tied.right, tied.attribute, np.full(20, 0.5, np.float32))
        stranger = JudgementDataset(("somebody",), few.images, few.attributes, few.ratings, tied)
        found, before = (
            each.differences(shown[tied.left], shown[tied.right], "somebody", "smart")
            for each in (taste.learn(stranger, shown), taste)
        )
        assert np.abs(found.mean).mean() < np.abs(before.mean).mean()
        assert found.variance.mean() < before.variance.mean()

    def test_somebody_new_is_learned_and_nobody_else_changes(self, taste, shown, world):
        row = PEOPLE.index(OPPOSITE)
        mine = world.train.of_people(np.arange(len(PEOPLE)) == row).on_attribute(0)
        stranger = JudgementDataset(("somebody",), mine.images, mine.attributes, mine.ratings[:0], _by_the_first(mine.comparisons))
        taught = taste.learn(stranger, shown)
        assert "somebody" in taught.info.people
        found = taught.utilities(shown, ["somebody", "a stranger"], "attractive")[:, world.fresh]
        truth = world.truth[row, 0][world.fresh]
        assert np.corrcoef(found[0], truth)[0, 1] > 0.7 > np.corrcoef(found[1], truth)[0, 1]
        assert np.array_equal(taught.utilities(shown, PEOPLE, "smart"), taste.utilities(shown, PEOPLE, "smart"))

    def test_a_few_people_and_many_are_reckoned_the_same(self, taste, shown):
        many = [*PEOPLE, *(f"stranger {n}" for n in range(30))]
        few = np.concatenate([taste.utilities(shown, [user_id], "smart") for user_id in many])
        np.testing.assert_allclose(taste.utilities(shown, many, "smart"), few, atol=1e-5)

    def test_it_is_as_right_as_it_says(self, taste, shown, world):
        left, right = world.pairs()
        chances, hits = [], []
        for row, user_id in enumerate(PEOPLE):
            chance = taste.differences(shown[left], shown[right], user_id, "smart").probability()
            truth = 1 / (1 + np.exp(world.truth[row, 1][right] - world.truth[row, 1][left]))
            chances.append(np.maximum(chance, 1 - chance))
            hits.append(np.where(chance > 0.5, truth, 1 - truth))
        assert np.mean(chances) == pytest.approx(np.mean(hits), abs=0.06)


def _by_the_first(comparisons):
    return type(comparisons)(
        np.zeros_like(comparisons.person), comparisons.left, comparisons.right, comparisons.attribute, comparisons.choice
    )


class TestPopulation(TasteContract):
    personal = False

    def fit(self, world: World, items: np.ndarray, seed: int) -> population.Population:
        config = PopulationConfig()
        return population.fit(world.train, world.held_out, items, config, encoder_id=ENCODER, seed=seed, progress=silent)


def test_the_covariance_is_learned_from_the_people():
    """Where people differ along one axis only, the learned covariance points there, and few choices teach more than a flat one."""
    world = _along_one_axis()
    learned = bayes.fit(world.train, world.held_out, world.items, SMALL, encoder_id=ENCODER, seed=0, progress=silent)
    prior = learned.priors[0]
    axis = prior.features.axes @ world.axis
    axis /= np.linalg.norm(axis)
    own = prior.covariance[:-2, :-2]
    assert axis @ own @ axis > 4 * np.trace(own) / len(own)


@pytest.mark.parametrize("wrong", [{"ranks": []}, {"spreads": [0.0]}, {"tempers": [1.5]}, {"strength": 0.0}])
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError):
        BayesTasteConfig(**wrong)


class _along_one_axis:
    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        people, images, count = 60, 300, 6000
        self.items = rng.normal(size=(images, 12)).astype(np.float32)
        shared, self.axis = rng.normal(size=12), np.eye(12)[3]
        weights = shared + 2.0 * rng.normal(size=(people, 1)) * self.axis
        utilities = weights @ self.items.T
        person, left = rng.integers(0, people, count), rng.integers(0, images, count)
        right = (left + rng.integers(1, images, count)) % images
        chance = 1 / (1 + np.exp(utilities[person, right] - utilities[person, left]))
        zeros = np.zeros(count, np.int64)
        world = simulate(images=20, comparisons=10, ratings=0)
        compared = type(world.train.comparisons)(person, left, right, zeros, (rng.random(count) < chance).astype(np.float32))
        dataset = JudgementDataset(
            tuple(f"p{n}" for n in range(people)),
            tuple(f"i{n}" for n in range(images)),
            ("attractive",),
            world.train.ratings[:0],
            compared,
        )
        part = np.arange(images) % 5
        self.train, self.held_out = dataset.on_images(part > 0), dataset.on_images(part == 0)
