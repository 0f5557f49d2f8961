"""Simulated people choose by their taste, and what becomes of them is told right: courses, goals, and who knew what before."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.portraits import traits
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.simulation import rounds, simulated_people, summary
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.rounds import Trajectory
from beholder.simulation.simulated_people import SimulatedPeople, SimulatedPeopleConfig

NAMES = ("smile", "older", "bigger_eyes")
RAISED = [traits.column(name) for name in ("smile", "age", "eye_size")]
PEOPLE = SimulatedPeopleConfig(steady=9, noisy=2, drifting=1)


@pytest.fixture(scope="module")
def gallery() -> GroundTruth:
    """Four portraits whose edits do exactly what their names say; embeddings show the traits, turned."""
    edits = candidates(dict.fromkeys(NAMES, (-3.0, 3.0)), CandidatesConfig(count=60))
    unedited = traits.sample(4, seed=1).numpy()
    shown = np.repeat(unedited[:, None], len(edits), axis=1)
    shown[:, :, RAISED] += 0.2 * edits.alphas
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(19, 19)))[0].astype(np.float32)
    return GroundTruth(edits, (10, 11, 12, 13), None, unedited @ turn, unedited, shown @ turn, shown)


@pytest.fixture(scope="module")
def people(gallery) -> list[SimulatedPeople]:
    return simulated_people.people(PEOPLE, gallery, [2, 3], seed=5)


class Oracle(Ranker):
    """Knows everybody's utilities, without doubt; nothing is learned."""

    def __init__(self, gallery: GroundTruth, truths: dict[str, np.ndarray], sign: float = 1.0) -> None:
        self.info = RankerInfo("logistic", gallery.candidates.directions, 19)
        self.truths, self.sign, self.told = truths, sign, []

    def update(self, comparison):
        self.told.append(comparison)

    def joint(self, user_id, edit_set):
        felt = self.truths[user_id.split()[0]]
        mean = self.sign * (felt[:1] if len(edit_set) == 1 else felt[1:])
        return JointNormal(mean, np.zeros((len(mean), 0)))


def test_people_differ_by_seed_and_are_shared_out_over_images(gallery, people):
    assert [person.image for person in people] == [2, 3] * 6
    assert sorted(person.kind for person in people) == ["drifting"] + ["noisy"] * 2 + ["steady"] * 9
    again = simulated_people.people(PEOPLE, gallery, [2, 3], seed=5)
    np.testing.assert_array_equal(again[3].first, people[3].first)
    others = simulated_people.people(PEOPLE, gallery, [2, 3], seed=6)
    assert not {person.user_id for person in people} & {person.user_id for person in others}
    assert not np.allclose(others[3].first, people[3].first)


def test_what_somebody_likes_is_linear_in_what_is_seen(people, gallery):
    """And so an edit that moves two directions is worth what both are worth alone."""
    person = people[0]
    worth = {tuple(row): felt for row, felt in zip(gallery.candidates.alphas.tolist(), person.first[1:], strict=True)}
    both = next(row for row in worth if np.count_nonzero(row) == 2)
    alone = [worth[tuple(alpha if k == own else 0.0 for k, alpha in enumerate(both))] for own in np.flatnonzero(both)]
    assert worth[both] - person.first[0] == pytest.approx(sum(alone) - 2 * person.first[0], abs=1e-5)


def test_only_who_drifts_changes(people):
    for person in people:
        moved = not np.allclose(person.first, person.last)
        assert moved == (person.kind == "drifting")
        np.testing.assert_allclose(person.utilities(0.5), (person.first + person.last) / 2)


def test_choices_are_logistic_in_what_is_truly_liked():
    person = SimulatedPeople("ana", "steady", 0, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    for moment, chance in ((0.0, 1 / (1 + np.exp(-1))), (1.0, 1 / (1 + np.exp(1)))):
        rng = np.random.default_rng(0)
        outcome = np.mean([person.choose(0, 1, moment=moment, rng=rng) for _ in range(4000)])
        assert outcome == pytest.approx(chance, abs=0.03)


def test_everybody_chooses_about_their_own_image(gallery, people):
    told = simulated_people.everybody(gallery, people, each=7, seed=0)
    assert [comparison.user_id for comparison in told[:8]] == [people[0].user_id] * 7 + [people[1].user_id]
    assert {comparison.image_id for comparison in told} == {"seed-12", "seed-13"}


def test_who_knows_everything_has_no_regret_and_who_knows_it_the_wrong_way_has_all(gallery, people):
    truths = {person.user_id: person.first for person in people}
    person = next(person for person in people if person.kind == "steady")
    right = rounds.play(Oracle(gallery, truths), "random", person, gallery, rounds=3, seed=0)
    assert not right.regret.any()
    np.testing.assert_array_equal(right.accuracy, 1)
    best = person.first.max() - person.first[0]
    np.testing.assert_allclose(right.preferred, 1 / (1 + np.exp(-best)))
    wrong = rounds.play(Oracle(gallery, truths, -1.0), "random", person, gallery, rounds=3, seed=0)
    np.testing.assert_allclose(wrong.regret, 1)
    np.testing.assert_array_equal(wrong.accuracy, 0)
    np.testing.assert_allclose(wrong.regret_logits, np.ptp(person.first))


def test_held_out_pairs_are_never_asked(gallery, people):
    ranker = Oracle(gallery, {person.user_id: person.first for person in people})
    rounds.play(ranker, "random", people[0], gallery, rounds=200, seed=3)
    rows = {tuple(alphas): row for row, alphas in enumerate(gallery.candidates.alphas.tolist())}
    asked = {
        frozenset(rows[tuple(side.alphas[0].tolist())] for side in (comparison.left, comparison.right))
        for comparison in ranker.told
    }
    held_out = {frozenset(pair) for pair in rounds.held_out(60, seed=3).tolist()}
    assert len(held_out) == 300
    assert not asked & held_out


def test_a_ranker_learns_in_its_rounds_and_starts_anew_with_each_strategy(gallery, people):
    ranker = bayes_ranker.begin(simulated_people.edit_set(gallery, 2), BayesRankerConfig(components=4))
    courses = [rounds.play(ranker, "eubo", person, gallery, rounds=12, seed=k) for k, person in enumerate(people)]
    regret = rounds.curves(courses, "regret").mean(axis=0)
    assert regret[12] < 0.6 * regret[0]
    other = rounds.play(ranker, "random", people[0], gallery, rounds=1, seed=0)
    assert other.accuracy[0] == courses[0].accuracy[0] == 0.5


def test_others_choices_help_from_the_start(gallery, people):
    others = simulated_people.people(SimulatedPeopleConfig(steady=30, noisy=0, drifting=0), gallery, [0, 1], seed=8)
    ranker = bayes_ranker.fit(
        simulated_people.everybody(gallery, others, each=30, seed=0), BayesRankerConfig(components=4, iterations=5)
    )
    start = np.mean([rounds.play(ranker, "random", each, gallery, rounds=1, seed=0).accuracy[0] for each in people])
    assert start > 0.6


def course(*regret: float, preferred: float = 0.85) -> Trajectory:
    values = np.array(regret)
    return Trajectory(values, values, np.full(len(values), preferred), np.full(len(values), 0.5))


def test_goals_are_held_to_what_was_found():
    falling = np.linspace(0.5, 0.1, 21)
    found = {
        ("bayes", "random"): [course(*falling), course(*falling + 0.02)],
        ("bayes", "eubo"): [course(*falling[::2], *[0.05] * 10), course(*falling[::2], *[0.05] * 10)],
        ("logistic", "random"): [course(*falling + 0.1), course(*falling + 0.2)],
        ("logistic", "champion"): [course(*falling[::2], *[0.05] * 10), course(*falling[::2] - 0.1, *[0.2] * 10)],
    }
    told = summary.goals(found)
    assert [goal.reached for goal in told] == [True, False, True, True, False]
    assert told[2].found == "eubo 10 (random: 0.510 before the first, 0.110 after 20)"
    assert "nearest after 0: -0.1400 [-0.1800, -0.1000]" in told[3].found


def test_where_random_questions_teach_nothing_there_is_nothing_to_come_to_sooner():
    flat = {("bayes", "random"): [course(*[0.3] * 21)], ("bayes", "eubo"): [course(*[0.2] * 21)]}
    (told,) = (goal for goal in summary.goals(flat) if "20 random" in goal.labels)
    assert told.reached is None
    assert told.found == "eubo 0 (random: 0.300 before the first, 0.300 after 20)"


def test_kinds_of_people_are_told_apart(people):
    courses = [course(0.1 if person.kind == "noisy" else 0.3) for person in people]
    told = summary.by_kind(courses, people, "regret")
    assert {kind: (many, values.round(6).tolist()) for kind, (many, values) in told.items()} == {
        "steady": (9, [0.3]), "noisy": (2, [0.1]), "drifting": (1, [0.3]),
    }  # fmt: skip


def test_a_level_is_reached_where_regret_stays_below_it():
    assert summary.rounds_to_reach([course(0.4, 0.1, 0.3, 0.2, 0.2, 0.1)], 0.2) == 3
    assert summary.rounds_to_reach([course(0.4, 0.3)], 0.2) is None


def test_means_and_leads_have_intervals_over_people():
    rng = np.random.default_rng(0)
    some = [course(value, 0.0) for value in rng.normal(0.5, 0.1, 400)]
    first, last = summary.means(some, "regret")
    assert (last.mean, last.low, last.high) == (0, 0, 0)
    assert first.high - first.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.15)
    more = [Trajectory(each.regret + 0.1, each.regret, each.preferred, each.accuracy) for each in some]
    lead = summary.lead(more, some, "regret")[0]
    assert lead.low == pytest.approx(0.1)
    assert lead.high == pytest.approx(0.1)


def test_the_table_has_a_row_for_everybody_and_every_round(people):
    table = summary.table({("bayes", "eubo"): [course(0.4, 0.2)] * len(people)}, people)
    assert len(table) == 2 * len(people)
    assert list(table.columns[:5]) == ["ranker", "strategy", "user_id", "kind", "rounds"]


def test_people_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        SimulatedPeopleConfig(steady=0, noisy=0, drifting=0)
    with pytest.raises(ConfigError, match="attractive, smart, trustworthy"):
        SimulatedPeopleConfig(attribute="kind")
