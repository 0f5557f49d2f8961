"""Warm comparisons: nobody is served what people of their own fold said, and images nobody else judged stay cold."""

import numpy as np
import pytest

from beholder.taste import splits, warm_images
from beholder.taste.contract import TasteInfo
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.image_effects import Contributions, JudgedUtilities
from beholder.taste.warm_images import WarmTest
from beholder.taste.warm_taste import NoTaste

PEOPLE, IMAGES = tuple(f"person {number}" for number in range(12)), 60
EMPTY = np.zeros(0, np.int64)
NO_PAIRS = ComparisonTable(EMPTY, EMPTY, EMPTY, EMPTY, EMPTY.astype(np.float32))


def everybody(change: dict[tuple[int, int], float] | None = None) -> JudgementDataset:
    """Everybody's ratings of all images but the last, which one person alone has rated."""
    rng = np.random.default_rng(0)
    person, image = np.repeat(np.arange(12), IMAGES - 1), np.tile(np.arange(IMAGES - 1), 12)
    score = rng.normal(size=IMAGES)[image] + 0.5 * rng.normal(size=len(image))
    person, image, score = np.r_[person, 0], np.r_[image, IMAGES - 1], np.r_[score, 3.0]
    for (who, what), value in (change or {}).items():
        score[(person == who) & (image == what)] = value
    rated = RatingTable(person, image, np.zeros_like(image), score.astype(np.float32))
    return JudgementDataset(PEOPLE, tuple(f"image {n}" for n in range(IMAGES)), ("kind",), rated, NO_PAIRS)


def warm(judged: JudgementDataset, **more: int) -> np.ndarray:
    """What the crowd says alone to each person, [P, N]."""
    test = WarmTest(judged, np.zeros(IMAGES, bool), judged, NO_PAIRS, 4, 0)
    taste = NoTaste(TasteInfo("none", "none", ("kind",), PEOPLE))
    found = warm_images.warm_taste(taste, test, JudgedUtilities.none(judged), np.zeros((1, 12, 0)), **more)
    return found.utilities(np.arange(IMAGES), PEOPLE, "kind")


def test_people_are_served_what_those_of_other_folds_said():
    judged = everybody()
    before, after = warm(judged), warm(everybody({(0, 7): 9.0}))
    folds = splits.by_person(judged, seed=0, shares=(0.25,) * 4)
    (mine,) = [fold.counts() > 0 for fold in folds if fold.counts()[0]]
    assert np.array_equal(before[mine], after[mine])  # who rated it, and those of the same fold
    assert (before[~mine, 7] != after[~mine, 7]).all()
    means = np.array([judged.ratings.score[judged.ratings.image == image].mean() for image in range(IMAGES - 1)])
    assert np.corrcoef(before[1, :-1], means)[0, 1] > 0.9
    assert not before[mine, -1].any()  # an image that nobody else judged


def test_fewer_others_are_drawn_for_each_image():
    rows = np.arange(30)
    given = Contributions(rows % 10, rows // 10, np.zeros(30, np.int64), rows + 1.0, np.ones(30))
    fewer = warm_images.fewer(given, 4, seed=1)
    assert np.bincount(fewer.image).tolist() == [4, 4, 4]
    assert set(fewer.pull) < set(given.pull)
    assert len(warm_images.fewer(given, 50, seed=1)) == 30
    cold = np.abs(warm(everybody(), others=1)).mean()
    assert 0 < cold < np.abs(warm(everybody())).mean()


@pytest.mark.parametrize("people", [["person 3"], ["somebody else"], []])
def test_somebody_who_was_not_there_has_no_effects(people):
    judged = everybody()
    test = WarmTest(judged, np.zeros(IMAGES, bool), judged, NO_PAIRS, 4, 0)
    taste = NoTaste(TasteInfo("none", "none", ("kind",), PEOPLE))
    found = warm_images.warm_taste(taste, test, JudgedUtilities.none(judged), np.zeros((1, 12, 0)))
    utilities = found.utilities(np.arange(5), people, "kind")
    assert utilities.shape == (len(people), 5)
    assert utilities.any() == (people == ["person 3"])
