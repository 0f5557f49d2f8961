"""Summary of a simulation: means with intervals over people, rankers compared with each other, and goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from beholder.simulation.rounds import FIGURES, Trajectory, curves
from beholder.simulation.simulated_people import SimulatedChooser
from beholder.statistics import Interval, bootstrap_clusters

Cell = tuple[str, str]  # a ranker and a strategy
Results = Mapping[Cell, Sequence[Trajectory]]  # of the same people, in order
BEST = ("bayes", "eubo")  # the default of the service
RANDOM = ("bayes", "random")
FREE = ("bayes any directions", "eubo")  # questions that differ in any number of directions
_WITHIN = 0.05  # of the regret of such questions, what is lost by those that a person can answer


def table(results: Results, people: Sequence[SimulatedChooser]) -> pd.DataFrame:
    """Return a row for each ranker, strategy, person and round."""
    rows = []
    for (ranker, strategy), trajectories in results.items():
        for person, trajectory in zip(people, trajectories, strict=True):
            figures = {name: getattr(trajectory, name) for name in FIGURES}
            key = {"ranker": ranker, "strategy": strategy, "user_id": person.user_id, "kind": person.kind}
            rows.append(pd.DataFrame({**key, "rounds": np.arange(len(trajectory.regret)), **figures}))
    return pd.concat(rows, ignore_index=True)


def means(trajectories: Sequence[Trajectory], figure: str) -> list[Interval]:
    """Return a figure after each number of rounds, with its interval over people and images."""
    return bootstrap_clusters(curves(trajectories, figure), _images(trajectories))


def lead(trajectories: Sequence[Trajectory], others: Sequence[Trajectory], figure: str) -> list[Interval]:
    """Return how much higher a figure is than that of the same people in `others`, after each number of rounds: paired."""
    return bootstrap_clusters(curves(trajectories, figure) - curves(others, figure), _images(trajectories))


def _images(trajectories: Sequence[Trajectory]) -> np.ndarray:
    return np.array([trajectory.image for trajectory in trajectories])


def rounds_to_reach(trajectories: Sequence[Trajectory], level: float) -> int | None:
    """Return after how many rounds the mean regret is at most this, and stays so for two rounds more; None: never."""
    reached = curves(trajectories, "regret").mean(axis=0) <= level
    steady = [bool(reached[at : at + 3].all()) for at in range(len(reached))]
    return steady.index(True) if any(steady) else None


@dataclass(frozen=True)
class Calibration:
    """What a kind of people was told after so many choices, and what is true: the probability that the recommended edit is
    preferred to the unedited image. error: what was told less what is true, with its interval over people and images."""

    kind: str
    people: int
    rounds: int
    told: float
    true: float
    error: Interval


def calibration(trajectories: Sequence[Trajectory], people: Sequence[SimulatedChooser], counts: Sequence[int]) -> list[Calibration]:
    """Return the calibration of each kind of people after each of these numbers of choices."""
    result = []
    for kind in dict.fromkeys(person.kind for person in people):
        own = [each for each, person in zip(trajectories, people, strict=True) if person.kind == kind]
        told, true = curves(own, "told"), curves(own, "preferred")
        errors = bootstrap_clusters(told - true, _images(own))
        result += [
            Calibration(kind, len(own), count, float(told[:, count].mean()), float(true[:, count].mean()), errors[count])
            for count in counts
        ]
    return result


def largest_error(trajectories: Sequence[Trajectory], people: Sequence[SimulatedChooser], counts: Sequence[int]) -> float:
    """Return how far what is told is off on average for the kind of people, and the number of choices, where it is most."""
    gaps = (curves(trajectories, "told") - curves(trajectories, "preferred"))[:, list(counts)]
    kinds = np.array([person.kind for person in people])
    return max(float(np.abs(gaps[kinds == kind].mean(axis=0)).max()) for kind in np.unique(kinds))


@dataclass(frozen=True)
class Goal:
    """A claim, what was measured, and whether that reaches it; None where that can't tell, as of one person alone."""

    claim: str
    measured: str
    reached: bool | None


def goals(results: Results) -> list[Goal]:
    """Return the goals that these results can tell of."""
    goals: list[Goal] = []
    rounds = len(next(iter(results.values()))[0].regret) - 1
    if BEST in results:
        preferred = means(results[BEST], "preferred")
        for count, least in ((5, 0.8), (20, 0.9)):
            if count <= rounds:
                chance = preferred[count]
                measured = f"{chance.mean:.3f} [{chance.low:.3f}, {chance.high:.3f}]"
                claim = f"after {count} choices the recommended edit is preferred to the image as it is with P >= {least}"
                goals.append(Goal(claim, measured, chance.mean >= least if len(results[BEST]) > 1 else None))
    goals += [_sooner(results, ranker) for ranker in ("bayes", "bayes alone") if (ranker, "random") in results and rounds >= 20]
    if BEST in results and FREE in results and rounds:
        goals.append(_as_good(results[BEST], results[FREE]))
    for own, other in _rivals(results):
        last = min(20, rounds)
        ahead = lead(results[own], results[other], "regret")[: last + 1]
        nearest = max(range(last + 1), key=lambda at: ahead[at].high)
        claim = f"regret of {' '.join(own)} less that of {' '.join(other)} is below 0 after 0..{last} rounds"
        goals.append(Goal(claim, f"nearest after {nearest}: {ahead[nearest]}", ahead[nearest].high < 0))
    return goals


def _sooner(results: Results, ranker: str) -> Goal:
    """Return how soon chosen questions reach the regret of 20 random ones. Where those are no better than none, it can't tell."""
    random = curves(results[ranker, "random"], "regret").mean(axis=0)
    chosen = {strategy: each for (name, strategy), each in results.items() if name == ranker and strategy != "random"}
    needed = {strategy: rounds_to_reach(each, float(random[20])) for strategy, each in chosen.items()}
    counts = ", ".join(f"{strategy} {'never' if count is None else count}" for strategy, count in needed.items())
    claim = f"{ranker}: the best strategy comes to the regret of 20 random questions in <= 12"
    measured = f"{counts} (random: {random[0]:.3f} before the first, {random[20]:.3f} after 20)"
    if random[20] >= random[0]:
        return Goal(claim, measured, None)
    return Goal(claim, measured, min((count for count in needed.values() if count is not None), default=99) <= 12)


def _as_good(own: Sequence[Trajectory], free: Sequence[Trajectory]) -> Goal:
    """Return whether questions that differ in few directions cost little regret; None where that can't be told."""
    regret, other = (curves(each, "regret")[:, 1:].mean(axis=1) for each in (own, free))
    worse = bootstrap_clusters((regret - other)[:, None] / max(float(other.mean()), 1e-12), _images(own))[0]
    measured = f"{worse.mean:+.1%} [{worse.low:+.1%}, {worse.high:+.1%}] (any directions: {other.mean():.4f})"
    reached = True if worse.high <= _WITHIN else False if worse.low > _WITHIN else None
    return Goal(f"regret over the rounds is within {_WITHIN:.0%} of that with questions in any directions", measured, reached)


def by_kind(
    trajectories: Sequence[Trajectory], people: Sequence[SimulatedChooser], figure: str
) -> dict[str, tuple[int, np.ndarray]]:
    """Return for each kind of people how many they are, and the mean of a figure after each number of rounds."""
    values, kinds = curves(trajectories, figure), np.array([person.kind for person in people])
    return {str(kind): (int((kinds == kind).sum()), values[kinds == kind].mean(axis=0)) for kind in dict.fromkeys(kinds)}


def _rivals(results: Results) -> list[tuple[Cell, Cell]]:
    """Return bayes and each published ranker: with random questions both, and with questions of their own choice."""
    others = [cell for cell in results if cell[0] in ("logistic", "lightgbm", "ranknet")]
    pairs = [(RANDOM if cell[1] == "random" else BEST, cell) for cell in others]
    return [(own, other) for own, other in pairs if own in results]
