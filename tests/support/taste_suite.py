"""What every taste has to do. A kind inherits all of it: `class TestMlp(TasteContract)` with a `fit`.

The world is small and known: utilities are linear in 8 latent numbers of an image, people are variations of one shared taste, but
for one who sees everything the other way round; choices are logistic in the utilities, ratings cut them at each person's own cuts.
"""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from safetensors.numpy import load, save

from beholder.errors import EmbeddingError, TasteError
from beholder.taste import taste_factory
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable

PEOPLE = tuple(f"person {number}" for number in range(8))
OPPOSITE = "person 7"
ATTRIBUTES = ("attractive", "smart")
ENCODER = "test-encoder-0"


@dataclass(frozen=True)
class World:
    """latents float [N, 8]; truth float [P, A, N]; train and held_out share no image, and tell nothing of `fresh`, bool [N]."""

    latents: np.ndarray
    truth: np.ndarray
    train: JudgementDataset
    held_out: JudgementDataset
    fresh: np.ndarray

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of fresh images."""
        rows = np.flatnonzero(self.fresh)
        left, right = np.triu_indices(len(rows), 1)
        return rows[left], rows[right]


def simulate(*, images: int = 240, comparisons: int = 4000, ratings: int = 1600, seed: int = 5) -> World:
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(images, 8))
    shared = rng.normal(size=(len(ATTRIBUTES), 8))
    weights = shared + 0.5 * rng.normal(size=(len(PEOPLE), len(ATTRIBUTES), 8))
    weights[-1] = -shared
    weights *= 2.5 / np.linalg.norm(weights, axis=2, keepdims=True)
    truth = weights @ latents.T

    person, attribute = rng.integers(0, len(PEOPLE), comparisons), rng.integers(0, len(ATTRIBUTES), comparisons)
    left = rng.integers(0, images, comparisons)
    right = (left + rng.integers(1, images, comparisons)) % images
    chance = 1 / (1 + np.exp(truth[person, attribute, right] - truth[person, attribute, left]))
    choice = (rng.random(comparisons) < chance).astype(np.float32)
    compared = ComparisonTable(person, left, right, attribute, choice)

    person, attribute = rng.integers(0, len(PEOPLE), ratings), rng.integers(0, len(ATTRIBUTES), ratings)
    image = rng.integers(0, images, ratings)
    felt = truth[person, attribute, image] + rng.logistic(size=ratings) + 1.5 * rng.normal(size=len(PEOPLE))[person]
    score = 1 + (felt[:, None] > np.array([-2.0, 0.0, 2.0])).sum(axis=1)
    rated = RatingTable(person, image, attribute, score.astype(np.float32))

    dataset = JudgementDataset(PEOPLE, tuple(f"image {n}" for n in range(images)), ATTRIBUTES, rated, compared)
    part = rng.permutation(images) % 10
    return World(latents, truth, dataset.on_images(part < 7), dataset.on_images((part == 7) | (part == 8)), part == 9)


class TasteContract:
    """Inherit, and write `fit`; set `personal = False` for a taste that knows no people, `encoder_id` for one that has its own."""

    personal = True
    encoder_id = ENCODER

    def fit(self, world: World, items: np.ndarray, seed: int) -> Taste:
        raise NotImplementedError

    def items(self, world: World) -> np.ndarray:
        """What the taste is shown of images [N]: by default embeddings that hold the latents, turned, among 8 useless numbers."""
        rng = np.random.default_rng(99)
        turned = np.concatenate([world.latents, rng.normal(size=world.latents.shape)], axis=1)
        turned = turned @ np.linalg.qr(rng.normal(size=(16, 16)))[0]
        return (0.05 * turned + 0.1).astype(np.float32)

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls) -> World:
        return simulate()

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, world: World) -> np.ndarray:
        return cls().items(world)

    @pytest.fixture(scope="class")
    @classmethod
    def taste(cls, world: World, shown: np.ndarray) -> Taste:
        return cls().fit(world, shown, seed=3)

    def test_it_says_what_it_is_for(self, taste):
        assert taste.info.encoder_id == self.encoder_id
        assert taste.info.attributes == ATTRIBUTES
        assert taste.info.people == PEOPLE
        assert taste.info.kind in taste_factory.KINDS

    def test_utilities_have_a_row_for_each_person_and_a_column_for_each_image(self, taste, shown):
        found = taste.utilities(shown[:5], PEOPLE[:3], "smart")
        assert found.shape == (3, 5)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()

    def test_nobody_and_nothing_are_empty(self, taste, shown):
        assert taste.utilities(shown[:5], [], "smart").shape == (0, 5)
        assert taste.utilities(shown[:0], PEOPLE[:2], "smart").shape == (2, 0)

    def test_a_utility_does_not_depend_on_what_else_is_asked(self, taste, shown):
        together = taste.utilities(shown[:9], PEOPLE, "attractive")
        alone = taste.utilities(shown[4:5], PEOPLE[2:3], "attractive")
        np.testing.assert_allclose(together[2:3, 4:5], alone, atol=1e-4)

    def test_somebody_unknown_gets_the_populations(self, taste, shown, world):
        found = taste.utilities(shown, ["a stranger", PEOPLE[0], "another"], "attractive")
        np.testing.assert_allclose(found[0], found[2], atol=1e-5)
        consensus = world.truth[:-1, 0].mean(axis=0)
        assert np.corrcoef(found[0][world.fresh], consensus[world.fresh])[0, 1] > 0.8
        assert np.allclose(found[0], found[1], atol=1e-3) is not self.personal

    def test_a_difference_is_that_of_the_utilities(self, taste, shown):
        belief = taste.differences(shown[:6], shown[6:12], PEOPLE[1], "smart")
        found = taste.utilities(shown[:12], [PEOPLE[1]], "smart")[0]
        np.testing.assert_allclose(belief.mean, found[:6] - found[6:], atol=1e-4)
        assert belief.mean.dtype == belief.variance.dtype == np.float32
        assert belief.variance.shape == (6,)
        assert (belief.variance >= 0).all()

    def test_exchanging_left_and_right_turns_the_answer_round(self, taste, shown):
        one = taste.differences(shown[:6], shown[6:12], PEOPLE[1], "smart")
        other = taste.differences(shown[6:12], shown[:6], PEOPLE[1], "smart")
        np.testing.assert_allclose(one.mean, -other.mean, atol=1e-5)
        np.testing.assert_allclose(one.probability() + other.probability(), 1, atol=1e-5)

    def test_an_attribute_it_was_not_fitted_to_is_refused(self, taste, shown):
        with pytest.raises(TasteError, match="smart"):
            taste.utilities(shown[:2], PEOPLE[:1], "smrat")
        with pytest.raises(TasteError, match="smart"):
            taste.differences(shown[:2], shown[2:4], PEOPLE[0], "smrat")

    def test_embeddings_of_another_length_are_refused(self, taste, shown):
        if taste.info.takes != "embeddings":
            pytest.skip("it takes pixels")
        for wrong in (shown[:2, :-1], shown[0]):
            with pytest.raises(EmbeddingError, match=str(shown.shape[1])):
                taste.utilities(wrong, PEOPLE[:1], "smart")

    def test_it_can_be_written_down_and_read_again(self, taste, shown):
        tensors = load(save({name: np.ascontiguousarray(array) for name, array in taste.tensors().items()}))
        again = taste_factory.load(taste.info, tensors, json.loads(json.dumps(taste.settings())))
        people = [*PEOPLE, "a stranger"]
        np.testing.assert_array_equal(again.utilities(shown, people, "smart"), taste.utilities(shown, people, "smart"))
        assert again.info == taste.info
        assert again.settings() == json.loads(json.dumps(taste.settings()))

    def test_a_person_can_be_forgotten(self, taste, shown):
        tensors = {name: np.ascontiguousarray(array) for name, array in taste.tensors().items()}
        left = taste_factory.forget(taste.info, tensors, json.loads(json.dumps(taste.settings())), PEOPLE[2])
        again = taste_factory.load(*left)
        others = [name for name in PEOPLE if name != PEOPLE[2]]
        assert again.info.people == tuple(others)
        found = again.utilities(shown, others, "smart")
        np.testing.assert_allclose(found, taste.utilities(shown, others, "smart"), atol=1e-4)
        forgotten, stranger = again.utilities(shown, [PEOPLE[2], "a stranger"], "smart")
        np.testing.assert_array_equal(forgotten, stranger)
        assert (
            sum(array.size for array in again.tensors().values()) <= sum(array.size for array in tensors.values()) - self.personal
        )

    def test_the_same_seed_gives_the_same_taste(self, taste, world, shown):
        again = self.fit(world, shown, seed=3)
        np.testing.assert_array_equal(again.utilities(shown, PEOPLE, "smart"), taste.utilities(shown, PEOPLE, "smart"))

    def test_a_known_taste_is_found_on_images_it_never_saw(self, taste, world, shown):
        left, right = world.pairs()
        for number, attribute in enumerate(ATTRIBUTES):
            found = taste.utilities(shown, PEOPLE, attribute)
            truth = world.truth[:, number]
            right_sign = np.sign(found[:, left] - found[:, right]) == np.sign(truth[:, left] - truth[:, right])
            shares = right_sign.mean(axis=1)
            assert shares[:-1].mean() > (0.8 if self.personal else 0.7), shares

    def test_a_person_who_sees_it_the_other_way_round_is_understood(self, taste, world, shown):
        left, right = world.pairs()
        own, population = taste.utilities(shown, [OPPOSITE, "a stranger"], "attractive")
        truth = np.sign(world.truth[-1, 0, left] - world.truth[-1, 0, right])
        if self.personal:
            assert np.mean(np.sign(own[left] - own[right]) == truth) > 0.7
        assert np.mean(np.sign(population[left] - population[right]) == truth) < 0.3

    def test_a_utility_is_in_logits(self, taste, world, shown):
        """People's choices are logistic in the true utilities; what is found should be neither much too bold nor too timid."""
        if not self.personal:
            pytest.skip("the population's utilities are flatter than any person's")
        left, right = world.pairs()
        found = np.concatenate([taste.utilities(shown, PEOPLE, name) for name in ATTRIBUTES])
        truth = np.concatenate([world.truth[:, 0], world.truth[:, 1]])
        found, truth = found[:, left] - found[:, right], truth[:, left] - truth[:, right]
        assert 0.6 < np.sum(found * truth) / np.sum(found * found) < 1.6
