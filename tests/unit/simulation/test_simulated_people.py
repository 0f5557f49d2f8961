"""Simulated people choose by their taste, which is linear in traits, and differ by kind and by seed."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.recommending.rankers.choice_noise import EVERYBODY_ALIKE, ChoiceNoise, ChoiceNoiseConfig
from beholder.simulation import simulated_people
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig

POPULATION = SimulatedPeopleConfig(steady=9, noisy=2, drifting=1)


def test_people_differ_by_seed_and_are_shared_out_over_images(truth, people):
    assert [person.image for person in people] == [2, 3] * 6
    assert sorted(person.kind for person in people) == ["drifting"] + ["noisy"] * 2 + ["steady"] * 9
    again = simulated_people.people(POPULATION, truth, [2, 3], seed=5)
    np.testing.assert_array_equal(again[3].first, people[3].first)
    others = simulated_people.people(POPULATION, truth, [2, 3], seed=6)
    assert not {person.user_id for person in people} & {person.user_id for person in others}
    assert not np.allclose(others[3].first, people[3].first)


def test_what_somebody_likes_is_linear_in_what_is_seen(people, truth):
    """And so an edit that moves two directions is worth what both are worth alone."""
    person = people[0]
    worth = {tuple(row): utility for row, utility in zip(truth.candidates.alphas.tolist(), person.first[1:], strict=True)}
    both = next(row for row in worth if np.count_nonzero(row) == 2)
    alone = [worth[tuple(alpha if k == own else 0.0 for k, alpha in enumerate(both))] for own in np.flatnonzero(both)]
    assert worth[both] - person.first[0] == pytest.approx(sum(alone) - 2 * person.first[0], abs=1e-5)


def test_only_who_drifts_changes(people):
    for person in people:
        moved = not np.allclose(person.first, person.last)
        assert moved == (person.kind == "drifting")
        np.testing.assert_allclose(person.utilities(0.5), (person.first + person.last) / 2)


def test_choices_are_logistic_in_what_is_truly_liked():
    person = SimulatedChooser("ana", "steady", 0, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    for moment, chance in ((0.0, 1 / (1 + np.exp(-1))), (1.0, 1 / (1 + np.exp(1)))):
        rng = np.random.default_rng(0)
        outcome = np.mean([person.choose(0, 1, moment=moment, rng=rng) for _ in range(4000)])
        assert outcome == pytest.approx(chance, abs=0.03)


def test_everybody_chooses_about_their_own_image(truth, people):
    made = simulated_people.comparisons(truth, people, each=7, seed=0)
    assert [comparison.user_id for comparison in made[:8]] == [people[0].user_id] * 7 + [people[1].user_id]
    assert {comparison.image_id for comparison in made} == {"seed-12", "seed-13"}


def test_people_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        SimulatedPeopleConfig(steady=0, noisy=0, drifting=0)
    with pytest.raises(ConfigError, match="attractive, smart, trustworthy"):
        SimulatedPeopleConfig(attribute="kind")


def test_who_does_not_look_likes_everything_alike(truth):
    config = SimulatedPeopleConfig(steady=0, noisy=0, drifting=0, random=2, first=2)
    people = simulated_people.people(config, truth, [2, 3], seed=5)
    assert sorted(person.kind for person in people) == ["first", "first", "random", "random"]
    for person in people:
        assert not person.utilities(0.5).any()
        rng = np.random.default_rng(0)
        lefts = np.mean([person.choose(0, 1, moment=0, rng=rng) for _ in range(2000)])
        assert lefts == pytest.approx(0.96 if person.kind == "first" else 0.5, abs=0.03)


def test_how_many_people_there_are_of_each_kind_as_hypotheses(truth):
    """Sharp and dull, lasting and drifting: steady people are sharp and lasting, noisy ones dull, drifting ones sharp."""
    noise = ChoiceNoise.of(ChoiceNoiseConfig(sharpness=[0.4, 1.0], drifting=15.0), 0.99)
    counts = SimulatedPeopleConfig(steady=4, noisy=3, drifting=2, random=1, first=2)
    known = simulated_people.shares(simulated_people.people(counts, truth, [2], seed=0), noise) * 12
    assert list(zip(noise.sharpness, noise.kept < 0.99, known[:4].round(6), strict=True)) == [
        (0.4, False, 3.0), (0.4, True, 0.0), (1.0, False, 4.0), (1.0, True, 2.0)
    ]  # fmt: skip
    np.testing.assert_allclose(known[4:], [1, 2, 0])
    alike = ChoiceNoise.of(EVERYBODY_ALIKE, 1.0)
    np.testing.assert_allclose(
        simulated_people.shares(simulated_people.people(counts, truth, [2], seed=0), alike) * 12, [9, 1, 2, 0]
    )
