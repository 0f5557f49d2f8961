"""Rounds with simulated people: who knows everything has no regret, held-out pairs are never asked, and rankers learn."""

import numpy as np
from support.partial_doubles import PartialRanker

from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker import JointNormal, RankerInfo
from beholder.simulation import rounds, simulated_people
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedPeopleConfig


class Oracle(PartialRanker):
    """Knows everybody's utilities, without uncertainty; nothing is learned."""

    def __init__(self, truth: GroundTruth, utilities: dict[str, np.ndarray], sign: float = 1.0) -> None:
        self.info = RankerInfo("logistic", truth.candidates.directions, 19)
        self.truths, self.sign, self.alphas = utilities, sign, truth.candidates.alphas.tolist()
        self.asked: list[Comparison] = []

    def update(self, comparison):
        self.asked.append(comparison)

    def joint(self, user_id, edit_set):
        utilities = self.truths[user_id.split()[0]]
        known = {(0.0,) * edit_set.alphas.shape[1]: 0} | {tuple(row): 1 + at for at, row in enumerate(self.alphas)}
        mean = self.sign * utilities[[known[tuple(row)] for row in edit_set.alphas.tolist()]]
        return JointNormal(mean, np.zeros((len(mean), 0)))


def test_who_knows_everything_has_no_regret_and_who_knows_it_the_wrong_way_has_all(truth, people):
    truths = {person.user_id: person.first for person in people}
    person = next(person for person in people if person.kind == "steady")
    right = rounds.play(Oracle(truth, truths), "random", person, truth, rounds=3, seed=0)
    assert not right.regret.any()
    np.testing.assert_array_equal(right.accuracy, 1)
    best = person.first.max() - person.first[0]
    np.testing.assert_allclose(right.preferred, 1 / (1 + np.exp(-best)))
    wrong = rounds.play(Oracle(truth, truths, -1.0), "random", person, truth, rounds=3, seed=0)
    np.testing.assert_allclose(wrong.regret, 1)
    np.testing.assert_array_equal(wrong.accuracy, 0)
    np.testing.assert_allclose(wrong.regret_logits, np.ptp(person.first))


def test_held_out_pairs_are_never_asked(truth, people):
    ranker = Oracle(truth, {person.user_id: person.first for person in people})
    rounds.play(ranker, "random", people[0], truth, rounds=200, seed=3)
    rows = {tuple(alphas): row for row, alphas in enumerate(truth.candidates.alphas.tolist())}
    asked = {
        frozenset(rows[tuple(side.alphas[0].tolist())] for side in (comparison.left, comparison.right))
        for comparison in ranker.asked
    }
    held_out = {frozenset(pair) for pair in rounds.held_out(60, seed=3).tolist()}
    assert len(held_out) == 300
    assert not asked & held_out


def test_a_ranker_learns_in_its_rounds_and_starts_anew_with_each_strategy(truth, people):
    ranker = bayes_ranker.begin(simulated_people.edit_set(truth, 2), BayesRankerConfig(components=4))
    trajectories = [rounds.play(ranker, "eubo", person, truth, rounds=12, seed=k) for k, person in enumerate(people)]
    regret = rounds.curves(trajectories, "regret").mean(axis=0)
    assert regret[12] < 0.6 * regret[0]
    other = rounds.play(ranker, "random", people[0], truth, rounds=1, seed=0)
    assert other.accuracy[0] == trajectories[0].accuracy[0] == 0.5


def test_others_choices_help_from_the_start(truth, people):
    others = simulated_people.people(SimulatedPeopleConfig(steady=30, noisy=0, drifting=0), truth, [0, 1], seed=8)
    ranker = bayes_ranker.fit(
        simulated_people.comparisons(truth, others, each=30, seed=0), BayesRankerConfig(components=4, iterations=5)
    )
    start = np.mean([rounds.play(ranker, "random", each, truth, rounds=1, seed=0).accuracy[0] for each in people])
    assert start > 0.6


def test_trajectories_come_out_of_their_file_as_they_were(truth, people):
    ranker = bayes_ranker.begin(simulated_people.edit_set(truth, 2), BayesRankerConfig(components=4))
    played = [rounds.play(ranker, "eubo", person, truth, rounds=3, seed=0) for person in people[:3]]
    again = rounds.parse(rounds.dump(played))
    assert [each.image for each in again] == [person.image for person in people[:3]]
    for figure in rounds.FIGURES:
        np.testing.assert_array_equal(rounds.curves(again, figure), rounds.curves(played, figure))


def test_what_is_told_is_what_the_ranker_says_of_its_recommendation(truth, people):
    right = Oracle(truth, {person.user_id: person.first for person in people})
    told = rounds.play(right, "random", people[0], truth, rounds=1, seed=0)
    np.testing.assert_allclose(told.told, told.preferred, atol=1e-6)
    assert told.image == people[0].image
