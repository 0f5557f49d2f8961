"""Rounds of questions that simulated people answer, and how good the recommendation is after each."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.recommending import acquisition
from beholder.recommending.acquisition import QuestionsConfig
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.ranking import PROBABILITY
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedChooser, edit_set, image_id
from beholder.statistics import sigmoid

FIGURES = ("regret", "regret_logits", "preferred", "accuracy", "told")
_HELD_OUT = 300  # pairs that nobody is asked, on which accuracy is measured


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The figures of one person after each round, float64 [rounds + 1] each, from before the first question.

    regret: the true utility of the best edit less that of the recommended one, as a share of the range from the worst to the best;
    regret_logits: the same in logits. preferred: the true probability that the recommended edit is preferred to the unedited
    image; told: what the ranker says it is. accuracy: the share of held-out pairs whose truly preferred side has the higher
    predicted utility. image: the row of the ground truth that they were asked about.
    """

    regret: np.ndarray
    regret_logits: np.ndarray
    preferred: np.ndarray
    accuracy: np.ndarray
    told: np.ndarray
    image: int = 0


def play(
    ranker: Ranker,
    strategy: str,
    person: SimulatedChooser,
    truth: GroundTruth,
    *,
    rounds: int,
    seed: int,
    questions: QuestionsConfig = acquisition.ANY,
    by: str | None = None,
) -> Trajectory:
    """Ask a person whom the ranker does not know so many questions, and recommend after each.

    The ranker learns from the answers, under a name of the person and the strategy. What is recommended is the edit of the highest
    predicted utility, or the one most probably preferred to the unedited image (by="probability"), or none where that is not
    predicted to be better than the unedited image. It is compared with the person's utilities at that moment.
    """
    edits = edit_set(truth, person.image)
    pairs = held_out(len(edits), seed=seed)
    excluded = {(int(min(pair)), int(max(pair))) for pair in pairs}
    name = f"{person.user_id} {strategy}"
    rng = np.random.default_rng([seed, 1])
    trajectory = _trajectory(np.zeros((len(FIGURES), rounds + 1)), person.image)
    asked: list[tuple[int, int]] = []
    for turn in range(rounds + 1):
        moment = turn / max(rounds, 1)
        predicted = _utilities(ranker, name, edits)
        recommended = _recommended(ranker, name, edits, predicted, by)
        _measure(trajectory, turn, predicted, person.utilities(moment), pairs, recommended)
        trajectory.told[turn] = _told(ranker, name, edits, recommended)
        if turn == rounds:
            break
        again = acquisition.repeatable(asked) if acquisition.is_repeat(turn + 1, questions) else []
        if again:
            sides = [(edits[asked[number][0]], edits[asked[number][1]]) for number in again]
            right, left = asked[again[acquisition.repeated(ranker, name, sides)]]
        else:
            pair = acquisition.ask(
                strategy,
                ranker,
                name,
                edits,
                edits.unedited,
                seed=int(rng.integers(2**31)),
                without=excluded,
                config=questions,
                lean=acquisition.lean(asked, predicted[1:]),
                number=turn + 1,
            )
            left, right = pair.left, pair.right
        asked.append((left, right))
        outcome = person.choose(left, right, moment=moment, rng=rng)
        ranker.update(Comparison(name, image_id(truth, person.image), edits[left], edits[right], outcome, float(turn)))
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


def _recommended(ranker: Ranker, name: str, edits: EditSet, predicted: np.ndarray, by: str | None) -> int:
    """Return the row of the recommended edit in utilities [1 + C]: 0 for the unedited image."""
    if by != PROBABILITY:
        return int(np.argmax(predicted))
    gain = ranker.gain_over(name, edits, edits.unedited)
    best = int(np.argmax(gain.probability))
    return 1 + best if gain.mean[best] > 0 else 0


def _told(ranker: Ranker, name: str, edits: EditSet, recommended: int) -> float:
    """Return the probability that the recommended edit is preferred to the unedited image: 0.5 where that is the image itself."""
    return 0.5 if recommended == 0 else float(ranker.preferred(name, edits[recommended - 1], edits.unedited)[0])


def _measure(
    trajectory: Trajectory, turn: int, predicted: np.ndarray, true: np.ndarray, pairs: np.ndarray, recommended: int
) -> None:
    """Write a turn's figures. predicted, true: utilities [1 + C]; recommended: the row of these."""
    trajectory.regret_logits[turn] = true.max() - true[recommended]
    trajectory.regret[turn] = trajectory.regret_logits[turn] / max(true.max() - true.min(), 1e-12)
    trajectory.preferred[turn] = sigmoid(true[recommended] - true[0])
    gaps, true_gaps = (utilities[1 + pairs[:, 0]] - utilities[1 + pairs[:, 1]] for utilities in (predicted, true))
    trajectory.accuracy[turn] = np.where(gaps == 0, 0.5, (gaps > 0) == (true_gaps > 0)).mean()


def curves(trajectories: Sequence[Trajectory], figure: str) -> np.ndarray:
    """Return one figure of many people, [P, rounds + 1]."""
    return np.stack([getattr(trajectory, figure) for trajectory in trajectories])


def dump(trajectories: Sequence[Trajectory]) -> bytes:
    """Return trajectories as the bytes of a file that `parse` reads."""
    buffer = io.BytesIO()
    images = np.array([each.image for each in trajectories])
    np.savez_compressed(buffer, images=images, figures=np.stack([curves(trajectories, figure) for figure in FIGURES], axis=1))
    return buffer.getvalue()


def parse(data: bytes) -> list[Trajectory]:
    """Read what `dump` returned."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return [_trajectory(rows, int(image)) for rows, image in zip(file["figures"], file["images"], strict=True)]


def _trajectory(figures: np.ndarray, image: int) -> Trajectory:
    """Return a trajectory of figures in the order of FIGURES, [5, rounds + 1]."""
    regret, regret_logits, preferred, accuracy, told = figures
    return Trajectory(regret, regret_logits, preferred, accuracy, told, image)
