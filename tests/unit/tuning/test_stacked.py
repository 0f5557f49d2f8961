"""Stacked fits: what they give is what fitting each person alone gives."""

from dataclasses import replace

import numpy as np
import pytest
from support.scarce_memory import ScarceMemory

from beholder.errors import ConfigError, EmbeddingError, TasteError
from beholder.taste import mlp
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.mlp import MlpConfig
from beholder.taste.training import TrainingConfig
from beholder.tuning import stacked

IMAGES, DIMS = 90, 12
FIT = TrainingConfig(epochs=7, batch=24, learning_rate=0.01, patience=2, device="cpu")


def crowd(people=5, *, ties=False, ratings=True, seed=0) -> tuple[JudgementDataset, JudgementDataset, np.ndarray]:
    """(train, held out, embeddings): linear tastes over random embeddings, and very different numbers of judgements."""
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(IMAGES, DIMS)).astype(np.float32)
    tastes = rng.normal(size=(people, 2, DIMS))
    parts = []
    for images, factor in ((np.arange(60), 1.0), (np.arange(60, IMAGES), 0.5)):
        rated, compared = [], []
        for person in range(people):
            for _ in range(int(factor * (20 + 25 * person)) if ratings else 0):
                image, on = rng.choice(images), rng.integers(2)
                score = np.clip(np.rint(2.5 + tastes[person, on] @ items[image] / 3), 1, 3 + person % 3)
                rated.append((person, image, on, score))
            for _ in range(int(factor * (60 - 8 * person))):
                left, right = rng.choice(images, 2, replace=False)
                on = rng.integers(2)
                gap = tastes[person, on] @ (items[left] - items[right]) + rng.logistic()
                tie = ties and person != 1 and abs(gap) < 1
                compared.append((person, left, right, on, 0.5 if tie else float(gap > 0)))
        parts.append(dataset(people, rated, compared))
    return parts[0], parts[1], items


def dataset(people, rated, compared) -> JudgementDataset:
    def column(rows, at, dtype=np.int64):
        return np.array([row[at] for row in rows], dtype)

    return JudgementDataset(
        tuple(f"person {number}" for number in range(people)),
        tuple(f"image {number}" for number in range(IMAGES)),
        ("kind", "smart"),
        RatingTable(column(rated, 0), column(rated, 1), column(rated, 2), column(rated, 3, np.float32)),
        ComparisonTable(
            column(compared, 0), column(compared, 1), column(compared, 2), column(compared, 3), column(compared, 4, np.float32)
        ),
    )


def apart(train, held_out, items, config, *, seed) -> list[mlp.Mlp]:
    """Each person's own fit, by mlp.fit."""
    return [
        mlp.fit(
            stacked.alone(train, person),
            stacked.alone(held_out, person),
            items,
            stacked.own(config),
            encoder_id="e",
            seed=stacked.seed_of(user_id, seed),
        )
        for person, user_id in enumerate(train.people)
    ]


@pytest.mark.parametrize(
    ("config", "ties", "ratings"),
    [
        (MlpConfig(widths=[16, 8], dropout=0.2, fit=FIT), False, True),
        (MlpConfig(widths=[16], dropout=0.3, activation="gelu", fit=FIT), True, True),
        (MlpConfig(widths=[], fit=replace(FIT, clip=0.1)), False, False),
        (MlpConfig(widths=[8], batchnorm=False, ensemble=2, ratings_as="pairs", pairs=40, fit=FIT), True, True),
    ],
    ids=["cuts", "ties", "linear", "ensemble of pairs"],
)
def test_stacked_is_what_each_alone_gives(config, ties, ratings):
    train, held_out, items = crowd(ties=ties, ratings=ratings)
    whole = stacked.fit(train, held_out, items, config, seed=3, block=3)
    for person, one in enumerate(apart(train, held_out, items, config, seed=3)):
        mine = whole.taste(person, encoder_id="e")
        for attribute in train.attributes:
            expected = one.utilities(items, one.info.people, attribute)
            np.testing.assert_allclose(mine.utilities(items, mine.info.people, attribute), expected, atol=1e-4)
        for name, tensor in one.tensors().items():
            np.testing.assert_allclose(mine.tensors()[name], tensor, atol=1e-4, err_msg=name)


def test_who_else_is_there_changes_nothing():
    """A person's network is their own: alone in the stack or among others, the same."""
    train, held_out, items = crowd()
    config = MlpConfig(widths=[8], dropout=0.2, fit=FIT)
    whole = stacked.fit(train, held_out, items, config, seed=1)
    some = np.array([False, False, True, False, True])
    few = stacked.fit(stacked.only(train, some), stacked.only(held_out, some), items, config, seed=1, block=1)
    for row, person in enumerate(np.flatnonzero(some).tolist()):
        one, other = (fit.taste(at, encoder_id="e").tensors() for fit, at in ((few, row), (whole, person)))
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5, err_msg=name)
    assert few.best_epoch.tolist() == whole.best_epoch[some].tolist()


def test_each_stops_alone_and_keeps_their_best_epoch():
    train, held_out, items = crowd()
    seen = []
    config = MlpConfig(widths=[16], fit=replace(FIT, epochs=30))
    fitted = stacked.fit(train, held_out, items, config, seed=2, after=lambda now: seen.append((now.epoch, now.loss.copy())))
    assert len(set(fitted.epochs.tolist())) > 1  # not all at once
    assert np.all(fitted.best_epoch + config.fit.patience >= fitted.epochs)
    assert [epoch for epoch, _ in seen] == list(range(1, max(fitted.epochs) + 1))
    losses = np.stack([loss for _, loss in seen])
    assert np.all(np.diff(losses, axis=0) <= 0)  # the best so far never gets worse
    np.testing.assert_array_equal(losses[-1], fitted.loss)


def test_differences_are_those_of_each_own_taste():
    train, held_out, items = crowd()
    fitted = stacked.fit(train, held_out, items, MlpConfig(widths=[8], ensemble=2, fit=FIT), seed=4)
    asked = held_out.comparisons
    found = fitted.differences(asked)
    for row in range(0, len(asked), 7):
        taste = fitted.taste(int(asked.person[row]), encoder_id="e")
        attribute = train.attributes[asked.attribute[row]]
        slope = taste.tensors()["slope"][asked.attribute[row]]
        pair = items[[asked.left[row], asked.right[row]]]
        utility = taste.utilities(pair, taste.info.people, attribute)[0]
        assert (utility[0] - utility[1]) / slope == pytest.approx(found[row], abs=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_product_that_memory_does_not_hold_is_computed_in_halves_and_comes_to_the_same(dropout, caplog):
    """The last layer's product is the largest: what the layers before it drew and counted is taken back."""
    train, held_out, items = crowd()
    config = MlpConfig(widths=[8, 2 * DIMS], dropout=dropout, fit=replace(FIT, epochs=3, batch=1000))
    whole = stacked.fit(train, held_out, items, config, seed=5)
    longest = max(int(rated + 2 * compared) for rated, compared in zip(*per_person(train), strict=True))
    with ScarceMemory(3 * longest * 2 * DIMS) as memory:  # of three people
        halved = stacked.fit(train, held_out, items, config, seed=5)
    assert memory.refused == 1
    said = [record.getMessage() for record in caplog.records]
    assert said == ["stacked networks: 5 at once are too many for the GPU's memory; going on with 3"]
    np.testing.assert_allclose(halved.loss, whole.loss, atol=1e-5)
    asked = held_out.comparisons
    expected = whole.differences(asked)
    np.testing.assert_allclose(halved.differences(asked), expected, atol=1e-4)
    once = np.unique(np.stack([asked.left, asked.right]))
    with ScarceMemory(2 * len(once) * 2 * DIMS) as memory:
        np.testing.assert_allclose(halved.differences(asked), expected, atol=1e-4)
    assert memory.refused == 1


def per_person(dataset: JudgementDataset) -> list[np.ndarray]:
    """How many ratings and how many comparisons each has made."""
    return [np.bincount(part.person, minlength=len(dataset.people)) for part in (dataset.ratings, dataset.comparisons)]


def test_a_network_that_memory_does_not_hold():
    train, held_out, items = crowd(people=2)
    with ScarceMemory(10), pytest.raises(TasteError, match="stacked networks: the GPU's memory does not hold 1 at once"):
        stacked.fit(train, held_out, items, MlpConfig(widths=[8], fit=FIT))


def test_what_is_refused():
    train, held_out, items = crowd(people=2)
    with pytest.raises(EmbeddingError, match=r"expected embeddings"):
        stacked.fit(train, held_out, items[:-1], MlpConfig(fit=FIT))
    with pytest.raises(ConfigError, match="one_hot"):
        stacked.fit(train, held_out, items, MlpConfig(person="one_hot", fit=FIT))
    with pytest.raises(ConfigError, match="fp32"):
        stacked.fit(train, held_out, items, MlpConfig(fit=replace(FIT, precision="bf16")))
    silent = train.of_people(np.array([True, False]))
    with pytest.raises(TasteError, match="person 1 has 0 judgements"):
        stacked.fit(silent, held_out, items, MlpConfig(fit=FIT))
