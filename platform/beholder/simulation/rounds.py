"""Rounds of questions that simulated people answer, and how good the recommendation is after each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.recommending import acquisition
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedChooser, edit_set, image_id
from beholder.statistics import sigmoid

FIGURES = ("regret", "regret_logits", "preferred", "accuracy")
_HELD_OUT = 300  # pairs that nobody is asked, on which accuracy is measured


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The figures of one person after each round, float64 [rounds + 1] each, from before the first question.

    regret: the true utility of the best edit less that of the recommended one, as a share of the range from the worst to the best;
    regret_logits: the same in logits. preferred: the true probability that the recommended edit is preferred to the unedited
    image. accuracy: the share of held-out pairs whose truly preferred side has the higher predicted utility.
    """

    regret: np.ndarray
    regret_logits: np.ndarray
    preferred: np.ndarray
    accuracy: np.ndarray


def play(ranker: Ranker, strategy: str, person: SimulatedChooser, truth: GroundTruth, *, rounds: int, seed: int) -> Trajectory:
    """Ask a person whom the ranker does not know so many questions, and recommend after each.

    The ranker learns from the answers, under a name of the person and the strategy. What is recommended is the edit of the highest
    predicted utility, or none where the unedited image has it. It is compared with the person's utilities at that moment.
    """
    edits = edit_set(truth, person.image)
    pairs = held_out(len(edits), seed=seed)
    excluded = {(int(min(pair)), int(max(pair))) for pair in pairs}
    name = f"{person.user_id} {strategy}"
    rng = np.random.default_rng([seed, 1])
    trajectory = Trajectory(*(np.zeros(rounds + 1) for _ in FIGURES))
    for turn in range(rounds + 1):
        moment = turn / max(rounds, 1)
        _measure(trajectory, turn, _utilities(ranker, name, edits), person.utilities(moment), pairs)
        if turn == rounds:
            break
        asked = acquisition.ask(strategy, ranker, name, edits, edits.unedited, seed=int(rng.integers(2**31)), without=excluded)
        outcome = person.choose(asked.left, asked.right, moment=moment, rng=rng)
        sides = edits[asked.left], edits[asked.right]
        ranker.update(Comparison(name, image_id(truth, person.image), *sides, outcome, float(turn)))
    return trajectory


def held_out(count: int, *, seed: int) -> np.ndarray:
    """Return pairs of different rows, int [P, 2], none twice."""
    rng = np.random.default_rng([seed, 0])
    left, right = np.triu_indices(count, 1)
    some = rng.choice(len(left), min(_HELD_OUT, len(left) // 2), replace=False)
    return np.stack([left[some], right[some]], axis=1)


def _utilities(ranker: Ranker, name: str, edits: EditSet) -> np.ndarray:
    """Return predicted utilities of the unedited image, then of every candidate, [1 + C]."""
    return np.concatenate([ranker.joint(name, edits.unedited).mean, ranker.joint(name, edits).mean])


def _measure(trajectory: Trajectory, turn: int, predicted: np.ndarray, true: np.ndarray, pairs: np.ndarray) -> None:
    """Write a turn's figures. predicted, true: utilities [1 + C]."""
    recommended = int(np.argmax(predicted))
    trajectory.regret_logits[turn] = true.max() - true[recommended]
    trajectory.regret[turn] = trajectory.regret_logits[turn] / max(true.max() - true.min(), 1e-12)
    trajectory.preferred[turn] = sigmoid(true[recommended] - true[0])
    gaps, true_gaps = (utilities[1 + pairs[:, 0]] - utilities[1 + pairs[:, 1]] for utilities in (predicted, true))
    trajectory.accuracy[turn] = np.where(gaps == 0, 0.5, (gaps > 0) == (true_gaps > 0)).mean()


def curves(trajectories: Sequence[Trajectory], figure: str) -> np.ndarray:
    """Return one figure of many people, [P, rounds + 1]."""
    return np.stack([getattr(trajectory, figure) for trajectory in trajectories])
