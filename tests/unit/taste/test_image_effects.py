"""Image effects: known answers on made-up judgements; a person's own never counts, and a forgotten person's part is gone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.partial_doubles import PartialTaste

from beholder import artifacts
from beholder.errors import TasteError
from beholder.storage import Place
from beholder.taste import image_effects, shrinkage, taste_registry, warm_taste
from beholder.taste.contract import Normal, TasteInfo
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.effect_shards import EffectShards
from beholder.taste.image_effects import Contributions, EffectPosterior, EffectScale, GroupScale, JudgedUtilities
from beholder.taste.population import Population
from beholder.taste.taste_loadings import TasteLoadings

PEOPLE, IMAGES = tuple(f"person {number}" for number in range(40)), tuple(f"image {number}" for number in range(120))
RNG = np.random.default_rng(7)
EFFECT = RNG.normal(size=len(IMAGES)) * 0.8
KIND = np.where(np.arange(len(PEOPLE)) < 20, 1.0, -1.0)  # two kinds of people
FACTOR = RNG.normal(size=len(IMAGES)) * 0.6
TASTE = RNG.normal(size=(len(IMAGES), 2)) @ np.array([[0.6], [0.8]]) + 0.7 * RNG.normal(size=(len(IMAGES), 1)) * KIND
TRUTH = (TASTE + EFFECT[:, None] + FACTOR[:, None] * KIND).T  # [P, N]
ITEMS = np.arange(len(IMAGES), dtype=np.float32)[:, None]  # an item is its own number
EMPTY = np.zeros(0, np.int64)
NONE = RatingTable(EMPTY, EMPTY, EMPTY, EMPTY.astype(np.float32))
NO_PAIRS = ComparisonTable(EMPTY, EMPTY, EMPTY, EMPTY, EMPTY.astype(np.float32))


class Tastes(PartialTaste):
    """Everybody's taste without the effects; the population's is the mean."""

    def __init__(self) -> None:
        self.info = TasteInfo("made up", "none", ("kind",), PEOPLE)

    def utilities(self, items, user_ids, attribute):
        rows = items[:, 0].astype(int)
        of = dict(zip(PEOPLE, TASTE.T, strict=True))
        return np.array([of.get(user_id, TASTE.mean(axis=1))[rows] for user_id in user_ids], np.float32).reshape(-1, len(rows))

    def differences(self, left, right, user_id, attribute):
        mean = self.utilities(left, [user_id], attribute)[0] - self.utilities(right, [user_id], attribute)[0]
        return Normal(mean, np.zeros_like(mean))


def dataset(*, ratings: int = 0, comparisons: int = 0) -> JudgementDataset:
    """So many judgements of each image."""
    rng = np.random.default_rng(3)
    image = np.repeat(np.arange(len(IMAGES)), ratings)
    person = np.concatenate([rng.permutation(len(PEOPLE))[:ratings] for _ in IMAGES]).astype(np.int64)
    felt = TRUTH[person, image] + 0.8 * rng.normal(size=len(image)) + rng.normal(size=len(PEOPLE))[person]
    rated = RatingTable(person, image, np.zeros_like(image), felt.astype(np.float32)) if ratings else NONE
    left = np.tile(np.arange(len(IMAGES)), comparisons)
    right = (left + rng.integers(1, len(IMAGES), len(left))) % len(IMAGES)
    person = rng.integers(0, len(PEOPLE), len(left))
    choice = rng.random(len(left)) < 1 / (1 + np.exp(TRUTH[person, right] - TRUTH[person, left]))
    compared = ComparisonTable(person, left, right, np.zeros_like(left), choice.astype(np.float32)) if comparisons else NO_PAIRS
    return JudgementDataset(PEOPLE, IMAGES, ("kind",), rated, compared)


def learned(judged: JudgementDataset, fitted: np.ndarray | None = None):
    return warm_taste.learn_effects(Tastes(), judged, ITEMS, np.ones(len(IMAGES), bool) if fitted is None else fitted)


def effects_of(kind: float) -> np.ndarray:
    return EFFECT + FACTOR * kind


@pytest.mark.parametrize("counts", [{"ratings": 12}, {"comparisons": 30}])
def test_effects_are_found_for_each_kind_of_people_from_ratings_and_from_comparisons(counts):
    judged = dataset(**counts)
    effects, axes = learned(judged)
    posterior = effects.posterior(0)
    for user_id, kind in (("person 0", 1.0), ("person 39", -1.0)):
        loading = axes.of(Tastes(), [user_id], "kind")[0]
        mean = posterior.estimate(loading).mean
        assert np.corrcoef(mean, effects_of(kind))[0, 1] > 0.7
        assert np.corrcoef(mean, effects_of(kind))[0, 1] > np.corrcoef(mean, effects_of(-kind))[0, 1] + 0.2
    nobody = posterior.estimate(axes.of(Tastes(), ["somebody new"], "kind")[0]).mean
    assert np.corrcoef(nobody, EFFECT)[0, 1] > 0.7


def test_one_effect_is_the_shrunken_mean_of_residuals():
    person, image, attribute = np.array([0, 1, 1]), np.array([0, 0, 1]), np.zeros(3, np.int64)
    own = Contributions(person, image, attribute, np.array([2.0, 1.0, 5.0]), np.full(3, 0.5))
    found = EffectPosterior.of(own, np.zeros((2, 0)), np.full((3, 1), 0.25)).estimate(np.zeros(0))
    np.testing.assert_allclose(found.mean, [3.0 / (4 + 1), 5.0 / (4 + 0.5), 0.0])
    np.testing.assert_allclose(found.variance, [1 / 5, 1 / 4.5, 0.25])
    assert found.people.tolist() == [2, 1, 0]


def test_factors_are_those_of_a_bayesian_regression():
    rng = np.random.default_rng(0)
    loadings, variances = rng.normal(size=(5, 2)), np.array([[0.3, 0.2, 0.2]])
    precision, residual = rng.uniform(0.5, 2, 5), rng.normal(size=5)
    zeros = np.zeros(5, np.int64)
    found = EffectPosterior.of(Contributions(np.arange(5), zeros, zeros, precision * residual, precision), loadings, variances)
    x = np.column_stack([np.ones(5), loadings])
    covariance = np.linalg.inv(np.diag(1 / variances[0]) + x.T @ np.diag(precision) @ x)
    np.testing.assert_allclose(found.covariances[0], covariance)
    np.testing.assert_allclose(found.means[0], covariance @ x.T @ (precision * residual))


def test_variances_are_those_that_made_the_judgements():
    judged = dataset(ratings=20)
    fitted = np.arange(len(IMAGES)) < 60
    scale = learned(judged, fitted)[0].scales[0]
    unit = 1.4 / np.sqrt(judged.ratings.score.var())  # about: a person's standard deviation is 1.4 logits
    for group in (scale.fitted, scale.others):
        assert group.variance * group.slope**2 == pytest.approx(EFFECT.var() * unit**2, rel=0.5)
        assert group.noise * group.slope**2 == pytest.approx(0.64 * unit**2, rel=0.5)


def test_without_effects_none_are_found():
    rng = np.random.default_rng(0)
    image, person = np.repeat(np.arange(len(IMAGES)), 10), rng.integers(0, len(PEOPLE), 10 * len(IMAGES))
    score = (TASTE.T[person, image] + rng.normal(size=len(image))).astype(np.float32)
    judged = JudgementDataset(PEOPLE, IMAGES, ("kind",), RatingTable(person, image, np.zeros_like(image), score), NO_PAIRS)
    effects, axes = learned(judged)
    assert np.abs(effects.posterior(0).estimate(np.zeros(axes.width)).mean).max() < 0.25
    assert effects.scales[0].others.variance < 0.05


def test_a_random_person_counts_less_than_a_consistent_one():
    judged = dataset(ratings=20)
    noisy = judged.ratings.person == 3
    score = np.where(noisy, np.random.default_rng(1).permutation(judged.ratings.score), judged.ratings.score).astype(np.float32)
    effects, _ = learned(replace(judged, ratings=replace(judged.ratings, score=score)))
    precision = [effects.contributions.precision[effects.contributions.person == person].mean() for person in (3, 4)]
    assert precision[0] < 0.8 * precision[1]


def test_weights_multiply_what_a_person_says():
    judged = dataset(ratings=12, comparisons=4)
    weights = np.ones(len(PEOPLE))
    weights[5] = 0.0
    own = learned(replace(judged, weights=weights))[0].contributions
    assert not own.precision[own.person == 5].any()
    assert own.precision[own.person == 6].all()


def write(folder: Place, judged: JudgementDataset, shard_images: int = 32) -> EffectShards:
    effects, axes = learned(judged)
    return EffectShards.write(
        folder, effects, axes, judged.images, judged.people, judged.attributes, seed=0, shard_images=shard_images
    )


def test_shards_answer_as_the_whole_does_without_the_person_s_own(tmp_path: Path) -> None:
    judged = dataset(ratings=8, comparisons=2)
    shards, (effects, axes) = write(Place.at(tmp_path), judged), learned(judged)
    assert shards.shards == 4
    found = shards.of(IMAGES[::-1], "kind", Tastes(), "person 2")
    own = effects.contributions[np.flatnonzero(effects.contributions.person != 2)]
    loading = axes.of(Tastes(), ["person 2"], "kind")[0]
    expected = replace(effects, contributions=own).posterior(0).estimate(loading)
    np.testing.assert_allclose(found.mean[::-1], expected.mean, atol=1e-12)
    assert np.array_equal(found.people[::-1], expected.people)


def test_what_a_person_says_of_an_image_does_not_change_what_they_are_told(tmp_path: Path) -> None:
    judged = dataset(ratings=8)
    mine = np.flatnonzero(judged.ratings.person == 2)
    effects, axes = learned(judged)
    score = judged.ratings.score.copy()
    score[mine[:3]] = score[mine[:3]][::-1]  # the same scores of other images: how they use the scale stays
    other = replace(judged, ratings=replace(judged.ratings, score=score))
    utilities = JudgedUtilities.of(Tastes(), other, ITEMS)
    again = image_effects.contributions(other, utilities, effects.fitted, effects.scales)
    one, two = (
        EffectShards.write(
            Place.at(tmp_path / name), replace(effects, contributions=each), axes, IMAGES, PEOPLE, ["kind"], seed=0
        ).of(IMAGES, "kind", Tastes(), "person 2")
        for name, each in (("one", effects.contributions), ("two", again))
    )
    assert np.array_equal(one.mean, two.mean)


def test_images_nobody_judged_and_attributes_nobody_knows_have_no_effect(tmp_path: Path) -> None:
    judged = dataset(ratings=8)
    seen = judged.on_images(np.arange(len(IMAGES)) < 100)
    shards = write(Place.at(tmp_path), seen)
    found = shards.of(["image 0", "image 110", "strange"], "kind", Tastes(), "")
    assert found.mean[0] != 0
    assert found.mean[1:].tolist() == [0, 0]
    assert found.people.tolist() == [8, 0, 0]
    assert not shards.of(["image 0"], "smart", Tastes(), "").mean.any()


def test_a_forgotten_person_s_part_is_taken_out_exactly(tmp_path: Path) -> None:
    judged = dataset(ratings=8, comparisons=2)
    effects, axes = learned(judged)
    kept = np.flatnonzero(effects.contributions.person != 4)
    without = replace(effects, contributions=effects.contributions[kept])
    shards = EffectShards.write(Place.at(tmp_path / "all"), effects, axes, IMAGES, PEOPLE, ["kind"], seed=0, shard_images=32)
    never = EffectShards.write(Place.at(tmp_path / "never"), without, axes, IMAGES, PEOPLE, ["kind"], seed=0, shard_images=32)
    before, name = shards.of(IMAGES, "kind", Tastes(), ""), rb"person 4\""

    def files() -> bytes:
        return b"".join(path.read_bytes() for path in (tmp_path / "all").iterdir())

    assert name in files()
    assert shards.without_person("person 4")
    assert not shards.without_person("person 4")
    after, expected = (each.of(IMAGES, "kind", Tastes(), "") for each in (shards, never))
    assert np.array_equal(after.mean, expected.mean)
    assert not np.array_equal(after.mean, before.mean)
    assert name not in files()


def test_a_shard_that_was_written_anew_is_read_again(tmp_path: Path) -> None:
    shards = write(Place.at(tmp_path), dataset(ratings=8))
    one, other = (EffectShards.of_card(Place.at(tmp_path.parent), shards.card()) for _ in range(2))
    before = one.of(IMAGES, "kind", Tastes(), "")
    other.without_person("person 4")
    assert not np.array_equal(one.of(IMAGES, "kind", Tastes(), "").mean, before.mean)


@pytest.mark.parametrize("cut", ["images", "numbers", "loadings"])
def test_a_torn_shard_is_refused(cut: str, tmp_path: Path) -> None:
    shards = write(Place.at(tmp_path), dataset(ratings=8), shard_images=1000)
    place = shards.place(0)
    stored = artifacts.parse_arrays(place.read_bytes())
    tensors, texts = dict(stored.tensors), dict(stored.metadata)
    if cut == "images":
        texts["images"] = json.dumps(json.loads(texts["images"])[1:])
    elif cut == "numbers":
        tensors["person"] = tensors["person"] + 1000
    else:
        tensors["loadings"] = tensors["loadings"][:, 1:]
    place.write_bytes(artifacts.dump(tensors, texts))
    with pytest.raises(TasteError, match="no readable shard of image effects"):
        shards.of(["image 0"], "kind", Tastes(), "")


def test_a_card_comes_back_and_a_hostile_one_is_refused(tmp_path: Path) -> None:
    shards = write(Place.at(tmp_path / "effects-0"), dataset(ratings=8))
    card = json.loads(json.dumps(shards.card()))
    assert EffectShards.of_card(Place.at(tmp_path), card) == shards
    wrongs: list[dict] = [{"folder": "../secret"}, {"folder": ".hidden"}, {"shards": 0}, {"scales": []}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"no folder of shards|a scale for each"):
            EffectShards.of_card(Place.at(tmp_path), card | wrong)


def test_a_scale_comes_back_from_json() -> None:
    scale = EffectScale(GroupScale(1.0, 2.0, 0.1, 0.05), GroupScale(0.8, 1.9, 0.2, 0.0))
    assert EffectScale.from_dict(json.loads(json.dumps(scale.to_dict()))) == scale


def test_the_registry_keeps_effects_beside_a_taste_and_forgets_people_in_both(tmp_path: Path) -> None:
    models, judged = Place.at(tmp_path), dataset(ratings=8)
    info = TasteInfo("population", "none", ("kind",), PEOPLE[:10])  # most have judged since the fit

    def put() -> None:
        taste = Population(info, np.zeros((1, 1), np.float32), np.zeros(1, np.float32), [1.0])
        taste_registry.write(models, "ours", taste, figures={}, config={}, commit=None)
        effects, axes = learned(judged)
        taste_registry.write_effects(models, "ours", effects, axes, judged, seed=0)

    put()
    put()
    assert len(list((tmp_path / "ours").glob("effects-*"))) == 1
    for user_id in ("person 3", "person 30"):  # one whom the taste knows, and one whom it does not
        assert taste_registry.forget(models, user_id) == ["ours"]
        entry = taste_registry.read(models, "ours")
        assert entry.effects is not None
        assert all(user_id not in shard.people for shard in entry.effects.all())
        assert user_id not in entry.taste.info.people
    assert taste_registry.forget(models, "person 30") == []
    taste_registry.write(models, "ours", Population(info, np.zeros((1, 1)), np.zeros(1), [1.0]), figures={}, config={}, commit=None)
    assert taste_registry.read(models, "ours").effects is None
    assert not list((tmp_path / "ours").glob("effects-*/*"))


def test_people_who_know_nothing_of_each_other_have_short_loadings() -> None:
    axes = TasteLoadings.learn(Tastes(), PEOPLE, ITEMS, anchors=50, factors=3)
    assert axes.anchors.shape == (50, 1)
    loadings = axes.of_everybody(Tastes(), [*PEOPLE, "new"], ["kind"])[0]
    assert (loadings[:40] ** 2).sum(axis=1).mean() == pytest.approx(1)
    assert not loadings[40].any()
    kinds = loadings[:40] @ loadings[0]
    assert (kinds[:20] > 0).all()
    assert (kinds[20:] < 0).all()
    nobody = TasteLoadings.learn(shrinkage.ShrunkTaste(Tastes(), {}), PEOPLE, ITEMS, factors=0)
    assert (nobody.width, len(nobody.anchors)) == (0, 0)
    assert nobody.of(None, ["person 0"], "kind").shape == (1, 0)
