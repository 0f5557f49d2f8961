"""Looks learned from examples: what simulated people made of some photos says what they will make of others.

A person makes of a photo what they like best of it. What that implies, as `beholder learn` takes it, is learned from the photos
before and after; what they make of photos that nobody has shown is then to be rated above other looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.encoder import Encoder
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.own_photos.drawn_embeddings import DrawnEmbeddings
from beholder.recommending.own_photos.look_service import implied
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRanker, BayesRankerConfig
from beholder.recommending.store.question import Choice
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import edit_set


@dataclass(frozen=True, eq=False)
class LookExamples:
    """What P people made of I photos. liked: utilities of each photo as it is, then of each candidate, float64 [P, I, 1 + C]."""

    truth: GroundTruth
    user_ids: tuple[str, ...]
    liked: np.ndarray

    @property
    def made(self) -> np.ndarray:
        """What each person made of each photo, int [P, I]: a row of the candidates, or -1 where they left it as it was."""
        return np.asarray(self.liked.argmax(axis=2) - 1)

    def comparisons(self, encoder: Encoder, people: Sequence[int], photos: Sequence[int]) -> list[Comparison]:
        """Return what people's photos imply, as choices, person by person and photo by photo."""
        features = EditFeatures(DrawnEmbeddings(encoder), self.truth.candidates)
        edits = self.truth.candidates.edits()
        shown = {
            photo: EditableImage(
                f"seed-{self.truth.seeds[photo]}", self.truth.latents[photo], self.truth.original_embeddings[photo]
            )
            for photo in photos
        }
        result = []
        for person in people:
            for photo in photos:
                row = int(self.made[person, photo])
                look = {} if row < 0 else edits[row]
                for question, answer in implied(self.user_ids[person], shown[photo].image_id, look, edits):
                    assert answer is not None
                    result.append(features.comparison(Choice(question, answer, 0), shown[photo]))
        return result


def rated_above(ranker: BayesRanker, user_id: str, examples: LookExamples, person: int, photos: Sequence[int]) -> float:
    """Return how often what a person made of photos is rated above another look, 0..1: 0.5 by chance, ties half."""
    shares = []
    for photo in photos:
        edits: EditSet = edit_set(examples.truth, photo)
        rated = ranker.utilities(user_id, edits.unedited + edits)
        row = int(examples.made[person, photo]) + 1
        others = np.delete(rated, row)
        shares.append(float(((rated[row] > others) + 0.5 * (rated[row] == others)).mean()))
    return float(np.mean(shares))


def learned_and_usual(
    ranker: BayesRanker, encoder: Encoder, examples: LookExamples, person: int, *, shown: Sequence[int], held_out: Sequence[int]
) -> tuple[float, float]:
    """Return `rated_above` on held-out photos by a person's taste learned from those shown, and by the usual person's."""
    user_id = examples.user_ids[person]
    usual = rated_above(ranker, user_id, examples, person, held_out)
    own = ranker.of_person(None)
    for comparison in examples.comparisons(encoder, [person], shown):
        own.update(comparison)
    return rated_above(own, user_id, examples, person, held_out), usual


def population(examples: LookExamples, encoder: Encoder, photos: Sequence[int], config: BayesRankerConfig) -> BayesRanker:
    """Return a ranker whose prior is learned from what all these people made of photos."""
    return bayes_ranker.fit(examples.comparisons(encoder, range(len(examples.user_ids)), photos), config)
