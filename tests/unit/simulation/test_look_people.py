"""Simulated people with preferences about looks: what is drawn, and what they like."""

import numpy as np
import pytest

from beholder.encoder import Encoder, EncoderConfig
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.own_photos.look_service import look_candidates, look_encoder
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.simulation import look_examples, look_people, rounds, simulated_people
from beholder.simulation.look_examples import LookExamples
from beholder.simulation.look_people import TRAITS
from beholder.simulation.simulated_people import SimulatedPeopleConfig

FEW = SimulatedPeopleConfig(steady=6, noisy=2, drifting=2)


@pytest.fixture(scope="module")
def truth():
    encoder = Encoder.load(look_encoder(EncoderConfig()))
    return look_people.ground_truth(encoder, look_candidates(CandidatesConfig(count=150)), [3, 4])


def test_every_landscape_is_described_under_every_candidate(truth):
    assert truth.traits.shape == (2, 150, len(TRAITS))
    assert truth.embeddings.shape[:2] == (2, 150)
    names, alphas = truth.candidates.directions, truth.candidates.alphas
    alone = (alphas != 0).sum(axis=1) == 1
    lighter = np.flatnonzero(alone & (alphas[:, names.index("exposure")] > 0))
    column = TRAITS.index("light_11")
    assert (truth.traits[0, lighter, column] > truth.original_traits[0, column]).all()
    np.testing.assert_array_equal(truth.traits[0, :, TRAITS.index("grain")], alphas[:, names.index("grain")])


def test_people_are_the_same_for_a_seed_and_sure_by_their_kind(truth):
    people = look_people.look_people(FEW, truth, [0, 1], seed=1)
    again = look_people.look_people(FEW, truth, [0, 1], seed=1)
    others = look_people.look_people(FEW, truth, [0, 1], seed=2)
    assert [person.kind for person in people] == [person.kind for person in again]
    np.testing.assert_array_equal(people[0].first, again[0].first)
    assert not np.allclose(people[0].first, others[0].first)
    for person in people:
        assert person.first[0] == 0
        low, high = np.quantile(person.first, (0.25, 0.75))
        assert (high - low) / 1.349 == pytest.approx(0.9 if person.kind == "noisy" else 3.0, rel=1e-6)
        assert (person.kind == "drifting") == (not np.array_equal(person.first, person.last))


def test_liking_ends_somewhere(truth):
    """Nobody likes the strongest looks best on everything: some candidate in the middle is better than most ends."""
    people = look_people.look_people(SimulatedPeopleConfig(steady=20, noisy=0, drifting=0), truth, [0], seed=3)
    size = np.abs(truth.candidates.alphas).sum(axis=1)
    best = [size[int(np.argmax(person.first[1:]))] for person in people]
    assert np.mean(best) < np.quantile(size, 0.9)


def test_they_can_be_asked(truth):
    person = look_people.look_people(SimulatedPeopleConfig(steady=1, noisy=0, drifting=0), truth, [1], seed=0)[0]
    ranker = bayes_ranker.begin(simulated_people.edit_set(truth, 1), BayesRankerConfig())
    trajectory = rounds.play(ranker, "eubo", person, truth, rounds=3, seed=0)
    assert len(trajectory.regret) == 4


def test_what_somebody_made_of_a_photo_says_what_they_will_make_of_another(truth):
    encoder = Encoder.load(look_encoder(EncoderConfig()))
    users = tuple(f"editor-{number}" for number in range(6))
    examples = LookExamples(truth, users, look_people.liked_everywhere(truth, len(users), seed=1))
    best = examples.liked[2, 1].argmax() - 1
    assert examples.made[2, 1] == best
    ranker = bayes_ranker.begin(simulated_people.edit_set(truth, 0), BayesRankerConfig())
    scores = np.array(
        [
            look_examples.learned_and_usual(ranker, encoder, examples, person, shown=[0], held_out=[1])
            for person in range(len(users))
        ]
    )
    np.testing.assert_allclose(scores[:, 1], 0.5)  # nothing is known of the usual person
    assert scores[:, 0].mean() > 0.7
