"""The likelihood against its formulas written out another way, and at the edges of floating point."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from beholder.taste import rating_scale
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.gaussian import Gaussian, laplace
from beholder.taste.likelihood import BINS, JudgementBatch, JudgementTensors, Likelihood, Objective, RatingLevels

NONE = np.zeros(0, np.int64)


def said(*, scores=(), choices=(), people: int = 2, attributes: int = 1) -> JudgementDataset:
    """Person 0 gave these scores and made these choices, between images 0 and 1."""
    rated, compared = len(scores), len(choices)
    return JudgementDataset(
        tuple(f"p{n}" for n in range(people)),
        ("left", "right"),
        tuple(f"a{n}" for n in range(attributes)),
        RatingTable(np.zeros(rated, np.int64), np.zeros(rated, np.int64), np.zeros(rated, np.int64), np.array(scores, np.float32)),
        ComparisonTable(
            np.zeros(compared, np.int64),
            np.zeros(compared, np.int64),
            np.ones(compared, np.int64),
            np.zeros(compared, np.int64),
            np.array(choices, np.float32),
        ),
    )


def likelihood(**what) -> Likelihood:
    dataset = said(**what)
    return Likelihood(dataset, RatingLevels.of(dataset))


def test_without_ties_a_comparison_is_the_plain_logistic():
    model = likelihood(choices=[1, 0])
    found = model.comparison(torch.tensor([0.7, 0.7]), torch.tensor([0, 0]), torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(found.exp().detach(), [1 + math.exp(-0.7), 1 + math.exp(0.7)], rtol=1e-6)
    assert model.band is None


@settings(deadline=None, max_examples=30)
@given(difference=st.floats(-30, 30), raw=st.floats(-3, 3))
def test_the_three_answers_sum_to_one_and_mirror_each_other(difference, raw):
    model = likelihood(choices=[1, 0, 0.5])
    with torch.no_grad():
        assert model.band is not None
        model.band.fill_(raw)
    asked = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
    none = torch.zeros(3, dtype=torch.int64)
    here = (-model.comparison(torch.full((3,), difference, dtype=torch.float64), none, asked)).exp().detach()
    there = (-model.comparison(torch.full((3,), -difference, dtype=torch.float64), none, asked)).exp().detach()
    assert here.sum().item() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(here, there[[1, 0, 2]], atol=1e-12)


def test_a_band_of_known_width_gives_known_chances():
    model = likelihood(choices=[1, 0, 0.5])
    with torch.no_grad():
        assert model.band is not None
        model.band.fill_(math.log(math.expm1(0.5 - 5e-4)))  # a band of 0.5
    found = model.comparison(torch.full((3,), 0.2), torch.zeros(3, dtype=torch.int64), torch.tensor([1.0, 0.0, 0.5]))
    left, right = 1 / (1 + math.exp(0.3)), 1 / (1 + math.exp(0.7))
    np.testing.assert_allclose((-found).exp().detach(), [left, right, 1 - left - right], rtol=1e-5)


@pytest.mark.parametrize("scores", [(1, 2, 3, 4), (1, 1.5, 2, 2.5, 5), (0, 10), tuple(range(1, 11))])
def test_the_scale_is_whatever_was_used_and_its_levels_sum_to_one(scores):
    model = likelihood(scores=scores)
    count = len(scores)
    assert RatingLevels.of(said(scores=[*scores, *scores])).level.tolist() == [*range(count), *range(count)]
    none = torch.zeros(count, dtype=torch.int64)
    for utility in (-3.0, 0.0, 0.4, 8.0):
        found = (-model.rating(torch.full((count,), utility, dtype=torch.float64), none, none, torch.arange(count))).exp()
        assert found.sum().item() == pytest.approx(1, abs=1e-5)
        assert (found > 0).all()


def test_cuts_begin_where_the_scores_put_them():
    """A constant utility of 0 then gives each level the share it has (with half a judgement more for each)."""
    model = likelihood(scores=[1] * 10 + [2] * 60 + [3] * 30)
    levels = torch.arange(3)
    none = torch.zeros(3, dtype=torch.int64)
    shares = (-model.rating(torch.zeros(3), none, none, levels)).exp().detach()
    np.testing.assert_allclose(shares, np.array([10.5, 60.5, 30.5]) / 101.5, atol=2e-3)


def test_a_shifted_person_is_a_shifted_utility_and_a_stranger_has_the_populations_cuts():
    model = likelihood(scores=[1, 2, 3, 4])
    with torch.no_grad():
        model.shift[1, 0] = 0.8
    levels, none = torch.arange(4), torch.zeros(4, dtype=torch.int64)
    shifted = model.rating(torch.full((4,), 0.5), none + 1, none, levels)
    plain = model.rating(torch.full((4,), 0.5 - 0.8), none, none, levels)
    stranger = model.rating(torch.full((4,), 0.5 - 0.8), none - 1, none, levels)
    torch.testing.assert_close(shifted, plain)
    torch.testing.assert_close(stranger, plain)


def test_nothing_is_infinite_however_far_off_a_utility_is():
    model = likelihood(scores=[1, 2, 3, 4], choices=[1, 0, 0.5])
    far = torch.tensor([-1e4, 1e4, -1e4], requires_grad=True)
    none = torch.zeros(3, dtype=torch.int64)
    loss = (
        model.rating(far, none, none, torch.tensor([3, 0, 1])).sum()
        + model.comparison(far, none, torch.tensor([1.0, 0.0, 0.5])).sum()
    )
    loss.backward()
    assert torch.isfinite(loss)
    for each in (far, *model.parameters()):
        assert each.grad is not None
        assert torch.isfinite(each.grad).all()


@pytest.mark.parametrize("scores", [(), (3, 3, 3)])
def test_ratings_that_are_all_the_same_say_nothing(scores):
    model = likelihood(scores=scores, choices=[1])
    found = model.rating(torch.ones(2), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), torch.zeros(2))
    assert found.tolist() == [0, 0]
    assert list(model.parameters()) == []


def test_rows_are_the_ratings_and_then_the_comparisons():
    dataset = said(scores=[1, 4, 2], choices=[1, 0])
    judgements = JudgementTensors(dataset, levels=RatingLevels.of(dataset))
    batch = judgements.take(np.array([4, 0, 1]))
    assert len(judgements) == 5
    assert batch.level.tolist() == [0, 2]
    assert batch.choice.tolist() == [0]
    assert len(batch) == 3


def test_levels_of_other_ratings_are_refused():
    dataset = said(scores=[1, 4, 2])
    with pytest.raises(ValueError, match="a level for each of 3 ratings, got 2"):
        JudgementTensors(dataset, levels=RatingLevels.of(said(scores=[1, 2])))


class Remembers(nn.Module):
    """A network that says 0 of everything and keeps who it was asked about."""

    def __init__(self):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(1))

    def forward(self, image, person, attribute):
        self.person = person
        return self.zero.expand(len(image))


def test_a_dropped_person_is_dropped_from_both_images_of_a_comparison():
    count = 400
    dataset = said(choices=[1.0] * count)
    network = Remembers()
    objective = Objective(network, likelihood(choices=[1]), person_dropout=0.3)
    batch: JudgementBatch = JudgementTensors(dataset, levels=RatingLevels(NONE, 0)).take(np.arange(count))
    torch.manual_seed(0)
    objective.train()(batch)
    left, right = network.person.split(count)
    assert torch.equal(left, right)
    assert 0.2 < (left == -1).float().mean() < 0.4
    objective.eval()(batch)
    assert (network.person == 0).all()


def test_the_objective_is_the_mean_over_judgements():
    dataset = said(scores=[1, 2], choices=[1.0, 0.0])
    model = Likelihood(dataset, RatingLevels.of(dataset))
    batch = JudgementTensors(dataset, levels=RatingLevels.of(dataset)).take(np.arange(4))
    assert Objective(Remembers(), model)(batch).item() == pytest.approx(math.log(2), abs=1e-3)


def test_a_fine_scale_has_levels_of_equally_many_ratings_for_everybody():
    """One person uses 0 to 100, the other 40 to 60: both have all levels."""
    wide, narrow = np.arange(101.0), 40 + np.arange(101.0) / 5
    people, scores = np.repeat([0, 1], 101), np.concatenate([wide, narrow]).astype(np.float32)
    none = np.zeros(202, np.int64)
    dataset = JudgementDataset(
        ("wide", "narrow"), ("image",), ("a",), RatingTable(people, none, none, scores), said(choices=[]).comparisons
    )
    levels = RatingLevels.of(dataset)
    assert levels.count == BINS
    for person in (0, 1):
        own = levels.level[people == person]
        assert (np.diff(own) >= 0).all()
        assert np.bincount(own, minlength=BINS).min() >= 7


def test_a_coarse_scale_beside_a_fine_one_keeps_its_points():
    coarse, fine = np.tile([1.0, 2.0, 3.0, 4.0], 10), np.linspace(0, 100, 40)
    on = np.repeat([0, 1], 40)
    none = np.zeros(80, np.int64)
    scores = np.concatenate([coarse, fine]).astype(np.float32)
    dataset = JudgementDataset(("p",), ("image",), ("a", "b"), RatingTable(none, none, on, scores), said(choices=[]).comparisons)
    levels = RatingLevels.of(dataset)
    assert levels.level[:40].tolist() == (coarse - 1).astype(int).tolist()
    assert np.bincount(levels.level[40:]).tolist() == [4] * BINS


class OwnWeights(nn.Module):
    """A linear utility of each person's own."""

    def __init__(self, x, people):
        super().__init__()
        self.x, self.weights = x, nn.Parameter(torch.zeros(people, x.shape[1]))

    def forward(self, image, person, attribute):
        return (self.x[image] * self.weights[person]).sum(dim=1)


def right_order(dataset, levels, x, truth) -> float:
    """The share of pairs of images that people's fitted weights put in the true order."""
    network = OwnWeights(torch.as_tensor(x), len(dataset.people))
    objective = Objective(network, Likelihood(dataset, levels))
    batch = JudgementTensors(dataset, levels=levels).take(np.arange(len(dataset)))
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        (objective(batch) + 0.002 * network.weights.square().sum() / len(dataset.people)).backward()
        optimiser.step()
    return share_right(x @ network.weights.detach().numpy().T, truth)


def right_order_by_scores(dataset, x, truth) -> float:
    """The same of Gaussian weights, for which a score is a measurement and no level."""
    usage, prior = rating_scale.standardise(dataset), Gaussian(np.zeros(x.shape[1]), np.eye(x.shape[1]))
    people = (usage.observations(dataset.of_person(person), x.astype(np.float64)) for person in range(len(dataset.people)))
    weights = np.stack([laplace(prior, prior.covariance, own, temper=1.0).mean for own in people])
    return share_right(x @ weights.T, truth)


def share_right(found, truth) -> float:
    return float(np.mean(np.sign(found[:-1] - found[1:]) == np.sign(truth[:-1] - truth[1:])))


def test_a_slider_is_worth_no_less_than_seven_points_or_a_level_for_each_of_its_own():
    """Simulated people who use the slider each in their own way, the same answers rounded to 1..7, and a level for each point."""
    accuracies = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        people, count, images = 30, 40, 200
        x = rng.normal(size=(images, 8)).astype(np.float32)
        truth = x @ rng.normal(size=(8, people)) / np.sqrt(8)
        person = np.repeat(np.arange(people), count)
        image = np.concatenate([rng.permutation(images)[:count] for _ in range(people)])
        felt = truth[image, person] + rng.logistic(0, 0.3, len(person))
        share = 1 / (1 + np.exp(-1.5 * felt))
        middle, width = rng.uniform(35, 65, people)[person], rng.uniform(15, 60, people)[person]
        slider = np.clip(np.round(middle + width * (share - 0.5)), 0, 100)
        none = np.zeros(len(person), np.int64)

        def rated(scores, person=person, image=image, none=none, people=people, images=images):
            names = tuple(map(str, range(people))), tuple(map(str, range(images)))
            table = RatingTable(person, image, none, scores.astype(np.float32))
            return JudgementDataset(*names, ("a",), table, said(choices=[]).comparisons)

        fine = rated(slider)
        distinct, exact = np.unique(slider, return_inverse=True)
        each = RatingLevels(exact, len(distinct))
        coarse = rated(np.clip(np.round((slider - 50) / 10 + 4), 1, 7))
        accuracies.append(
            (
                right_order(fine, RatingLevels.of(fine), x, truth),
                right_order(fine, each, x, truth),
                right_order(coarse, RatingLevels.of(coarse), x, truth),
                right_order_by_scores(fine, x, truth),
                right_order_by_scores(coarse, x, truth),
            )
        )
    binned, by_point, seven, score, seven_score = np.mean(accuracies, axis=0)
    assert binned > 0.8
    assert binned >= by_point - 0.01
    assert binned >= seven
    assert score > 0.8
    assert score >= seven_score
