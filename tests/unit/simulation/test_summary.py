"""The summary of a simulation: means and leads with intervals over people, and goals held to what was measured."""

import numpy as np
import pytest

from beholder.simulation import summary
from beholder.simulation.rounds import Trajectory


def trajectory(*regret: float, preferred: float = 0.85, told: float = 0.9, image: int = 0) -> Trajectory:
    values = np.array(regret)
    return Trajectory(values, values, np.full(len(values), preferred), np.full(len(values), 0.5), np.full(len(values), told), image)


def test_goals_are_held_to_what_was_measured():
    falling = np.linspace(0.5, 0.1, 21)
    results = {
        ("bayes", "random"): [trajectory(*falling), trajectory(*falling + 0.02)],
        ("bayes", "eubo"): [trajectory(*falling[::2], *[0.05] * 10), trajectory(*falling[::2], *[0.05] * 10)],
        ("logistic", "random"): [trajectory(*falling + 0.1), trajectory(*falling + 0.2)],
        ("logistic", "champion"): [trajectory(*falling[::2], *[0.05] * 10), trajectory(*falling[::2] - 0.1, *[0.2] * 10)],
    }
    goals = summary.goals(results)
    assert [goal.reached for goal in goals] == [True, False, True, True, False]
    assert goals[2].measured == "eubo 10 (random: 0.510 before the first, 0.110 after 20)"
    assert "nearest after 0: -0.1400 [-0.1800, -0.1000]" in goals[3].measured


def test_one_person_tells_nothing_of_the_others():
    alone = {("bayes", "eubo"): [trajectory(*[0.1] * 21, preferred=0.99)]}
    assert [(goal.reached, goal.measured) for goal in summary.goals(alone)] == [(None, "0.990 [0.990, 0.990]")] * 2


def test_where_random_questions_teach_nothing_there_is_nothing_to_come_to_sooner():
    flat = {("bayes", "random"): [trajectory(*[0.3] * 21)], ("bayes", "eubo"): [trajectory(*[0.2] * 21)]}
    (goal,) = (goal for goal in summary.goals(flat) if "20 random" in goal.claim)
    assert goal.reached is None
    assert goal.measured == "eubo 0 (random: 0.300 before the first, 0.300 after 20)"


@pytest.mark.parametrize(("worse", "reached"), [(0.002, True), (0.03, False)])
def test_what_questions_that_people_can_answer_cost_is_held_to_any_questions(worse, reached):
    free = [trajectory(0.5, *[0.2] * 20, image=number % 5) for number in range(30)]
    own = [trajectory(0.5, *[0.2 + worse] * 20, image=number % 5) for number in range(30)]
    (goal,) = (goal for goal in summary.goals({summary.BEST: own, summary.FREE: free}) if "any directions" in goal.claim)
    assert goal.reached is reached
    assert goal.measured.startswith(f"+{worse / 0.2:.1%}")


def test_where_people_differ_more_than_questions_it_cannot_be_told_what_they_cost():
    rng = np.random.default_rng(0)
    free = [trajectory(0.5, *[0.2] * 20, image=number) for number in range(12)]
    own = [trajectory(0.5, *[0.2 + rng.normal(0, 0.1)] * 20, image=number) for number in range(12)]
    (goal,) = (goal for goal in summary.goals({summary.BEST: own, summary.FREE: free}) if "any directions" in goal.claim)
    assert goal.reached is None


def test_kinds_of_people_are_told_apart(people):
    trajectories = [trajectory(0.1 if person.kind == "noisy" else 0.3) for person in people]
    kinds = summary.by_kind(trajectories, people, "regret")
    assert {kind: (many, values.round(6).tolist()) for kind, (many, values) in kinds.items()} == {
        "steady": (9, [0.3]), "noisy": (2, [0.1]), "drifting": (1, [0.3]),
    }  # fmt: skip


def test_a_level_is_reached_where_regret_stays_below_it():
    assert summary.rounds_to_reach([trajectory(0.4, 0.1, 0.3, 0.2, 0.2, 0.1)], 0.2) == 3
    assert summary.rounds_to_reach([trajectory(0.4, 0.3)], 0.2) is None


def test_means_and_leads_have_intervals_over_people():
    rng = np.random.default_rng(0)
    some = [trajectory(value, 0.0) for value in rng.normal(0.5, 0.1, 400)]
    first, last = summary.means(some, "regret")
    assert (last.mean, last.low, last.high) == (0, 0, 0)
    assert first.high - first.low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.15)
    more = [Trajectory(each.regret + 0.1, each.regret, each.preferred, each.accuracy, each.told) for each in some]
    lead = summary.lead(more, some, "regret")[0]
    assert lead.low == pytest.approx(0.1)
    assert lead.high == pytest.approx(0.1)


def test_the_table_has_a_row_for_everybody_and_every_round(people):
    table = summary.table({("bayes", "eubo"): [trajectory(0.4, 0.2)] * len(people)}, people)
    assert len(table) == 2 * len(people)
    assert list(table.columns[:5]) == ["ranker", "strategy", "user_id", "kind", "rounds"]


def test_the_largest_error_is_of_the_kind_and_number_of_choices_that_are_told_least_true(people):
    told = [trajectory(0.1, 0.1, preferred=0.6 if person.kind == "noisy" else 0.9, told=0.8) for person in people]
    assert summary.largest_error(told, people, [0, 1]) == pytest.approx(0.2)
    for each in told:
        each.told[1] = 0.9
    assert summary.largest_error(told, people, [0]) == pytest.approx(0.2)
    assert summary.largest_error(told, people, [1]) == pytest.approx(0.3)


def test_intervals_are_over_images_too():
    """People who were asked about the same image are alike: with four images four hundred people tell little more than four."""
    rng = np.random.default_rng(0)
    levels = rng.normal(0.5, 0.1, 4)
    some = [trajectory(levels[number % 4] + rng.normal(0, 0.01), image=number % 4) for number in range(400)]
    alone = [trajectory(float(each.regret[0])) for each in some]
    width, narrow = ((each := summary.means(them, "regret")[0]).high - each.low for them in (some, alone))
    assert width > 5 * narrow


def test_what_is_told_is_compared_with_what_is_true(people):
    told = [trajectory(0.1, 0.1, preferred=0.6 if person.kind == "noisy" else 0.9, told=0.9) for person in people]
    rows = {(each.kind, each.rounds): each for each in summary.calibration(told, people, [0, 1])}
    assert set(rows) == {(kind, count) for kind in ("steady", "noisy", "drifting") for count in (0, 1)}
    assert rows["noisy", 1].people == 2
    assert rows["noisy", 1].told == pytest.approx(0.9)
    assert rows["noisy", 1].true == pytest.approx(0.6)
    assert rows["noisy", 1].error.mean == pytest.approx(0.3)
    assert rows["steady", 0].error.mean == pytest.approx(0.0)
