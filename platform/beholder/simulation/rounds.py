"""Simulation: rounds of questions that simulated people answer, and after each how good the recommendation has become."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.recommending import acquisition
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedPeople, edit_set

FIGURES = ("regret", "regret_logits", "preferred", "accuracy")
_HELD_OUT = 300  # pairs that nobody is asked and everybody is judged by


@dataclass(frozen=True, eq=False)
class Trajectory:
    """How it went with one person, each float64 [rounds + 1], from before the first question.

    regret: the true utility of the best edit less that of the recommended one, as a share of the range from the worst to the best;
    regret_logits: the same in logits. preferred: the true probability that the recommended edit is preferred to the image as it is.
    accuracy: the share of held-out pairs in which the side that is truly liked more is said to be.
    """

    regret: np.ndarray
    regret_logits: np.ndarray
    preferred: np.ndarray
    accuracy: np.ndarray


def play(ranker: Ranker, strategy: str, person: SimulatedPeople, gallery: GroundTruth, *, rounds: int, seed: int) -> Trajectory:
    """Ask a person whom the ranker does not know so many questions, and recommend after each.

    The ranker learns from the answers, under a name of the person and the strategy. What is recommended is the edit of the highest
    utility, or none where none is held to be better than the image as it is. The truth that counts is the one of that moment.
    """
    seen = edit_set(gallery, person.image)
    pairs = held_out(len(seen), seed=seed)
    out = {(int(min(pair)), int(max(pair))) for pair in pairs}
    name = f"{person.user_id} {strategy}"
    rng = np.random.default_rng([seed, 1])
    course = Trajectory(*(np.zeros(rounds + 1) for _ in FIGURES))
    for turn in range(rounds + 1):
        moment = turn / max(rounds, 1)
        _judge(course, turn, _utilities(ranker, name, seen), person.utilities(moment), pairs)
        if turn == rounds:
            break
        asked = acquisition.ask(strategy, ranker, name, seen, seen.unedited, seed=int(rng.integers(2**31)), without=out)
        outcome = person.choose(asked.left, asked.right, moment=moment, rng=rng)
        ranker.update(
            Comparison(name, f"seed-{gallery.seeds[person.image]}", seen[asked.left], seen[asked.right], outcome, float(turn))
        )
    return course


def held_out(count: int, *, seed: int) -> np.ndarray:
    """Pairs of different rows, int [P, 2], none twice."""
    rng = np.random.default_rng([seed, 0])
    left, right = np.triu_indices(count, 1)
    some = rng.choice(len(left), min(_HELD_OUT, len(left) // 2), replace=False)
    return np.stack([left[some], right[some]], axis=1)


def _utilities(ranker: Ranker, name: str, seen: EditSet) -> np.ndarray:
    """Of the image as it is, then of every candidate, [1 + C]."""
    return np.concatenate([ranker.joint(name, seen.unedited).mean, ranker.joint(name, seen).mean])


def _judge(course: Trajectory, turn: int, told: np.ndarray, true: np.ndarray, pairs: np.ndarray) -> None:
    picked = int(np.argmax(told))
    course.regret_logits[turn] = true.max() - true[picked]
    course.regret[turn] = course.regret_logits[turn] / max(true.max() - true.min(), 1e-12)
    course.preferred[turn] = 1 / (1 + np.exp(true[0] - true[picked]))
    gaps, truths = (scores[1 + pairs[:, 0]] - scores[1 + pairs[:, 1]] for scores in (told, true))
    course.accuracy[turn] = np.where(gaps == 0, 0.5, (gaps > 0) == (truths > 0)).mean()


def curves(courses: Sequence[Trajectory], figure: str) -> np.ndarray:
    """One figure of many people, [P, rounds + 1]."""
    return np.stack([getattr(course, figure) for course in courses])
